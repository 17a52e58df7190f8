"""Masks in picture files: what their values are, as stored, and which class each of them stands for.

Other readers of pictures resolve palettes and stretch small bit depths, which is right for pictures and loses what a
mask says; this one keeps indices and levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError
from striate.images import read_header, read_picture
from striate.images.kinds import check_size, unsupported
from striate.images.pillow import decoding, open_image
from striate.images.tiff import check_claims, check_stored, decoding_tiff
from striate.structures import Mask
from striate.structures.annotation import VOID

if TYPE_CHECKING:
    from PIL import Image

_TINT, _NEARLY_ALL = 24, 0.99

GRAY = 0x010101
"""A grey level times this is its packed colour."""


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """The values of a mask file as they are stored.

    Attributes:
        values: `(H, W)` integers: grey levels, palette indices, or colours packed as 0xRRGGBB.
        coloured: Whether `values` are packed colours. Colour files that hold greys only count as grey.
        palette: Packed colours of the palette indices; `None` where there is no palette.
        bits: Bits of one stored value of one channel.
        lossy: Whether the kind of file blurs values.
    """

    values: npt.NDArray[np.integer]
    coloured: bool = False
    palette: npt.NDArray[np.int64] | None = None
    bits: int = 8
    lossy: bool = False

    def packed(self) -> npt.NDArray[np.int64]:
        """Packed colours, palettes resolved; -1 for greys beyond 255."""
        if self.coloured:
            return self.values.astype(np.int64)
        if self.palette is not None:
            return np.take(self.palette, self.values, mode="clip")
        inside = (self.values >= 0) & (self.values < 256)
        return np.where(inside, self.values.astype(np.int64) * GRAY, -1)

    def levels(self) -> npt.NDArray[np.int64]:
        """Palette indices or grey levels; -1 where a pixel is coloured."""
        if not self.coloured:
            return self.values.astype(np.int64)
        packed = self.values.astype(np.int64)
        return np.where(packed % GRAY == 0, packed // GRAY, -1)

    def distinct(self) -> npt.NDArray[np.int64]:
        """The values that occur, ascending."""
        return self.areas()[0]

    def areas(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The values that occur, ascending, and the pixels of each."""
        starts = self._run_starts()
        values, place = np.unique(self.values.ravel()[starts], return_inverse=True)
        pixels = np.bincount(place, np.diff(starts, append=self.values.size))
        return values.astype(np.int64), pixels.astype(np.int64)

    def run_length(self) -> float:
        """Mean number of pixels in a row until the value changes: large in masks, about one in photographs."""
        return self.values.size / max(1, len(self._run_starts()))

    def _run_starts(self) -> npt.NDArray[np.intp]:
        flat = self.values.ravel()
        # Sorting a few runs takes a fraction of the time that sorting all pixels takes.
        return np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])


@dataclass(frozen=True, slots=True)
class MaskValues:
    """What the values of a set's masks mean.

    Attributes:
        classes: Pairs of a value and the class index that it stands for, `VOID` where it stands for none; ascending.
            Values that are not listed become `VOID`.
        coloured: Whether values are colours, packed as 0xRRGGBB, and not grey levels or palette indices.
        nearest: Whether each grey level counts as the nearest listed one: for masks that were blurred or compressed.
    """

    classes: tuple[tuple[int, int], ...]
    coloured: bool = False
    nearest: bool = False

    def to_classes(self, codes: Codes) -> npt.NDArray[np.uint8]:
        """Class indices `(H, W)`."""
        values = self._keys(codes)
        table = _table(self)
        inside = (values >= 0) & (values < len(table))
        found: npt.NDArray[np.uint8] = np.take(table, values, mode="clip")
        found[~inside] = VOID
        return found

    def unknown(self, codes: Codes) -> tuple[int, ...]:
        """Values that occur and are not listed, ascending; -1 for a colour where levels were expected."""
        if self.nearest:
            return ()
        distinct = Codes(self._keys(codes)).distinct()
        return tuple(int(value) for value in distinct if value not in dict(self.classes))

    def _keys(self, codes: Codes) -> npt.NDArray[np.int64]:
        return codes.packed() if self.coloured else codes.levels()


