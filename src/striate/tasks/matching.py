"""Found boxes matched with true ones by COCO's rules, once, so that any resample of pictures is a weighted sum.

The figures themselves come from `coco_figures`; a test holds that for every picture once both agree. Here they are
needed for hundreds of bootstrap samples, for which a whole evaluation each would take minutes.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.structures import Ragged
from striate.structures.overlaps import box_areas, shared_boxes
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
        score: `(D,)` its score.
        entry: `(D,)` its position among all found ones.
        right: `(T, D)` whether it found an object, for each overlap of `OVERLAPS`.
        aside: `(T, D)` whether it counts as neither right nor wrong.
        partner: `(D,)` position among all true objects of the one that it found at an overlap of a half; -1 for none.
        overlap: `(D,)` intersection over union with that one; 0 for none.
        objects: `(N, K)` objects to find in each picture.
    """

    classes: int
    pictures: int
    picture: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int64]
    score: npt.NDArray[np.float32]
    entry: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    aside: npt.NDArray[np.bool_]
    partner: npt.NDArray[np.int64]
    overlap: Floats
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


@dataclass(frozen=True, slots=True)
class _Part:
    """What became of the boxes of one class in one picture, the surest first; fields as those of `Matched`."""

    entry: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    aside: npt.NDArray[np.bool_]
    partner: npt.NDArray[np.int64]
    overlap: Floats


def _match(found: Ragged, truth: Ragged) -> Matched:
    kinds = (found.values["classes"], truth.values["classes"])
    classes = int(max((part.max(initial=-1) for part in kinds), default=-1)) + 1
    objects = np.zeros((len(truth), classes), np.int64)
    counted = ~ignored_objects(truth.values)
    np.add.at(objects, (truth.pictures[counted], truth.values["classes"][counted]), 1)
    parts = [part for picture in range(len(truth)) for part in _parts_of(found, truth, picture)]
    flags, none = np.zeros((len(OVERLAPS), 0), np.bool_), np.zeros(0, np.int64)
    parts.append(_Part(none, flags, flags, none, np.zeros(0)))
    entry = np.concatenate([part.entry for part in parts])
    order = np.argsort(-found.values["scores"][entry], kind="mergesort")
    entry = entry[order]
    return Matched(
        classes,
        len(truth),
        picture=found.pictures[entry],
        kind=found.values["classes"][entry],
        score=found.values["scores"][entry],
        entry=entry,
        right=np.concatenate([part.right for part in parts], 1)[:, order],
        aside=np.concatenate([part.aside for part in parts], 1)[:, order],
        partner=np.concatenate([part.partner for part in parts])[order],
        overlap=np.concatenate([part.overlap for part in parts])[order],
        objects=objects,
    )


def _parts_of(found: Ragged, truth: Ragged, picture: int) -> Iterator[_Part]:
    """Each class that was found in one picture."""
    limit = most_counted(truth)
    seen, true = found.row(picture), truth.row(picture)
    first_seen, first_true = int(found.starts[picture]), int(truth.starts[picture])
    for kind in np.unique(seen["classes"]).tolist():
        own = np.flatnonzero(seen["classes"] == kind)
        own = own[np.argsort(-seen["scores"][own], kind="stable")][:limit]
        theirs = np.flatnonzero(true["classes"] == kind)
        ignored = ignored_objects(true)[theirs]
        overlap = overlaps_of(_chosen(seen, own), _chosen(true, theirs), ignored)
        partners, aside = match_picture(overlap, ignored)
        hit = partners[0] >= 0
        partner, shared = np.full(len(own), -1, np.int64), np.zeros(len(own))
        partner[hit] = first_true + theirs[partners[0, hit]]
        shared[hit] = overlap[hit, partners[0, hit]]
        yield _Part(first_seen + own, partners >= 0, aside, partner, shared)


