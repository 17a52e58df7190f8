"""Kernels, feature maps and maps of reasons as pixels for a page."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from striate.inside.maps import Scale

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]

GAP = 2
_GROUND = 226
"""Grey between the pieces of a mosaic."""

MOST_WIDE = 1080


def mosaic(planes: Floats, scale: Scale, side: int) -> Pixels:
    """Planes `(n, H, W)` side by side in rows, all at one scale: `(3, H', W')`.

    Args:
        planes: What to draw.
        scale: How values become colours.
        side: Longer side of each piece, in pixels; small planes are enlarged by whole factors, each value a square.
    """
    height, width = planes.shape[1:]
    pieces = [resized(scale.pixels(plane), side, (int(height), int(width))) for plane in planes]
    return arrange(pieces)


def arrange(pieces: list[Pixels]) -> Pixels:
    """Pictures `(3, h, w)` of one size in rows that fit a page."""
    high, wide = pieces[0].shape[1:]
    columns = max(1, min(len(pieces), (MOST_WIDE + GAP) // (wide + GAP)))
    rows = math.ceil(len(pieces) / columns)
    sheet = np.full((3, rows * (high + GAP) - GAP, columns * (wide + GAP) - GAP), _GROUND, np.uint8)
    for index, piece in enumerate(pieces):
        top, left = index // columns * (high + GAP), index % columns * (wide + GAP)
        sheet[:, top : top + high, left : left + wide] = piece
    return sheet


def resized(pixels: Pixels, side: int, size_hw: tuple[int, int]) -> Pixels:
    """A picture `(3, H, W)` whose longer side is about `side`."""
    longest = max(size_hw)
    if longest <= side:
        factor = max(1, side // longest)
        return np.repeat(np.repeat(pixels, factor, 1), factor, 2)
    wanted = (max(1, round(size_hw[1] * side / longest)), max(1, round(size_hw[0] * side / longest)))
    image = Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, -1))).resize(wanted, Image.Resampling.BOX)
    return np.ascontiguousarray(np.moveaxis(np.asarray(image), -1, 0))


def kernels_in_colour(weights: Floats, side: int) -> Pixels:
    """Kernels `(n, 3, h, w)` that see red, green and blue, each stretched around grey by its own largest weight."""
    largest = np.abs(weights).max((1, 2, 3), keepdims=True)
    shown = (0.5 + 0.5 * weights / np.maximum(largest, 1e-12)) * 255
    size_hw = (int(weights.shape[2]), int(weights.shape[3]))
    return arrange([resized(one, side, size_hw) for one in shown.round().astype(np.uint8)])


def heat(plane: Floats) -> Pixels:
    """`(H, W)` from dark through red and yellow to white, the largest value brightest: `(3, H, W)`."""
    low, high = float(plane.min()), float(plane.max())
    share = (plane - low) / (high - low) if high > low else np.zeros_like(plane)
    channels = [np.clip(share * 3 - start, 0, 1) for start in (0, 1, 2)]
    return (np.stack(channels) * 255).round().astype(np.uint8)


def over(picture: Pixels, plane: Floats, *, two_sided: bool = False) -> Pixels:
    """A map over the greyed picture `(3, H, W)`: what is marked keeps its light and gets a colour."""
    grey = np.repeat(picture.mean(0, keepdims=True), 3, 0) * 0.75
    largest = max(float(np.abs(plane).max()), 1e-12)
    share = np.clip(np.abs(plane) / largest, 0, 1)
    if two_sided:
        colour = np.where(plane >= 0, np.array([220, 40, 30])[:, None, None], np.array([40, 90, 230])[:, None, None])
    else:
        colour = heat(plane)
    weight = (0.75 * share)[None]
    return (grey * (1 - weight) + colour * weight).round().clip(0, 255).astype(np.uint8)
