"""What formats of annotation tools have in common: finding their files, counting what cannot be used, the reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from pathlib import Path

from striate.errors import DataError, PictureError, RequestError
from striate.formats.annotation_files import ends_of
from striate.formats.base import Reading
from striate.formats.drawn.shapes import DrawnObject, build_boxes, build_instances
from striate.formats.listing import natural_key, visit, walk
from striate.formats.objects import ObjectEntry, ObjectFindings, build_object_reading
from striate.formats.storing import objects_of, refuse_strange_names
from striate.formats.tally import Fault, Tally
from striate.images import FileSource, read_header
from striate.structures import Boxes, Count, Instances, PictureSource, Problem, Sample

_FILES = 8


FAULTS = {
    "broken-annotation": Fault(
        "annotation files that cannot be read: {count} (the first: {first}).",
        "They are left out with their pictures.",
        "Save them again with the tool that made them.",
    ),
    "annotation-without-picture": Fault(
        "annotated pictures that are not here: {count} (the first: {first}).",
        "They are left out.",
        "Put the pictures beside their annotation.",
    ),
    "ambiguous-picture": Fault(
        "annotated pictures that could each be one of several files: {count} (the first: {first}).",
        "They are left out.",
        "Put the annotation into the folder with its pictures, or give each picture a name of its own.",
    ),
    "annotated-twice": Fault(
        "pictures that are annotated in several files, and not alike: {count} (the first: {first}).",
        "The first file counts.",
        "Delete the annotation that is not wanted.",
        "note",
    ),
    "size-differs": Fault(
        "pictures of another size than the one they were annotated at: {count} (the first: {first}).",
        "They are left out, since their objects lie elsewhere.",
        "Put back the pictures that were annotated.",
    ),
    "unlabelled": Fault(
        "pictures that no annotation file is about: {count} (the first: {first}).",
        "They are left out, since nobody says what they show.",
        "Save those that show nothing without objects.",
    ),
    "no-area": Fault(
        "objects that are points or lines and enclose nothing: {count} (the first: {first}).",
        "They are left out.",
        "Draw outlines.",
    ),
    "unknown-shape": Fault(
        "objects of a shape that is not known: {count} (the first: {first}).",
        "They are left out.",
        "Draw them as polygons or rectangles.",
    ),
    "broken-object": Fault(
        "objects whose coordinates are missing, too few or no numbers: {count} (the first: {first}).",
        "They are left out.",
        "Draw them again.",
    ),
    "object-without-class": Fault(
        "objects without a class: {count} (the first: {first}).", "They are left out.", "Give each a class."
    ),
    "several-classes": Fault(
        "objects of several classes: {count} (the first: {first}).", "They are left out.", "Choose one class for each."
    ),
    "ignored-label": Fault(
        "objects labelled as nothing to be learned: {count} (the first: {first}).",
        "They are left out, and their pixels count as background.",
        "Give them a class if they are to be found.",
    ),
    "mask-without-file": Fault(
        "objects whose mask file is not here or cannot be read: {count} (the first: {first}).",
        "Their boxes are taken instead.",
        "Put the mask files into the folder Masks.",
        "note",
    ),
    "no-usable-object": Fault(
        "pictures with objects of which none can be used: {count} (the first: {first}).",
        "They are left out, since they would count as background.",
        "See the other problems for the reason.",
    ),
}
"""What can be wrong with drawings."""


@dataclass(slots=True)
class DrawnPicture:
    """A picture and what was drawn on it.

    Attributes:
        source: The picture.
        objects: What can be used.
        drawn: How many objects there were, used or not.
        split: Its split; empty where none is given.
        stated_size_hw: Height and width that the annotation states.
    """

    source: PictureSource
    objects: list[DrawnObject]
    drawn: int
    split: str = ""
    stated_size_hw: tuple[int, int] | None = None


@dataclass(slots=True)
class Drawings:
    """What a format of an annotation tool collects while it reads.

    Attributes:
        pictures: Pictures and their objects.
        declared: Class names that the format lists, in its order.
        tally: What is wrong.
        notes: How it was read.
    """

    pictures: list[DrawnPicture] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=lambda: Tally(FAULTS))
    notes: list[str] = field(default_factory=list)


def build_drawn_reading(format: str, path: Path, drawings: Drawings, task: str | None) -> Reading:
    """Boxes or masks, as wanted: a box around each outline, or the pixels of each outline and rectangle.

    Where neither is wanted, masks if all objects are outlines, else boxes.

    Raises:
        DataError: Nothing can be used; the reason is given.
    """
    usable = []
    for picture in drawings.pictures:
        if picture.drawn and not picture.objects:
            drawings.tally.add("no-usable-object", picture.source.name)
        else:
            usable.append(picture)
    boxes = sum(one.is_box for picture in usable for one in picture.objects)
    total = sum(len(picture.objects) for picture in usable)
    if task not in ("detection", "instances"):
        task = "instances" if total and not boxes else "detection"
    _note_kinds(task, boxes, total, drawings.notes)
    used = {one.name for picture in usable for one in picture.objects}
    names = [*drawings.declared, *sorted(used - set(drawings.declared), key=natural_key)]
    found = ObjectFindings(task, names, notes=drawings.notes)
    position = {name: index for index, name in enumerate(names)}
    broken: list[Problem] = []
    for picture in sorted(usable, key=lambda one: natural_key(one.source.name)):
        try:
            annotation = _annotation(picture, task, position, drawings.tally)
        except PictureError as error:
            broken.append(Problem(error.kind, picture.source.name, error.what, f"Left out. {error.fix}", "dropped"))
            continue
        if annotation is not None:
            found.splits.setdefault(picture.split, []).append(ObjectEntry(picture.source, annotation))
    found.problems = [*drawings.tally.problems(), *broken]
    if not any(found.splits.values()) and found.problems:
        raise nothing_usable(path, found.problems[0])
    empty = sum(not len(entry.annotation) for part in found.splits.values() for entry in part)  # type: ignore[arg-type]
    if empty:
        count = sum(map(len, found.splits.values()))
        found.notes.append(f"Pictures annotated with no object, of {count}: {empty}; they are background.")
    return build_object_reading(format, path, found)


def nothing_usable(path: Path, problem: Problem) -> DataError:
    """The refusal of a set in which a problem leaves nothing."""
    advice = FAULTS[problem.kind].advice if problem.kind in FAULTS else problem.fix
    return DataError(f"no annotation here can be used; {problem.detail}", where=path, fix=advice)


def _note_kinds(task: str, boxes: int, total: int, notes: list[str]) -> None:
    if task == "instances" and boxes:
        notes.append(f"Rectangles among {Count(total):object}: {boxes}; each counts as a mask that fills it.")
    elif task == "detection" and boxes < total:
        notes.append(
            f"Outlines among {Count(total):object}: {total - boxes}; each counts as the box around it (the task "
            "`instances` takes them as they are)."
        )


def _annotation(picture: DrawnPicture, task: str, position: dict[str, int], tally: Tally) -> Boxes | Instances | None:
    stated, source = picture.stated_size_hw, picture.source
    if task == "detection" and (stated is None or not isinstance(source, FileSource)):
        return build_boxes(picture.objects, position)
    size_hw = read_header(source.path).size_hw if isinstance(source, FileSource) else source.read().size_hw
    if stated is not None and stated != size_hw:
        seen = f"annotated at {stated[1]} x {stated[0]} (width x height), the file has {size_hw[1]} x {size_hw[0]}"
        tally.add("size-differs", source.name, seen)
        return None
    if task == "detection":
        return build_boxes(picture.objects, position)
    return build_instances(picture.objects, position, size_hw)


def find_annotation_file(path: Path, suffixes: tuple[str, ...], recognise: Callable[[str], bool]) -> Path | None:
    """The first file that is recognised by its first and last bytes, among a few in each of some folders.

    Args:
        path: A folder, or a file.
        suffixes: Lower-case endings of names.
        recognise: Whether the text of its first and last bytes is that of the format.
    """
    if path.is_file():
        return path if path.name.lower().endswith(suffixes) and recognise(ends_of(path)) else None
    for folder, listing in visit(path):
        for name in nsmallest(_FILES, (name for name in listing.others if name.lower().endswith(suffixes))):
            if recognise(ends_of(folder / name)):
                return folder / name
    return None


@dataclass(frozen=True, slots=True)
class Gathered:
    """What lies at a path.

    Attributes:
        root: The folder that names are relative to.
        pictures: Names of pictures.
        others: Names of other files; where the path is a file, that one alone.
        whole: Whether the path is a folder.
    """

    root: Path
    pictures: list[str]
    others: list[str]
    whole: bool


def gather(path: Path) -> Gathered:
    """Pictures and other files at a path: in the folder and below, or for a file around it."""
    if path.is_file():
        return Gathered(path.parent, walk(path.parent)[0], [path.name], False)
    return Gathered(path, *walk(path), True)


def drawn_annotations(
    splits: dict[str, Sequence[Sample]], format: str, classes: Sequence[str]
) -> Iterator[tuple[str, Sample, Boxes | Instances]]:
    """Split, sample and annotation of everything that is to be written.

    Raises:
        RequestError: A class name or an annotation that the format cannot hold.
        PictureError: Annotation in a file of its own that cannot be read.
    """
    refuse_strange_names(classes, format)
    for split, samples in splits.items():
        for sample in samples:
            annotation = objects_of(sample, (Boxes, Instances), format)
            if isinstance(annotation, Instances) and not annotation.areas().all():
                raise RequestError(
                    f"picture {sample.name} has an object without a single pixel, which the format `{format}` cannot "
                    "outline.",
                    where=format,
                    fix="Leave the object out, or write the format `coco`.",
                )
            yield split, sample, annotation
