"""Objects found in the tiles of a large picture, put together: one on a seam counts once.

Tiles overlap, so an object near a seam is seen by two of them or more, whole or cut off. Two finds are of one object
where they agree in the part of the picture that both tiles show. Of such a pair the one that its tile shows whole is
kept, the surer one where both are whole, and where both are cut off they are joined.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.structures import Placement
from striate.structures.overlaps import box_areas, box_overlaps, shared_boxes

Row = dict[str, npt.NDArray[Any]]
"""Finds in one tile: `boxes_xyxy`, `classes`, `scores`, in pixels of the whole picture, and perhaps `masks`."""

AGREEING = 0.5
"""Intersection over union from which two finds are of one object."""

BEYOND = 0.25
"""Finds whose middle lies this share of their side beyond what the tile answers for are left to its neighbour."""

_EDGE_PIXELS = 1.5


def join_tiles(parts: Sequence[Row], placements: Sequence[Placement]) -> Row:
    """Finds in a whole picture.

    Args:
        parts: Finds in each of its frames.
        placements: How the picture lies in each.

    Returns:
        The same columns, the surest find first.
    """
    if len(parts) == 1:
        return parts[0]
    own = [_owned(part, placement) for part, placement in zip(parts, placements, strict=True)]
    rows: Row = {name: np.concatenate([part[name] for part in own]) for name in parts[0]}
    tiles = np.repeat(np.arange(len(own)), [len(part["classes"]) for part in own])
    cut = np.concatenate([_cut_off(part, placement) for part, placement in zip(own, placements, strict=True)])
    near = np.concatenate([_near_seam(part, placement) for part, placement in zip(own, placements, strict=True)])
    near |= cut
    kept = _Kept(rows, tiles, cut, placements)
    # Whole ones first, then the surest: what comes later is compared with what is kept already.
    for index in np.lexsort((-rows["scores"], cut)).tolist():
        kept.add(index, alone=not near[index])
    return kept.finds()


class _Kept:
    """The finds kept so far; columns are changed in place where two are joined."""

    def __init__(
        self, rows: Row, tiles: npt.NDArray[np.int64], cut: npt.NDArray[np.bool_], placements: Sequence[Placement]
    ) -> None:
        self.rows = rows
        self.tiles = tiles
        self.cut = cut
        self.windows = np.array([_covered_xyxy(placement) for placement in placements], np.float64)
        self.neighbours = _Neighbours(self.windows)
        self.kept: list[int] = []
        # Kept finds that others may equal, under each tile that shows a part of them.
        self.near: dict[int, list[int]] = defaultdict(list)

    def add(self, index: int, *, alone: bool) -> None:
        """Keeps a find, unless it is one that is kept already."""
        tile = int(self.tiles[index])
        if not alone:
            same = self._same_object(index, tile)
            if same is not None:
                if self.cut[index] and self.cut[same]:
                    self._join(same, index)
                    self.near[tile].append(same)
                return
            self.near[tile].append(index)
        self.kept.append(index)

    def finds(self) -> Row:
        """All that is kept, the surest first."""
        chosen = np.array(self.kept, np.int64)
        chosen = chosen[np.argsort(-self.rows["scores"][chosen], kind="stable")]
        return {name: values[chosen] for name, values in self.rows.items()}

    def _same_object(self, index: int, tile: int) -> int | None:
        pairs = [(other, at) for at in self.neighbours.of(tile) for other in self.near.get(at, ())]
        others, tiles = np.array(pairs, np.int64).reshape(-1, 2).T
        alike = self.rows["classes"][others] == self.rows["classes"][index]
        if not alike.any():
            return None
        others, tiles = others[alike], tiles[alike]
        boxes = self.rows["boxes_xyxy"]
        zones = shared_boxes(self.windows[tiles], self.windows[tile])
        own = shared_boxes(zones, boxes[index].astype(np.float64))
        overlap = box_overlaps(own, shared_boxes(zones, boxes[others].astype(np.float64)))
        best = int(overlap.argmax())
        if overlap[best] < AGREEING:
            return None
        if "masks" not in self.rows:
            return int(others[best])
        for at in np.flatnonzero(overlap > 0)[np.argsort(-overlap[overlap > 0])].tolist():
            if self._mask_overlap(index, int(others[at]), zones[at]) >= AGREEING:
                return int(others[at])
        return None

    def _mask_overlap(self, first: int, second: int, zone: npt.NDArray[np.float64]) -> float:
        from faster_coco_eval.core import mask as coco_mask

        size = self.rows["sizes_hw"][first].tolist()
        packed = [{"size": size, "counts": bytes(self.rows["masks"][index])} for index in (first, second)]
        left, top, right, bottom = zone.tolist()
        (rectangle,) = coco_mask.frPyObjects([[left, top, right, top, right, bottom, left, bottom]], *size)
        shown = [coco_mask.merge([one, rectangle], intersect=True) for one in packed]
        return float(coco_mask.iou([shown[0]], [shown[1]], [0])[0, 0])

    def _join(self, first: int, second: int) -> None:
        boxes, scores = self.rows["boxes_xyxy"], self.rows["scores"]
        boxes[first, :2] = np.minimum(boxes[first, :2], boxes[second, :2])
        boxes[first, 2:] = np.maximum(boxes[first, 2:], boxes[second, 2:])
        scores[first] = max(scores[first], scores[second])
        if "masks" in self.rows:
            self._join_masks(first, second)

    def _join_masks(self, first: int, second: int) -> None:
        from faster_coco_eval.core import mask as coco_mask

        size = self.rows["sizes_hw"][first].tolist()
        packed = [{"size": size, "counts": bytes(self.rows["masks"][index])} for index in (first, second)]
        counts = coco_mask.merge(packed)["counts"]
        # The column is as wide as its longest entry; a longer one must not be cut.
        masks = self.rows["masks"].astype(object)
        masks[first] = counts
        self.rows["masks"] = masks.astype(np.bytes_)


class _Neighbours:
    """Which tiles show a part of what another one shows; found by place, since a huge picture has thousands."""

    def __init__(self, windows: npt.NDArray[np.float64]) -> None:
        self._windows = windows
        self._pitch = (windows[:, 2:] - windows[:, :2]).max(0)
        self._cells: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._known: dict[int, list[int]] = {}
        for tile, cell in enumerate(self._cell(windows).tolist()):
            self._cells[cell[0], cell[1]].append(tile)

    def of(self, tile: int) -> list[int]:
        """The tiles beside one, without itself."""
        if tile in self._known:
            return self._known[tile]
        x, y = self._cell(self._windows[tile]).tolist()
        around = [other for dx in (-1, 0, 1) for dy in (-1, 0, 1) for other in self._cells.get((x + dx, y + dy), ())]
        shared = shared_boxes(self._windows[around], self._windows[tile])
        self._known[tile] = [
            other for other, area in zip(around, box_areas(shared).tolist(), strict=True) if area > 0 and other != tile
        ]
        return self._known[tile]

    def _cell(self, windows: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        return np.asarray(windows[..., :2] // self._pitch, np.int64)


def _owned(part: Row, placement: Placement) -> Row:
    """Finds whose middle lies in what the tile answers for, or a little beyond.

    Of an object that a tile cuts off, what lies before the seam is shown by its neighbour, with more of the object.
    """
    boxes = part["boxes_xyxy"].astype(np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    middle = (boxes[:, 2:] + boxes[:, :2]) / 2
    low, high = _owned_corners(placement)
    own = ((middle >= low - BEYOND * sides) & (middle <= high + BEYOND * sides)).all(1)
    return {name: values[own] for name, values in part.items()}


def _near_seam(part: Mapping[str, npt.NDArray[Any]], placement: Placement) -> npt.NDArray[np.bool_]:
    """Whether a find lies so near a seam that a neighbour may have kept the same object."""
    boxes = part["boxes_xyxy"].astype(np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    low, high = _owned_corners(placement)
    return np.asarray(((boxes[:, :2] - sides < low) | (boxes[:, 2:] + sides > high)).any(1))


def _cut_off(part: Mapping[str, npt.NDArray[Any]], placement: Placement) -> npt.NDArray[np.bool_]:
    """Whether a find reaches an edge of its tile that is no edge of the picture."""
    boxes = part["boxes_xyxy"].astype(np.float64)
    left, top, right, bottom = _covered_xyxy(placement)
    height, width = placement.size_hw
    near_y, near_x = (_EDGE_PIXELS / scale for scale in placement.scale_yx)
    return np.asarray(
        ((boxes[:, 0] <= left + near_x) & (left > 0))
        | ((boxes[:, 1] <= top + near_y) & (top > 0))
        | ((boxes[:, 2] >= right - near_x) & (right < width))
        | ((boxes[:, 3] >= bottom - near_y) & (bottom < height))
    )


def _covered_xyxy(placement: Placement) -> tuple[int, int, int, int]:
    rows, columns = placement.covered
    return columns.start, rows.start, columns.stop, rows.stop


def _owned_corners(placement: Placement) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    rows, columns = placement.owned
    return np.array([columns.start, rows.start], np.float64), np.array([columns.stop, rows.stop], np.float64)
