"""Whether anything can be learned from a set: what is refused before training begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from striate.data.annotations import Checked, ObjectFacts
from striate.data.facts import PictureFacts
from striate.data.splits import Counts, class_counts, class_indices
from striate.errors import DataError
from striate.formats import Reading
from striate.structures import SPATIAL_TASKS, Count, Problem, Sample

_MOST_UNREADABLE = 0.5


@dataclass(frozen=True, slots=True)
class Pool:
    """Usable pictures, their facts and the splits that the folder gave, side by side; and what is wrong.

    `objects` is empty for tasks without boxes and masks.
    """

    samples: list[Sample]
    facts: list[PictureFacts]
    splits: list[str]
    labels: list[tuple[int, ...]]
    objects: list[ObjectFacts]
    problems: list[Problem]


def check_reading(root: Path, reading: Reading) -> None:
    """Refuses labels of whole pictures that training does not know, or that are all the same.

    Raises:
        DataError: They are.
    """
    strange = [problem for problem in reading.problems if problem.kind == "unknown-label"]
    # Objects can be ignored one by one, and formats have marked these; a picture's only label cannot.
    if strange and reading.task not in SPATIAL_TASKS:
        more = f" ({len(strange)} such classes in all)" if len(strange) > 1 else ""
        raise DataError(
            f"{strange[0].detail.rstrip('.')}{more}: no answer to them could be right.",
            where=root,
            fix="Add training pictures of this class, correct the label if it is misspelt, or delete these pictures.",
        )
    if reading.task == "classification":
        learned = reading.splits.get("train") or [sample for part in reading.splits.values() for sample in part]
        shown = {index for sample in learned for index in class_indices(sample)}
        if len(shown) < 2:
            count = sum(map(len, reading.splits.values()))
            there = "the only picture is" if count == 1 else f"all {count} pictures are"
            raise DataError(
                f"{there} of one class, {reading.classes[min(shown)]!r}; a classifier needs at least two.",
                where=root,
                fix="Add pictures of another class, for example in a folder beside the first one.",
            )


def check_classes(root: Path, reading: Reading, pool: Pool) -> None:
    """Every class that the annotation shows in training must have a readable picture there.

    Raises:
        DataError: One has none, or there is nothing to tell apart.
    """
    trains = {"train"} if "train" in reading.splits else set(reading.splits)
    before = class_counts([class_indices(s) for name in trains for s in reading.splits[name]], len(reading.classes))
    after = class_counts(
        [label for label, split in zip(pool.labels, pool.splits, strict=True) if split in trains],
        len(reading.classes),
    )
    for index in np.flatnonzero((before > 0) & (after == 0)):
        # What was left out comes first; else boxes or masks were, and their pictures stayed.
        example = min(pool.problems, key=lambda problem: problem.severity != "dropped")
        raise DataError(
            f"no picture of class {reading.classes[index]!r} can be used ({before[index]} tried); "
            f"for example {example.path}: {example.detail}",
            where=root,
            fix=f"{example.fix} Or remove the class.",
        )
    _check_contrast(root, reading, pool, before, after)
    if not (after >= 2).any():
        raise DataError(
            f"no class has more than one picture ({Count(len(pool.samples)):picture}, "
            f"{Count(len(reading.classes)):class|classes}), so there is nothing to learn from and to check with.",
            where=root,
            fix="Give each class ten pictures or more.",
        )


def _check_contrast(root: Path, reading: Reading, pool: Pool, before: Counts, after: Counts) -> None:
    """Refuses training pictures that show no object, or masks of one class; numbers before and after the check."""
    if "train" in reading.splits and not before.any() and not after.any():
        elsewhere = sum(len(label) > 0 for label in pool.labels)
        raise DataError(
            f"no picture of the training split shows any of the {len(reading.classes)} classes; "
            f"{elsewhere} in other splits do. There is nothing to learn from.",
            where=root,
            fix="Check the annotation of the training split, or move pictures that show something into it.",
        )
    if reading.task == "segmentation" and np.count_nonzero(after) < 2:
        only = f"only {reading.classes[int(after.argmax())]!r}" if after.any() else "none of the classes"
        count = Count(sum(split in ("", "train") for split in pool.splits))
        raise DataError(
            f"the masks of the {count:training picture} show {only}, so there is nothing to tell apart.",
            where=root,
            fix="Check the masks of the training split, or move pictures that show something into it.",
        )


def check_splits(root: Path, splits: Mapping[str, Sequence[int]]) -> None:
    """Refuses a set that leaves a split without pictures.

    Raises:
        DataError: Naming the split.
    """
    empty = [name for name in ("train", "validation") if not splits.get(name)]
    if empty:
        raise DataError(
            f"no picture is left for {' and '.join(empty)}: all pictures belong together (one group or duplicates of "
            "each other), or there are too few of them.",
            where=root,
            fix="Add pictures, or name the splits yourself by folders called train, validation and test.",
        )


def refuse_unusable(root: Path, checked: Sequence[Checked]) -> None:
    """Refuses a set most of whose annotation cannot be used.

    Raises:
        DataError: With an example.
    """
    lost = [one.problems[-1] for one in checked if one.sample is None]
    if len(lost) > _MOST_UNREADABLE * len(checked):
        raise DataError(
            f"the annotation of {len(lost)} of {Count(len(checked)):picture} cannot be used, so the whole set is "
            f"suspect; for example {lost[0].path}: {lost[0].detail}",
            where=root,
            fix=lost[0].fix,
        )


def refuse_unreadable(root: Path, facts: Sequence[PictureFacts]) -> None:
    """Refuses a set most of whose pictures cannot be read.

    Raises:
        DataError: With the kinds of trouble and an example.
    """
    bad = [fact.problems[0] for fact in facts if not fact.readable]
    if len(bad) <= _MOST_UNREADABLE * len(facts):
        return
    kinds = Counter(problem.kind for problem in bad).most_common()
    seen = ", ".join(f"{count} {kind}" for kind, count in kinds)
    example = next(problem for problem in bad if problem.kind == kinds[0][0])
    raise DataError(
        f"{len(bad)} of {Count(len(facts)):picture} cannot be read ({seen}), so the whole set is suspect; "
        f"for example {example.path}: {example.detail}",
        where=root,
        fix=example.fix,
    )
