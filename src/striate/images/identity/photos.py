"""JPEG and PNG: segments and chunks beside the pixels (ITU-T T.81 annex B, W3C PNG section 11)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from striate.images.identity.base import Holder, Identity, Taken
from striate.images.identity.exif import names_in_exif, names_in_xmp, orientation_block
from striate.images.kinds import damaged, truncated
from striate.images.orientation import orientation_of_exif
from striate.images.png import TEXT_CHUNKS

_EXIF, _XMP, _IPTC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0"
_BYLINE, _CAPTION = b"\x1c\x02\x50", b"\x1c\x02\x78"
_KEPT_SEGMENTS = {0xE0: (b"JFIF\0",), 0xE2: (b"ICC_PROFILE\0",), 0xEE: (b"Adobe",)}
"""Application segments that say how to show the pixels; all others go."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT_CHUNKS = frozenset(
    {
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"iCCP",
        b"sBIT",
        b"bKGD",
        b"hIST",
        b"pHYs",
        b"sPLT",
        b"cICP",
        b"mDCV",
        b"cLLI",
        b"acTL",
        b"fcTL",
        b"fdAT",
    }
)
_TECHNICAL_KEYS = ("software", "date:", "png:", "xml:com.adobe.xmp", "signature", "thumb::", "exif:", "raw profile")
"""Keys of PNG text, or their beginnings, that name nobody; packets of EXIF and XMP are looked into by themselves."""


class _JpegHolder(Holder):
    """JPEG: EXIF, XMP, IPTC and comments."""

    name = "jpeg"
    title = "JPEG"

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002
        return head.startswith(b"\xff\xd8\xff")

    def find(self, path: Path) -> Identity:
        with path.open("rb") as file:
            data = file.read(1 << 16)
            if data.find(b"\xff\xda") < 0:
                data += file.read()
        names: list[str] = []
        for marker, start, end in _segments(path, data, whole=False):
            body = data[start:end]
            if marker == 0xE1 and body.startswith(_EXIF):
                names += names_in_exif(body)
            elif marker == 0xE1 and body.startswith(_XMP):
                names += names_in_xmp(body)
            elif marker == 0xED and body.startswith(_IPTC):
                names += [
                    name for mark, name in ((_BYLINE, "IPTC by-line"), (_CAPTION, "IPTC caption")) if mark in body
                ]
        return Identity(tuple(dict.fromkeys(names)))

    def copier(self) -> Callable[[Path, Path], Taken]:
        return self._strip

    def _strip(self, source: Path, target: Path) -> Taken:
        data, taken, parts = source.read_bytes(), Taken(), [b"\xff\xd8"]
        orientation = 1
        for marker, start, end in _segments(source, data, whole=True):
            body = data[start:end]
            if marker == 0xE1 and body.startswith(_EXIF):
                orientation = orientation_of_exif(body)
            if _kept_segment(marker, body):
                # Scans bring their own bytes behind the segment.
                parts.append(data[start - 4 : _end_of_scan(data, end) if marker == 0xDA else end])
            else:
                taken.actions[_segment_name(marker, body), "removed"] += 1
        if orientation != 1:
            block = _EXIF + orientation_block(orientation)
            parts.insert(1, b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block)
        target.write_bytes(b"".join(parts) + b"\xff\xd9")
        return taken


