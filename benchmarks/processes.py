"""Contenders as processes: started once, warmed up, then asked in turn, and stopped while another one is timed."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

CONTENDERS = Path(__file__).resolve().parent / "contenders"
LIMIT_S = 600.0
"""No answer after this long counts as a failure."""


class ContenderError(Exception):
    """A contender ended or fell silent; the message holds its last words."""


@dataclass(slots=True)
class Contender:
    """One process that does the same work again and again.

    Attributes:
        name: As it stands in the table.
        script: File in contenders/.
        arguments: Its command line.
        python: Interpreter; this one where not given.
        changes: What differs from its command line, in every run that follows.
        results: Answers so far.
        versions: Of its packages.
        failure: Why it dropped out; empty while it has not.
    """

    name: str
    script: str
    arguments: Sequence[str]
    python: Path = Path(sys.executable)
    changes: dict[str, Any] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    _process: subprocess.Popen[str] | None = None
    _lines: queue.Queue[str | None] = field(default_factory=queue.Queue)
    _errors: Any = None

    def start(self) -> None:
        """Starts and warms up.

        Raises:
            ContenderError: It did not get ready.
        """
        command = [str(self.python), str(CONTENDERS / self.script), *self.arguments, "--wait"]
        # The comparison is of processors; a graphics card would only be used by some.
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "STRIATE_OFFLINE": "1"}
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process runs
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
            cwd=CONTENDERS,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        self.versions = self._answer()["versions"]
        self._pause(True)

    def run(self) -> dict[str, Any]:
        """Does the work once; the answer is also kept.

        Raises:
            ContenderError: It ended or fell silent.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        self._pause(False)
        try:
            self._process.stdin.write(json.dumps(self.changes) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise ContenderError(f"{self.name}: {self._last_words()}") from error
        self.results.append(self._answer())
        self._pause(True)
        return self.results[-1]

    def close(self) -> None:
        """Ends the process: by the end of its input, so that it can tidy up, else by force."""
        if self._process is not None:
            self._pause(False)
            assert self._process.stdin is not None
            try:
                self._process.stdin.close()
                self._process.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                self._process.kill()
                self._process.wait()
            self._errors.close()
            self._process = None

    def median(self, field_name: str) -> float | None:
        """Median of one field of the answers; `None` where an answer lacks it."""
        values = [result[field_name] for result in self.results]
        return None if not values or None in values else float(median(values))

    def spread(self, value: Callable[[dict[str, Any]], float]) -> float:
        """Largest minus smallest of some figure of the answers, as a share of its median."""
        values = [value(result) for result in self.results]
        return float((max(values) - min(values)) / median(values))

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _answer(self) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=LIMIT_S)
        except queue.Empty:
            raise ContenderError(f"{self.name}: no answer after {LIMIT_S:.0f} s") from None
        if line is None:
            raise ContenderError(f"{self.name}: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().splitlines() if line.strip()]
        return lines[-1] if lines else "it ended without a word"

    def _pause(self, still: bool) -> None:
        """Idle threads of some runtimes spin for a while; a stopped process takes nothing from the next one."""
        if self._process is not None and self._process.poll() is None and hasattr(signal, "SIGSTOP"):
            self._process.send_signal(signal.SIGSTOP if still else signal.SIGCONT)


def alternate(
    contenders: Sequence[Contender],
    rounds: int,
    select: Callable[[Sequence[Contender]], Sequence[Contender]] = lambda contenders: contenders,
    scout: Callable[[Contender], None] | None = None,
) -> None:
    """Starts all contenders, lets them work in turn, and ends them; one that fails drops out and says why.

    Args:
        contenders: In the order of their turns.
        rounds: Turns of each.
        select: Which of them go on after the first round.
        scout: What each may find out about itself before the rounds.
    """
    try:
        for contender in contenders:
            _attempt(contender, contender.start)
        if scout is not None:
            for contender in contenders:
                _attempt(contender, partial(scout, contender))
        going = contenders
        for number in range(rounds):
            for contender in going:
                _attempt(contender, contender.run)
                _say(f"  round {number + 1}/{rounds}: {contender.name}")
            if number == 0:
                going = select(contenders)
    finally:
        for contender in contenders:
            contender.close()


def _attempt(contender: Contender, work: Callable[[], object]) -> None:
    if contender.failure:
        return
    try:
        work()
    except ContenderError as error:
        contender.failure = str(error)
        contender.close()
        _say(f"  {error}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
