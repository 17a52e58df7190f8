"""How much boxes share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Corners = npt.NDArray[np.float64]
"""Boxes `(..., 4)`: left, top, right, bottom."""


def shared_boxes(first: Corners, second: Corners) -> Corners:
    """Common parts of boxes, pair by pair; of no area where there is none. Leading axes are broadcast."""
    low, high = np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:])
    return np.concatenate([low, np.maximum(low, high)], -1)


def box_areas(boxes: Corners) -> npt.NDArray[np.float64]:
    """Areas `(...)` in square pixels."""
    return np.asarray((boxes[..., 2:] - boxes[..., :2]).prod(-1), np.float64)


def box_overlaps(first: Corners, second: Corners) -> npt.NDArray[np.float64]:
    """Intersection over union of boxes, pair by pair; 0 where neither has an area. Leading axes are broadcast."""
    both = box_areas(shared_boxes(first, second))
    whole = box_areas(first) + box_areas(second) - both
    return np.divide(both, whole, out=np.zeros_like(whole), where=whole > 0)
