"""Problems that many files may have: the first few of a kind are told one by one, the others are counted."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal

from striate.structures import Problem

_TOLD = 10


class Tally:
    """Problems by kind, at most one for each file and kind."""

    def __init__(self) -> None:
        self._kinds: defaultdict[tuple[str, str, str], dict[str, list[str]]] = defaultdict(dict)

    def add(self, kind: str, path: str, detail: str, fix: str, severity: Literal["dropped", "note"] = "note") -> None:
        """Takes down what is wrong with a file; a file may have the same kind of problem in several places.

        Args:
            kind: As in `Problem`.
            path: The file.
            detail: What was expected and found, a phrase without a full stop.
            fix: What was done or can be done; the same for all files of one kind.
            severity: As in `Problem`.
        """
        self._kinds[kind, fix, severity].setdefault(path, []).append(detail)

    def problems(self) -> list[Problem]:
        """What was taken down, by kind in the order of its first file."""
        found = []
        for (kind, fix, severity), files in self._kinds.items():
            severe: Literal["dropped", "note"] = "dropped" if severity == "dropped" else "note"
            for path, details in list(files.items())[:_TOLD]:
                found.append(Problem(kind, path, _sentence(details), fix, severe))
            left = list(files)[_TOLD:]
            if left:
                detail = f"{len(left)} more files, after the first {_TOLD}, have the same problem (as in {left[0]})."
                found.append(Problem(kind, f"{len(left)} more files", detail, fix, severe))
        return found


def _sentence(details: list[str]) -> str:
    more = f" ({len(details)} such places in this file; the others: {'; '.join(details[1:4])}" if details[1:] else ""
    if more:
        more += ", ...)" if len(details) > 4 else ")"
    return f"{details[0]}{more}."