@lru_cache(maxsize=4)
def _table(values: MaskValues) -> npt.NDArray[np.uint8]:
    """Class index by value. One of 16 MB for colours: looking up is many times faster than searching."""
    if values.nearest:
        levels = np.array([value for value, _ in values.classes])
        place = np.abs(np.arange(256)[:, None] - levels).argmin(axis=1)
        indices: npt.NDArray[np.uint8] = np.array([index for _, index in values.classes], np.uint8)[place]
        return indices
    size = 1 << 24 if values.coloured else max((value for value, _ in values.classes), default=0) + 1
    table = np.full(size, VOID, np.uint8)
    for value, index in values.classes:
        table[value] = index
    return table


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A semantic mask in a picture file, read when asked for.

    Attributes:
        path: The file.
        name: Path relative to the root of the data set, with forward slashes.
        values: What its values mean, the same for a whole set.
    """

    path: Path
    name: str
    values: MaskValues

    def read(self) -> Mask:
        """Reads the mask. Pixels of a value that stands for no class are void; `inspect` says which those are.

        Raises:
            PictureError: It cannot be read.
        """
        return Mask(self.values.to_classes(read_codes(self.path)))

    def inspect(self) -> tuple[int, ...]:
        """Values in this file that stand for no class, so that `read` makes them void.

        Raises:
            PictureError: It cannot be read.
        """
        return self.values.unknown(read_codes(self.path))


def read_codes(path: Path) -> Codes:
    """Reads the values of a mask as they are stored: palette indices, levels of any bit depth, colours.

    Alpha is left out. Of TIFF and GIF files with several pages the first is read.

    Raises:
        PictureError: It cannot be read.
    """
    header = read_header(path)
    if header.kind == "tiff":
        return _read_tiff(path)
    if header.kind not in ("png", "gif", "bmp", "webp", "jpeg"):
        return _from_planes(read_picture(path).pixels)
    try:
        with decoding(path), open_image(path) as image:
            check_size(path, (image.height, image.width))
            return _from_image(path, image, header.kind)
    except OSError as error:
        raise PictureError(f"the file cannot be read ({error.strerror or error}).", where=path) from error


def _from_image(path: Path, image: Image.Image, kind: str) -> Codes:
    lossy = kind == "jpeg" or (kind == "webp" and path.read_bytes()[12:16] != b"VP8L")
    mode = image.mode
    if mode in ("P", "PA"):
        palette = np.asarray(image.getpalette("RGB") or [0, 0, 0], np.int64).reshape(-1, 3)
        # A palette may be shorter than the indices that use it; they show black then.
        padded = np.zeros(256, np.int64)
        padded[: len(palette)] = palette @ (1 << 16, 1 << 8, 1)
        indices = np.asarray(image if mode == "P" else image.getchannel(0), np.uint8)
        return Codes(indices, palette=padded)
    if mode == "1":
        return Codes(np.asarray(image).astype(np.uint8), bits=1)
    if mode in ("L", "LA", "La"):
        return Codes(np.asarray(image.getchannel(0), np.uint8) // _stretch(path, kind), lossy=lossy)
    if mode.startswith("I"):
        return Codes(np.asarray(image).astype(np.int64), bits=16)
    if mode == "F":
        return _from_planes(np.asarray(image)[None])
    colours = np.asarray(image if mode == "RGB" else image.convert("RGB"), np.uint8)
    return _from_planes(colours.transpose(2, 0, 1), lossy=lossy)


def _stretch(path: Path, kind: str) -> int:
    """By how much Pillow multiplies the levels of PNG files with less than 8 bits (W3C PNG, section 11.2.2)."""
    if kind != "png":
        return 1
    with path.open("rb") as file:
        bits = file.read(25)[24]
    return 255 // ((1 << bits) - 1) if bits < 8 else 1


def _read_tiff(path: Path) -> Codes:
    import tifffile

    with decoding_tiff(path), tifffile.TiffFile(path) as file:
        page = file.pages[0].aspage()
        check_size(path, (int(page.imagelength), int(page.imagewidth)))
        check_claims(path, page, page.shape)
        check_stored(path, [page])
        planes, axes, photometric = np.asarray(page.asarray()), page.axes, int(page.photometric)
        palette, bits = page.colormap, int(page.bitspersample)
    if axes not in ("YX", "YXS", "SYX"):
        raise unsupported(path, "its first page is a volume")
    if planes.ndim == 3:
        return _from_planes(planes if axes.index("S") == 0 else planes.transpose(2, 0, 1))
    if photometric == 0 and planes.dtype.kind in "bu":
        planes = ~planes if planes.dtype == np.bool_ else np.iinfo(planes.dtype).max - planes
    if photometric == 3 and palette is not None and planes.dtype == np.uint8:
        packed = (np.asarray(palette, np.int64) >> 8).T @ (1 << 16, 1 << 8, 1)
        return Codes(planes, palette=packed, bits=bits)
    return _from_planes(planes[None], bits=bits)


def _from_planes(planes: npt.NDArray[Any], lossy: bool = False, bits: int | None = None) -> Codes:
    """From `(C, H, W)`: one channel are levels, three are colours, one more is alpha."""
    bits = planes.dtype.itemsize * 8 if bits is None else bits
    if len(planes) < 3:
        levels = planes[0]
        if levels.dtype == np.bool_:
            levels = levels.astype(np.uint8)
        if levels.dtype.kind == "f":
            levels = np.where(levels == np.round(levels), levels, -1).astype(np.int64)
        return Codes(levels, bits=bits, lossy=lossy)
    red, green, blue = planes[:3]
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return Codes(red, bits=bits, lossy=lossy)
    if lossy and np.mean(planes[:3].max(axis=0) - planes[:3].min(axis=0) <= _TINT) > _NEARLY_ALL:
        # Compression tints what was grey.
        return Codes(green, bits=bits, lossy=True)
    if planes.dtype != np.uint8:
        shift = max(0, bits - 8)
        red, green, blue = (plane.astype(np.int64) >> shift for plane in (red, green, blue))
    packed = (red.astype(np.int32) << 16) | (green.astype(np.int32) << 8) | blue.astype(np.int32)
    return Codes(packed, coloured=True, bits=bits, lossy=lossy)
