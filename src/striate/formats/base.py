"""What every annotation format can do, and how the format of a folder is found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from striate.errors import DataError
from striate.registry import Registry
from striate.structures import Problem, Sample, Slicing

GIVEN_SPLITS = ("train", "validation", "test")
"""The names of splits inside Striate. Formats map `val`, `valid`, `validate`, `dev`, ... onto them."""

_CLEARLY_THERE = 0.85
"""Confidence from which on annotation is named, although a surer format is read."""


@dataclass(frozen=True, slots=True)
class Sniff:
    """How sure a format is that it can read a path.

    Attributes:
        confidence: 0..1. 1 is certain (a magic number, a file that only this format has).
        reason: What was seen, one phrase.
    """

    confidence: float
    reason: str


@dataclass(slots=True)
class Reading:
    """What a format found at a path, before any split is made.

    Attributes:
        format: Name of the format.
        task: Name of the task that the annotation is for.
        classes: Class names; annotation indices point into them.
        splits: Samples by split name; the key `""` holds samples for which no split is given.
        problems: What is wrong with the annotation (not with the pixels, which nobody has read yet).
        notes: How it was read, a sentence each ("paired 30 pictures with the column 'file'").
    """

    format: str
    task: str
    classes: tuple[str, ...]
    splits: dict[str, list[Sample]]
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Format(ABC):
    """One annotation format. A subclass registers an instance in `FORMATS` at the end of its file."""

    name: str
    title: str
    """What it is, in a phrase, for tables and menus."""
    tasks: tuple[str, ...]
    """Names of the tasks whose annotation it can hold."""
    unflagged_tasks: tuple[str, ...] = ()
    """Those of its tasks in which it cannot say that an object is a crowd or need not be found."""
    names_classes: bool = True
    """Whether it says of which class an object is; one that does not has one class."""

    @abstractmethod
    def sniff(self, path: Path) -> Sniff | None:
        """Looks at file names and first bytes only; `None` where it is not this format."""

    @abstractmethod
    def read(self, path: Path, task: str | None = None) -> Reading:
        """Reads all annotation.

        Args:
            path: The folder or file.
            task: The task wanted, where a folder of this format can hold annotation for several; `None`, or one that
                it does not hold: the task that most of the annotation is for. The caller compares.

        Raises:
            DataError: It cannot be understood.
        """

    def read_sliced(self, path: Path, task: str | None, slicing: Slicing) -> Reading:
        """The same, for a caller who says how volumes are cut; formats of pictures have none.

        Raises:
            DataError: It cannot be understood.
        """
        del slicing
        return self.read(path, task)

    @abstractmethod
    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes pictures and annotation so that `read` gives the same samples again.

        Raises:
            RequestError: The format cannot hold this annotation or these pixels; says which and why.
            StorageError: The files cannot be written.
        """


FORMATS: Registry[Format] = Registry("format", "striate.formats")


def find_format(path: Path) -> tuple[Format, Sniff]:
    """The format that is surest about a path.

    Raises:
        DataError: None knows it, or two are equally sure (the flag that decides is named).
    """
    return _find_formats(path)[0]


def _find_formats(path: Path) -> list[tuple[Format, Sniff]]:
    """All formats that may be the one of a path, the surest first.

    Raises:
        DataError: See `find_format`.
    """
    # Here, since that module reads folders as formats do and formats import this one.
    from striate.formats.foreign import find_damage, refusal

    damage = find_damage(path)
    if damage is not None:
        raise damage
    found = [(fmt, sniff) for fmt in FORMATS if (sniff := fmt.sniff(path)) is not None]
    if not found:
        raise refusal(path)
    found.sort(key=lambda pair: -pair[1].confidence)
    equal = [pair for pair in found if pair[1].confidence == found[0][1].confidence]
    if len(equal) > 1:
        seen = "; ".join(f"{fmt.name} ({sniff.reason})" for fmt, sniff in equal)
        choices = " or ".join(f"--format {fmt.name}" for fmt, _ in equal)
        raise DataError(f"two formats fit equally well: {seen}.", where=path, fix=f"Say which: {choices}.")
    return found


def _others_in_words(chosen: Format, others: Sequence[tuple[Format, Sniff]]) -> list[str]:
    """Annotation for other tasks that is left aside: the surest format need not be the one that is meant."""
    return [
        f"Other annotation is left aside: {sniff.reason}. `--format {fmt.name}` reads it."
        for fmt, sniff in others
        if sniff.confidence >= _CLEARLY_THERE and not set(fmt.tasks) <= set(chosen.tasks)
    ]


def read_folder(
    path: Path, format: str | None = None, task: str | None = None, slicing: Slicing | None = None
) -> Reading:
    """Reads the annotation at a path in the named format, or in the one that fits best, for a task where one is named.

    Args:
        path: The folder or file.
        format: Name of the format.
        task: Name of the task.
        slicing: How volumes are cut into slices, where there are volumes.

    Raises:
        DataError: See `find_format`.
        UnknownNameError: No such format.
    """
    if format is None:
        (surest, _), *others = _find_formats(path)
        reading = surest.read_sliced(path, task, slicing or Slicing())
        reading.notes += _others_in_words(surest, others)
        return reading
    from striate.formats.foreign import find_damage

    chosen = FORMATS.get(format)
    damage = find_damage(path)
    if damage is not None:
        raise damage
    return chosen.read_sliced(path, task, slicing or Slicing())
