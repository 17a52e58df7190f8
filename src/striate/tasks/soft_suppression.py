"""Objects that share pixels with a surer one of their class are less sure: they may be the same object once more.

Heads drop what overlaps a surer find by half or more, at one stroke. Just below that line the same object is found
twice, and two objects side by side are found, too. So the line is made soft: a score falls by exp(-overlap ** 2 / 0.5)
for each surer find of its class (Bodla, Singh, Chellappa and Davis, "Soft-NMS", ICCV 2017, equation 3 with its sigma).

Differs from the paper in that the order of the heads' own scores holds throughout, which makes the answer one formula
instead of a loop, and in that masks, where there are some, say how much two objects share.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from striate.structures.overlaps import box_overlaps
from striate.tasks.coco_figures import packed_masks
from striate.tasks.tiles import Row

SIGMA = 0.5

_MOST_PAIRS = 1_000_000
"""Pairs looked at in one go; a huge picture has hundreds of thousands of finds."""

Positions = npt.NDArray[np.int64]


def suppress_softly(found: Row) -> Row:
    """The finds in one picture with lower scores where surer ones of their class overlap them.

    Args:
        found: `boxes_xyxy`, `classes` and `scores`, and perhaps `masks` with `sizes_hw`.

    Returns:
        The same columns, the surest find first.
    """
    boxes, scores = found["boxes_xyxy"].astype(np.float64), found["scores"]
    rank = np.empty(len(scores), np.int64)
    rank[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    doubt = np.zeros(len(scores))
    for one, other in _touching_pairs(boxes, found["classes"]):
        surer = np.where(rank[one] < rank[other], one, other)
        weaker = one + other - surer
        if "masks" in found:
            overlap = _mask_overlaps(found, weaker, surer)
        else:
            overlap = box_overlaps(boxes[weaker], boxes[surer])
        doubt += np.bincount(weaker, overlap**2, len(doubt))
    softened = (scores * np.exp(-doubt / SIGMA)).astype(scores.dtype)
    order = np.argsort(-softened, kind="stable")
    return {name: (softened if name == "scores" else values)[order] for name, values in found.items()}


def _touching_pairs(boxes: npt.NDArray[np.float64], classes: Positions) -> Iterator[tuple[Positions, Positions]]:
    """Positions of all pairs of boxes of one class that share an area, some at a time."""
    # By class and left edge: what a box may touch on its right stands in one stretch behind it.
    order = np.lexsort((boxes[:, 0], classes))
    boxes, classes = boxes[order], classes[order]
    ends = np.empty(len(order), np.int64)
    for kind in np.unique(classes).tolist():
        start, stop = np.searchsorted(classes, [kind, kind + 1])
        ends[start:stop] = start + np.searchsorted(boxes[start:stop, 0], boxes[start:stop, 2])
    places = np.arange(len(order))
    counts = np.maximum(ends - places - 1, 0)
    parts = np.unique(np.cumsum(counts) // _MOST_PAIRS, return_index=True)[1].tolist()
    for start, stop in pairwise([*parts, len(order)]):
        own = counts[start:stop]
        one = np.repeat(places[start:stop], own)
        other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(own) - own, own)
        sharing = (boxes[other, 1] < boxes[one, 3]) & (boxes[one, 1] < boxes[other, 3])
        yield order[one[sharing]], order[other[sharing]]


def _mask_overlaps(found: Row, one: Positions, other: Positions) -> npt.NDArray[np.float64]:
    """Intersection over union of pairs of masks."""
    from faster_coco_eval.core import mask as coco_mask

    packed = packed_masks(found)
    overlap = np.zeros(len(one))
    for place in np.unique(one).tolist():
        pairs = np.flatnonzero(one == place)
        overlap[pairs] = coco_mask.iou([packed[place]], [packed[at] for at in other[pairs].tolist()], [0] * len(pairs))
    return overlap
