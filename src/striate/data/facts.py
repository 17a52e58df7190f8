"""What is measured of each picture, once, when a data set is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.structures import Picture, Problem

THUMBNAIL_SIDE = 32
COLOUR_SIDE = 8
HISTOGRAM_BINS = 32
HISTOGRAM_VALUES = 10_000
"""Values of a channel that go into its histogram, about; smaller pictures go in whole."""

GRID_PIXELS = 4_000_000
"""Of a picture with four times as many pixels or more, mean, deviation, histogram and thumbnail come from a grid of
at least so many; the digest and the extremes from all of it."""

_SMALL_SIDE = 64

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PictureFacts:
    """Facts of one picture. A picture that could not be read has a `dropped` problem and no channels.

    Attributes:
        name: Name of its source.
        size_hw: Height and width in pixels, as the file has them.
        channel_names: Names of its channels.
        dtype: Type of its values.
        digest: 16 bytes that are equal for equal pixels.
        thumbnail: `(32, 32)` uint8, mean of the channels (alpha left out), area-averaged, stretched to 0..255.
        colours: `(C, 8, 8)` uint8, each channel, stretched like the thumbnail.
        low: `(C,)` least value of each channel.
        high: `(C,)` greatest value.
        mean: `(C,)` mean value.
        deviation: `(C,)` standard deviation.
        histogram: `(C, 32)` number of values in equal bins, from 0 to 256 for uint8, from `low` to `high` for others;
            of large pictures some 10,000 values, evenly spaced.
        problems: What is odd about it.
    """

    name: str
    size_hw: tuple[int, int]
    channel_names: tuple[str, ...]
    dtype: str
    digest: bytes
    thumbnail: npt.NDArray[np.uint8]
    colours: npt.NDArray[np.uint8]
    low: Floats
    high: Floats
    mean: Floats
    deviation: Floats
    histogram: npt.NDArray[np.uint32]
    problems: tuple[Problem, ...] = ()

    @property
    def readable(self) -> bool:
        """Whether the picture could be read."""
        return bool(self.channel_names)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.channel_names)

    @property
    def bit_depth(self) -> int:
        """Bits of one value as stored: 8, 16 or 32."""
        return int(np.dtype(self.dtype).itemsize * 8)

    @property
    def blank(self) -> bool:
        """Whether every channel has one value everywhere."""
        return self.readable and bool((self.low == self.high).all())


def unreadable_facts(name: str, problem: Problem) -> PictureFacts:
    """Facts of a picture that could not be read."""
    empty = np.zeros(0)
    return PictureFacts(
        name=name,
        size_hw=(0, 0),
        channel_names=(),
        dtype="uint8",
        digest=b"",
        thumbnail=np.zeros((THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8),
        colours=np.zeros((0, COLOUR_SIDE, COLOUR_SIDE), np.uint8),
        low=empty,
        high=empty,
        mean=empty,
        deviation=empty,
        histogram=np.zeros((0, HISTOGRAM_BINS), np.uint32),
        problems=(problem,),
    )


def measure_pictures(
    names: Sequence[str],
    pictures: Sequence[Picture],
    sizes_hw: Sequence[tuple[int, int]] | None = None,
    problems: Sequence[tuple[Problem, ...]] | None = None,
) -> list[PictureFacts]:
    """Facts of pictures that have one shape, one type and the same channels, measured together.

    Values that are not finite count as 0. A picture of one value everywhere gets a problem of its own.

    Args:
        names: Name of each picture.
        pictures: The pictures.
        sizes_hw: Size of each in its file, where it was read at another one.
        problems: What is odd about each.
    """
    one = pictures[0].pixels
    stack = np.ascontiguousarray(one)[None] if len(pictures) == 1 else np.stack([each.pixels for each in pictures])
    sizes_hw = sizes_hw or [picture.size_hw for picture in pictures]
    return measure_stack(names, stack, pictures[0].channel_names, sizes_hw, problems or [()] * len(pictures))


def measure_stack(
    names: Sequence[str],
    stack: npt.NDArray[Any],
    channel_names: tuple[str, ...],
    sizes_hw: Sequence[tuple[int, int]],
    problems: Sequence[tuple[Problem, ...]],
) -> list[PictureFacts]:
    """The same of pictures in one array.

    Args:
        names: Name of each picture.
        stack: `(N, C, H, W)` their pixels.
        channel_names: Names of their channels.
        sizes_hw: Size of each in its file.
        problems: What is odd about each.
    """
    # Of a vast picture every k-th row and column: as numbers with fractions, all of it would take many times its size.
    step = max(1, int((stack.shape[2] * stack.shape[3] / GRID_PIXELS) ** 0.5))
    values = stack[:, :, ::step, ::step].astype(np.float32)
    if stack.dtype.kind == "f":
        values = np.nan_to_num(values, copy=False, posinf=0.0, neginf=0.0)
    extremes = stack if stack.dtype.kind in "iu" else values
    low, high = extremes.min((2, 3)).astype(np.float64), extremes.max((2, 3)).astype(np.float64)
    mean, deviation = _moments(values, few_digits=stack.dtype == np.uint8)
    histograms = _histograms(stack[:, :, ::step, ::step], values, low, high)
    small = area_average(values, THUMBNAIL_SIDE)
    gray = small[:, _gray_channels(channel_names)].mean(1)
    colours = area_average(small, COLOUR_SIDE)
    thumbnails = _stretch(gray, gray.min((1, 2)), np.ptp(gray, axis=(1, 2)))
    coloured = _stretch(colours, colours.min((1, 2, 3)), np.ptp(colours, axis=(1, 2, 3)))
    blank = (low == high).all(1)
    digests = _digests(stack)
    dtype = stack.dtype.name
    return [
        PictureFacts(
            name=name,
            size_hw=sizes_hw[i],
            channel_names=channel_names,
            dtype=dtype,
            digest=digests[i],
            thumbnail=thumbnails[i],
            colours=coloured[i],
            low=low[i],
            high=high[i],
            mean=mean[i],
            deviation=deviation[i],
            histogram=histograms[i],
            problems=problems[i] + (_blank_problem(name, low[i]) if blank[i] else ()),
        )
        for i, name in enumerate(names)
    ]


def _blank_problem(name: str, values: Floats) -> tuple[Problem, ...]:
    words = ", ".join(f"{value:g}" for value in values)
    fix = "It stays in; delete it unless a blank picture means something here."
    return (Problem("blank", name, f"every pixel has the value {words}: there is nothing to see.", fix),)


def _gray_channels(names: tuple[str, ...]) -> list[int]:
    chosen = [i for i, name in enumerate(names) if name != "alpha"]
    return chosen or list(range(len(names)))


def _moments(values: npt.NDArray[np.float32], *, few_digits: bool) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each channel, `(N, C)`."""
    mean = values.mean(3).mean(2, dtype=np.float64)
    if few_digits:
        squares = np.einsum("nchw,nchw->nch", values, values).sum(2, dtype=np.float64)
        return mean, np.sqrt(np.maximum(squares / (values.shape[2] * values.shape[3]) - mean**2, 0.0))
    # In one pass, the difference of two large numbers would lose all digits of a 16-bit picture's deviation.
    centred = values - mean[:, :, None, None].astype(np.float32)
    # Values beyond 1e19 have squares that float32 does not hold: their deviation is infinite here.
    with np.errstate(over="ignore"):
        return mean, np.sqrt(np.square(centred, out=centred).mean((2, 3), dtype=np.float64))