def _chosen(row: Mapping[str, npt.NDArray[Any]], places: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
    return {name: each[places] for name, each in row.items()}


def ignored_objects(true: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
    """Which true objects count neither way: crowds, and what need not be found."""
    return np.asarray(true["iscrowd"] | true["ignore"])


def match_picture(
    overlap: npt.NDArray[np.float64], ignored: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Greedy matching within one picture and class, the surest box first (COCO's evaluateImg).

    Args:
        overlap: `(D, G)` of found with true objects, the surest found one first.
        ignored: `(G,)`; may be matched any number of times, and only where nothing else is left.

    Returns:
        For each overlap of `OVERLAPS` and each found box, both `(T, D)`: which object it found, -1 for none, and
        whether it does not count.
    """
    partner = np.full((len(OVERLAPS), len(overlap)), -1, np.int64)
    aside = np.zeros(partner.shape, np.bool_)
    if not overlap.size:
        return partner, aside
    order = np.argsort(ignored, kind="stable")
    overlap, ignored = overlap[:, order], ignored[order]
    free = np.ones((len(OVERLAPS), len(ignored)), np.bool_)
    rows = np.arange(len(OVERLAPS))
    for index in range(len(overlap)):
        able = free & (overlap[index] >= np.minimum(OVERLAPS, 1 - 1e-10)[:, None])
        # What counts comes before what is ignored; of equal overlaps COCO takes the later one.
        wanted = able & ~ignored
        some = wanted.any(1)
        value = np.where(wanted, overlap[index], -1.0)
        chosen = value.shape[1] - 1 - value[:, ::-1].argmax(1)
        partner[some, index] = order[chosen[some]]
        free[rows[some], chosen[some]] = False
        aside[:, index] = (able & ignored).any(1) & ~some
    return partner, aside


def overlaps_of(
    found: Mapping[str, npt.NDArray[Any]], true: Mapping[str, npt.NDArray[Any]], crowd: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """`(D, G)` intersection over union of masks where there are some, else of boxes."""
    if "masks" not in true:
        return coco_overlaps(found["boxes_xyxy"], true["boxes_xyxy"], crowd)
    if not len(found["classes"]) or not len(true["classes"]):
        return np.zeros((len(found["classes"]), len(true["classes"])))
    from faster_coco_eval.core import mask as coco_mask

    overlap = coco_mask.iou(packed_masks(found), packed_masks(true), crowd.astype(np.uint8).tolist())
    return np.asarray(overlap, np.float64)


def coco_overlaps(
    found: npt.NDArray[np.float32], true: npt.NDArray[np.float32], crowd: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """`(D, G)` intersection over union; over the found box alone where the true one is a crowd, as COCO does."""
    own, theirs = found.astype(np.float64)[:, None], true.astype(np.float64)[None]
    both = box_areas(shared_boxes(own, theirs))
    whole = np.where(crowd[None], box_areas(own), box_areas(own) + box_areas(theirs) - both)
    return np.divide(both, whole, out=np.zeros_like(both), where=whole > 0)


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """What a limit on the score costs and gains, for one class, at an overlap of a half.

    Attributes:
        recall: `(M,)` share of the objects found by boxes of this score or more, rising.
        precision: `(M,)` share of those boxes that are right.
        score: `(M,)` falling.
    """

    recall: Floats
    precision: Floats
    score: Floats


def precision_recall(matched: Matched, kind: int) -> PrecisionRecall:
    """The curve of a class, a point for each of its boxes that count.

    Raises:
        ValueError: There is no object of that class to find.
    """
    wanted = int(matched.objects[:, kind].sum())
    if not wanted:
        raise ValueError(f"class {kind} has no object to find")
    own = (matched.kind == kind) & ~matched.aside[0]
    hits = np.cumsum(matched.right[0, own])
    return PrecisionRecall(hits / wanted, hits / np.arange(1, len(hits) + 1), matched.score[own].astype(np.float64))


def counting_score(matched: Matched) -> float | None:
    """The score from which found objects are best counted: where precision and recall balance best, by their F1.

    Of equally good ones the middle of the gap to the next lower score, so that it does not hang on one object. `None`
    where nothing right was found.
    """
    counted = ~matched.aside[0]
    scores, right = matched.score[counted].astype(np.float64), matched.right[0, counted]
    if not right.any():
        return None
    # Twice the hits for all that is found and all that is to be found, after each score; ties are one step.
    quality = 2 * np.cumsum(right) / (np.arange(1, len(right) + 1) + int(matched.objects.sum()))
    ends = np.append(scores[1:] < scores[:-1], True)
    best = int(np.where(ends, quality, 0.0).argmax())
    below = scores[best + 1] if best + 1 < len(scores) else 0.0
    return float((scores[best] + below) / 2)


def average_precisions(matched: Matched, weights: Floats) -> dict[str, Floats]:
    """`map50`, `map`, `map75` and `recall` of resamples of the pictures: each `(B,)`.

    Args:
        matched: Every found box and true object.
        weights: `(B, N)`, how often each picture is in each resample.
    """
    found = [class_figures(matched, row) for row in weights]
    none = np.zeros((0, len(OVERLAPS), matched.classes))
    precision, recall = (np.stack([one[part] for one in found]) if found else none for part in (0, 1))
    precisions, recalls = (
        np.stack([mean_of_defined(part[:, index]) for index in range(len(OVERLAPS))], 1) for part in (precision, recall)
    )
    return {
        "map50": precisions[:, 0],
        "map": mean_of_defined(precisions),
        "map75": precisions[:, 5],
        "recall": mean_of_defined(recalls),
    }


def class_figures(matched: Matched, weight: Floats, overlaps: int = len(OVERLAPS)) -> tuple[Floats, Floats]:
    """Average precision and best recall at each overlap for each class, `(T, K)`; NaN for one without objects to find.

    Args:
        matched: Every found box and true object.
        weight: `(N,)` how often each picture counts.
        overlaps: Overlaps wanted, the first ones of `OVERLAPS`.
    """
    precisions, recalls = np.full((2, overlaps, matched.classes), np.nan)
    wanted = weight @ matched.objects
    for kind in np.flatnonzero(wanted > 0).tolist():
        own = matched.kind == kind
        share = weight[matched.picture[own]]
        here = share > 0
        share = share[here]
        hits, counts = matched.right[:overlaps, own][:, here], ~matched.aside[:overlaps, own][:, here]
        right = np.cumsum(share * (hits & counts), axis=1)
        wrong = np.cumsum(share * (~hits & counts), axis=1)
        recall = right / wanted[kind]
        recalls[:, kind] = recall[:, -1] if len(share) else 0.0
        precision = right / np.maximum(right + wrong, np.spacing(1))
        # From the right: the best precision at this recall or beyond.
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        for index in range(overlaps):
            at = np.searchsorted(recall[index], RECALLS, side="left")
            reached = at < recall.shape[1]
            precisions[index, kind] = precision[index, at[reached]].sum() / len(RECALLS)
    return precisions, recalls
