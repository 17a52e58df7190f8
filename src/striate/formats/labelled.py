"""From pictures with class names, as every classification format finds them, to a `Reading`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt

from striate.errors import DataError, PictureError
from striate.formats.base import Reading
from striate.formats.listing import natural_key
from striate.images import load_array
from striate.structures import Annotation, Count, Label, Labels, PictureSource, Problem, Sample

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture and the names of its classes: one, or where several may hold any number."""

    source: PictureSource
    names: tuple[str, ...]
    group: str | None = None


@dataclass(slots=True)
class Findings:
    """What a classification format collects while it reads.

    Attributes:
        splits: Entries by split; the key `""` holds those for which no split is given.
        several: Whether several classes may hold for one picture.
        declared: Class names that the format itself lists, in its order; `None`: those that occur.
        problems: What is wrong.
        notes: How it was read.
    """

    splits: dict[str, list[Entry]] = field(default_factory=dict)
    several: bool = False
    declared: tuple[str, ...] | None = None
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def load_whole(path: Path, key: str = "") -> npt.NDArray[Any]:
    """An array file that all else depends on: a damaged one stops the reading, rather than each of its pictures.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return load_array(path, key)
    except PictureError as error:
        raise DataError(error.what, where=error.where, fix=error.fix) from error


def build_reading(format: str, path: Path, found: Findings) -> Reading:
    """Settles the classes and turns names into indices.

    Classes are those of the training split, or of all pictures where there is none. Pictures of other splits that
    show a class which never occurs in training are left out and reported, since no answer to them can be right.

    Raises:
        DataError: No pictures.
    """
    splits = {name: entries for name, entries in found.splits.items() if entries}
    if not splits:
        raise DataError(
            "no picture with a label was found here.",
            where=path,
            fix="Put each class's pictures in a folder of its own, or list files and labels in a CSV table.",
        )
    splits = settle_splits(splits, found.notes)
    classes = found.declared or _classes_of(splits.get("train") or [e for part in splits.values() for e in part])
    position = {name: index for index, name in enumerate(classes)}
    trained = _trained(splits, position, found)
    samples = {name: _samples(name, entries, position, trained, found) for name, entries in splits.items()}
    return Reading(
        format=format,
        task="multilabel" if found.several else "classification",
        classes=tuple(classes),
        splits={name: part for name, part in samples.items() if part},
        problems=found.problems,
        notes=found.notes,
    )


def settle_splits(splits: dict[str, list[T]], notes: list[str]) -> dict[str, list[T]]:
    """Without a training split, nothing can be learned from the others as they are named: they become unsplit."""
    if "train" in splits or set(splits) == {""}:
        return splits
    if "" in splits:
        notes.append(f"No split is called training: {Count(len(splits[''])):picture} without a split for training.")
        return {"train": splits.pop(""), **splits}
    names = " and ".join(f"{name!r} ({Count(len(entries)):picture})" for name, entries in splits.items())
    notes.append(f"There is no training split: {names} count as unsplit, and splits are made from them.")
    return {"": [entry for entries in splits.values() for entry in entries]}


def _classes_of(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(sorted({name for entry in entries for name in entry.names}, key=natural_key))


def _trained(splits: dict[str, list[Entry]], position: dict[str, int], found: Findings) -> set[str]:
    """Names of the classes that can be learned; declared ones that never occur are reported."""
    occurring = {name for entry in splits.get("train", splits.get("", [])) for name in entry.names}
    for name in position:
        if name not in occurring:
            found.problems.append(
                Problem(
                    "class-without-pictures",
                    name,
                    f"no training picture shows class {name!r}, so it cannot be learned.",
                    "Add training pictures of it.",
                )
            )
    return occurring


def _samples(
    split: str, entries: Sequence[Entry], position: dict[str, int], trained: set[str], found: Findings
) -> list[Sample]:
    samples, unknown = [], Counter[str]()
    annotations: dict[tuple[str, ...], Annotation] = {}
    for entry in entries:
        if entry.names not in annotations:
            strange = [name for name in entry.names if name not in trained]
            if strange and split not in ("", "train"):
                unknown.update(strange[:1])
                continue
            indices = tuple(sorted(position[name] for name in set(entry.names)))
            annotations[entry.names] = Labels(indices) if found.several else Label(indices[0])
        samples.append(Sample(entry.source, annotations[entry.names], entry.group))
    noun = f"picture of the {split} split shows|pictures of the {split} split show"
    for name, count in unknown.items():
        found.problems.append(
            Problem(
                "unknown-label",
                f"{split}: {name}",
                f"{format(Count(count), noun)} {name!r}, which never occurs in the training split.",
                "They are left out. Add training pictures of this class, or correct the label if it is misspelt.",
                "dropped",
            )
        )
    return samples
