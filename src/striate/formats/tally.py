"""What is wrong with annotation, counted: a thousand equal faults are one problem, with examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from striate.structures import Count, Problem

Severity = Literal["dropped", "note"]

_TOLD = 10
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Fault:
    """Words for a kind of problem.

    Attributes:
        detail: A sentence with `{count}` or, as `Count` takes it, `{count:picture is|pictures are}`; and with
            `{example}` for the first few or `{first}` for the first.
        done: What was done about it, a sentence.
        advice: What can be done, a sentence.
        severity: As in `Problem`.
    """

    detail: str
    done: str
    advice: str
    severity: Severity = "dropped"


class Tally:
    """Counts faults by kind.

    Args:
        faults: Words for each kind, in the order in which they are told.
        file: The one file that all is about; where empty, a problem names the first place it was seen at.
    """

    def __init__(self, faults: Mapping[str, Fault], file: str = "") -> None:
        self.file = file
        self._faults = faults
        self._seen: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)

    def add(self, kind: str, where: str, what: str = "") -> None:
        """Counts one fault.

        Args:
            kind: One of the kinds that there are words for.
            where: A file, or a place in the one that all is about.
            what: More about it.
        """
        self._seen[kind].append((where, f"{where}: {what}".rstrip(".") if what else where))

    def forget(self, *kinds: str) -> None:
        """Counts some faults anew."""
        for kind in kinds:
            self._seen.pop(kind, None)

    def problems(self) -> list[Problem]:
        """One problem for each kind that was seen."""
        found = []
        for kind, words in self._faults.items():
            if seen := self._seen.get(kind):
                examples = [example for _, example in seen]
                detail = words.detail.format(count=Count(len(seen)), example=some_of(examples), first=examples[0])
                place = self.file or seen[0][0]
                found.append(Problem(kind, place, detail, f"{words.done} {words.advice}", words.severity))
        return found


class FileTally:
    """Faults by kind and file: the first few files of a kind are told one by one, the others are counted."""

    def __init__(self) -> None:
        self._kinds: defaultdict[tuple[str, str, Severity], dict[str, list[str]]] = defaultdict(dict)

    def add(self, kind: str, path: str, detail: str, fix: str, severity: Severity = "note") -> None:
        """Takes down what is wrong with a file; a file may have the same kind of fault in several places.

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
            told = list(files.items())[:_TOLD]
            found += [Problem(kind, path, _sentence(details), fix, severity) for path, details in told]
            left = list(files)[_TOLD:]
            if left:
                detail = f"{len(left)} more files, after the first {_TOLD}, have the same problem (as in {left[0]})."
                found.append(Problem(kind, f"{len(left)} more files", detail, fix, severity))
        return found


def _sentence(details: Sequence[str]) -> str:
    first, *others = details
    if not others:
        return f"{first}."
    shown = "; ".join(others[:3]) + (", ..." if others[3:] else "")
    return f"{first} ({len(details)} such places in this file; the others: {shown})."


def some_of(names: Iterable[str], most: int = _NAMED) -> str:
    """The first few of some names, for a sentence."""
    different = list(dict.fromkeys(names))
    return ", ".join(different[:most]) + (", ..." if len(different) > most else "")


def left_out(kind: str, names: Sequence[str], noun: str, what: str, advice: str, named: int = 1) -> list[Problem]:
    """One problem for all files that are left out for the same reason; none where there are none.

    Args:
        kind: As in `Problem`.
        names: The files.
        noun: What they are, with a verb, as `Count` takes it ("picture has|pictures have").
        what: The rest of the reason ("no mask").
        advice: What can be done, a sentence.
        named: How many files are named.
    """
    if not names:
        return []
    detail = f"{format(Count(len(names)), noun)} {what} ({some_of(names, named)})."
    return [Problem(kind, names[0], detail, f"Left out. {advice}", "dropped")]
