"""What is odd about a set of pictures as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from striate.data.facts import PictureFacts
from striate.data.shift import split_shift
from striate.data.splits import Counts
from striate.errors import PictureError
from striate.formats import Reading
from striate.images import to_channels
from striate.structures import Count, Label, Problem, Sample

T = TypeVar("T")

_USUAL_SHARE = 0.9
_IMBALANCE = 10.0
_FEWEST_CLASSES = {"detection": 1, "instances": 1, "segmentation": 2}
"""Classes that a split must show, so that there is something to find in it: background alone is nothing."""

_USES = {
    "validation": "The weights to keep are chosen without it: move pictures with objects into this split.",
    "test": "Final figures are those of the validation split, a little too good: move pictures with objects here.",
}
"""What is lost where nothing can be measured on a split."""


def unfit_channels(facts: Sequence[PictureFacts], learned: Sequence[bool]) -> dict[int, Problem]:
    """Pictures whose channels cannot be turned into those that most training pictures have, by position.

    Args:
        facts: Facts of all pictures.
        learned: Whether each may be trained on.
    """
    usual = _most_common(
        [fact.channel_names for fact, own in zip(facts, learned, strict=True) if own and fact.readable]
        or [fact.channel_names for fact in facts if fact.readable]
    )
    fits: dict[tuple[str, ...], str] = {}
    unfit = {}
    for index, fact in enumerate(facts):
        if not fact.readable:
            continue
        names = fact.channel_names
        if names not in fits:
            fits[names] = _why_unfit(names, usual)
        if fits[names]:
            fix = "Left out. Save all pictures with the same channels."
            unfit[index] = Problem("channels", fact.name, fits[names], fix, severity="dropped")
    return unfit


def _why_unfit(names: tuple[str, ...], usual: tuple[str, ...]) -> str:
    try:
        to_channels(np.zeros((len(names), 1, 1), np.uint8), len(usual), names, target_names=usual)
    except PictureError as error:
        return error.what
    return ""


def _most_common(items: Sequence[T]) -> T:
    return Counter(items).most_common(1)[0][0]


def torn_groups(samples: Sequence[Sample], splits: Sequence[str], given: Sequence[str]) -> list[Problem]:
    """Groups, patients for example, that given splits have torn apart: one problem for each pair of splits.

    Args:
        samples: The pictures.
        splits: Split of each as the data set gave it.
        given: Names of the splits that stay as they were given.
    """
    where: dict[str, dict[str, str]] = {}
    for sample, split in zip(samples, splits, strict=True):
        if sample.group is not None and split in given:
            where.setdefault(sample.group, {}).setdefault(split, sample.name)
    torn: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for names in where.values():
        for measured, earlier in (("validation", "train"), ("test", "train"), ("test", "validation")):
            if measured in names and earlier in names:
                torn.setdefault((measured, earlier), []).append((names[measured], names[earlier]))
    return [
        Problem(
            "leakage",
            pairs[0][0],
            f"{Count(len(pairs)):patient or group is|patients or groups are} in {earlier} and in {measured} "
            f"({pairs[0][0]} and {pairs[0][1]}).",
            f"Results on {measured} are too good: move all pictures of a patient into one split, or have new splits "
            "made.",
        )
        for (measured, earlier), pairs in torn.items()
    ]


def once_a_volume(problems: Sequence[Problem], cases: Mapping[str, str]) -> list[Problem]:
    """The same problems, but those that all slices of a volume share are told once, of the volume.

    Args:
        problems: Of pictures.
        cases: The volume of each picture that is a slice, by its name.
    """
    if not cases:
        return list(problems)
    kept: dict[tuple[str, str, str], Problem] = {}
    for problem in problems:
        case = cases.get(problem.path, problem.path)
        kept.setdefault((case, problem.kind, problem.detail), replace(problem, path=case))
    return list(kept.values())


def find_oddities(facts: Sequence[PictureFacts], cases: Sequence[str | None] = ()) -> list[Problem]:
    """Mixed channels, bit depths and sizes, among readable pictures.

    Args:
        facts: Their facts.
        cases: The volume that each is a slice of, where there are volumes; each of these counts once.
    """
    if any(cases):
        facts = list({case or fact.name: fact for case, fact in zip(cases, facts, strict=True)}.values())
    return [
        *_mixed(
            "mixed-channels",
            [(f"{fact.channels} ({', '.join(fact.channel_names)})", fact.name) for fact in facts],
            "channels",
            "All are turned into those most training pictures have; see the documentation of channels for the rules.",
        ),
        *_mixed(
            "mixed-bit-depths",
            [(f"{fact.bit_depth} ({fact.dtype})", fact.name) for fact in facts],
            "bits a value",
            "Values of different depth mean different brightness; save all pictures in one depth.",
        ),
        *_sizes(facts),
    ]


def _mixed(kind: str, seen: Sequence[tuple[str, str]], what: str, fix: str) -> Iterator[Problem]:
    counts = Counter(value for value, _ in seen).most_common()
    if len(counts) < 2:
        return
    first = dict(reversed(seen))
    rest = ", ".join(f"{Count(count):has|have} {value}, for example {first[value]}" for value, count in counts[1:3])
    more = ", and others" if len(counts) > 3 else ""
    detail = f"{Count(counts[0][1]):picture has|pictures have} {counts[0][0]} {what}; {rest}{more}."
    yield Problem(kind, first[counts[1][0]], detail, fix)


def _sizes(facts: Sequence[PictureFacts]) -> Iterator[Problem]:
    sizes = Counter(fact.size_hw for fact in facts)
    if len(sizes) < 2:
        return
    usual, count = sizes.most_common(1)[0]
    if count >= _USUAL_SHARE * len(facts):
        for fact in facts:
            if fact.size_hw != usual:
                height, width = fact.size_hw
                detail = (
                    f"{height} x {width} pixels, where {count} of {len(facts)} pictures have {usual[0]} x {usual[1]}."
                )
                fix = "It is scaled like the others; check that it belongs here."
                yield Problem("odd-size", fact.name, detail, fix)
        return
    least, most = (pick(sizes, key=lambda size: size[0] * size[1]) for pick in (min, max))
    yield Problem(
        "mixed-sizes",
        next(fact.name for fact in facts if fact.size_hw == most),
        f"{len(sizes)} sizes, from {least[0]} x {least[1]} to {most[0]} x {most[1]} pixels (height x width).",
        "All are scaled to one size for training.",
    )


def class_problems(counts: Counts, classes: Sequence[str]) -> list[Problem]:
    """Classes with a single training picture, and classes far smaller than others.

    Args:
        counts: `(K,)` training pictures of each class.
        classes: Their names.
    """
    problems = [
        Problem(
            "rare-class",
            classes[index],
            f"class {classes[index]!r} has a single training picture.",
            "It can hardly be learned, and nothing is left to check it with: add pictures, or remove the class.",
        )
        for index in np.flatnonzero(counts == 1).tolist()
    ]
    present = counts[counts > 0]
    if len(present) > 1 and present.max() >= _IMBALANCE * present.min():
        small = int(np.where(counts > 0, counts, counts.max() + 1).argmin())
        large = int(counts.argmax())
        problems.append(
            Problem(
                "imbalance",
                classes[small],
                f"{counts[large]} training pictures of {classes[large]!r}, but {counts[small]} of {classes[small]!r}.",
                "Small classes are weighted up in training; judge by balanced accuracy, and add pictures of them.",
            )
        )
    return problems


def unlearnable_class(split: str, name: str, count: int) -> Problem:
    """A class that masks of a held-back split show and none of training does."""
    noun = f"picture of the {split} split shows|pictures of the {split} split show"
    return Problem(
        "unknown-label",
        f"{split}: {name}",
        f"{format(Count(count), noun)} {name!r}, which never occurs in training.",
        "Its pixels count as void there. Add training pictures of this class, or correct the masks.",
    )


def nothing_to_find(
    labels: Sequence[tuple[int, ...]], splits: Mapping[str, Sequence[int]], reading: Reading
) -> list[Problem]:
    """Held-back splits on which nothing can be measured, since no picture shows an object that training knows.

    Args:
        labels: Classes that each picture shows.
        splits: Positions of the pictures of each split.
        reading: The annotation; labels of whole pictures are always something to find.
    """
    if reading.task not in _FEWEST_CLASSES:
        return []
    trained = {label for index in splits["train"] for label in labels[index]}
    problems = []
    for split, use in _USES.items():
        shown = {label for index in splits.get(split, ()) for label in labels[index]} & trained
        if splits.get(split) and len(shown) < _FEWEST_CLASSES[reading.task]:
            only = f"only {reading.classes[shown.pop()]!r}" if shown else "no object of a class that training knows"
            noun = f"{split} picture shows|{split} pictures show"
            detail = f"{format(Count(len(splits[split])), noun)} {only}: nothing can be measured there."
            problems.append(Problem("nothing-to-find", split, detail, use))
    return problems


def shift_problems(
    samples: Sequence[Sample], facts: Sequence[PictureFacts], given: Mapping[str, Sequence[int]]
) -> list[Problem]:
    """Given splits whose pictures look otherwise than the training pictures.

    Splits made here are drawn by chance and need no test.
    """
    problems: list[Problem] = []
    train = given.get("train", ())
    for name, chosen in given.items():
        if name == "train" or not chosen or not train:
            continue
        problems += _other_values(name, [facts[i] for i in chosen], [facts[i] for i in train])
        shift = split_shift(
            [facts[i] for i in train],
            [facts[i] for i in chosen],
            _labels([samples[i] for i in train]),
            _labels([samples[i] for i in chosen]),
        )
        if shift is not None and shift.clear:
            problems.append(
                Problem(
                    "split-shift",
                    name,
                    f"{name} pictures look otherwise than training pictures: a simple classifier tells them apart with "
                    f"AUC {shift.auc:.2f} ({shift.low:.2f} to {shift.high:.2f}; 0.5 is chance) on coarse looks alone.",
                    f"Expect results on {name} to differ from those on pictures like the training pictures; find out "
                    "whether device, place or time differ, and train on pictures like those of the real use.",
                )
            )
    return problems


def _other_values(name: str, chosen: Sequence[PictureFacts], train: Sequence[PictureFacts]) -> Iterator[Problem]:
    """The problem of a split whose pictures mostly have other channels or another depth than training pictures."""
    other, usual = _usual_values(chosen), _usual_values(train)
    if other != usual:
        yield Problem(
            "split-shift",
            name,
            f"most {name} pictures have {other}, most training pictures {usual}.",
            f"They are turned into what training pictures have; expect results on {name} to differ, and train on "
            "pictures like those of the real use.",
        )


def _usual_values(facts: Sequence[PictureFacts]) -> str:
    """Channels and bit depth that most pictures have, in words."""
    names, depth = _most_common([(fact.channel_names, fact.bit_depth) for fact in facts])
    return f"{Count(len(names)):channel} ({', '.join(names)}) of {depth} bit"


def _labels(samples: Sequence[Sample]) -> list[int] | None:
    labels = [sample.annotation.index for sample in samples if isinstance(sample.annotation, Label)]
    return labels if len(labels) == len(samples) else None
