"""From a path to a checked and split data set, with everything that was found on the way."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.annotations import SPATIAL_TASKS, Checked, ObjectFacts, check_annotations
from striate.data.dataset import Dataset
from striate.data.duplicates import DuplicateSet, duplicate_problems, find_duplicates
from striate.data.facts import PictureFacts
from striate.data.oddities import class_problems, find_oddities, shift_problems, unfit_channels
from striate.data.readings import read_turned, refuse_other_task
from striate.data.scan import PictureKeeper, scan_pictures
from striate.data.splits import class_counts, class_indices, make_splits, merge_groups
from striate.errors import DataError, RequestError
from striate.formats import Reading
from striate.formats.foreign import find_damage
from striate.structures import Count, Problem, Sample

_MOST_UNREADABLE = 0.5
_LARGEST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class SplitWishes:
    """How splits are made where none are given.

    Attributes:
        validation_share: Share of the pictures for validation, above 0 and at most 0.5.
        test_share: Share for the test, at most 0.5; 0 makes none.
        seed: Seed of the shuffling.

    Raises:
        RequestError: A share is out of range.
    """

    validation_share: float = 0.15
    test_share: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("validation_share", "above 0"), ("test_share", "0")):
            share = getattr(self, name)
            if not 0 <= share <= _LARGEST_SHARE or (share == 0 and least != "0"):
                raise RequestError(
                    f"must be a number from {least} to {_LARGEST_SHARE}, got {share}.",
                    where=name,
                    fix="0.15 is the default.",
                )


@dataclass(frozen=True, slots=True)
class Survey:
    """A data set and what was measured of its pictures.

    Attributes:
        dataset: The data set.
        facts: Facts of the pictures of each split, in its order.
        duplicates: Sets of pictures that show the same.
        labels: Classes that each picture of each split shows, each once.
        objects: What was measured of the boxes or masks of each picture; nothing for tasks without them.
    """

    dataset: Dataset
    facts: Mapping[str, tuple[PictureFacts, ...]]
    duplicates: tuple[tuple[Sample, ...], ...]
    labels: Mapping[str, tuple[tuple[int, ...], ...]]
    objects: Mapping[str, tuple[ObjectFacts, ...]]


@dataclass(slots=True)
class Found:
    """What a survey has found so far, which stays known where the set is refused.

    Attributes:
        reading: The annotation, once it is read.
        facts: Facts of the pictures of all its splits, in order, once they are scanned.
    """

    reading: Reading | None = None
    facts: list[PictureFacts] = field(default_factory=list)


def survey_data(
    path: str | Path,
    *,
    task: str | None = None,
    format: str | None = None,
    wishes: SplitWishes | None = None,
    progress: Callable[[int, int], None] | None = None,
    found: Found | None = None,
) -> Survey:
    """Reads the annotation, checks every picture, looks for duplicates, and keeps or makes the splits.

    `found` gets what is found on the way; other arguments and errors are those of `striate.data.open_dataset`.
    """
    root = Path(path)
    found = found if found is not None else Found()
    check_path(root)
    wishes = wishes or SplitWishes()
    found.reading = reading = read_turned(root, format, task)
    refuse_other_task(root, reading, task)
    _check_reading(root, reading)
    if damage := find_damage(root):
        raise damage
    pool = _scan(root, reading, progress, found)
    _check_classes(root, reading, pool)
    duplicates = find_duplicates(pool.facts)
    splits, given, notes = _split(pool, duplicates, wishes)
    _check_splits(root, splits)
    problems = [
        *reading.problems,
        *pool.problems,
        *duplicate_problems(pool.samples, pool.splits, given, duplicates),
        *shift_problems(pool.samples, pool.facts, {name: splits[name] for name in given if name in splits}),
        *class_problems(class_counts([pool.labels[i] for i in splits["train"]], len(reading.classes)), reading.classes),
        *_missing_test(splits),
    ]
    dataset = _describe_pool(root, reading, pool, splits, given, problems, (*reading.notes, *notes))
    return Survey(
        dataset,
        {name: tuple(pool.facts[i] for i in chosen) for name, chosen in splits.items()},
        tuple(tuple(pool.samples[i] for i in found.indices) for found in duplicates),
        {name: tuple(pool.labels[i] for i in chosen) for name, chosen in splits.items()},
        {name: tuple(pool.objects[i] for i in chosen) for name, chosen in splits.items()} if pool.objects else {},
    )


def _describe_pool(
    root: Path,
    reading: Reading,
    pool: _Pool,
    splits: Mapping[str, Sequence[int]],
    given: tuple[str, ...],
    problems: Sequence[Problem],
    notes: tuple[str, ...],
) -> Dataset:
    return Dataset(
        root=root,
        task=reading.task,
        format=reading.format,
        classes=reading.classes,
        splits={name: tuple(pool.samples[i] for i in chosen) for name, chosen in splits.items()},
        given=given,
        **usual_picture(pool.facts),
        problems=tuple(sorted(problems, key=lambda problem: problem.severity != "dropped")),
        notes=notes,
    )


def usual_picture(facts: Sequence[PictureFacts]) -> dict[str, Any]:
    """What most pictures are like, as fields of a data set."""
    names = Counter(fact.channel_names for fact in facts).most_common(1)[0][0]
    median = np.median([fact.size_hw for fact in facts], axis=0)
    return {
        "channels": len(names),
        "channel_names": names,
        "bit_depth": Counter(fact.bit_depth for fact in facts).most_common(1)[0][0],
        "median_size_hw": (round(float(median[0])), round(float(median[1]))),
        "sizes_hw": dict(Counter(fact.size_hw for fact in facts).most_common()),
    }


def check_path(path: Path) -> None:
    """Says where a path that does not exist goes wrong.

    Raises:
        DataError: There is no such file or folder; similar names are offered.
    """
    if path.exists():
        return
    parent = next((folder for folder in path.absolute().parents if folder.is_dir()), Path.cwd())
    missing = path.absolute().relative_to(parent).parts[0]
    near = difflib.get_close_matches(missing, [child.name for child in parent.iterdir()], n=3, cutoff=0.5)
    offer = f"Did you mean {' or '.join(near)}?" if near else "Check the path."
    raise DataError(
        f"there is no such file or folder; {parent} exists, but {missing} is not in it.", where=path, fix=offer
    )


def _check_reading(root: Path, reading: Reading) -> None:
    strange = [problem for problem in reading.problems if problem.kind == "unknown-label"]
    # Objects can be ignored one by one, and formats have marked these; a picture's only label cannot.
    if strange and reading.task not in SPATIAL_TASKS:
        more = f" ({len(strange)} such classes in all)" if len(strange) > 1 else ""
        raise DataError(
            f"{strange[0].detail.rstrip('.')}{more}: no answer to them could be right.",
            where=root,
            fix="Add training pictures of this class, correct the label if it is misspelt, or delete these pictures.",
        )


@dataclass(frozen=True, slots=True)
class _Pool:
    """Usable pictures, their facts and the splits that the folder gave, side by side; and what is wrong.

    `objects` is empty for tasks without boxes and masks.
    """

    samples: list[Sample]
    facts: list[PictureFacts]
    splits: list[str]
    labels: list[tuple[int, ...]]
    objects: list[ObjectFacts]
    problems: list[Problem]


def _scan(root: Path, reading: Reading, progress: Callable[[int, int], None] | None, found: Found) -> _Pool:
    samples = [sample for part in reading.splits.values() for sample in part]
    splits = [name for name, part in reading.splits.items() for _ in part]
    done = 0

    def report(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, len(samples))

    keeper = PictureKeeper()
    found.facts = facts = scan_pictures(samples, progress=report, keeper=keeper)
    samples = [keeper.holding(sample) for sample in samples]
    _refuse_unreadable(root, facts)
    bad_channels = unfit_channels(facts)
    kept = [i for i, fact in enumerate(facts) if fact.readable and i not in bad_channels]
    problems = [problem for fact in facts for problem in fact.problems] + list(bad_channels.values())
    objects: dict[int, ObjectFacts] = {}
    if reading.task in SPATIAL_TASKS:
        checked = check_annotations([samples[i] for i in kept], [facts[i].size_hw for i in kept], len(reading.classes))
        problems += [problem for one in checked for problem in one.problems]
        for index, one in zip(kept, checked, strict=True):
            if one.sample is not None:
                samples[index] = replace(one.sample, size_hw=facts[index].size_hw)
                objects[index] = one.facts
        kept = list(objects)
        _refuse_unusable(root, checked)
    labels = [objects[i].present if objects else class_indices(samples[i]) for i in kept]
    problems += find_oddities([facts[i] for i in kept])
    return _Pool(
        [samples[i] for i in kept],
        [facts[i] for i in kept],
        [splits[i] for i in kept],
        labels,
        [objects[i] for i in kept] if objects else [],
        problems,
    )


def _refuse_unusable(root: Path, checked: Sequence[Checked]) -> None:
    lost = [one.problems[-1] for one in checked if one.sample is None]
    if len(lost) > _MOST_UNREADABLE * len(checked):
        raise DataError(
            f"the annotation of {len(lost)} of {Count(len(checked)):picture} cannot be used, so the whole set is "
            f"suspect; for example {lost[0].path}: {lost[0].detail}",
            where=root,
            fix=lost[0].fix,
        )


def _refuse_unreadable(root: Path, facts: Sequence[PictureFacts]) -> None:
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


def _check_classes(root: Path, reading: Reading, pool: _Pool) -> None:
    """Every class that the annotation shows in training must have a readable picture there."""
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
    if "train" in reading.splits and not before.any() and not after.any():
        elsewhere = sum(len(label) > 0 for label in pool.labels)
        raise DataError(
            f"no picture of the training split shows any of the {len(reading.classes)} classes; "
            f"{elsewhere} in other "
            "splits do. There is nothing to learn from.",
            where=root,
            fix="Check the annotation of the training split, or move pictures that show something into it.",
        )
    if not (after >= 2).any():
        raise DataError(
            f"no class has more than one picture ({Count(len(pool.samples)):picture}, "
            f"{Count(len(reading.classes)):class|classes}), so there is nothing to learn from and to check with.",
            where=root,
            fix="Give each class ten pictures or more.",
        )


def _split(
    pool: _Pool, duplicates: Sequence[DuplicateSet], wishes: SplitWishes
) -> tuple[dict[str, list[int]], tuple[str, ...], list[str]]:
    """Positions by split, the names of the given ones, and in words what was done."""
    found: dict[str, list[int]] = {}
    for index, name in enumerate(pool.splits):
        found.setdefault(name, []).append(index)
    groups = merge_groups(pool.samples, [duplicate.indices for duplicate in duplicates])
    held_back = [name for name in ("validation", "test") if name in found]
    trainable = sorted(found.get("train", []) + found.get("", []))
    notes = []
    if found.get("") and held_back:
        notes.append(
            f"{Count(len(found[''])):picture without a split is|pictures without a split are} used for training."
        )
    if "validation" in found:
        return {"train": trainable, **{name: found[name] for name in held_back}}, ("train", *held_back), notes
    shares = {"validation": wishes.validation_share, "test": 0.0 if "test" in found else wishes.test_share}
    made = make_splits(
        [pool.samples[i] for i in trainable],
        [pool.labels[i] for i in trainable],
        [groups[i] for i in trainable],
        {"train": 1.0 - sum(shares.values()), **shares},
        wishes.seed,
    )
    splits = {name: [trainable[i] for i in chosen] for name, chosen in made.items()}
    notes.append(_describe(splits, "test" in found, duplicates, pool.samples, wishes))
    if "test" in found:
        return {**splits, "test": found["test"]}, ("train", "test"), notes
    return splits, (), notes


def _describe(
    splits: Mapping[str, Sequence[int]],
    test_given: bool,
    duplicates: Sequence[DuplicateSet],
    samples: Sequence[Sample],
    wishes: SplitWishes,
) -> str:
    sizes = ", ".join(f"{len(chosen)} {name}" for name, chosen in splits.items())
    what = "The validation split was taken out of the training pictures" if test_given else "The splits were made"
    together = [
        words
        for words, there in (
            ("duplicates", bool(duplicates)),
            ("groups", any(sample.group is not None for sample in samples)),
        )
        if there
    ]
    kept = f"; {' and '.join(together)} stay together" if together else ""
    return f"{what} ({sizes}): classes keep their shares{kept}; seed {wishes.seed}."


def _check_splits(root: Path, splits: Mapping[str, Sequence[int]]) -> None:
    empty = [name for name in ("train", "validation") if not splits.get(name)]
    if empty:
        raise DataError(
            f"no picture is left for {' and '.join(empty)}: all pictures belong together (one group or duplicates of "
            "each other), or there are too few of them.",
            where=root,
            fix="Add pictures, or name the splits yourself by folders called train, validation and test.",
        )


def _missing_test(splits: Mapping[str, Sequence[int]]) -> list[Problem]:
    if splits.get("test"):
        return []
    return [
        Problem(
            "no-test-split",
            "",
            "there is no test split.",
            "Final figures are measured on validation, which also steers training, and are a little too good; hold "
            "some pictures back in a folder called test for an honest figure.",
        )
    ]