def _histograms(
    stack: npt.NDArray[Any], values: npt.NDArray[np.float32], low: Floats, high: Floats
) -> npt.NDArray[np.uint32]:
    """`(N, C, 32)` counts."""
    count, channels, height, width = stack.shape
    # Every k-th row and column: 32 bins do not get any truer with more than 10,000 values.
    step = max(1, int((height * width / HISTOGRAM_VALUES) ** 0.5))
    if stack.dtype == np.uint8:
        bins = (stack[:, :, ::step, ::step] >> 3).astype(np.intp)
    else:
        span = np.where(high > low, high - low, 1.0)[:, :, None, None]
        scaled = (values[:, :, ::step, ::step] - low[:, :, None, None]) * (HISTOGRAM_BINS / span)
        bins = np.minimum(scaled.astype(np.intp), HISTOGRAM_BINS - 1)
    rows = np.arange(count * channels).reshape(count, channels, 1, 1)
    flat = np.bincount((bins + rows * HISTOGRAM_BINS).ravel(), minlength=count * channels * HISTOGRAM_BINS)
    return flat.reshape(count, channels, HISTOGRAM_BINS).astype(np.uint32)


def area_average(values: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """Resizes the last two axes to `(side, side)`; each new pixel is the mean over the area that it covers."""
    return _average_rows(_average_rows(values, side).swapaxes(-1, -2), side).swapaxes(-1, -2)


def _average_rows(values: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    rows = values.shape[-2]
    if rows <= _SMALL_SIDE:
        return np.asarray(_overlap_of(side, rows) @ values, np.float32)
    # By running sums, not as a matrix product: BLAS threads inside of our own threads wait for each other, which has
    # been seen to take ten times as long on a busy machine.
    # (For matrices as small as those above BLAS takes no threads.)
    edges = np.arange(side + 1) * (rows / side)
    sums = np.zeros((*values.shape[:-2], rows + 1, values.shape[-1]))
    np.cumsum(values, axis=-2, out=sums[..., 1:, :])
    whole = np.minimum(edges.astype(np.intp), rows - 1)
    part = (edges - whole)[:, None]
    at_edges = sums[..., whole, :] * (1.0 - part) + sums[..., whole + 1, :] * part
    return np.asarray(np.diff(at_edges, axis=-2) * (side / rows), np.float32)


@cache
def _overlap_of(side: int, rows: int) -> npt.NDArray[np.float32]:
    """`(side, rows)`: how much of each new row is each old one."""
    edges = np.arange(side + 1) * (rows / side)
    old = np.arange(rows)
    shared = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    return np.asarray(np.clip(shared, 0.0, None) * (side / rows), np.float32)


def _stretch(values: npt.NDArray[Any], least: npt.NDArray[Any], span: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Each picture's values from 0 (least) to 255; one that is flat becomes 0."""
    axes = (slice(None),) + (None,) * (values.ndim - 1)
    scaled = (values - least[axes]) / np.where(span > 0, span, 1.0)[axes]
    return np.asarray(np.rint(scaled * 255.0), np.uint8)


def _digests(stack: npt.NDArray[Any]) -> list[bytes]:
    head = hashlib.blake2b(f"{stack.dtype.name} {stack.shape[1:]}".encode(), digest_size=16)
    digests = []
    for pixels in stack:
        state = head.copy()
        state.update(pixels.data)
        digests.append(state.digest())
    return digests
