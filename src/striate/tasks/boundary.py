"""Boundary IoU (Cheng et al. 2021, "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation").

Intersection over union of the pixels of a class that lie near its edge, within 2 % of the picture's diagonal, in the
truth and in the answer. Plain IoU of a large object hardly notices a ragged edge; this does.

Distances are the larger of those down and across (Chebyshev's), as in the authors' program. Where we differ: the
picture's own edge is no edge of what it cuts off, or an answer of one class alone would have edges.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

BOUNDARY_SHARE = 0.02
"""Share of the picture's diagonal up to which a pixel is near an edge; the authors' choice."""


def boundary_counts(
    true: npt.NDArray[np.uint8], answered: npt.NDArray[np.uint8], classes: int, width_px: int
) -> npt.NDArray[np.int64]:
    """Pixels near edges of each class, `(K, 3)`: in the truth, in the answer, and in both.

    Args:
        true: `(H, W)` class of each pixel; where it is none of the classes the pixel counts neither way.
        answered: `(H, W)`.
        classes: Number of classes `K`.
        width_px: How far from an edge a pixel is near it; see `boundary_width`.
    """
    known = true < classes
    filled = _filled(true, known)
    near_true, near_answered = (near_edges(plane, width_px) & known for plane in (filled, answered))
    both = near_true & near_answered & (filled == answered)
    return np.stack(
        [
            np.bincount(plane[near], minlength=classes)[:classes]
            for plane, near in ((filled, near_true), (answered, near_answered), (filled, both))
        ],
        axis=1,
    ).astype(np.int64)


def boundary_width(size_hw: tuple[int, ...]) -> int:
    """How far from an edge a pixel is near it, in pixels, one at least."""
    return max(1, round(BOUNDARY_SHARE * math.hypot(*size_hw)))


def near_edges(plane: npt.NDArray[np.uint8], width_px: int) -> npt.NDArray[np.bool_]:
    """Pixels that have one of another class within some pixels down and across, `(H, W)`."""
    from scipy import ndimage

    # All within reach are of one class where the largest and the smallest index are the same, however many there are.
    largest, smallest = (
        reach(plane, size=2 * width_px + 1, mode="nearest")
        for reach in (ndimage.maximum_filter, ndimage.minimum_filter)
    )
    return np.asarray(largest != smallest)


def _filled(true: npt.NDArray[np.uint8], known: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """The truth with the nearest known class where none is known: an edge then runs through the middle of void."""
    if known.all() or not known.any():
        return true
    from scipy import ndimage

    rows, columns = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    filled: npt.NDArray[np.uint8] = true[rows, columns]
    return filled
