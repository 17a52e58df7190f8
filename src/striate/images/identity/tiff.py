"""TIFF: tags beside the pixels (TIFF 6.0; BigTIFF), in the main directories and those of EXIF and GPS.

Copies are edited in place: strips and tiles stay where they are, entries leave their directory and what they pointed
to becomes zeros. Descriptions that say how the pixels are ordered (tifffile, ImageJ, OME) are cut down to that.
"""

from __future__ import annotations

import json
import mmap
import re
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from striate.errors import PictureError
from striate.images.identity.base import Holder, Identity, Taken
from striate.images.identity.exif import EXIF_POINTER, GPS, GPS_POINTER, PERSONAL_TAGS, told
from striate.images.kinds import damaged
from striate.images.tiff import NAMES_KEY, decoding_tiff

_MAGICS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_DESCRIPTION, _SUB_DIRECTORIES, _INTEROPERABILITY = 270, 330, 40965
_KEPT = frozenset(
    {*range(254, 260), 262, 263, 264, 265, 266, 273, 274, *range(277, 285), 286, 287, *range(290, 294), 296, 297, 301}
    | {*range(317, 326), *range(326, 329), 330, 332, 334, *range(338, 348), *range(512, 522), *range(529, 533)}
    | {32995, 32996, 32997, 32998, 33421, 33422, 34675}
)
"""Tags that say how the pixels are stored and shown; all others go, known or not."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_IMAGEJ_KEYS: tuple[str, ...] = (
    "imagej",
    "images",
    "channels",
    "slices",
    "frames",
    "hyperstack",
    "mode",
    "unit",
    "spacing",
    "loop",
)
_IMAGEJ_KEYS += ("min", "max", "finterval")
_TIFFFILE_KEYS = {"shape", "axes", NAMES_KEY}
_OME_KEPT = {"OME", "Image", "Pixels", "Channel", "TiffData", "BinData"}
_OME_ATTRIBUTES = frozenset(
    {
        "ID",
        "DimensionOrder",
        "Type",
        "SizeX",
        "SizeY",
        "SizeZ",
        "SizeC",
        "SizeT",
        "PhysicalSizeX",
        "PhysicalSizeY",
        "PhysicalSizeZ",
        "PhysicalSizeXUnit",
        "PhysicalSizeYUnit",
        "PhysicalSizeZUnit",
        "Interleaved",
        "SignificantBits",
        "BigEndian",
        "SamplesPerPixel",
        "IFD",
        "FirstZ",
        "FirstC",
        "FirstT",
        "PlaneCount",
    }
)


class _TiffHolder(Holder):
    """TIFF and BigTIFF."""

    name = "tiff"
    title = "TIFF"

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002
        return head.startswith(_MAGICS)

    def find(self, path: Path) -> Identity:
        import tifffile

        names: list[str] = []
        with decoding_tiff(path), tifffile.TiffFile(path) as file:
            tags = file.pages[0].aspage().tags
            exif = tags.get(EXIF_POINTER)
            inner = exif.value if exif is not None and isinstance(exif.value, dict) else {}
            for tag in tags:
                if tag.code in PERSONAL_TAGS and told(tag.value):
                    technical = tag.code == _DESCRIPTION and technical_part(str(tag.value)) == str(tag.value).strip()
                    names += [] if technical else [PERSONAL_TAGS[tag.code]]
            names += [name for name in PERSONAL_TAGS.values() if name in inner and told(inner[name])]
            names += [GPS] if GPS_POINTER in tags else []
        return Identity(tuple(dict.fromkeys(names)))

    def copier(self) -> Callable[[Path, Path], Taken]:
        return self._strip

    def _strip(self, source: Path, target: Path) -> Taken:
        shutil.copyfile(source, target)
        taken = Taken()
        try:
            with target.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
                _Stripping(data, taken).all_directories()
        except (struct.error, IndexError, ValueError, OverflowError) as error:
            raise damaged(source, f"its directories cannot be followed: {error}") from error
        except PictureError as error:
            raise damaged(source, error.what) from error
        return taken


def technical_part(text: str) -> str:
    """What a description says of the order of the pixels; empty where it says nothing of the kind."""
    text = text.strip("\0 \n\r\t")
    if text.startswith("{") and '"shape"' in text:
        return _tifffile_part(text)
    if text.startswith("ImageJ="):
        lines = [line for line in text.splitlines() if line.partition("=")[0].strip().lower() in _IMAGEJ_KEYS]
        return "\n".join(lines)
    return _ome_part(text) if "<OME" in text[:2000] else ""


def _tifffile_part(text: str) -> str:
    try:
        tree = json.loads(text)
    except ValueError:
        return ""
    if set(tree) <= _TIFFFILE_KEYS:
        return text
    return json.dumps({key: value for key, value in tree.items() if key in _TIFFFILE_KEYS})


def _ome_part(text: str) -> str:
    try:
        tree = ElementTree.fromstring(text.encode())
    except (ElementTree.ParseError, ValueError):
        return ""
    space = re.match(r"\{(.*)\}", tree.tag)
    if not any(_is_personal(element) for element in tree.iter()):
        return text
    if space:
        ElementTree.register_namespace("", space[1])
    _reduce(tree)
    return ElementTree.tostring(tree, encoding="unicode")


def _is_personal(element: ElementTree.Element) -> bool:
    local = element.tag.rpartition("}")[2]
    return local in ("Experimenter", "Description", "Annotation", "Experiment", "XMLAnnotation", "CommentAnnotation")


def _reduce(element: ElementTree.Element) -> None:
    for child in list(element):
        if child.tag.rpartition("}")[2] in _OME_KEPT:
            _reduce(child)
        else:
            element.remove(child)
    for name in list(element.attrib):
        channel = name == "Name" and element.tag.endswith("Channel")
        if name not in _OME_ATTRIBUTES and not channel:
            del element.attrib[name]
    element.text = element.tail = None


@dataclass(frozen=True, slots=True)
class _Entry:
    tag: int
    kind: int
    count: int
    place: int
    """Where the entry itself begins."""
    inline: int
    """Bytes of a value that fit into the entry."""
    value: int
    """Where its value begins."""

    @property
    def size(self) -> int:
        return self.count * _SIZES.get(self.kind, 1)

    @property
    def outside(self) -> bool:
        return self.size > self.inline


class _Stripping:
    """One file in memory, edited in place."""

    def __init__(self, data: Any, taken: Taken) -> None:
        self._data, self._taken = data, taken
        self._order = "<" if data[:2] == b"II" else ">"
        self._big = struct.unpack_from(self._order + "H", data, 2)[0] == 43
        self._count, self._word = ("Q", "Q") if self._big else ("H", "I")
        self._seen: set[int] = set()

    def all_directories(self) -> None:
        """Follows the chain of directories, and those below."""
        waiting = [self._number(self._word, 8 if self._big else 4)]
        while waiting:
            offset = waiting.pop()
            while offset and offset not in self._seen:
                self._seen.add(offset)
                waiting += self._below(offset)
                offset = self._strip(offset)

    def _number(self, code: str, offset: int) -> int:
        return int(struct.unpack_from(self._order + code, self._data, offset)[0])

    def _entries(self, offset: int) -> Iterator[_Entry]:
        head, step, word = (8, 20, 8) if self._big else (2, 12, 4)
        for index in range(self._number(self._count, offset)):
            place = offset + head + step * index
            tag, kind, count = struct.unpack_from(self._order + "HH" + self._word, self._data, place)
            entry = _Entry(tag, kind, count, place, word, place + 4 + word)
            value = self._number(self._word, entry.value) if entry.outside else entry.value
            yield _Entry(tag, kind, count, place, word, value)

    def _below(self, offset: int) -> list[int]:
        for entry in self._entries(offset):
            if entry.tag == _SUB_DIRECTORIES and entry.kind in (4, 13, 16, 18):
                code = "Q" if _SIZES[entry.kind] == 8 else "I"
                return list(struct.unpack_from(f"{self._order}{entry.count}{code}", self._data, entry.value))
        return []

    def _strip(self, offset: int) -> int:
        """Takes entries out of one directory and returns where the next one lies."""
        head, step, word = (8, 20, 8) if self._big else (2, 12, 4)
        entries = list(self._entries(offset))
        end = offset + head + step * len(entries)
        following = self._data[end : end + word]
        kept = [self._data[entry.place : entry.place + step] for entry in entries if self._keeps(entry)]
        table = struct.pack(self._order + self._count, len(kept)) + b"".join(kept) + following
        self._data[offset : end + word] = table.ljust(end + word - offset, b"\0")
        return int(struct.unpack(self._order + self._word, following)[0])

    def _keeps(self, entry: _Entry) -> bool:
        """Whether an entry stays; what goes is overwritten."""
        if entry.tag in _KEPT:
            return True
        if entry.tag == _DESCRIPTION and self._reworded(entry):
            return True
        self._blank(entry)
        name = PERSONAL_TAGS.get(entry.tag) or {EXIF_POINTER: "EXIF", GPS_POINTER: GPS}.get(entry.tag)
        self._taken.actions[name or f"tag {entry.tag}", "removed"] += 1
        return False

    def _reworded(self, entry: _Entry) -> bool:
        raw = bytes(self._data[entry.value : entry.value + entry.size])
        text = raw.decode("utf-8", "replace").strip("\0 \n\r\t")
        rest = technical_part(text)
        new = rest.encode()
        if not rest or len(new) > entry.size:
            return False
        if rest != text:
            self._data[entry.value : entry.value + entry.size] = new.ljust(entry.size, b"\0")
            self._taken.actions["ImageDescription", "cleaned"] += 1
        return True

    def _blank(self, entry: _Entry) -> None:
        if entry.tag in (EXIF_POINTER, GPS_POINTER, _INTEROPERABILITY):
            below = self._number("Q" if _SIZES.get(entry.kind) == 8 else "I", entry.value)
            if below not in self._seen and 0 < below < len(self._data):
                self._seen.add(below)
                entries = list(self._entries(below))
                for one in entries:
                    self._blank(one)
                head, step = (8, 20) if self._big else (2, 12)
                self._fill(below, head + step * len(entries))
        if entry.outside:
            self._fill(entry.value, entry.size)

    def _fill(self, start: int, size: int) -> None:
        if start + size > len(self._data):
            raise ValueError(f"a value at byte {start} of {size} bytes lies beyond the end")
        self._data[start : start + size] = bytes(size)


TIFF = _TiffHolder()
