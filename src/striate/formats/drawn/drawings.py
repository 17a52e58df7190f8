"""What formats of annotation tools have in common: finding their files, counting what cannot be used, the reading."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from striate.errors import DataError, PictureError, RequestError
from striate.formats.base import GIVEN_SPLITS, Reading
from striate.formats.drawn.shapes import DrawnObject, build_boxes, build_instances
from striate.formats.listing import natural_key, scan, walk
from striate.formats.objects import ObjectEntry, ObjectFindings, build_object_reading
from striate.formats.pairing import place_of
from striate.images import FileSource, read_header
from striate.structures import Boxes, Instances, PictureSource, Problem, Sample

_HEAD, _TAIL = 20_000, 4_000
_FOLDERS, _FILES, _DEPTH = 40, 8, 6


@dataclass(frozen=True, slots=True)
class _Kind:
    """Words for a kind of problem: what is counted, what was done about it, what to do."""

    counted: str
    done: str
    advice: str
    severity: Literal["dropped", "note"] = "dropped"


_KINDS = {
    "broken-annotation": _Kind(
        "annotation files that cannot be read",
        "They are left out with their pictures.",
        "Save them again with the tool that made them.",
    ),
    "annotation-without-picture": _Kind(
        "annotated pictures that are not here", "They are left out.", "Put the pictures beside their annotation."
    ),
    "ambiguous-picture": _Kind(
        "annotated pictures that could each be one of several files",
        "They are left out.",
        "Put the annotation into the folder with its pictures, or give each picture a name of its own.",
    ),
    "annotated-twice": _Kind(
        "pictures that are annotated in several files, and not alike",
        "The first file counts.",
        "Delete the annotation that is not wanted.",
        "note",
    ),
    "size-differs": _Kind(
        "pictures of another size than the one they were annotated at",
        "They are left out, since their objects lie elsewhere.",
        "Put back the pictures that were annotated.",
    ),
    "unlabelled": _Kind(
        "pictures that no annotation file is about",
        "They are left out, since nobody says what they show.",
        "Save those that show nothing without objects.",
    ),
    "no-usable-object": _Kind(
        "pictures with objects of which none can be used",
        "They are left out, since they would count as background.",
        "See the other problems for the reason.",
    ),
    "no-area": _Kind("objects that are points or lines and enclose nothing", "They are left out.", "Draw outlines."),
    "unknown-shape": _Kind(
        "objects of a shape that is not known", "They are left out.", "Draw them as polygons or rectangles."
    ),
    "broken-object": _Kind(
        "objects whose coordinates are missing, too few or no numbers", "They are left out.", "Draw them again."
    ),
    "object-without-class": _Kind("objects without a class", "They are left out.", "Give each a class."),
    "several-classes": _Kind("objects of several classes", "They are left out.", "Choose one class for each."),
    "ignored-label": _Kind(
        "objects labelled as nothing to be learned",
        "They are left out, and their pixels count as background.",
        "Give them a class if they are to be found.",
    ),
    "mask-without-file": _Kind(
        "objects whose mask file is not here or cannot be read",
        "Their boxes are taken instead.",
        "Put the mask files into the folder Masks.",
        "note",
    ),
}


class Tally:
    """Counts what is wrong, by kind, and remembers the first of each."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str, str]] = {}

    def add(self, kind: str, path: str, what: str = "") -> None:
        """Counts one.

        Args:
            kind: One of the kinds that this module has words for.
            path: The file it is about.
            what: More about it, for the first one.
        """
        count, first, words = self._found.get(kind, (0, path, what))
        self._found[kind] = count + 1, first, words

    def problems(self) -> list[Problem]:
        """One for each kind, with its number and an example."""
        found = []
        for kind, (count, path, what) in self._found.items():
            words = _KINDS[kind]
            example = (f"{path}: {what}" if what else path).rstrip(".")
            detail = f"{words.counted}: {count} (the first: {example})."
            found.append(Problem(kind, path, detail, f"{words.done} {words.advice}", words.severity))
        return found


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
    tally: Tally = field(default_factory=Tally)
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
    advice = _KINDS[problem.kind].advice if problem.kind in _KINDS else problem.fix
    return DataError(f"no annotation here can be used; {problem.detail}", where=path, fix=advice)


