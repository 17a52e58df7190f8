"""One XML file of Pascal VOC: the objects of one picture.

Source: M. Everingham et al., The PASCAL Visual Object Classes Challenge 2012 Development Kit, section 4. Its pixels
count from 1 and its corners belong to the box: `xmin = 1, xmax = 1` is the first column, here `0, 1`.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from striate.errors import DataError
from striate.formats.annotation_files import read_xml
from striate.formats.tally import FileTally
from striate.structures import Boxes

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FARTHEST = 1e9
_PIXEL = "pixel"
"""Our own element: 1 where a box is meant to be a single pixel."""

_OBJECT_FIX = "The object is left out. Correct it in the file."


@dataclass(frozen=True, slots=True)
class VocObject:
    """An object: its class, its box `(left, top, right, bottom)`, half-open and from 0, and its flags."""

    name: str
    box_xyxy: tuple[float, float, float, float]
    ignore: bool = False
    iscrowd: bool = False


@dataclass(slots=True)
class VocFile:
    """What one file says.

    Attributes:
        filename: Name of the picture, without folders; may be wrong or empty.
        size_hw: Size of the picture; `None` where it is not given.
        objects: The objects that are complete.
        from_zero: Whether a corner is 0, which VOC does not have.
    """

    filename: str = ""
    size_hw: tuple[int, int] | None = None
    objects: list[VocObject] = field(default_factory=list)
    from_zero: bool = False


def read_voc_xml(path: Path, where: str, tally: FileTally) -> VocFile | None:
    """Reads one file; `None` where it is broken or something else.

    Args:
        path: The file.
        where: Its path for people.
        tally: Takes down what is wrong.
    """
    try:
        root = read_xml(path)
    except DataError as error:
        fix = f"The picture is left out. {error.fix}"
        tally.add("broken-xml", where, error.what.rstrip("."), fix, "dropped")
        return None
    if root.tag != "annotation":
        fix = "It is left out. Delete it, or name its own format with --format."
        tally.add("not-voc", where, f"its outermost element is <{root.tag}>, not <annotation>", fix, "dropped")
        return None
    found = VocFile(PurePosixPath((root.findtext("filename") or "").strip().replace("\\", "/")).name, _size(root))
    for number, element in enumerate(root.findall("object"), 1):
        _read_object(element, number, where, found, tally)
    return found


def write_voc_xml(
    path: Path, picture: str, size_hw: tuple[int, int], channels: int, boxes: Boxes, names: Sequence[str]
) -> None:
    """Writes one file. Objects around many are marked difficult for other tools, and as a crowd for this one.

    Raises:
        OSError: It cannot be written.
    """
    root = ET.Element("annotation")
    ET.SubElement(root, "folder").text = "JPEGImages"
    readable = picture.encode("utf-8", "replace").decode("utf-8")
    ET.SubElement(root, "filename").text = _NOT_XML.sub("_", readable)
    size = ET.SubElement(root, "size")
    for key, value in (("width", size_hw[1]), ("height", size_hw[0]), ("depth", channels)):
        ET.SubElement(size, key).text = str(value)
    ET.SubElement(root, "segmented").text = "0"
    for box, kind, crowd, ignore in zip(boxes.boxes_xyxy, boxes.classes, boxes.iscrowd, boxes.ignore, strict=True):
        element = ET.SubElement(root, "object")
        ET.SubElement(element, "name").text = names[int(kind)]
        ET.SubElement(element, "difficult").text = str(int(ignore or crowd))
        if crowd:
            ET.SubElement(element, "iscrowd").text = "1"
        corners = ET.SubElement(element, "bndbox")
        texts = [_decimal(value, offset) for value, offset in zip(box, (1, 1, 0, 0), strict=True)]
        for key, text in zip(_CORNERS, texts, strict=True):
            ET.SubElement(corners, key).text = text
        if texts[:2] == texts[2:]:
            ET.SubElement(element, _PIXEL).text = "1"
    ET.indent(root)
    path.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=False) + b"\n")


def _decimal(value: np.float32, offset: int) -> str:
    """The shortest decimal number that gives this value again once the offset is taken off."""
    exact = float(value) + offset
    texts = (f"{exact:.{digits}f}" for digits in range(10))
    return next((text for text in texts if np.float32(float(text) - offset) == value), repr(exact))


def _size(root: ET.Element) -> tuple[int, int] | None:
    height, width = _number(root.findtext("size/height")), _number(root.findtext("size/width"))
    if height is None or width is None or height < 1 or width < 1:
        return None
    return int(height), int(width)


def _read_object(element: ET.Element, number: int, where: str, found: VocFile, tally: FileTally) -> None:
    name = " ".join((element.findtext("name") or "").split("\n")).strip()
    boxes = element.findall("bndbox")
    if not name:
        tally.add("object-without-class", where, f"object {number} has no <name>", _OBJECT_FIX, "dropped")
        return
    if not boxes:
        tally.add("object-without-box", where, f"object {number} ({name}) has no <bndbox>", _OBJECT_FIX, "dropped")
    if len(boxes) > 1:
        detail = f"object {number} ({name}) has {len(boxes)} boxes"
        tally.add("several-boxes", where, detail, "Each counts as an object of its own.")
    crowd, difficult = _is_set(element, "iscrowd"), _is_set(element, "difficult")
    for box in boxes:
        corners = [_number(box.findtext(key)) for key in _CORNERS]
        left, top, right, bottom = corners
        if left is None or top is None or right is None or bottom is None:
            bad = next(key for key, corner in zip(_CORNERS, corners, strict=True) if corner is None)
            seen = box.findtext(bad)
            shown = "is missing" if seen is None else f"is {seen.strip()[:20]!r}, which is no position in a picture"
            tally.add("bad-box", where, f"{bad} of object {number} ({name}) {shown}", _OBJECT_FIX, "dropped")
            continue
        found.from_zero |= left == 0 or top == 0
        # Where both corners are one point somebody clicked and drew nothing; nobody marks a single pixel.
        empty = left == right and top == bottom and not _is_set(element, _PIXEL)
        right, bottom = (left - 1, top - 1) if empty else (right, bottom)
        place = (left - 1, top - 1, right, bottom)
        found.objects.append(VocObject(name, place, difficult and not crowd, crowd))


def _is_set(element: ET.Element, key: str) -> bool:
    text = (element.findtext(key) or "").strip().lower()
    return text in ("true", "yes") or bool(_number(text))


def _number(text: str | None) -> float | None:
    try:
        value = float((text or "").strip())
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= _FARTHEST else None
