"""Found boxes matched with true ones by COCO's rules, once, so that any resample of pictures is a weighted sum.

The figures themselves come from `coco_figures`; a test holds that for every picture once both agree. Here they are
needed for hundreds of bootstrap samples, for which a whole evaluation each would take minutes.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.structures import Ragged
from striate.tasks.coco_figures import most_counted, packed_masks
from striate.tasks.resampling import mean_of_defined

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Matched:
    """What became of every found box and every true object.

    Attributes:
        classes: Number of classes.
        pictures: Number of pictures.
        picture: `(D,)` picture of each found box; found boxes stand by falling score.
        kind: `(D,)` its class.
        right: `(T, D)` whether it found an object, for each overlap of `OVERLAPS`.
        aside: `(T, D)` whether it counts as neither right nor wrong.
        objects: `(N, K)` objects to find in each picture.
    """

    classes: int
    pictures: int
    picture: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    aside: npt.NDArray[np.bool_]
    objects: npt.NDArray[np.int64]

    def mistakes_of_each_picture(self) -> npt.NDArray[np.int64]:
        """Missed objects and wrong boxes of each picture; `(N,)`. See `counts_of`."""
        counts = [self.counts_of(picture) for picture in range(self.pictures)]
        return np.array([missed + wrong for _, missed, wrong in counts], np.int64)

    def counts_of(self, picture: int) -> tuple[int, int, int]:
        """Objects of a picture, those missed, and boxes that hold none, at an overlap of 0.5.

        As many boxes count as the picture has objects, the surest ones: the long tail of unsure ones is no mistake.
        """
        wanted = int(self.objects[picture].sum())
        own = np.flatnonzero((self.picture == picture) & ~self.aside[0])[:wanted]
        hits = int(self.right[0, own].sum())
        return wanted, wanted - hits, len(own) - hits


_known: weakref.WeakKeyDictionary[Ragged, tuple[weakref.ref[Ragged], Matched]] = weakref.WeakKeyDictionary()


def match_all(found: Ragged, truth: Ragged) -> Matched:
    """Matches the boxes of all pictures; the same pair is matched once only."""
    known = _known.get(found)
    if known is not None and known[0]() is truth:
        return known[1]
    matched = _match(found, truth)
    _known[found] = (weakref.ref(truth), matched)
    return matched


def _match(found: Ragged, truth: Ragged) -> Matched:
    kinds = (found.values["classes"], truth.values["classes"])
    classes = int(max((part.max(initial=-1) for part in kinds), default=-1)) + 1
    limit = most_counted(truth)
    parts: list[tuple[npt.NDArray[np.int64], ...]] = []
    rights, asides = [], []
    objects = np.zeros((len(truth), classes), np.int64)
    for picture in range(len(truth)):
        seen, true = found.row(picture), truth.row(picture)
        for kind in np.union1d(seen["classes"], true["classes"]).tolist():
            own = np.flatnonzero(seen["classes"] == kind)
            own = own[np.argsort(-seen["scores"][own], kind="stable")][:limit]
            theirs = true["classes"] == kind
            ignored = (true["iscrowd"] | true["ignore"])[theirs]
            objects[picture, kind] = int((~ignored).sum())
            own_part, true_part = (
                {name: each[chosen] for name, each in row.items()} for row, chosen in ((seen, own), (true, theirs))
            )
            right, aside = match_picture(overlaps_of(own_part, true_part, ignored), ignored)
            rights.append(right)
            asides.append(aside)
            start = int(found.starts[picture])
            parts.append((np.full(len(own), picture), np.full(len(own), kind), start + own))
    if not parts:
        empty = np.zeros((len(OVERLAPS), 0), np.bool_)
        none = np.zeros(0, np.int64)
        return Matched(classes, len(truth), none, none, empty, empty, objects)
    picture_of, kind_of, entry = (np.concatenate([part[field] for part in parts]) for field in range(3))
    order = np.argsort(-found.values["scores"][entry], kind="mergesort")
    right, aside = np.concatenate(rights, 1)[:, order], np.concatenate(asides, 1)[:, order]
    return Matched(classes, len(truth), picture_of[order], kind_of[order], right, aside, objects)


def match_picture(
    overlap: npt.NDArray[np.float64], ignored: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Greedy matching within one picture and class, the surest box first (COCO's evaluateImg).

    Args:
        overlap: `(D, G)` of found with true objects, the surest found one first.
        ignored: `(G,)`; may be matched any number of times, and only where nothing else is left.

    Returns:
        For each overlap of `OVERLAPS` and each found box: whether it is right, and whether it does not count.
    """
    right = np.zeros((len(OVERLAPS), len(overlap)), np.bool_)
    aside = np.zeros_like(right)
    if not overlap.size:
        return right, aside
    order = np.argsort(ignored, kind="stable")
    overlap, ignored = overlap[:, order], ignored[order]
    free = np.ones((len(OVERLAPS), len(ignored)), np.bool_)
    rows = np.arange(len(OVERLAPS))
    for index in range(len(overlap)):
        able = free & (overlap[index] >= np.minimum(OVERLAPS, 1 - 1e-10)[:, None])
        # What counts comes before what is ignored; of equal overlaps COCO takes the later one.
        for group in (~ignored, ignored):
            wanted = able & group & ~(right[:, index] | aside[:, index])[:, None]
            some = wanted.any(1)
            value = np.where(wanted, overlap[index], -1.0)
            chosen = value.shape[1] - 1 - value[:, ::-1].argmax(1)
            if group is ignored:
                aside[:, index] |= some
            else:
                right[:, index] |= some
                free[rows[some], chosen[some]] = False
    return right, aside


