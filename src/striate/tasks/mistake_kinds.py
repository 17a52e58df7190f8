"""Mistakes by kind, and what each kind costs (Bolya et al. 2020, "TIDE: A General Toolbox for Identifying Object
Detection Errors", sections 2.2 and 2.3).

A found object that is wrong has one kind, asked in this order (as the authors' program does): it lies on an object of
its class, but not well enough (localisation); well on one of another class (confused); well on one of its class that a
surer one has found (duplicate); on nothing (background); or poorly on one of another class (both). An object that
nothing found, and to which none of the first two points, is missed.

The cost of a kind is how much mAP50 would gain if it were mended: what is badly placed or confused is put right, one
for each object, the surest; all others are taken away; what is missed is no longer asked for. Where we differ: a class
of which nothing is left to find counts as found completely, where the authors' program gives it 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.structures import SHOWN_FROM, Ragged
from striate.tasks.matching import Matched, class_figures, ignored_objects, overlaps_of

FOREGROUND, BACKGROUND = 0.5, 0.1
"""Overlap from which an object counts as found, and to which a found one counts as lying on nothing."""


@dataclass(frozen=True, slots=True)
class MistakeKind:
    """One way of being wrong.

    Attributes:
        name: For tables and JSON.
        meaning: What it is, for a reader who does not know it.
        cure: What would be so if there were none, as it stands after "if".
    """

    name: str
    meaning: str
    cure: str


KINDS: tuple[MistakeKind, ...] = (
    MistakeKind("missed", "an object at which nothing was found", "no object were missed"),
    MistakeKind(
        "confused", "in the right place, but taken for another class", "every found object had its right class"
    ),
    MistakeKind(
        "localisation",
        "the right class, but in too poor a place (an overlap of 0.1 to 0.5)",
        "every found object lay in its right place",
    ),
    MistakeKind("both", "another class and too poor a place", "nothing were found in a poor place as another class"),
    MistakeKind("duplicate", "an object that a surer one has found already", "nothing were found twice"),
    MistakeKind("background", "found where there is no object", "nothing were found where nothing is"),
)
"""The kinds, in the order of the positions by which `Mistakes` names them."""

MISSED, CONFUSED, LOCALISATION, BOTH, DUPLICATE, EMPTY = range(len(KINDS))

Positions = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Single mistakes; the worst of each kind first: the surest ones, of missed objects the largest.

    Attributes:
        kind: `(M,)` position in `KINDS`.
        entry: `(M,)` position among all found objects; -1 where nothing was found.
        true: `(M,)` position among all true objects of the one concerned; -1 where there is none.
        overlap: `(M,)` intersection over union of the two; 0 where one of them is none.
    """

    kind: Positions
    entry: Positions
    true: Positions
    overlap: Floats

    def counts(self) -> list[int]:
        """Mistakes of each kind."""
        counts: list[int] = np.bincount(self.kind, minlength=len(KINDS)).tolist()
        return counts


@dataclass(frozen=True, slots=True)
class MistakeReport:
    """All that is known about the mistakes of a split.

    Attributes:
        shown: Mistakes among found objects that are sure enough to be shown.
        gains: For each of `KINDS` how much mAP50 would gain without it, over all found objects.
        map50: What it is.
    """

    shown: Mistakes
    gains: tuple[float, ...]
    map50: float


def report_mistakes(matched: Matched, found: Ragged, truth: Ragged, least_score: float = SHOWN_FROM) -> MistakeReport:
    """Mistakes by kind, counted among what is shown, and their cost over all.

    Args:
        matched: What became of each.
        found: `boxes_xyxy`, `classes` and `scores` of each picture, and `masks` where there are some.
        truth: `boxes_xyxy`, `classes`, `iscrowd` and `ignore` of each picture, and `masks`.
        least_score: Score from which a found object is shown.
    """
    nearest = _nearest(matched, found, truth)
    all_of_them = find_mistakes(matched, nearest, truth)
    before = _class_precisions(matched)
    gains = tuple(_gain(matched, mend(matched, all_of_them, truth, kind), before) for kind in range(len(KINDS)))
    return MistakeReport(find_mistakes(matched, nearest, truth, least_score), gains, _mean(before))


@dataclass(frozen=True, slots=True)
class Nearest:
    """The true objects that each found one shares most with; fields `(D,)`, in the order of `Matched`.

    Attributes:
        own: Position of that one among the objects of its class; -1 where there is none.
        own_overlap: What they share.
        other: The same among objects of other classes.
        other_overlap: What they share.
    """

    own: Positions
    own_overlap: Floats
    other: Positions
    other_overlap: Floats


