"""From the channels a picture has to the channels a network sees, by stated rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError
from striate.images.kinds import natural_channel_names

_LUMA = (19595, 38470, 7471)
"""Weights of red, green and blue, in 1/65536: 0.299, 0.587, 0.114 (ITU-R BT.601). They sum to 65536."""


def to_channels(
    pixels: npt.NDArray[Any], count: int, names: Sequence[str], *, target_names: Sequence[str] | None = None
) -> npt.NDArray[Any]:
    """Changes the number of channels; the data type stays.

    The rules, in this order:

    1. The count that is there already: nothing changes.
    2. Alpha that is not asked for: the picture is laid on white, as a page or a viewer shows it, because the colours
       under a transparent pixel are arbitrary. White is the largest value of an integer type, and 1 for float32.
    3. Gray to red, green, blue: repeated. Red, green, blue to gray: the luma of ITU-R BT.601, rounded; for uint8
       equal to Pillow's to the last bit.
    4. Alpha that is asked for and missing: opaque.

    Anything else has no rule.

    Args:
        pixels: `(C, H, W)`.
        count: Channels wanted.
        names: Names of the channels there are.
        target_names: Names of the channels wanted; gray, gray and alpha, RGB or RGBA by their count where not given.

    Returns:
        `(count, H, W)`; the array itself where nothing changes.

    Raises:
        PictureError: No rule leads there.
    """
    if len(pixels) == count:
        return pixels
    wanted = tuple(target_names) if target_names is not None else natural_channel_names(count)
    names = tuple(names)
    if len(names) > 1 and names[-1] == "alpha" and wanted[-1] != "alpha":
        pixels, names = _lay_on_white(pixels), names[:-1]
    elif wanted[-1] == "alpha" and len(wanted) > 1 and names[-1] != "alpha":
        opaque = np.full_like(pixels[:1], _white(pixels.dtype))
        body = to_channels(pixels, count - 1, names, target_names=wanted[:-1])
        return np.concatenate([body, opaque])
    elif len(names) > 1 and names[-1] == "alpha" and wanted[-1] == "alpha":
        body = to_channels(pixels[:-1], count - 1, names[:-1], target_names=wanted[:-1])
        return np.concatenate([body, pixels[-1:]])
    if len(pixels) == count:
        return pixels
    if len(pixels) == 1 and wanted == natural_channel_names(3):
        return np.repeat(pixels, 3, axis=0)
    if names == natural_channel_names(3) and count == 1:
        return luma(pixels)
    raise PictureError(
        f"the picture has {len(names)} channels ({', '.join(names)}) where {count} ({', '.join(wanted)}) are wanted, "
        "and no rule turns one into the other.",
        fix="Leave such pictures out, or save all pictures with the same channels.",
        kind="channels",
    )


def _white(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def _lay_on_white(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    colour, white = pixels[:-1].astype(np.float64), _white(pixels.dtype)
    opacity = pixels[-1:].astype(np.float64) / white
    mixed = colour * opacity + white * (1.0 - opacity)
    return (np.rint(mixed) if pixels.dtype.kind in "iu" else mixed).astype(pixels.dtype)


def luma(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Gray of red, green and blue `(3, H, W)`: `(1, H, W)` of the same type (ITU-R BT.601)."""
    if pixels.dtype.kind == "f":
        weights = np.asarray(_LUMA, dtype=np.float64) / 65536
        return np.asarray(np.tensordot(weights, pixels, axes=1), dtype=pixels.dtype)[None]
    wide = pixels.astype(np.int64)
    total = wide[0] * _LUMA[0] + wide[1] * _LUMA[1] + wide[2] * _LUMA[2]
    return np.asarray((total + 32768) >> 16, dtype=pixels.dtype)[None]
