"""How a picture of any size comes to lie in the frames that a network sees, and its pixels there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from striate.images import ChannelChoice, to_channels
from striate.images.windows import Window, parse_window
from striate.recipe import InputRecipe
from striate.structures import Frames, Picture, Placement

Pixels = npt.NDArray[np.generic]
Fit = Literal["squash", "crop", "pad", "tiles"]

LARGER_THAN_USUAL = 2.0
"""Pictures that are this many times as high or wide as one frame shows at the usual scale are cut into tiles."""

OVERLAP = 0.25


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a picture becomes what is kept of it.

    Attributes:
        size_hw: Height and width of a frame, in pixels.
        channels: Number of channels to keep.
        fit: "squash" both sides, "crop" the middle, "pad" with zeros, or cut into "tiles" at one scale.
        tile_scale: Frame pixels for one picture pixel in tiles. `None`: no picture is ever cut into tiles.
        overlap: Share of a tile's side that its neighbour shows too.
        choice: Which channels these are; by their number alone where not given.
        window: Range of values that becomes 0..1; `None` leaves values as they are.
    """

    size_hw: tuple[int, int]
    channels: int
    fit: Fit = "squash"
    tile_scale: float | None = None
    overlap: float = OVERLAP
    choice: ChannelChoice | None = None
    window: Window | None = None

    @classmethod
    def of(cls, recipe: InputRecipe, choice: ChannelChoice) -> Preparation:
        """The preparation a filled recipe asks for.

        Args:
            recipe: Size and fit; the size must be filled.
            choice: Its `data.channels`, understood for the pictures.

        Raises:
            RecipeError: Its window is none.
        """
        if recipe.size_hw is None:
            raise ValueError("the recipe has no input.size_hw yet")
        overlap = OVERLAP if recipe.tile_overlap is None else recipe.tile_overlap
        return cls(
            recipe.size_hw,
            choice.count,
            recipe.fit or "squash",
            recipe.tile_scale,
            overlap,
            choice,
            parse_window(recipe.window),
        )

    def frames(self, sizes_hw: Iterable[tuple[int, int]]) -> Frames:
        """How pictures of these sizes come to lie in frames."""
        return Frames.of([self.place(size_hw) for size_hw in sizes_hw])

    def place(self, size_hw: tuple[int, int]) -> tuple[Placement, ...]:
        """How a picture of this size comes to lie in its frame, or in each of its tiles."""
        if self.is_cut(size_hw):
            return self._tiles(size_hw)
        height, width = self.size_hw
        if self.fit == "squash":
            return (Placement(size_hw, self.size_hw, (height / size_hw[0], width / size_hw[1]), (0.0, 0.0)),)
        inner_h, inner_w, top, left = self._inner(size_hw)
        sign = -1.0 if self.fit == "crop" else 1.0
        scale_yx = (inner_h / size_hw[0], inner_w / size_hw[1])
        return (Placement(size_hw, self.size_hw, scale_yx, (sign * top, sign * left)),)

    def is_cut(self, size_hw: tuple[int, int]) -> bool:
        """Whether a picture of this size is cut into tiles: always where `fit` says so, else only an unusual one."""
        if self.fit == "tiles":
            return True
        if self.tile_scale is None:
            return False
        seen = [frame / self.tile_scale for frame in self.size_hw]
        return any(side > LARGER_THAN_USUAL * usual for side, usual in zip(size_hw, seen, strict=True))

    def scaled_hw(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        """Height and width of a picture at the scale of its tiles."""
        scale = self.tile_scale or 1.0
        return max(1, round(size_hw[0] * scale)), max(1, round(size_hw[1] * scale))

    def _tiles(self, size_hw: tuple[int, int]) -> tuple[Placement, ...]:
        scaled = self.scaled_hw(size_hw)
        scale_yx = (scaled[0] / size_hw[0], scaled[1] / size_hw[1])
        axes = [
            _starts(side, frame, self.overlap, whole)
            for side, frame, whole in zip(scaled, self.size_hw, size_hw, strict=True)
        ]
        return tuple(
            Placement(size_hw, self.size_hw, scale_yx, (-float(top), -float(left)), (x0, y0, x1, y1))
            for top, y0, y1 in axes[0]
            for left, x0, x1 in axes[1]
        )

    def _inner(self, size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
        """Height and width of the scaled picture, and how far its corner lies from the frame's."""
        ratios = (self.size_hw[0] / size_hw[0], self.size_hw[1] / size_hw[1])
        ratio = max(ratios) if self.fit == "crop" else min(ratios)
        inner_h, inner_w = max(1, round(size_hw[0] * ratio)), max(1, round(size_hw[1] * ratio))
        return inner_h, inner_w, abs(inner_h - self.size_hw[0]) // 2, abs(inner_w - self.size_hw[1]) // 2


def _starts(side: int, frame: int, overlap: float, whole: int) -> list[tuple[int, int, int]]:
    """Tiles along one axis, evenly spread: where each begins, and which part of the picture it answers for.

    Args:
        side: Pixels of the scaled picture.
        frame: Pixels of a tile.
        overlap: Least share of a tile that two neighbours show.
        whole: Pixels of the picture itself.

    Returns:
        Start in the scaled picture (negative where the picture is smaller than the tile and lies in its middle), first
        and last + 1 pixel of the picture that the tile answers for. Neighbours meet in the middle of what both show.
    """
    if side <= frame:
        return [(-((frame - side) // 2), 0, whole)]
    step = max(1, math.floor(frame * (1 - overlap)))
    count = 1 + math.ceil((side - frame) / step)
    starts = np.linspace(0, side - frame, count).round().astype(int).tolist()
    seams = [(start + frame + after) / 2 for start, after in pairwise(starts)]
    bounds = [0, *(round(seam * whole / side) for seam in seams), whole]
    return list(zip(starts, bounds, bounds[1:], strict=False))


def prepare(picture: Picture, preparation: Preparation, whole_hw: tuple[int, int] | None = None) -> Iterator[Pixels]:
    """A picture in each of its frames, `(C, H, W)` each; in the order of `Preparation.place`.

    The type of the values is unchanged, but for colour spaces and behind a window, where they are float32. Resizing is
    bilinear with antialiasing; integers are rounded, never wrapped. Values that are no finite numbers count as 0.

    Args:
        picture: The picture.
        preparation: How it becomes frames.
        whole_hw: Height and width of the file, where the picture was read smaller than that.

    Raises:
        PictureError: Its channels cannot become the channels asked for.
    """
    pixels, choice, names = picture.pixels, preparation.choice, picture.channel_names
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        pixels = np.nan_to_num(pixels, nan=0.0, posinf=0.0, neginf=0.0)
    if preparation.window is not None:
        # Before channels are chosen: each may have a window of its own.
        pixels = preparation.window.apply(pixels, picture.levels)
    if choice is None:
        yield from _frames(to_channels(pixels, preparation.channels, names), preparation, whole_hw)
        return
    for frame in _frames(choice.select(pixels, names), preparation, whole_hw):
        yield choice.convert(frame)


def _frames(pixels: Pixels, preparation: Preparation, whole_hw: tuple[int, int] | None) -> Iterator[Pixels]:
    size_hw = whole_hw or (int(pixels.shape[1]), int(pixels.shape[2]))
    frame_hw = preparation.size_hw
    if preparation.is_cut(size_hw):
        scaled = _resize(pixels, *preparation.scaled_hw(size_hw))
        for placement in preparation.place(size_hw):
            yield _window(scaled, placement)
    elif preparation.fit == "squash" or size_hw == frame_hw:
        yield np.ascontiguousarray(_resize(pixels, *frame_hw))
    else:
        inner_h, inner_w, top, left = preparation._inner(size_hw)
        inner = _resize(pixels, inner_h, inner_w)
        if preparation.fit == "crop":
            yield np.ascontiguousarray(inner[:, top : top + frame_hw[0], left : left + frame_hw[1]])
            return
        padded = np.zeros((pixels.shape[0], *frame_hw), dtype=pixels.dtype)
        padded[:, top : top + inner_h, left : left + inner_w] = inner
        yield padded


def _window(scaled: Pixels, placement: Placement) -> Pixels:
    """What a tile shows of the scaled picture; zeros beside it."""
    frame: Pixels = np.zeros((scaled.shape[0], *placement.frame_hw), dtype=scaled.dtype)
    inside, shown = [], []
    for axis, offset in enumerate(placement.offset_yx):
        start = -int(offset)
        low, high = max(0, start), min(scaled.shape[axis + 1], start + placement.frame_hw[axis])
        shown.append(slice(low, high))
        inside.append(slice(low - start, high - start))
    frame[:, inside[0], inside[1]] = scaled[:, shown[0], shown[1]]
    return frame


def _resize(pixels: Pixels, height: int, width: int) -> Pixels:
    if pixels.shape[1:] == (height, width):
        return pixels
    narrow = pixels.dtype == np.uint8
    # torch resamples uint8 directly, as Pillow does; other types go through float32, which holds 16 bits exactly.
    tensor = torch.from_numpy(np.ascontiguousarray(pixels if narrow else pixels.astype(np.float32)))
    resized = functional.interpolate(
        tensor[None], size=(height, width), mode="bilinear", antialias=True, align_corners=False
    )[0].numpy()
    if narrow or pixels.dtype == np.float32:
        return resized
    return as_integers(resized, pixels.dtype)


def as_dtype(pixels: Pixels, dtype: np.dtype[np.generic]) -> Pixels:
    """Converts by value range (255 becomes 65535), so that a stray 8-bit picture in a 16-bit set keeps its look."""
    if pixels.dtype == dtype:
        return pixels
    if dtype == np.float32:
        return pixels.astype(np.float32)
    top = {"uint8": 255.0, "uint16": 65535.0, "int16": 32767.0, "float32": 1.0}
    factor = top[dtype.name] / top[pixels.dtype.name]
    return as_integers(pixels.astype(np.float64) * factor, dtype)


def as_integers(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> Pixels:
    """Rounded and cut to the range of an integer type."""
    limits = np.iinfo(dtype)
    whole: Pixels = np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
    return whole
