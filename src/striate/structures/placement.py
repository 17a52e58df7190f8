"""How a picture lies in the smaller or larger frame that a network sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.structures.annotation import VOID


@dataclass(frozen=True, slots=True)
class Placement:
    """Scale and place: a point `(y, x)` of the picture lies at `point * scale_yx + offset_yx` in the frame.

    Attributes:
        size_hw: Height and width of the picture, in pixels.
        frame_hw: Height and width of the frame.
        scale_yx: Frame pixels for one picture pixel.
        offset_yx: Where the picture's upper left corner lies in the frame.
    """

    size_hw: tuple[int, int]
    frame_hw: tuple[int, int]
    scale_yx: tuple[float, float]
    offset_yx: tuple[float, float]

    def boxes_into(self, boxes_xyxy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Boxes of the picture in frame coordinates, not clipped: `(N, 4)`."""
        return np.asarray(boxes_xyxy * self._scale + self._offset, np.float32)

    def boxes_out_of(self, boxes_xyxy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Boxes of the frame in picture coordinates, clipped to the picture: `(N, 4)`."""
        height, width = self.size_hw
        found = (boxes_xyxy - self._offset) / self._scale
        return np.asarray(np.clip(found, 0, [width, height, width, height]), np.float32)

    def plane_into(self, plane: npt.NDArray[Any], outside: int = VOID) -> npt.NDArray[Any]:
        """A plane of classes or object numbers `(H, W)` in the frame, each pixel the nearest one, never a mixture.

        Args:
            plane: At the picture's size.
            outside: Value where the frame shows no picture.
        """
        scale, offset = np.array(self.scale_yx), np.array(self.offset_yx)
        return _resampled(plane, self.frame_hw, 1 / scale, -offset / scale, outside)

    @property
    def _scale(self) -> npt.NDArray[np.float64]:
        return np.array([self.scale_yx[1], self.scale_yx[0]] * 2)

    @property
    def _offset(self) -> npt.NDArray[np.float64]:
        return np.array([self.offset_yx[1], self.offset_yx[0]] * 2)


def _resampled(
    plane: npt.NDArray[Any],
    wanted_hw: tuple[int, int],
    scale_yx: npt.NDArray[np.float64],
    offset_yx: npt.NDArray[np.float64],
    outside: int,
) -> npt.NDArray[Any]:
    """For each pixel wanted, the source pixel in which its middle lies."""
    height, width = plane.shape
    rows, columns = (
        np.floor((np.arange(side) + 0.5) * scale_yx[axis] + offset_yx[axis]).astype(np.int64)
        for axis, side in enumerate(wanted_hw)
    )
    found: npt.NDArray[Any] = plane[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]
    beyond_rows, beyond_columns = (rows < 0) | (rows >= height), (columns < 0) | (columns >= width)
    if beyond_rows.any() or beyond_columns.any():
        found[beyond_rows] = outside
        found[:, beyond_columns] = outside
    return found