def _nearest(matched: Matched, found: Ragged, truth: Ragged) -> Nearest:
    count = len(matched.entry)
    nearest = Nearest(np.full(count, -1), np.zeros(count), np.full(count, -1), np.zeros(count))
    order = np.argsort(matched.picture, kind="stable")
    for own in np.split(order, np.flatnonzero(np.diff(matched.picture[order])) + 1):
        if not len(own):
            continue
        picture = int(matched.picture[own[0]])
        true = truth.row(picture)
        counted = np.flatnonzero(~ignored_objects(true))
        if not len(counted):
            continue
        seen = {name: each[matched.entry[own]] for name, each in found.values.items()}
        wanted: Mapping[str, npt.NDArray[Any]] = {name: each[counted] for name, each in true.items()}
        overlap = overlaps_of(seen, wanted, np.zeros(len(counted), np.bool_))
        alike = seen["classes"][:, None] == wanted["classes"]
        first = int(truth.starts[picture])
        for place, value, flags in (
            (nearest.own, nearest.own_overlap, alike),
            (nearest.other, nearest.other_overlap, ~alike),
        ):
            shared = np.where(flags, overlap, -1.0)
            best = shared.argmax(1)
            value[own] = np.maximum(shared[np.arange(len(own)), best], 0.0)
            place[own] = np.where(flags.any(1), first + counted[best], -1)
    return nearest


def find_mistakes(matched: Matched, nearest: Nearest, truth: Ragged, least_score: float = 0.0) -> Mistakes:
    """Mistakes among found objects of some score or more; arguments as `report_mistakes` has."""
    counts = (matched.score >= least_score) & ~matched.aside[0]
    wrong = np.flatnonzero(counts & (matched.partner < 0))
    own, other = nearest.own_overlap[wrong], nearest.other_overlap[wrong]
    kind = np.select(
        [
            (own >= BACKGROUND) & (own < FOREGROUND),
            other >= FOREGROUND,
            own >= FOREGROUND,
            np.maximum(own, other) < BACKGROUND,
        ],
        [LOCALISATION, CONFUSED, DUPLICATE, EMPTY],
        BOTH,
    )
    of_own = (kind == LOCALISATION) | (kind == DUPLICATE)
    true = np.where(of_own, nearest.own[wrong], np.where(kind == EMPTY, -1, nearest.other[wrong]))
    overlap = np.where(of_own, own, np.where(kind == EMPTY, 0.0, other))
    missed = _missed(matched, counts, true[(kind == LOCALISATION) | (kind == CONFUSED)], truth)
    none = np.full(len(missed), -1)
    kinds = np.concatenate([np.full(len(missed), MISSED), kind])
    order = np.argsort(kinds, kind="stable")
    return Mistakes(
        kinds[order],
        np.concatenate([none, matched.entry[wrong]])[order],
        np.concatenate([missed, true])[order],
        np.concatenate([np.zeros(len(missed)), overlap])[order],
    )


def _missed(matched: Matched, counts: npt.NDArray[np.bool_], pointed_at: Positions, truth: Ragged) -> Positions:
    """Objects that nothing found or points at, the largest first."""
    open_ = ~ignored_objects(truth.values)
    partner = matched.partner[counts]
    open_[partner[partner >= 0]] = False
    open_[pointed_at] = False
    missed = np.flatnonzero(open_)
    boxes = truth.values["boxes_xyxy"][missed]
    return missed[np.argsort(-(boxes[:, 2:] - boxes[:, :2]).prod(1), kind="stable")]


def mend(matched: Matched, mistakes: Mistakes, truth: Ragged, kind: int) -> Matched:
    """What would have become of everything without the mistakes of one kind.

    Args:
        matched: What became of it.
        mistakes: Of all found objects.
        truth: The true objects.
        kind: Position in `KINDS`.
    """
    chosen = mistakes.kind == kind
    entries, true = mistakes.entry[chosen], mistakes.true[chosen]
    if kind == MISSED:
        objects = matched.objects.copy()
        np.subtract.at(objects, (truth.pictures[true], truth.values["classes"][true]), 1)
        return replace(matched, objects=objects)
    place = np.full(int(matched.entry.max(initial=-1)) + 1, -1)
    place[matched.entry] = np.arange(len(matched.entry))
    rows = place[entries]
    aside, right, kinds = matched.aside.copy(), matched.right.copy(), matched.kind.copy()
    aside[:, rows] = True
    if kind in (CONFUSED, LOCALISATION):
        free = ~np.isin(true, matched.partner)
        # Mistakes stand by falling score: of several that point at one object the first is put right.
        _, first = np.unique(true[free], return_index=True)
        mended, objects_found = rows[free][first], true[free][first]
        aside[:, mended], right[:, mended] = False, True
        kinds[mended] = truth.values["classes"][objects_found]
    return replace(matched, aside=aside, right=right, kind=kinds)


def _gain(matched: Matched, mended: Matched, before: Floats) -> float:
    after = _class_precisions(mended)
    nothing_left = (matched.objects.sum(0) > 0) & (mended.objects.sum(0) == 0)
    return max(0.0, _mean(np.where(nothing_left, 1.0, after)) - _mean(before))


def _class_precisions(matched: Matched) -> Floats:
    precisions, _ = class_figures(matched, np.ones(matched.pictures), overlaps=1)
    return np.asarray(precisions[0])


def _mean(values: Floats) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
