"""Objects as people draw them (rectangles, outlines, circles, painted masks), and the boxes or masks that they mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from striate.formats.outlines import Points, fill_outlines
from striate.structures import Boxes, Instances

_FARTHEST = 10
"""Picture sizes beyond the edge at which outlines are cut: COCO's rasteriser walks every step of an edge."""


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A closed outline, filled by the even-odd rule.

    Attributes:
        points: `(K, 2)`, K at least 3, finite: x and y in pixels.
        rectangle: Whether it is upright and has four corners, so that a box says all of it.
    """

    points: Points
    rectangle: bool = False

    def extent(self) -> tuple[float, float, float, float]:
        """The smallest box around it, xyxy."""
        (left, top), (right, bottom) = self.points.min(0).tolist(), self.points.max(0).tolist()
        return left, top, right, bottom

    def run_lengths(self, size_hw: tuple[int, int]) -> bytes:
        """The pixels inside, as COCO's compressed run lengths."""
        far = _FARTHEST * max(size_hw)
        return fill_outlines([np.clip(self.points, -far, far + max(size_hw))], size_hw)


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """Pixels that were painted, as a piece of the picture.

    Attributes:
        pixels: `(h, w)` bool.
        left: Column of the piece's first pixel in the picture.
        top: Its row.
        rectangle: Never; see `Outline`.
    """

    pixels: npt.NDArray[np.bool_]
    left: int
    top: int
    rectangle: bool = False

    def extent(self) -> tuple[float, float, float, float]:
        """The smallest box around it, xyxy; of no area where nothing is painted."""
        rows, columns = np.flatnonzero(self.pixels.any(1)), np.flatnonzero(self.pixels.any(0))
        if not len(rows):
            return self.left, self.top, self.left, self.top
        return (
            float(self.left + columns[0]),
            float(self.top + rows[0]),
            float(self.left + columns[-1] + 1),
            float(self.top + rows[-1] + 1),
        )

    def run_lengths(self, size_hw: tuple[int, int]) -> bytes:
        """The pixels that lie in the picture, as COCO's compressed run lengths."""
        from faster_coco_eval.core import mask as coco_mask

        canvas = np.zeros(size_hw, np.uint8, order="F")
        top, left = max(self.top, 0), max(self.left, 0)
        rows, columns = max(size_hw[0] - self.top, 0), max(size_hw[1] - self.left, 0)
        piece = self.pixels[top - self.top : rows, left - self.left : columns]
        canvas[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
        return bytes(coco_mask.encode(canvas)["counts"])


Area: TypeAlias = Outline | Painted


@dataclass(slots=True)
class DrawnObject:
    """One object of a picture.

    Attributes:
        name: Its class.
        areas: Its parts; all of them together are the object.
        iscrowd: Many objects that were not told apart.
        ignore: Need not be found.
    """

    name: str
    areas: list[Area]
    iscrowd: bool = False
    ignore: bool = False

    @property
    def is_box(self) -> bool:
        """Whether nothing but rectangles was drawn."""
        return all(area.rectangle for area in self.areas)


def rectangle(left: float, top: float, right: float, bottom: float) -> Outline:
    """An upright rectangle; its corners may come in any order."""
    (left, right), (top, bottom) = sorted((left, right)), sorted((top, bottom))
    return Outline(np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64), rectangle=True)


def ellipse(centre_x: float, centre_y: float, radius_x: float, radius_y: float, angle: float = 0.0) -> Outline:
    """An ellipse as an outline of so many points that it departs from the curve by less than a hundredth of a pixel.

    Args:
        centre_x: Centre.
        centre_y: Centre.
        radius_x: Half of its width before it is turned.
        radius_y: Half of its height.
        angle: Radians, from the x axis towards the y axis, which points down.
    """
    radius = max(abs(radius_x), abs(radius_y), 1.0)
    # A chord departs from its arc by r (1 - cos(pi / n)), about r (pi / n)^2 / 2. Multiples of four touch the box.
    count = 4 * min(math.ceil(math.pi * math.sqrt(radius / 0.02) / 4), 256)
    turn = np.arange(count) * (2 * math.pi / count)
    x, y = radius_x * np.cos(turn), radius_y * np.sin(turn)
    cosine, sine = math.cos(angle), math.sin(angle)
    return Outline(np.column_stack([centre_x + x * cosine - y * sine, centre_y + x * sine + y * cosine]))


def finite_numbers(values: object) -> list[float] | None:
    """Numbers as JSON holds them; `None` where one of them is something else, or not finite."""
    if not isinstance(values, list | tuple):
        return None
    found = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e9 or value != value:
            return None
        found.append(float(value))
    return found


def build_boxes(objects: Sequence[DrawnObject], position: Mapping[str, int]) -> Boxes:
    """The smallest box around each object.

    Args:
        objects: The objects of one picture.
        position: Class index of each name.
    """
    extents = np.array([area.extent() for one in objects for area in one.areas], np.float64).reshape(-1, 4)
    firsts = np.cumsum([0, *(len(one.areas) for one in objects)])[:-1]
    if not len(extents):
        return Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    corners = [np.minimum.reduceat(extents[:, :2], firsts), np.maximum.reduceat(extents[:, 2:], firsts)]
    return Boxes(np.concatenate(corners, axis=1).astype(np.float32), *_classes_and_flags(objects, position))


def build_instances(objects: Sequence[DrawnObject], position: Mapping[str, int], size_hw: tuple[int, int]) -> Instances:
    """The pixels of each object, all its parts together.

    Args:
        objects: The objects of one picture.
        position: Class index of each name.
        size_hw: Height and width of the picture.
    """
    from faster_coco_eval.core import mask as coco_mask

    if not objects:
        return Instances(size_hw, (), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    masks: list[bytes] = []
    for one in objects:
        parts = [{"size": list(size_hw), "counts": area.run_lengths(size_hw)} for area in one.areas]
        masks.append(bytes((parts[0] if len(parts) == 1 else coco_mask.merge(parts))["counts"]))
    return Instances.from_run_lengths(size_hw, masks, *_classes_and_flags(objects, position))


def _classes_and_flags(
    objects: Sequence[DrawnObject], position: Mapping[str, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    return (
        np.array([position[one.name] for one in objects], np.int64),
        np.array([one.iscrowd for one in objects], np.bool_),
        np.array([one.ignore for one in objects], np.bool_),
    )
