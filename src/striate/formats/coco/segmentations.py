"""COCO's ways to write a mask - polygons, run lengths as numbers or as text - and what each means in pixels.

T.-Y. Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014; the text form is that of its mask tools.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from striate.formats.outlines import fill_outlines
from striate.images import MAX_PIXELS

Corners = tuple[float, float, float, float]

_FARTHEST = 100_000
"""Corners farther away from the picture than this many pixels are no outline; drawing them would take minutes."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The parts of one object, each `[x, y, x, y, ...]` with three corners or more."""

    polygons: tuple[tuple[float, ...], ...]

    def box_xyxy(self) -> Corners:
        """The smallest box around all corners."""
        x = [value for polygon in self.polygons for value in polygon[0::2]]
        y = [value for polygon in self.polygons for value in polygon[1::2]]
        return min(x), min(y), max(x), max(y)

    def within(self, size_hw: tuple[int, int]) -> Outline:
        """With corners beyond the picture drawn to its edge."""
        limits = (size_hw[1], size_hw[0])
        return Outline(
            tuple(
                tuple(min(max(value, 0.0), float(limits[i % 2])) for i, value in enumerate(polygon))
                for polygon in self.polygons
            )
        )

    def run_lengths(self, size_hw: tuple[int, int]) -> bytes:
        """Compressed run lengths of the pixels inside any of the parts."""
        return fill_outlines([np.array(polygon, np.float64) for polygon in self.polygons], size_hw)


@dataclass(frozen=True, slots=True)
class Runs:
    """Run lengths: of background and object in turn, column by column.

    Attributes:
        size_hw: Height and width of the mask.
        counts: COCO's compressed run lengths.
    """

    size_hw: tuple[int, int]
    counts: bytes

    def box_xyxy(self) -> Corners:
        """The smallest box around the mask."""
        from faster_coco_eval.core import mask as coco_mask

        packed = [{"size": list(self.size_hw), "counts": self.counts}]
        left, top, width, height = (float(value) for value in coco_mask.toBbox(packed)[0])
        return left, top, left + width, top + height


def parse_segmentation(value: object) -> Outline | Runs | None:
    """What the field `segmentation` holds; `None` where it is empty.

    Parts of fewer than three corners enclose nothing and are left out.

    Raises:
        ValueError: It cannot be understood; the text says why.
    """
    if not value:
        return None
    if isinstance(value, dict):
        return _parse_runs(value)
    if not isinstance(value, list):
        raise ValueError(f"{type(value).__name__} instead of polygons or run lengths")
    parts = [value] if isinstance(value[0], int | float) else value
    polygons = [polygon for part in parts if len(polygon := _parse_polygon(part)) >= 6]
    return Outline(tuple(polygons)) if polygons else None


def box_outline(box_xyxy: Corners) -> Outline:
    """The box itself as an outline."""
    left, top, right, bottom = box_xyxy
    return Outline(((left, top, right, top, right, bottom, left, bottom),))


def _parse_polygon(part: object) -> tuple[float, ...]:
    try:
        values = np.array(part)
    except ValueError:
        values = np.array(None)
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iuf"):
        raise ValueError("a polygon is a list of numbers x, y, x, y, ...")
    if len(values) % 2:
        raise ValueError(f"a polygon has {len(values)} coordinates, which are no pairs")
    corners = values.astype(np.float64)
    # What is no number is not smaller either.
    if not (np.abs(corners) < _FARTHEST).all():
        raise ValueError(f"a corner lies farther than {_FARTHEST} pixels away")
    return tuple(corners.tolist())


def _parse_runs(value: dict[str, object]) -> Runs:
    size, counts = value.get("size"), value.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and all(isinstance(one, int) and one > 0 for one in size)):
        raise ValueError(f"the size of a mask is height and width, not {size!r}")
    size_hw = (int(size[0]), int(size[1]))
    if size_hw[0] * size_hw[1] > MAX_PIXELS:
        raise ValueError(f"a mask of {size_hw[0]} x {size_hw[1]} is larger than any picture that is read")
    if isinstance(counts, str):
        packed = counts.encode("ascii", errors="replace")
        _check_runs(_unpack(packed), size_hw)
        return Runs(size_hw, packed)
    if not isinstance(counts, list) or not all(isinstance(one, int) for one in counts):
        raise ValueError("run lengths are whole numbers, or a text")
    _check_runs(counts, size_hw)
    from faster_coco_eval.core import mask as coco_mask

    return Runs(size_hw, bytes(coco_mask.frPyObjects({"size": list(size_hw), "counts": counts}, *size_hw)["counts"]))


def _check_runs(runs: Sequence[int], size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    if sum(runs) != height * width or min(runs) < 0:
        raise ValueError(f"run lengths add up to {sum(runs)} pixels instead of {height} x {width} = {height * width}")


def _unpack(counts: bytes) -> list[int]:
    """Run lengths of the text form: five bits a character, the lowest first, from the third run on as differences."""
    runs: list[int] = []
    value, shift = 0, 0
    for byte in counts:
        code = byte - 48
        if not 0 <= code < 64:
            raise ValueError("compressed run lengths hold a character that means nothing")
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value, shift = 0, 0
    if shift or not runs:
        raise ValueError("compressed run lengths end in the middle")
    return runs