def _note_kinds(task: str, boxes: int, total: int, notes: list[str]) -> None:
    if task == "instances" and boxes:
        notes.append(f"Rectangles among {total} objects: {boxes}; each counts as a mask that fills it.")
    elif task == "detection" and boxes < total:
        notes.append(
            f"Outlines among {total} objects: {total - boxes}; each counts as the box around it (the task `instances` "
            "takes them as they are)."
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
        return path if path.name.lower().endswith(suffixes) and recognise(head_and_tail(path)) else None
    waiting, count = [(path, 0)], 0
    while waiting and count < _FOLDERS:
        folder, depth = waiting.pop(0)
        listing = scan(folder, ordered=False)
        count += 1
        for name in nsmallest(_FILES, (name for name in listing.others if name.lower().endswith(suffixes))):
            if recognise(head_and_tail(folder / name)):
                return folder / name
        if depth < _DEPTH:
            waiting += [(folder / name, depth + 1) for name in sorted(listing.folders, key=natural_key)]
    return None


def head_and_tail(file: Path) -> str:
    """First and last bytes of a file as text; empty where it cannot be opened."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
            size = opened.seek(0, 2)
            opened.seek(max(len(head), size - _TAIL))
            return (head + opened.read()).decode("latin-1")
    except OSError:
        return ""


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


def read_json(file: Path) -> Any:
    """Content of a JSON file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return json.loads(file.read_bytes())
    except OSError as error:
        raise DataError(
            f"the file cannot be opened ({error.strerror}).", where=file, fix="Check its rights."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"not sound JSON ({error}).", where=file, fix="Save it again with its tool.") from error


def split_in(*paths: str) -> str:
    """The split that a folder of the first path stands for, else of the second, and so on; empty where none does."""
    for path in paths:
        for part in reversed(place_of(path)):
            if part in GIVEN_SPLITS:
                return part
    return ""


class PictureNames:
    """Finds pictures by the names that annotation gives them."""

    def __init__(self, pictures: Sequence[str]) -> None:
        self._paths = {name.casefold(): name for name in pictures}
        self._by_name: dict[str, list[str]] = {}
        for name in pictures:
            self._by_name.setdefault(name.rsplit("/", 1)[-1].casefold(), []).append(name)

    def find(self, name: str, folder: str, split: str = "") -> list[str]:
        """Pictures that a name can mean, best first in place: one where that is settled, none where there is none.

        Args:
            name: A file name, or a path of another machine.
            folder: The folder that the annotation lies in, relative to the root; empty for the root itself.
            split: The split that the annotation is for, where known.
        """
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        if not parts:
            return []
        exact = self._paths.get(_resolved(folder, parts).casefold())
        if exact is not None:
            return [exact]
        candidates = self._by_name.get(parts[-1].casefold(), [])
        for better in (
            [one for one in candidates if folder and one.casefold().startswith(folder.casefold() + "/")],
            [one for one in candidates if split and split_in(one) == split],
            [one for one in candidates if ("/" + one).casefold().endswith("/" + "/".join(parts[-2:]).casefold())],
        ):
            if len(better) == 1:
                return better
            candidates = better or candidates
        return candidates


def _resolved(folder: str, parts: Sequence[str]) -> str:
    here = list(PurePosixPath(folder).parts)
    for part in parts:
        if part == "..":
            if not here:
                return ""
            here.pop()
        else:
            here.append(part)
    return "/".join(here)


def drawn_annotations(
    splits: dict[str, Sequence[Sample]], format: str, classes: Sequence[str]
) -> Iterator[tuple[str, Sample, Boxes | Instances]]:
    """Split, sample and annotation of everything that is to be written.

    Raises:
        RequestError: A class name or an annotation that the format cannot hold.
        PictureError: Annotation in a file of its own that cannot be read.
    """
    for name in classes:
        if not name.strip() or name != name.strip() or "\n" in name or "\r" in name:
            raise RequestError(
                f"the class name {name!r} is blank at an end or has a line break, which would be lost.",
                where=format,
                fix="Rename the class.",
            )
    for split, samples in splits.items():
        for sample in samples:
            annotation = sample.read_annotation()
            if not isinstance(annotation, Boxes | Instances):
                held = "no annotation" if annotation is None else f"a {type(annotation).__name__.lower()}"
                raise RequestError(
                    f"picture {sample.name} has {held}, and the format `{format}` holds boxes and masks of objects.",
                    where=format,
                    fix="Leave out pictures without annotation, or write a format for its task.",
                )
            if isinstance(annotation, Instances) and not annotation.areas().all():
                raise RequestError(
                    f"picture {sample.name} has an object without a single pixel, which the format `{format}` cannot "
                    "outline.",
                    where=format,
                    fix="Leave the object out, or write the format `coco`.",
                )
            yield split, sample, annotation