def _segments(path: Path, data: bytes, *, whole: bool) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of the content of each segment, up to the first scan or to the end of the picture."""
    position = 2
    while position + 4 <= len(data):
        marker = data[position + 1]
        if data[position] != 0xFF:
            raise damaged(path, f"a marker was expected at byte {position}")
        if marker == 0xD9:
            return
        if marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD7:
            position += 1 if marker == 0xFF else 2
            continue
        end = position + 2 + struct.unpack_from(">H", data, position + 2)[0]
        yield marker, position + 4, end
        if marker == 0xDA and not whole:
            return
        position = _end_of_scan(data, end) if marker == 0xDA else end
    if whole and data[position : position + 2] != b"\xff\xd9":
        raise truncated(path, "the end marker is missing")


def _end_of_scan(data: bytes, position: int) -> int:
    while (position := data.find(b"\xff", position)) >= 0 and position + 1 < len(data):
        marker = data[position + 1]
        if marker != 0 and marker != 0xFF and not 0xD0 <= marker <= 0xD7:
            return position
        position += 1 if marker == 0xFF else 2
    return len(data)


def _kept_segment(marker: int, body: bytes) -> bool:
    if 0xE0 <= marker <= 0xEF:
        return body.startswith(_KEPT_SEGMENTS.get(marker, ())) if marker in _KEPT_SEGMENTS else False
    return marker != 0xFE


def _segment_name(marker: int, body: bytes) -> str:
    known = {_EXIF: "EXIF", _XMP: "XMP", _IPTC: "IPTC"}
    return next((name for start, name in known.items() if body.startswith(start)), "") or (
        "comment" if marker == 0xFE else f"application segment {marker - 0xE0}"
    )


class _PngHolder(Holder):
    """PNG: text, EXIF and time."""

    name = "png"
    title = "PNG"

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002
        return head.startswith(_PNG_SIGNATURE)

    def find(self, path: Path) -> Identity:
        names: list[str] = []
        with path.open("rb") as file:
            data = file.read(1 << 16)
            if len(data) == 1 << 16:
                data += file.read()
        # Most files have neither, which one search tells sooner than following the chunks.
        if not any(mark in data for mark in (*TEXT_CHUNKS, b"eXIf")):
            return Identity()
        for kind, start, end in _chunks(path, data):
            if kind in TEXT_CHUNKS:
                names += _text_names(kind, data[start:end])
            elif kind == b"eXIf":
                names += names_in_exif(data[start:end])
        return Identity(tuple(dict.fromkeys(names)))

    def copier(self) -> Callable[[Path, Path], Taken]:
        return self._strip

    def _strip(self, source: Path, target: Path) -> Taken:
        data, taken, parts = source.read_bytes(), Taken(), [_PNG_SIGNATURE]
        for kind, start, end in _chunks(source, data):
            if kind in _KEPT_CHUNKS:
                parts.append(data[start - 8 : end + 4])
                continue
            name = _key_of(data[start:end]) if kind in TEXT_CHUNKS else "EXIF" if kind == b"eXIf" else kind.decode()
            taken.actions[name, "removed"] += 1
            if kind == b"eXIf" and (orientation := orientation_of_exif(data[start:end])) != 1:
                block = orientation_block(orientation)
                parts.append(struct.pack(">I", len(block)) + kind + block + struct.pack(">I", zlib.crc32(kind + block)))
        target.write_bytes(b"".join(parts))
        return taken


def _chunks(path: Path, data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each chunk, up to the last."""
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if position + 12 + length > len(data) or not kind.isalpha():
            break
        yield kind, position + 8, position + 8 + length
        if kind == b"IEND":
            return
        position += 12 + length
    raise truncated(path, "the last chunk is missing")


def _key_of(body: bytes) -> str:
    """Key of a text chunk: Latin-1 up to a zero byte, at most 79 letters."""
    return "text " + body.partition(b"\0")[0][:79].decode("latin-1")


def _text_names(kind: bytes, body: bytes) -> Iterator[str]:
    key = _key_of(body)
    if key.lower().startswith("text xml:com.adobe.xmp"):
        yield from names_in_xmp(body)
    elif "raw profile" in key.lower() or kind not in TEXT_CHUNKS:
        yield from ("EXIF",) if "exif" in key.lower() else ()
    elif not key.removeprefix("text ").lower().startswith(_TECHNICAL_KEYS):
        yield key


JPEG = _JpegHolder()
PNG = _PngHolder()