def overlaps_of(
    found: Mapping[str, npt.NDArray[Any]], true: Mapping[str, npt.NDArray[Any]], crowd: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """`(D, G)` intersection over union of masks where there are some, else of boxes."""
    if "masks" not in true:
        return box_overlaps(found["boxes_xyxy"], true["boxes_xyxy"], crowd)
    if not len(found["classes"]) or not len(true["classes"]):
        return np.zeros((len(found["classes"]), len(true["classes"])))
    from faster_coco_eval.core import mask as coco_mask

    overlap = coco_mask.iou(packed_masks(found), packed_masks(true), crowd.astype(np.uint8).tolist())
    return np.asarray(overlap, np.float64)


def box_overlaps(
    found: npt.NDArray[np.float32], true: npt.NDArray[np.float32], crowd: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """`(D, G)` intersection over union; over the found box alone where the true one is a crowd, as COCO does."""
    a, b = found.astype(np.float64), true.astype(np.float64)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(-1)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(-1)[:, None], (b[:, 2:] - b[:, :2]).prod(-1)[None]
    whole = np.where(crowd[None], area_a, area_a + area_b - both)
    overlap = np.zeros(both.shape)
    np.divide(both, whole, out=overlap, where=whole > 0)
    return overlap


def average_precisions(matched: Matched, weights: Floats) -> dict[str, Floats]:
    """`map50`, `map` and `map75` of resamples of the pictures: each `(B,)`.

    Args:
        matched: Every found box and true object.
        weights: `(B, N)`, how often each picture is in each resample.
    """
    rows = np.stack([_of_resample(matched, row) for row in weights]) if len(weights) else np.zeros((0, 10, 0))
    by_overlap = np.stack([mean_of_defined(rows[:, index]) for index in range(len(OVERLAPS))], 1)
    return {
        "map50": by_overlap[:, 0],
        "map": mean_of_defined(by_overlap),
        "map75": by_overlap[:, 5],
    }


def _of_resample(matched: Matched, weight: Floats) -> Floats:
    """Average precision at each overlap for each class, `(T, K)`; NaN for a class without objects to find."""
    result = np.full((len(OVERLAPS), matched.classes), np.nan)
    wanted = weight @ matched.objects
    for kind in range(matched.classes):
        if wanted[kind] <= 0:
            continue
        own = matched.kind == kind
        share = weight[matched.picture[own]]
        here = share > 0
        share = share[here]
        right = np.cumsum(share * (matched.right[:, own][:, here] & ~matched.aside[:, own][:, here]), axis=1)
        wrong = np.cumsum(share * ~(matched.right[:, own][:, here] | matched.aside[:, own][:, here]), axis=1)
        recall = right / wanted[kind]
        precision = right / np.maximum(right + wrong, np.spacing(1))
        # From the right: the best precision at this recall or beyond.
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        for index in range(len(OVERLAPS)):
            at = np.searchsorted(recall[index], RECALLS, side="left")
            reached = at < recall.shape[1]
            result[index, kind] = precision[index, at[reached]].sum() / len(RECALLS)
    return result
