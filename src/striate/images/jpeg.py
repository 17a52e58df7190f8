"""JPEG files.

The decoder is libjpeg-turbo through imagecodecs: it gives the same values as Pillow and torchvision to the last bit,
is the fastest of the three here, lets other threads run while it decodes, and loads in a fiftieth of torchvision's
time. It does not notice a missing end, so files whose end marker is missing, and everything that is not 8-bit gray or
three components, go to Pillow.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError
from striate.images.kinds import (
    KINDS,
    Header,
    PictureKind,
    check_size,
    damaged,
    natural_channel_names,
    truncated,
    unsupported,
)
from striate.images.orientation import apply_orientation, orientation_of_exif, upright_size_hw
from striate.structures import Picture

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HUFFMAN_DCT = {0xC0, 0xC1, 0xC2}
_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD8)) | {0x01}
_END = b"\xff\xd9"
_CMYK_NOTE = "CMYK, turned into RGB without its colour profile"


@dataclass(frozen=True, slots=True)
class _Markers:
    size_hw: tuple[int, int]
    components: int
    precision: int
    process: int
    orientation: int
    scan_start: int


def _walk_markers(path: Path, data: bytes) -> _Markers:
    """Follows the marker segments up to the first scan (ITU-T T.81, annex B)."""
    position, frame, orientation = 2, None, 1
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise damaged(path, f"a marker was expected at byte {position}")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in _WITHOUT_LENGTH:
            position += 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        start, end = position + 4, position + 2 + length
        if marker in _FRAMES and start + 6 <= len(data):
            precision, height, width, components = struct.unpack_from(">BHHB", data, start)
            frame = ((height, width), components, precision, marker)
        elif marker == 0xE1 and data[start : start + 6] == b"Exif\x00\x00":
            orientation = orientation_of_exif(data[start:end])
        elif marker == 0xDA and frame is not None:
            return _Markers(*frame, orientation, end)
        elif marker in (0xD9, 0xDA):
            raise damaged(path, "no frame header before the first scan")
        position = end
    raise truncated(path, "there is no scan in it")


class _Jpeg(PictureKind):
    """JPEG: gray, colour and CMYK; baseline and progressive; 8 bit."""

    name = "jpeg"
    title = "JPEG"
    suffixes = (".jpg", ".jpeg", ".jpe", ".jfif")

    def recognises(self, head: bytes) -> bool:
        return head.startswith(b"\xff\xd8\xff")

    def read_header(self, path: Path) -> Header:
        with path.open("rb") as file:
            data = file.read(1 << 16)
            try:
                markers = _walk_markers(path, data)
            except PictureError:
                # Colour profiles and previews can push the frame header beyond the first bytes.
                markers = _walk_markers(path, data + file.read())
        return self._header(path, markers)

    def _header(self, path: Path, markers: _Markers) -> Header:
        if markers.precision != 8 or markers.components not in (1, 3, 4):
            raise unsupported(
                path, f"it is a JPEG of {markers.components} components with {markers.precision} bits each"
            )
        check_size(path, markers.size_hw)
        size_hw = upright_size_hw(markers.size_hw, markers.orientation)
        cmyk = markers.components == 4
        names = natural_channel_names(1 if markers.components == 1 else 3)
        notes = (_CMYK_NOTE,) if cmyk else ()
        return Header(size_hw, names, "uint8", self.name, notes=notes, orientation=markers.orientation)

    def read(self, path: Path, at_least_hw: tuple[int, int] | None = None) -> Picture:
        data = path.read_bytes()
        markers = _walk_markers(path, data)
        header = self._header(path, markers)
        plain = markers.components in (1, 3) and markers.process in _HUFFMAN_DCT
        whole = data.find(_END, markers.scan_start) >= 0
        stored_hw = None if at_least_hw is None else upright_size_hw(at_least_hw, markers.orientation)
        reduced = stored_hw is not None and all(
            have >= 2 * want for have, want in zip(markers.size_hw, stored_hw, strict=True)
        )
        if plain and whole and not reduced:
            pixels = _decode_fast(path, data)
        else:
            pixels = _decode_with_pillow(path, data, stored_hw if reduced else None)
        chw = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        upright = np.ascontiguousarray(apply_orientation(chw, markers.orientation))
        return Picture(upright, header.channel_names, source=str(path))


def _decode_fast(path: Path, data: bytes) -> npt.NDArray[np.generic]:
    import imagecodecs

    try:
        return np.asarray(imagecodecs.jpeg8_decode(data))
    except imagecodecs.Jpeg8Error as error:
        raise damaged(path, str(error)) from error


def _decode_with_pillow(path: Path, data: bytes, at_least_hw: tuple[int, int] | None) -> npt.NDArray[np.generic]:
    from striate.images.pillow import decoding, open_image

    with decoding(path), open_image(path, data) as image:
        if at_least_hw is not None:
            # The side that the scale is chosen by is the tighter one, so both stay long enough.
            image.draft(image.mode, (at_least_hw[1], at_least_hw[0]))
        if image.mode == "CMYK":
            # R = (255 - C) (255 - K) / 255, and so on; Pillow has undone Adobe's inversion by then.
            return np.asarray(image.convert("RGB"))
        return np.asarray(image)


KINDS.add(_Jpeg.name, _Jpeg())
