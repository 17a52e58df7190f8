"""The records of one COCO file, checked and joined: pictures with their objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeGuard

from striate.formats.coco.files import CocoFile
from striate.formats.coco.segmentations import Corners, Outline, Runs, parse_segmentation
from striate.formats.listing import natural_key
from striate.formats.tally import Fault, Tally, some_of
from striate.images import Header
from striate.images.orientation import upright_size_hw

Record = dict[str, object]
Document = dict[str, list[object]]

_FARTHEST = 1e9
"""Pixels; coordinates beyond are no places in a picture, nor are infinity and what is no number."""

FAULTS = {
    "broken-record": Fault(
        "{count:record lacks|records lack} what a picture or an object must have ({example}).",
        "They are left out.",
        "Export the annotation anew.",
    ),
    "duplicate-id": Fault(
        "{count:picture has|pictures have} an id that another one has already, so nobody knows whose the "
        "objects are ({example}).",
        "The first picture keeps them, the others are left out.",
        "Give each picture an id of its own.",
    ),
    "missing-file": Fault(
        "{count:picture is|pictures are} listed and there is no such file ({example}).",
        "They are left out.",
        "Correct `file_name`, or add the files.",
    ),
    "ambiguous-file": Fault(
        "{count:name fits|names fit} several pictures ({example}).",
        "They are left out.",
        "Write the folder as well into `file_name`.",
    ),
    "annotation-without-picture": Fault(
        "{count:object belongs|objects belong} to a picture that is not listed ({example}).",
        "They are left out.",
        "Add the pictures to `images`.",
    ),
    "unknown-class": Fault(
        "{count:object has|objects have} a category that is not listed ({example}).",
        "They are left out.",
        "Add the category to `categories`.",
    ),
    "class-without-name": Fault(
        "{count:category has|categories have} no name ({example}).",
        "The id serves as name.",
        "Write names into `categories`.",
        "note",
    ),
    "duplicate-class": Fault(
        "{count:category has|categories have} the name of another one ({example}).",
        "They count as one class.",
        "Give each category a name of its own.",
        "note",
    ),
    "broken-box": Fault(
        "{count:object has|objects have} a box that is not four numbers, and no outline either ({example}).",
        "They are left out.",
        "Correct `bbox`: left, top, width, height in pixels.",
    ),
    "broken-mask": Fault(
        "{count:object has|objects have} a mask that cannot be read ({example}).",
        "Their boxes are kept.",
        "Draw these objects anew.",
        "note",
    ),
    "missing-mask": Fault(
        "{count:object has|objects have} no mask ({example}).",
        "Their boxes stand for them, and they need not be found.",
        "Draw them, or train --task detection.",
        "note",
    ),
    "mask-size": Fault(
        "{count:mask has|masks have} another size than the others of the same picture ({example}).",
        "They are left out.",
        "Draw these objects anew.",
    ),
    "unreadable": Fault(
        "{count:picture} cannot be read, and the size is not given either, so no mask can be drawn ({example}).",
        "They are left out.",
        "Replace the files.",
    ),
    "wrong-size": Fault(
        "{count:picture has|pictures have} another size than the annotation says ({example}).",
        "The file's size counts, and coordinates are taken as they are written.",
        "If pictures were scaled after they were annotated, scale the annotation as well.",
        "note",
    ),
    "duplicate-picture": Fault(
        "{count:picture is|pictures are} listed more than once ({example}).",
        "Each counts once, with the objects of all its records; equal objects count once..",
        "",
        "note",
    ),
}
"""What can be wrong with a file, in the order in which it is told."""


@dataclass(slots=True)
class CocoObject:
    """One object.

    Attributes:
        category: Position of its class in the names of its file.
        box_xyxy: In pixels; `None` where only the outline is given.
        outline: `None` where only the box is given.
        crowd: Many objects that were not told apart.
        ignore: Need not be found.
        place: Where it stands in its file, for people.
    """

    category: int
    box_xyxy: Corners | None
    outline: Outline | Runs | None
    crowd: bool
    ignore: bool
    place: str

    def box(self) -> Corners:
        """The box that is given, else the one around the outline."""
        if self.box_xyxy is not None:
            return self.box_xyxy
        assert self.outline is not None
        return self.outline.box_xyxy()

    def says_the_same(self, other: CocoObject) -> bool:
        """Whether it is the same object, written twice."""
        return (self.category, self.box_xyxy, self.outline, self.crowd) == (
            other.category,
            other.box_xyxy,
            other.outline,
            other.crowd,
        )


@dataclass(slots=True)
class CocoPicture:
    """One picture and its objects.

    Attributes:
        file_name: What its file calls it.
        size_hw: What its file says; `None` where it says nothing.
        group: Patient or the like, where the file says one.
        split: The split.
        names: Class names that its objects' categories point into.
        tally: Where to count what is wrong with it.
        objects: What is annotated.
        path: The picture on disk, relative to the data set; empty until it is found.
        header: Of the picture file; `None` where that is not there or cannot be read.
        orientation: By which its annotation has to be turned.
    """

    file_name: str
    size_hw: tuple[int, int] | None
    group: str | None
    split: str
    names: list[str]
    tally: Tally
    objects: list[CocoObject] = field(default_factory=list)
    path: str = ""
    header: Header | None = None
    orientation: int = 1

    def stored_size_hw(self) -> tuple[int, int] | None:
        """Size of the pixels that were annotated: of the file, else what the annotation says."""
        if self.header is None:
            return self.size_hw
        return upright_size_hw(self.header.size_hw, self.orientation)


@dataclass(slots=True)
class CocoRecords:
    """What one file holds.

    Attributes:
        file: The file.
        names: Class names.
        pictures: Its pictures.
        tally: What is wrong with it.
    """

    file: CocoFile
    names: list[str]
    pictures: list[CocoPicture]
    tally: Tally


def join_records(file: CocoFile, document: Document) -> CocoRecords:
    """Joins pictures, categories and annotations of a document as `load_coco_file` gives it."""
    tally = Tally(FAULTS, file.name)
    names, categories = _join_categories(document, tally)
    pictures = _join_pictures(file, document, names, tally)
    for place, record in _records(document, "annotations", tally):
        picture = pictures.get(_key(record.get("image_id")))
        if picture is None:
            tally.add("annotation-without-picture", f"{place}: image_id {record.get('image_id')!r}")
            continue
        category = categories.get(_key(record.get("category_id")))
        if category is None:
            tally.add("unknown-class", f"category_id {record.get('category_id')!r}")
            continue
        found = _parse_object(record, category, place, tally)
        if found is not None:
            picture.objects.append(found)
    return CocoRecords(file, names, list(pictures.values()), tally)


def _records(document: Document, key: str, tally: Tally) -> Iterator[tuple[str, Record]]:
    """Records of a list, each with a word for its place."""
    for position, record in enumerate(document[key]):
        if isinstance(record, dict):
            yield f"{key}[{position}]", record
        else:
            tally.add("broken-record", f"{key}[{position}] is {type(record).__name__}, not an object")


def _key(value: object) -> str | None:
    """An id for comparison: 5, 5.0 and "5" are the same."""
    if value is None or isinstance(value, bool | list | dict):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _join_categories(document: Document, tally: Tally) -> tuple[list[str], dict[str | None, int]]:
    """Class names, and the class of each id; without any list, ids are names."""
    names: list[str] = []
    categories: dict[str | None, int] = {}
    if not document["categories"]:
        keys = (_key(one.get("category_id")) for one in document["annotations"] if isinstance(one, dict))
        names = sorted({key for key in keys if key is not None}, key=natural_key)
        for name in names:
            tally.add("class-without-name", f"category_id {name}")
        return names, {name: index for index, name in enumerate(names)}
    for place, record in _records(document, "categories", tally):
        key = _key(record.get("id"))
        if key is None:
            tally.add("broken-record", f"{place} has no id")
            continue
        given = record.get("name")
        name = given if isinstance(given, str) and given.strip() else key
        if name is not given:
            tally.add("class-without-name", f"id {key}")
        if name in names:
            tally.add("duplicate-class", repr(name))
        else:
            names.append(name)
        categories[key] = names.index(name)
    return names, categories


def _join_pictures(file: CocoFile, document: Document, names: list[str], tally: Tally) -> dict[str | None, CocoPicture]:
    pictures: dict[str | None, CocoPicture] = {}
    for place, record in _records(document, "images", tally):
        key, name = _key(record.get("id")), record.get("file_name", record.get("path"))
        if key is None or not isinstance(name, str) or not name.strip():
            tally.add("broken-record", f"{place} has no {'id' if key is None else 'file_name'}")
            continue
        if key in pictures:
            if name != pictures[key].file_name:
                tally.add("duplicate-id", f"{name}: id {key}")
            continue
        height, width = record.get("height"), record.get("width")
        size_hw = (int(height), int(width)) if _is_length(height) and _is_length(width) else None
        group = record.get("group")
        group = group if isinstance(group, str) else None
        pictures[key] = CocoPicture(name, size_hw, group, file.split, names, tally)
    return pictures


def _is_length(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and 1 <= value < _FARTHEST


def _parse_object(record: Record, category: int, place: str, tally: Tally) -> CocoObject | None:
    box = _parse_box(record.get("bbox"))
    outline = None
    try:
        outline = parse_segmentation(record.get("segmentation"))
    except ValueError as error:
        tally.add("broken-mask" if box is not None else "broken-box", f"{place}: {error}")
        if box is None:
            return None
    if box is None and outline is None:
        tally.add("broken-box", f"{place}: {str(record.get('bbox'))[:60]}")
        return None
    crowd, ignore = (str(record.get(key)).lower() in ("1", "1.0", "true") for key in ("iscrowd", "ignore"))
    return CocoObject(category, box, outline, crowd, ignore, place)


def _parse_box(value: object) -> Corners | None:
    """From left, top, width and height."""
    if not isinstance(value, list) or len(value) != 4 or not all(isinstance(one, int | float) for one in value):
        return None
    try:
        left, top, width, height = (float(one) for one in value)
    except OverflowError:
        return None
    corners = (left, top, left + width, top + height)
    return corners if all(abs(one) < _FARTHEST for one in corners) else None


def describe_unfound(records: list[CocoRecords]) -> str:
    """Some names that a set lists, for an error text."""
    return some_of(repr(picture.file_name) for one in records for picture in one.pictures)
