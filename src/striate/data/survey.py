"""From a path to a checked and split data set, with everything that was found on the way."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.annotations import ObjectFacts, check_annotations, renumbered
from striate.data.collecting import earlier_objects_aside
from striate.data.dataset import ALL, Dataset
from striate.data.duplicates import DuplicateSet, duplicate_problems, find_copies
from striate.data.facts import PictureFacts
from striate.data.learnable import (
    Pool,
    check_classes,
    check_reading,
    check_splits,
    refuse_unreadable,
    refuse_unusable,
)
from striate.data.oddities import (
    class_problems,
    find_oddities,
    nothing_to_find,
    once_a_volume,
    shift_problems,
    torn_groups,
    unfit_channels,
    unlearnable_class,
)
from striate.data.patients import with_patients
from striate.data.privacy import shows_scans, sum_up
from striate.data.readings import read_turned, refuse_other_task
from striate.data.scan import PictureKeeper, scan_pictures
from striate.data.splits import class_counts, class_indices, make_splits, merge_groups
from striate.errors import DataError, RequestError
from striate.formats import Reading
from striate.formats.base import GIVEN_SPLITS
from striate.formats.foreign import find_damage
from striate.formats.listing import listed_once
from striate.structures import SPATIAL_TASKS, VOID, Count, Problem, Sample, Slicing

HELD_BACK = GIVEN_SPLITS[1:]

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


@earlier_objects_aside()
def survey_data(
    path: str | Path,
    *,
    task: str | None = None,
    format: str | None = None,
    wishes: SplitWishes | None = None,
    slicing: Slicing | None = None,
    progress: Callable[[int, int], None] | None = None,
    found: Found | None = None,
) -> Survey:
    """Reads the annotation, checks every picture, looks for duplicates, and keeps or makes the splits.

    `found` gets what is found on the way; other arguments and errors are those of `striate.data.open_dataset`.
    """
    root = Path(path)
    found = found if found is not None else Found()
    wishes = wishes or SplitWishes()
    found.reading = reading = _read(root, format, task, slicing)
    check_reading(root, reading)
    pool = _scan(root, reading, progress, found)
    check_classes(root, reading, pool)
    duplicates = find_copies(pool.samples, pool.facts)
    splits, given, notes = _split(pool, duplicates, wishes)
    check_splits(root, splits)
    given_splits = {name: splits[name] for name in given if name in splits}
    problems = [
        *_void_unlearnable(pool, reading, given_splits),
        *nothing_to_find(pool.labels, splits, reading),
        *reading.problems,
        *pool.problems,
        *duplicate_problems(pool.samples, pool.splits, given, duplicates),
        *torn_groups(pool.samples, pool.splits, given),
        *shift_problems(pool.samples, pool.facts, given_splits),
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


@earlier_objects_aside()
def unsplit_data(
    path: str | Path,
    *,
    task: str | None = None,
    slicing: Slicing | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Reads the annotation and checks every picture; arguments and errors are those of `striate.data.open_unsplit`."""
    root = Path(path)
    reading = _read(root, None, task, slicing)
    pool = _scan(root, reading, progress, Found())
    given = tuple(name for name in GIVEN_SPLITS if name in pool.splits)
    splits = {name or ALL: [i for i, own in enumerate(pool.splits) if own == name] for name in (*given, "")}
    splits = {name: chosen for name, chosen in splits.items() if chosen}
    problems = [*reading.problems, *pool.problems]
    return _describe_pool(root, reading, pool, splits, given, problems, tuple(reading.notes))


@listed_once()
def _read(root: Path, format: str | None, task: str | None, slicing: Slicing | None) -> Reading:
    check_path(root)
    reading = read_turned(root, format, task, slicing)
    refuse_other_task(root, reading, task)
    if damage := find_damage(root):
        raise damage
    return reading


def _describe_pool(
    root: Path,
    reading: Reading,
    pool: Pool,
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
        **usual_picture(pool.facts, [pool.facts[i] for i in splits.get("train", ())]),
        problems=tuple(sorted(problems, key=lambda problem: problem.severity != "dropped")),
        notes=notes,
        scans=shows_scans(pool.samples, problems),
    )


