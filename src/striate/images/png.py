"""PNG files, of all bit depths.

Decoded by libpng through imagecodecs: Pillow reads 16-bit colour and 16-bit gray with alpha as 8 bit.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from striate.errors import PictureError
from striate.images.kinds import KINDS, Header, PictureKind, check_size, damaged, natural_channel_names, truncated
from striate.images.orientation import apply_orientation, orientation_of_exif, upright_size_hw
from striate.structures import Picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
"""With `eXIf` the chunks that may tell who somebody is."""

_SAMPLES = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}


@dataclass(frozen=True, slots=True)
class _Chunks:
    size_hw: tuple[int, int]
    bit_depth: int
    colour_type: int
    transparent: bool
    orientation: int
    complete: bool
    plain: bool
    """Whether none of its chunks holds text or EXIF."""


def _walk_chunks(path: Path, file: BinaryIO) -> _Chunks:
    """Follows the chunks to the end of the file (W3C PNG, section 5)."""
    file.seek(8)
    start = file.read(8)
    if len(start) < 8 or start[4:] != b"IHDR":
        raise truncated(path, "there is no header chunk") if len(start) < 8 else damaged(path, "no header chunk")
    ihdr = file.read(13)
    if len(ihdr) < 13:
        raise truncated(path, "the header chunk is cut")
    width, height, bit_depth, colour_type = struct.unpack_from(">IIBB", ihdr)
    if colour_type not in _SAMPLES or bit_depth not in (1, 2, 4, 8, 16):
        raise damaged(path, f"colour type {colour_type} with {bit_depth} bits does not exist")
    file.seek(4, io.SEEK_CUR)
    transparent, orientation, complete, told = False, 1, False, False
    while len(start := file.read(8)) == 8:
        (length,), name = struct.unpack_from(">I", start), start[4:]
        if name == b"IEND":
            complete = True
            break
        told = told or name in (*TEXT_CHUNKS, b"eXIf")
        if name == b"eXIf":
            orientation = orientation_of_exif(file.read(length))
            length = 0
        transparent = transparent or name == b"tRNS"
        file.seek(length + 4, io.SEEK_CUR)
    return _Chunks((height, width), bit_depth, colour_type, transparent, orientation, complete, not told)


class _Png(PictureKind):
    """PNG: 1 to 16 bit; gray, colour, palette; alpha and transparent colours."""

    name = "png"
    title = "PNG"
    suffixes = (".png", ".apng")
    decodes_bytes = True

    def recognises(self, head: bytes) -> bool:
        return head.startswith(SIGNATURE)

    def read_header(self, path: Path) -> Header:
        with path.open("rb") as file:
            return self._header(path, _walk_chunks(path, file))

    def _header(self, path: Path, chunks: _Chunks) -> Header:
        check_size(path, chunks.size_hw)
        channels = _SAMPLES[chunks.colour_type]
        if chunks.transparent and chunks.colour_type in (0, 2, 3):
            channels += 1
        return Header(
            upright_size_hw(chunks.size_hw, chunks.orientation),
            natural_channel_names(channels),
            "uint16" if chunks.bit_depth == 16 else "uint8",
            self.name,
            orientation=chunks.orientation,
            pixels_alone=chunks.complete and chunks.plain,
        )

    def read(self, path: Path, at_least_hw: tuple[int, int] | None = None) -> Picture:
        return self.decode(path, path.read_bytes(), at_least_hw)[1]

    def decode(self, path: Path, data: bytes, at_least_hw: tuple[int, int] | None = None) -> tuple[Header, Picture]:  # noqa: ARG002
        import imagecodecs

        chunks = _walk_chunks(path, io.BytesIO(data))
        header = self._header(path, chunks)
        try:
            pixels = np.asarray(imagecodecs.png_decode(data))
        except (imagecodecs.PngError, UnicodeDecodeError) as error:
            # The second one where libpng's complaint quotes bytes of the file.
            raise self._failure(path, chunks, str(error)) from error
        chw = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        upright = np.ascontiguousarray(apply_orientation(chw, chunks.orientation))
        return header, Picture(upright, header.channel_names, source=str(path))

    def _failure(self, path: Path, chunks: _Chunks, detail: str) -> PictureError:
        if "too small" in detail or not chunks.complete:
            return truncated(path)
        return damaged(path, detail)


KINDS.add(_Png.name, _Png())
