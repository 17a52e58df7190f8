"""PBM, PGM, PPM and PFM files.

Read here rather than by Pillow, which gives 16-bit colour as 8 bit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError
from striate.images.kinds import KINDS, Header, PictureKind, check_size, damaged, natural_channel_names, truncated
from striate.structures import Picture

_TOKEN = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])*([^\s#]+)")


@dataclass(frozen=True, slots=True)
class _Fields:
    magic: bytes
    size_hw: tuple[int, int]
    maximum: float
    start: int

    @property
    def channels(self) -> int:
        return 3 if self.magic in (b"P3", b"P6", b"PF") else 1

    @property
    def dtype(self) -> str:
        if self.magic in (b"PF", b"Pf"):
            return "float32"
        return "uint16" if self.maximum > 255 else "uint8"


def _parse_fields(path: Path, data: bytes) -> _Fields:
    magic, position = data[:2], 2
    bitmap = magic in (b"P1", b"P4")
    values: list[bytes] = []
    while len(values) < (2 if bitmap else 3):
        found = _TOKEN.match(data, position)
        if found is None:
            raise truncated(path, "the header is cut")
        values.append(found.group(1))
        position = found.end()
    try:
        width, height = int(values[0]), int(values[1])
        maximum = 1.0 if bitmap else float(values[2])
    except ValueError as error:
        raise damaged(path, f"its header holds {b' '.join(values)!r} where numbers belong") from error
    if magic not in (b"PF", b"Pf") and not 1 <= maximum <= 65535:
        raise damaged(path, f"its largest value is said to be {maximum:g}; 1 to 65535 can be")
    return _Fields(magic, (height, width), maximum, position + 1)


class _Netpbm(PictureKind):
    """PBM, PGM and PPM, plain and binary, and PFM.

    Values of 9 to 16 bits stay as stored; below 8 bits they are stretched to 0..255, as PNG's are.
    """

    name = "netpbm"
    title = "PGM, PPM, PBM, PFM"
    suffixes = (".pgm", ".ppm", ".pbm", ".pnm", ".pfm")

    def recognises(self, head: bytes) -> bool:
        return re.match(rb"P[1-6Ff][\s#]+[\d#]", head) is not None

    def read_header(self, path: Path) -> Header:
        with path.open("rb") as file:
            return self._header(path, _parse_fields(path, file.read(4096)))

    def _header(self, path: Path, fields: _Fields) -> Header:
        check_size(path, fields.size_hw)
        return Header(fields.size_hw, natural_channel_names(fields.channels), fields.dtype, self.name)

    def read(self, path: Path, at_least_hw: tuple[int, int] | None = None) -> Picture:  # noqa: ARG002
        data = path.read_bytes()
        fields = _parse_fields(path, data)
        header = self._header(path, fields)
        values = _read_values(path, data, fields)
        pixels = values.reshape(*fields.size_hw, fields.channels).transpose(2, 0, 1)
        if header.dtype == "float32":
            # PFM stores the bottom row first.
            pixels = pixels[:, ::-1]
        elif fields.maximum < 255:
            pixels = np.rint(np.minimum(pixels, fields.maximum) * (255 / fields.maximum))
        return Picture(np.ascontiguousarray(pixels, dtype=header.dtype), header.channel_names, source=str(path))


def _read_values(path: Path, data: bytes, fields: _Fields) -> npt.NDArray[np.generic]:
    height, width = fields.size_hw
    count = height * width * fields.channels
    if fields.magic in (b"P1", b"P2", b"P3"):
        return _read_plain(path, data[fields.start :], fields, count)
    if fields.magic == b"P4":
        row_bytes = (width + 7) // 8
        packed = _take(path, data, fields.start, height * row_bytes, "u1").reshape(height, row_bytes)
        return 1 - np.unpackbits(packed.view(np.uint8), axis=1)[:, :width]
    if fields.dtype == "float32":
        return _take(path, data, fields.start, count, "<f4" if fields.maximum < 0 else ">f4")
    return _take(path, data, fields.start, count, ">u2" if fields.maximum > 255 else "u1")


def _take(path: Path, data: bytes, start: int, count: int, dtype: str) -> npt.NDArray[np.generic]:
    if len(data) - start < count * np.dtype(dtype).itemsize:
        raise _too_few(path, (len(data) - start) // np.dtype(dtype).itemsize, count)
    return np.frombuffer(data, dtype=dtype, count=count, offset=start)


def _read_plain(path: Path, text: bytes, fields: _Fields, count: int) -> npt.NDArray[np.generic]:
    text = re.sub(rb"#[^\n\r]*", b"", text)
    # Digits of a plain bitmap need no space between them.
    words = re.findall(rb"[01]", text) if fields.magic == b"P1" else text.split()
    if len(words) < count:
        raise _too_few(path, len(words), count)
    try:
        values = np.array(words[:count]).astype(np.int64)
    except ValueError as error:
        raise damaged(path, "there is something other than numbers among its values") from error
    return 1 - values if fields.magic == b"P1" else values


def _too_few(path: Path, found: int, expected: int) -> PictureError:
    return truncated(path, f"{found} of {expected} values are there")


KINDS.add(_Netpbm.name, _Netpbm())
