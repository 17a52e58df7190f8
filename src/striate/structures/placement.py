"""How pictures lie in the frames that a network sees: one frame each, or a large one in several tiles."""

from __future__ import annotations

from collections.abc import Sequence
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
        owned_xyxy: The part of the picture that this frame alone answers for, where the picture is cut into tiles that
            overlap; `None` where one frame shows it all.
    """

    size_hw: tuple[int, int]
    frame_hw: tuple[int, int]
    scale_yx: tuple[float, float]
    offset_yx: tuple[float, float]
    owned_xyxy: tuple[int, int, int, int] | None = None

    @property
    def owned(self) -> tuple[slice, slice]:
        """Rows and columns of the picture that this frame answers for."""
        left, top, right, bottom = self.owned_xyxy or (0, 0, self.size_hw[1], self.size_hw[0])
        return slice(top, bottom), slice(left, right)

    @property
    def covered(self) -> tuple[slice, slice]:
        """Rows and columns of the picture that the frame shows, pixels whose middle lies in it."""
        if self.owned_xyxy is None:
            return self.owned
        ranges = []
        for axis, side in enumerate(self.size_hw):
            scale, offset = self.scale_yx[axis], self.offset_yx[axis]
            low = int(np.ceil(-offset / scale - 0.5))
            high = int(np.floor((self.frame_hw[axis] - offset) / scale - 0.5)) + 1
            ranges.append(slice(max(0, low), min(side, high)))
        return ranges[0], ranges[1]

    @property
    def owned_in_frame(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that lie in `owned`; all of the frame where one frame shows it all."""
        if self.owned_xyxy is None:
            return slice(0, self.frame_hw[0]), slice(0, self.frame_hw[1])
        ranges = []
        for axis, part in enumerate(self.owned):
            ends = [round(end * self.scale_yx[axis] + self.offset_yx[axis]) for end in (part.start, part.stop)]
            low, high = (min(max(end, 0), self.frame_hw[axis]) for end in ends)
            ranges.append(slice(low, high))
        return ranges[0], ranges[1]

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


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """The frames in which some pictures are shown, those of one picture side by side.

    Attributes:
        pictures: `(F,)` position of the picture of each frame, ascending.
        placements: How the picture lies in each; nothing where nobody asks.
    """

    pictures: npt.NDArray[np.int64]
    placements: tuple[Placement, ...] = ()

    @classmethod
    def single(cls, count: int) -> Frames:
        """One frame a picture, where nobody asks how it lies there."""
        return cls(np.arange(count, dtype=np.int64))

    @classmethod
    def of(cls, placements: Sequence[Sequence[Placement]]) -> Frames:
        """From the placements of each picture."""
        counts = [len(own) for own in placements]
        pictures = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        return cls(pictures, tuple(one for own in placements for one in own))

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def tiled(self) -> bool:
        """Whether some picture has several frames."""
        return bool((np.diff(self.pictures) == 0).any())

    def positions_of(self, pictures: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Positions of the frames of some pictures, in the order of these."""
        first = np.searchsorted(self.pictures, pictures, "left")
        counts = np.searchsorted(self.pictures, pictures, "right") - first
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.asarray(np.repeat(first, counts) + within, np.int64)

    def of_pictures(self, pictures: npt.NDArray[np.int64]) -> Frames:
        """The frames of some pictures, which are counted anew from 0 in the order given."""
        chosen = self.positions_of(pictures)
        counts = np.searchsorted(self.pictures, pictures, "right") - np.searchsorted(self.pictures, pictures, "left")
        placements = tuple(self.placements[index] for index in chosen) if self.placements else ()
        return Frames(np.repeat(np.arange(len(pictures), dtype=np.int64), counts), placements)


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
