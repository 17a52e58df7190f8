"""What the values of a TIFF file mean, and what they become in a picture or a stack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.images.kinds import unsupported

_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _MASK, _SEPARATED, _YCBCR = 0, 1, 2, 3, 4, 5, 6
_KEPT = ("uint8", "uint16", "int16", "float32")
_WIDENED = {"int8": "int16", "float16": "float32"}
_TO_FLOAT = ("uint32", "int32", "uint64", "int64", "float64")


@dataclass(frozen=True, slots=True)
class TiffValues:
    """Type and meaning of the values of one page.

    Attributes:
        stored: Their type in the file.
        photometric: TIFF's number of what they stand for.
        bits: Bits of one of them.
    """

    stored: str
    photometric: int
    bits: int

    @classmethod
    def of(cls, path: Path, page: Any) -> TiffValues:
        """Those of a page of tifffile.

        Raises:
            PictureError: A type or a meaning that is not read.
        """
        if page.dtype is None or page.imagewidth == 0 or page.imagelength == 0:
            raise unsupported(path, f"its values have {page.bitspersample} bits")
        found = cls(str(page.dtype), int(page.photometric), int(page.bitspersample))
        if found.stored != "bool" and found.stored not in (*_KEPT, *_WIDENED, *_TO_FLOAT):
            raise unsupported(path, f"its values are of the type {found.stored}")
        if found.photometric not in (_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _MASK, _SEPARATED, _YCBCR):
            raise unsupported(path, f"its colours are stored as photometric interpretation {found.photometric}")
        return found

    @property
    def is_palette(self) -> bool:
        """Whether values point into a table of colours."""
        return self.photometric == _PALETTE

    @property
    def is_colour(self) -> bool:
        """Whether the first three samples become red, green and blue."""
        return self.photometric in (_RGB, _PALETTE, _YCBCR, _SEPARATED)

    def is_cmyk(self, samples: int) -> bool:
        """Whether this many samples begin with those of CMYK."""
        return self.photometric == _SEPARATED and samples >= 4

    def channels(self, samples: int) -> int:
        """Channels that this many samples become."""
        if self.is_palette:
            return 3
        return samples - 1 if self.is_cmyk(samples) else samples

    @property
    def interpreted_type(self) -> str:
        """Type of what `interpret` gives."""
        return "uint8" if self.stored == "bool" or self.is_palette else self.stored

    @property
    def dtype(self) -> str:
        """Type of a picture of such values."""
        if self.interpreted_type in _TO_FLOAT:
            return "float32"
        return _WIDENED.get(self.interpreted_type, self.interpreted_type)

    @property
    def loses(self) -> bool:
        """Whether a picture holds the nearest float32 of each value."""
        return self.stored in _TO_FLOAT

    def interpret(self, values: npt.NDArray[Any], colours: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        """Channels of one plane.

        Args:
            values: `(samples, H, W)` as stored.
            colours: `(3, entries)`, the table of colours that the page has.

        Returns:
            `(C, H, W)` of the type `interpreted_type`.
        """
        if self.is_palette and colours is not None:
            # The specification has 16-bit entries; some writers leave 8-bit ones.
            table = np.rint(colours / 257) if int(colours.max()) > 255 else colours
            return np.asarray(table.astype(np.uint8)[:, values[0]])
        if self.stored == "bool":
            values = values.astype(np.uint8) * np.uint8(255)
        elif self.stored == "uint8" and self.bits < 8:
            values = np.rint(values * (255 / (2**self.bits - 1))).astype(np.uint8)
        if self.photometric == _MINISWHITE and values.dtype.kind == "u":
            values = np.iinfo(values.dtype).max - values
        if self.is_cmyk(len(values)):
            values = _rgb_of_cmyk(values)
        return values


def _rgb_of_cmyk(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    largest = float(np.iinfo(values.dtype).max) if values.dtype.kind in "iu" else 1.0
    ink = values[:4].astype(np.float64)
    rgb = (largest - ink[:3]) * (largest - ink[3]) / largest
    if values.dtype.kind in "iu":
        rgb = np.rint(rgb)
    return np.concatenate([rgb.astype(values.dtype), values[4:]])
