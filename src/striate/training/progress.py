"""How training tells what it is doing; the command line, the API and tests each listen in their own way."""

from __future__ import annotations

import sys
from typing import Protocol

from striate.evaluation import EpochRecord


class Progress(Protocol):
    """Listens to a run."""

    def say(self, line: str) -> None:
        """One sentence about what is going on or was chosen."""

    def part(self, what: str, done: int, total: int) -> None:
        """How far one long piece of work has come."""

    def epoch(self, record: EpochRecord, epochs: int, verdict: str, left_s: float | None) -> None:
        """One epoch is over.

        Args:
            record: Its figures.
            epochs: Epochs now planned.
            verdict: The verdict so far, one or two words; empty where nothing was evaluated.
            left_s: Seconds that the run will still take, measuring and the report included, where known.
        """


class Silent:
    """Says nothing."""

    def say(self, line: str) -> None:
        """Ignores it."""

    def part(self, what: str, done: int, total: int) -> None:
        """Ignores it."""

    def epoch(self, record: EpochRecord, epochs: int, verdict: str, left_s: float | None) -> None:
        """Ignores it."""


class Lines:
    """Prints plain lines on standard error, for the Python API and for logs."""

    def say(self, line: str) -> None:
        """Prints it."""
        sys.stderr.write(line + "\n")

    def part(self, what: str, done: int, total: int) -> None:
        """Prints the end of it only."""
        if done == total:
            sys.stderr.write(f"{what}: {total}\n")

    def epoch(self, record: EpochRecord, epochs: int, verdict: str, left_s: float | None) -> None:
        """Prints the line of `epoch_line`."""
        sys.stderr.write(epoch_line(record, epochs, verdict, left_s) + "\n")


def epoch_line(record: EpochRecord, epochs: int, verdict: str, left_s: float | None) -> str:
    """Training and validation side by side, the verdict so far and the time left, in under 80 columns."""
    parts = [f"epoch {record.epoch:>{len(str(epochs))}}/{epochs}", f"loss {record.batch_loss:.3f}"]
    about = "" if record.exact else "~"
    if record.train is not None and record.validation is not None:
        parts.append(f"train {about}{record.train:.3f}  validation {about}{record.validation:.3f}")
    elif record.train is not None:
        parts.append(f"train {about}{record.train:.3f}")
    if verdict:
        parts.append(verdict)
    if left_s is not None:
        parts.append(f"{_minutes(left_s)} left")
    return "  ".join(parts)


def _minutes(seconds: float) -> str:
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"
