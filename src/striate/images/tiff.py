"""TIFF files: any number of channels, any usual data type.

What becomes a channel: samples (interleaved or planar), the axis that ImageJ or OME calls C, and the first axis of an
array that tifffile wrote as one. Of other stacks (pages, z, time) the first plane is read.

What values become: uint8, uint16, int16 and float32 stay. int8 becomes int16, and float16 float32, without loss;
32-bit and 64-bit integers and float64 become the nearest float32. One bit becomes 0 and 255, other depths below 8
bits are stretched to 0..255. CMYK becomes RGB by R = (M - C)(M - K) / M, where M is the largest value.
"""

from __future__ import annotations

import logging
import math
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.images.kinds import (
    KINDS,
    Header,
    PictureKind,
    check_growth,
    check_size,
    damaged,
    natural_channel_names,
    numbered_channel_names,
    too_large,
    truncated,
)
from striate.images.orientation import apply_orientation, upright_size_hw
from striate.images.tiff_values import TiffValues
from striate.structures import Picture

NAMES_KEY = "channel_names"
"""Key of the channel names in the JSON description that `write_picture` leaves."""

_ALPHA_SAMPLES = (1, 2)
_CHANNEL_AXES = "CSQ"
_FREE_SAMPLES = 4
_MET_IN_DAMAGED_FILES = (
    ValueError,
    LookupError,
    RuntimeError,
    ArithmeticError,
    # Sums with a tag that holds text, or none, where a number belongs.
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What of a file is read: one plane of one series, its axes and what its values mean."""

    axes: str
    shape: tuple[int, ...]
    values: TiffValues
    alpha: bool
    orientation: int
    frames: int
    names: tuple[str, ...] | None
    whole_series: bool

    @property
    def stored_hw(self) -> tuple[int, int]:
        return self.shape[self.axes.index("Y")], self.shape[self.axes.index("X")]

    @property
    def samples(self) -> int:
        sizes = [size for axis, size in zip(self.axes, self.shape, strict=True) if axis in _CHANNEL_AXES]
        return int(np.prod(sizes)) if sizes else 1


class _Tiff(PictureKind):
    """TIFF and BigTIFF."""

    name = "tiff"
    title = "TIFF"
    suffixes = (".tif", ".tiff")

    def recognises(self, head: bytes) -> bool:
        return head.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"))

    def read_header(self, path: Path) -> Header:
        import tifffile

        with decoding_tiff(path), tifffile.TiffFile(path) as file:
            return _header(path, _find_layout(path, file))

    def read(self, path: Path, at_least_hw: tuple[int, int] | None = None) -> Picture:  # noqa: ARG002
        import tifffile

        with decoding_tiff(path), tifffile.TiffFile(path) as file:
            layout = _find_layout(path, file)
            header = _header(path, layout)
            check_stored(path, file.series[0].pages if layout.whole_series else file.pages[:1])
            plane = _read_plane(file, layout)
            colours = getattr(file.pages[0], "colormap", None) if layout.values.is_palette else None
        pixels = layout.values.interpret(plane, colours)
        upright = np.ascontiguousarray(apply_orientation(pixels, layout.orientation), dtype=header.dtype)
        return Picture(upright, header.channel_names, source=str(path))


@contextmanager
def decoding_tiff(path: Path) -> Iterator[None]:
    """Turns what tifffile raises on bad files into a `PictureError`."""
    import tifffile

    # Without a handler of the application's, tifffile's remarks on a bad file would go to standard error; the error
    # raised here says the same.
    logger = logging.getLogger("tifffile")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    try:
        yield
    except tifffile.TiffFileError as error:
        raise damaged(path, str(error)) from error
    except MemoryError as error:
        raise too_large(path) from error
    except _MET_IN_DAMAGED_FILES as error:
        text = str(error)
        if any(word in text.lower() for word in ("buffer", "eof", "read ", "corrupt", "incomplete", "size")):
            raise truncated(path, text) from error
        raise damaged(path, text or type(error).__name__) from error


def _find_layout(path: Path, file: Any) -> _Layout:
    if len(file.pages) == 0:
        raise truncated(path, "there is no page in it")
    page = file.pages[0].aspage()
    series = file.series[0]
    axes, shape = series.axes, series.shape
    channel_stack = any(axis in "CQ" for axis in axes) and file.pages[0].axes in ("YX", "YXS", "SYX")
    if not channel_stack or len(series.pages) == 1:
        axes, shape = page.axes, page.shape
    axes, shape, outer = _drop_outer(axes, shape)
    names = _written_names(file)
    tag = page.tags.get(274)
    layout = _Layout(
        axes=axes,
        shape=shape,
        values=TiffValues.of(path, page),
        alpha=any(int(sample) in _ALPHA_SAMPLES for sample in page.extrasamples[-1:]),
        orientation=int(tag.value) if tag is not None else 1,
        frames=max(outer, len(file.pages) // max(1, len(series.pages)) if channel_stack else len(file.pages)),
        names=names,
        whole_series=channel_stack and len(series.pages) > 1,
    )
    # Hundreds of channels are allowed, but not of a large picture.
    check_size(path, (layout.stored_hw[0] * max(1, layout.samples // _FREE_SAMPLES), layout.stored_hw[1]))
    check_claims(path, page, series.shape if layout.whole_series else page.shape)
    return layout


def check_claims(path: Path, page: Any, shape: Sequence[int]) -> None:
    """Refuses what cannot be in a file of its size: decoders take memory for all that is claimed.

    Args:
        path: The file.
        page: One page of it, of a known type.
        shape: Of all values that are read.

    Raises:
        PictureError: The values, or one of the strips or tiles that they are stored in, are far too many.
    """
    check_growth(path, max(math.prod(shape), math.prod(page.chunks)) * (page.dtype.itemsize if page.dtype else 1))


def check_stored(path: Path, pages: Iterable[Any]) -> None:
    """Refuses strips and tiles that are said to be longer than their whole file: as much would be asked for at once.

    Args:
        path: The file.
        pages: Those that are about to be read; `None` for missing ones.

    Raises:
        PictureError: One is longer.
    """
    there = path.stat().st_size
    longest = max((count for page in pages if page is not None for count in page.databytecounts), default=0)
    if longest > there:
        raise truncated(path, f"{longest:,} bytes of pixels are announced, in a file of {there:,}")


def _drop_outer(axes: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...], int]:
    """Leaves out all axes but rows, columns and channels; also returns how many planes there are along them."""
    kept = [(axis, size) for axis, size in zip(axes, shape, strict=True) if axis in "YX" + _CHANNEL_AXES]
    outer = [size for axis, size in zip(axes, shape, strict=True) if axis not in "YX" + _CHANNEL_AXES]
    return "".join(axis for axis, _ in kept), tuple(size for _, size in kept), int(np.prod(outer)) if outer else 1


def _written_names(file: Any) -> tuple[str, ...] | None:
    described = file.shaped_metadata
    names = described[0].get(NAMES_KEY) if described else None
    return tuple(str(name) for name in names) if isinstance(names, list) else None


def _header(path: Path, layout: _Layout) -> Header:
    notes: list[str] = []
    if layout.frames > 1:
        notes.append(f"holds {layout.frames} planes, of which the first is read")
    if layout.values.is_cmyk(layout.samples):
        notes.append("CMYK, turned into RGB without its colour profile")
    if layout.values.loses:
        notes.append(f"{layout.values.stored} values, turned into the nearest float32")
    names = _names(layout)
    if len(names) != layout.values.channels(layout.samples):
        raise damaged(path, f"{len(names)} channel names for {layout.values.channels(layout.samples)} channels")
    size_hw = upright_size_hw(layout.stored_hw, layout.orientation)
    return Header(size_hw, names, layout.values.dtype, "tiff", layout.frames, tuple(notes), layout.orientation)


def _names(layout: _Layout) -> tuple[str, ...]:
    channels = layout.values.channels(layout.samples)
    if layout.names is not None:
        return layout.names
    colour = layout.values.is_colour and channels >= 3
    if channels == 1 or (channels == 2 and layout.alpha) or (channels == 3 and colour):
        return natural_channel_names(channels)
    if colour and channels == 4 and layout.alpha:
        return natural_channel_names(4)
    if colour:
        # Samples beyond red, green and blue that are not said to be alpha, infrared for example.
        return natural_channel_names(3) + numbered_channel_names(channels)[3:]
    return numbered_channel_names(channels)


def _read_plane(file: Any, layout: _Layout) -> npt.NDArray[Any]:
    """Pixels `(C, H, W)` with the stored data type."""
    if layout.whole_series:
        series = file.series[0]
        values = np.asarray(series.asarray())
        index = tuple(slice(None) if axis in "YX" + _CHANNEL_AXES else 0 for axis in series.axes)
        values = values[index]
    else:
        page = file.pages[0]
        values = np.asarray(page.asarray())
        index = tuple(slice(None) if axis in "YX" + _CHANNEL_AXES else 0 for axis in page.axes)
        values = values[index]
    order = [position for position, axis in enumerate(layout.axes) if axis in _CHANNEL_AXES]
    order += [layout.axes.index("Y"), layout.axes.index("X")]
    return values.transpose(order).reshape(layout.samples, *layout.stored_hw)


KINDS.add(_Tiff.name, _Tiff())
