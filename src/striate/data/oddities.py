"""What is odd about a set of pictures as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from striate.data.facts import PictureFacts
from striate.data.shift import split_shift
from striate.data.splits import Counts
from striate.errors import PictureError
from striate.images import to_channels
from striate.structures import Label, Problem, Sample

_USUAL_SHARE = 0.9
_IMBALANCE = 10.0


def unfit_channels(facts: Sequence[PictureFacts]) -> dict[int, Problem]:
    """Pictures whose channels cannot be turned into those that most pictures have, by position."""
    usual = _most_common([fact.channel_names for fact in facts if fact.readable])
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


def _most_common(items: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return Counter(items).most_common(1)[0][0]


def find_oddities(facts: Sequence[PictureFacts]) -> list[Problem]:
    """Mixed channels, bit depths and sizes, among readable pictures."""
    return [
        *_mixed(
            "mixed-channels",
            [(f"{fact.channels} ({', '.join(fact.channel_names)})", fact.name) for fact in facts],
            "channels",
            "All are turned into the commonest; see the documentation of channels for the rules.",
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
    rest = ", ".join(f"{count} have {value}, for example {first[value]}" for value, count in counts[1:3])
    more = ", and others" if len(counts) > 3 else ""
    detail = f"{counts[0][1]} pictures have {counts[0][0]} {what}; {rest}{more}."
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


def shift_problems(
    samples: Sequence[Sample], facts: Sequence[PictureFacts], given: Mapping[str, Sequence[int]]
) -> list[Problem]:
    """Given splits whose pictures look otherwise than the training pictures.

    Splits made here are drawn by chance and need no test.
    """
    problems = []
    train = given.get("train", ())
    for name, chosen in given.items():
        if name == "train":
            continue
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


def _labels(samples: Sequence[Sample]) -> list[int] | None:
    labels = [sample.annotation.index for sample in samples if isinstance(sample.annotation, Label)]
    return labels if len(labels) == len(samples) else None
