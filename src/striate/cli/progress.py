"""Progress on the terminal: lines as they come, and a bar for whatever takes longer than two seconds."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from striate.cli.output import message_console

if TYPE_CHECKING:
    from striate.evaluation import EpochRecord

PATIENCE_S = 2.0


class TerminalProgress:
    """Listens to a run (`striate.training.progress.Progress`) and shows it on standard error.

    A bar appears only on a terminal, and only for a part that has gone on for `PATIENCE_S`. Use it in a `with`, so
    that no bar is left standing.

    Args:
        quiet: Show bars only, no lines.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = message_console()
        self._quiet = quiet
        self._bar: Progress | None = None
        self._what = ""
        self._started_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def say(self, line: str) -> None:
        """Prints one sentence."""
        if not self._quiet:
            self._console.print(line, soft_wrap=not self._console.is_terminal)

    def part(self, what: str, done: int, total: int) -> None:
        """Moves the bar of a part; a new name starts a new bar."""
        if what != self._what:
            self._close()
            self._what, self._started_s = what, time.monotonic()
        if done >= total > 0:
            self._close()
            return
        if not self._console.is_terminal or time.monotonic() - self._started_s < PATIENCE_S:
            return
        if self._bar is None:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.add_task(what, total=total)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done, total=total)

    def epoch(self, record: EpochRecord, epochs: int, verdict: str, left_s: float | None) -> None:
        """Prints the line of an epoch."""
        from striate.training.progress import epoch_line

        self.say(epoch_line(record, epochs, verdict, left_s))

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._what = ""
