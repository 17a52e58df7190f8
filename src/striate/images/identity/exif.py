"""EXIF and XMP: what cameras and picture programs write about people and places (CIPA DC-008, Adobe XMP)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

PERSONAL_TAGS = {
    269: "DocumentName",
    270: "ImageDescription",
    285: "PageName",
    315: "Artist",
    316: "HostComputer",
    33432: "Copyright",
    37510: "UserComment",
    40091: "XPTitle",
    40092: "XPComment",
    40093: "XPAuthor",
    40094: "XPKeywords",
    40095: "XPSubject",
    42032: "CameraOwnerName",
    42033: "BodySerialNumber",
    42037: "LensSerialNumber",
    50839: "IJMetadata",
}
"""Tags that name a person or hold free text; the date of a photograph alone names nobody."""

EXIF_POINTER, GPS_POINTER = 34665, 34853
GPS = "GPS position"

_XMP = {b"<dc:creator": "XMP creator", b"<dc:description": "XMP description", b"exif:GPSLatitude": GPS}


def names_in_exif(block: bytes) -> Iterator[str]:
    """Names of personal entries of an EXIF block, with or without `Exif` before it; none where it is broken."""
    from PIL import Image

    exif = Image.Exif()
    try:
        exif.load(block)
        parts: Iterable[dict[int, object]] = (dict(exif), dict(exif.get_ifd(EXIF_POINTER)))
        yield from (PERSONAL_TAGS[tag] for part in parts for tag in part if tag in PERSONAL_TAGS and told(part[tag]))
        if exif.get_ifd(GPS_POINTER):
            yield GPS
    except (ValueError, SyntaxError, struct.error, OSError, KeyError, TypeError, IndexError):
        # A block that Pillow cannot read tells nothing by name; a copy is made without it all the same.
        return


def names_in_xmp(packet: bytes) -> Iterator[str]:
    """Names of personal entries of an XMP packet."""
    yield from (name for mark, name in _XMP.items() if mark in packet)


def told(value: object) -> bool:
    """Whether a value is more than blanks."""
    if isinstance(value, bytes):
        return bool(value.removeprefix(b"ASCII\0\0\0").strip(b"\0 "))
    return bool(str(value).strip("\0 "))


def orientation_block(orientation: int) -> bytes:
    """The smallest EXIF block, which says how to turn the pixels and nothing else."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
