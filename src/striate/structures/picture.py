"""Pixels, as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from striate.structures.levels import Levels

PIXEL_DTYPES = ("uint8", "uint16", "int16", "float32")
_DTYPES = frozenset(np.dtype(name) for name in PIXEL_DTYPES)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in memory, never silently narrowed.

    Attributes:
        pixels: `(C, H, W)`, dtype uint8, uint16, int16 or float32.
        channel_names: One name for each channel, for example `("red", "green", "blue")`.
        spacing_mm: Height and width of one pixel in millimetres, where known.
        source: Where it came from: a path, or `path#index` for a picture in an archive.
        levels: What the values of the whole scan are like that it is a slice of; `None` for what is no scan.

    Raises:
        ValueError: Wrong dtype, wrong number of dimensions, no pixels, or names that do not fit the channels.
    """

    pixels: npt.NDArray[np.generic]
    channel_names: tuple[str, ...]
    spacing_mm: tuple[float, float] | None = None
    source: str = ""
    levels: Levels | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype not in _DTYPES:
            raise ValueError(f"pixels must be one of {', '.join(PIXEL_DTYPES)}, got {self.pixels.dtype.name}")
        if self.pixels.ndim != 3 or self.pixels.size == 0:
            raise ValueError(f"pixels must be (C, H, W) with at least one pixel, got shape {self.pixels.shape}")
        if len(self.channel_names) != self.pixels.shape[0]:
            raise ValueError(f"{self.pixels.shape[0]} channels but {len(self.channel_names)} channel names")

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.pixels.shape[0])

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])

    @property
    def bit_depth(self) -> int:
        """Bits of one value as stored: 8, 16 or 32."""
        return int(self.pixels.dtype.itemsize * 8)