def usual_picture(facts: Sequence[PictureFacts], learned: Sequence[PictureFacts] = ()) -> dict[str, Any]:
    """What most pictures are like, as fields of a data set; channels and depth are those of most that are trained on.

    Args:
        facts: Facts of all pictures.
        learned: Those of training pictures; of all where there are none.
    """
    learned = learned or facts
    names = Counter(fact.channel_names for fact in learned).most_common(1)[0][0]
    median = np.median([fact.size_hw for fact in facts], axis=0)
    return {
        "channels": len(names),
        "channel_names": names,
        "bit_depth": Counter(fact.bit_depth for fact in learned).most_common(1)[0][0],
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


def _scan(root: Path, reading: Reading, progress: Callable[[int, int], None] | None, found: Found) -> Pool:
    samples = [sample for part in reading.splits.values() for sample in part]
    splits = [name for name, part in reading.splits.items() for _ in part]
    done = 0

    def report(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, len(samples))

    samples = with_patients(samples)
    keeper = PictureKeeper()
    found.facts = facts = scan_pictures(samples, progress=report, keeper=keeper)
    samples = [keeper.holding(sample) for sample in samples]
    refuse_unreadable(root, facts)
    bad_channels = unfit_channels(facts, [split not in HELD_BACK for split in splits])
    kept = [i for i, fact in enumerate(facts) if fact.readable and i not in bad_channels]
    problems = [problem for fact in facts for problem in fact.problems] + list(bad_channels.values())
    problems = once_a_volume(problems, {sample.name: sample.case for sample in samples if sample.case is not None})
    problems = sum_up(problems, samples)
    objects: dict[int, ObjectFacts] = {}
    if reading.task in SPATIAL_TASKS:
        checked = check_annotations([samples[i] for i in kept], [facts[i].size_hw for i in kept], len(reading.classes))
        problems += [problem for one in checked for problem in one.problems]
        for index, one in zip(kept, checked, strict=True):
            if one.sample is not None:
                samples[index] = replace(one.sample, size_hw=facts[index].size_hw)
                objects[index] = one.facts
        kept = list(objects)
        refuse_unusable(root, checked)
    labels = [objects[i].present if objects else class_indices(samples[i]) for i in kept]
    problems += find_oddities([facts[i] for i in kept], [samples[i].case for i in kept])
    return Pool(
        [samples[i] for i in kept],
        [facts[i] for i in kept],
        [splits[i] for i in kept],
        labels,
        [objects[i] for i in kept] if objects else [],
        problems,
    )


def _split(
    pool: Pool, duplicates: Sequence[DuplicateSet], wishes: SplitWishes
) -> tuple[dict[str, list[int]], tuple[str, ...], list[str]]:
    """Positions by split, the names of the given ones, and in words what was done."""
    found: dict[str, list[int]] = {}
    for index, name in enumerate(pool.splits):
        found.setdefault(name, []).append(index)
    groups = merge_groups(pool.samples, [duplicate.indices for duplicate in duplicates])
    held_back = [name for name in HELD_BACK if name in found]
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


def _void_unlearnable(pool: Pool, reading: Reading, given: Mapping[str, Sequence[int]]) -> list[Problem]:
    """Makes pixels void whose class no training mask shows: no answer there could be right.

    Formats do the same for boxes; masks in files are opened here first.
    """
    if reading.task != "segmentation":
        return []
    trained = {label for index in given.get("train", ()) for label in pool.labels[index]}
    problems = []
    for name, chosen in given.items():
        strange = sorted({label for index in chosen for label in pool.labels[index]} - trained)
        place = tuple(VOID if index in strange else index for index in range(len(reading.classes)))
        affected = [index for index in chosen if not trained.issuperset(pool.labels[index])]
        for index in affected:
            sample = pool.samples[index]
            pool.samples[index] = replace(sample, annotation=renumbered(sample.annotation, place))
        problems += [
            unlearnable_class(name, reading.classes[label], sum(label in pool.labels[i] for i in affected))
            for label in strange
        ]
    return problems


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
