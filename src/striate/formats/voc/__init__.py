"""Pascal VOC: boxes in XML files, classes and objects in mask pictures, splits in lists.

Source: M. Everingham et al., The PASCAL Visual Object Classes Challenge 2012 Development Kit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np

from striate.errors import DataError, PictureError
from striate.formats.base import FORMATS, GIVEN_SPLITS, Format, Reading, Sniff
from striate.formats.folder_names import split_of_path
from striate.formats.foreign import refusal
from striate.formats.listing import natural_key, visit, walk
from striate.formats.objects import ObjectEntry, ObjectFindings, build_object_reading
from striate.formats.pairing import pair_files
from striate.formats.picture_index import PictureIndex, read_headers
from striate.formats.tally import FileTally, left_out
from striate.formats.voc.image_sets import FOLDER as LISTS_FOLDER
from striate.formats.voc.image_sets import find_image_sets, split_by_image_sets
from striate.formats.voc.mask_files import (
    LABEL_MAP,
    VOC_CLASSES,
    ClassMask,
    LabelMap,
    ObjectMask,
    guess_labels,
    read_label_map,
)
from striate.formats.voc.writing import CLASS_FOLDER, OBJECT_FOLDER, PICTURE_FOLDER, write_voc
from striate.formats.voc.xml_files import VocFile, read_voc_xml
from striate.images import FileSource, Header
from striate.structures import MOST_MASK_CLASSES, Boxes, Count, Problem, Sample

_HEAD = 4000
_SNIFFED = 5


_PICTURES = "picture has|pictures have"
_Entries = dict[str, ObjectEntry | None]
"""What was read for each picture; `None` where its annotation is no good, and that has been told."""


@dataclass(slots=True)
class _Files:
    """What lies in a set, by paths relative to it."""

    root: Path
    pictures: list[str]
    xml: list[str]
    class_masks: list[str]
    object_masks: list[str]
    others: list[str]

    def label_map(self) -> Path | None:
        """The uppermost list of what mask values mean."""
        found = [other for other in self.others if PurePosixPath(other).name.lower() == LABEL_MAP]
        return self.root / min(found, key=lambda other: (other.count("/"), other)) if found else None


class _Voc(Format):
    name = "voc"
    title = "Pascal VOC: XML files, or folders SegmentationClass and SegmentationObject"
    tasks = ("detection", "segmentation", "instances")
    unflagged_tasks = ("instances",)

    def sniff(self, path: Path) -> Sniff | None:
        if not path.is_dir():
            return None
        for folder, listing in visit(path):
            names = (name for name in listing.others if name.lower().endswith(".xml"))
            for name in islice(names, _SNIFFED):
                if _is_voc_xml(folder / name):
                    return Sniff(0.9, f"{(folder / name).relative_to(path).as_posix()} is VOC's XML")
            lower = {name.casefold() for name in listing.folders}
            beside = {PICTURE_FOLDER.casefold(), LISTS_FOLDER.casefold()} & lower
            if CLASS_FOLDER.casefold() in lower and (beside or LABEL_MAP in map(str.lower, listing.others)):
                where = (folder / CLASS_FOLDER).relative_to(path).as_posix()
                return Sniff(0.9, f"there is a folder {where}")
        return None

    def read(self, path: Path, task: str | None = None) -> Reading:
        if not path.is_dir():
            raise refusal(path)
        files = _list_files(path)
        held = _tasks_held(files)
        if not held:
            raise DataError(
                f"there is neither an XML file of Pascal VOC nor a folder {CLASS_FOLDER} with masks here.",
                where=path,
                fix="Check the path, or name another format with --format.",
            )
        chosen = task if task in held else held[0]
        found = ObjectFindings(chosen, splits={split: [] for split in (*GIVEN_SPLITS, "")})
        entries = _read_boxes(files, found) if chosen == "detection" else _read_masks(files, found)
        _settle_splits(files, entries, found)
        return build_object_reading(self.name, path, found)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes VOC's folders, with `labelmap.txt` for the order of the classes; groups are not kept."""
        write_voc(self.name, splits, classes, out)


def _is_voc_xml(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD).replace(b"\0", b"")
    except OSError:
        return False
    # LabelMe's XML is alike, with outlines instead of boxes.
    likely = b"<bndbox" in head or b"<size" in head or b"<filename" in head
    return b"<annotation>" in head.replace(b"<annotation ", b"<annotation>") and likely and b"<polygon" not in head


def _list_files(path: Path) -> _Files:
    pictures, others = walk(path)
    found = _Files(path, [], [name for name in others if name.lower().endswith(".xml")], [], [], others)
    for picture in pictures:
        folders = {part.casefold() for part in PurePosixPath(picture).parts[:-1]}
        if CLASS_FOLDER.casefold() in folders:
            found.class_masks.append(picture)
        elif OBJECT_FOLDER.casefold() in folders:
            found.object_masks.append(picture)
        elif not any(folder.startswith("segmentation") for folder in folders):
            found.pictures.append(picture)
    return found


def _tasks_held(files: _Files) -> list[str]:
    """What the annotation is for, that which is read unasked first."""
    held = ["detection"] if any(_is_voc_xml(files.root / name) for name in files.xml) else []
    if files.class_masks:
        held += (["instances"] if files.object_masks else []) + ["segmentation"]
    return held


def _read_boxes(files: _Files, found: ObjectFindings) -> _Entries:
    tally = FileTally()
    read = {name: read_voc_xml(files.root / name, name, tally) for name in files.xml}
    pairs, lonely = _pair_xml(files, read)
    if not pairs:
        raise _no_pair(files, files.xml, "XML")
    position: dict[str, int] = {}
    for name in _listed_names(files, tally):
        position.setdefault(name, len(position))
    occurring = {one.name for file in read.values() if file is not None for one in file.objects}
    for name in sorted(occurring - set(position), key=natural_key):
        position[name] = len(position)
    found.names = list(position)
    entries: _Entries = {}
    empty = from_zero = 0
    for (picture, name), head in zip(pairs.items(), read_headers(files.root, list(pairs)), strict=True):
        file = read[name]
        if file is None:
            entries[picture] = None
            continue
        _check_size(head, name, file, tally)
        empty += not file.objects
        from_zero += file.from_zero
        entries[picture] = ObjectEntry(FileSource(files.root / picture, picture), _boxes_of(file, position))
    found.problems += tally.problems()
    found.problems += _lonely(lonely, "XML file has|XML files have")
    if empty:
        found.notes.append(f"{Count(empty):XML file holds|XML files hold} no object: background.")
    if from_zero:
        found.notes.append(
            f"{Count(from_zero):XML file has|XML files have} corners at 0, where VOC counts from 1. They are read as "
            "VOC's, so all boxes may lie one pixel too far to the left and up."
        )
    return entries


def _listed_names(files: _Files, tally: FileTally) -> tuple[str, ...]:
    """Class names in the order of the list, where there is one; boxes can be read without it."""
    listed = files.label_map()
    try:
        return read_label_map(listed).names if listed else ()
    except DataError as error:
        where = listed.relative_to(files.root).as_posix() if listed else ""
        tally.add("bad-class-list", where, error.what.rstrip("."), "The names in the XML files are taken.")
        return ()


def _boxes_of(file: VocFile, position: dict[str, int]) -> Boxes:
    return Boxes(
        np.array([one.box_xyxy for one in file.objects], np.float32).reshape(-1, 4),
        np.array([position[one.name] for one in file.objects], np.int64),
        np.array([one.iscrowd for one in file.objects], np.bool_),
        np.array([one.ignore for one in file.objects], np.bool_),
    )


def _pair_xml(files: _Files, read: dict[str, VocFile | None]) -> tuple[dict[str, str], list[str]]:
    """XML file of each picture that has one: by its own name, else by the `filename` in it; and those without one."""
    pairing = pair_files(files.pictures, files.xml)
    pairs = dict(pairing.pairs)
    index = PictureIndex(files.root, pairing.pictures)
    lonely = []
    for xml in pairing.annotations:
        file = read[xml]
        if file is None:
            continue
        # The suffix may be wrong or missing, and a name without one may hold dots.
        near = PurePosixPath(xml).parent.as_posix().strip(".")
        candidates = index.find(file.filename, near) or index.find(PurePosixPath(file.filename).stem, near)
        if len(candidates) == 1 and candidates[0] not in pairs:
            pairs[candidates[0]] = xml
        else:
            lonely.append(xml)
    order = {picture: number for number, picture in enumerate(files.pictures)}
    return dict(sorted(pairs.items(), key=lambda pair: order[pair[0]])), lonely


def _check_size(head: Header | PictureError, where: str, file: VocFile, tally: FileTally) -> None:
    if file.size_hw is None:
        tally.add("no-size", where, "it does not say how large the picture is", "The picture's own size is taken.")
        return
    if isinstance(head, PictureError):
        return  # Whoever reads the pixels reports it.
    if head.size_hw != file.size_hw:
        (height, width), (said_height, said_width) = head.size_hw, file.size_hw
        turned = ", so it may have been turned since" if head.size_hw == file.size_hw[::-1] else ""
        tally.add(
            "wrong-size",
            where,
            f"it says {said_width} x {said_height} (width x height), and the picture is {width} x {height}{turned}",
            "The boxes are read as they are. Check that they were drawn on this version of the picture.",
        )


def _read_masks(files: _Files, found: ObjectFindings) -> _Entries:
    root = files.root
    masks = pair_files(files.pictures, files.class_masks)
    if not masks.pairs:
        raise _no_pair(files, files.class_masks, "mask")
    labels = _labels_of(files, found)
    found.problems += _lonely(masks.annotations, "mask has|masks have")
    if found.task == "segmentation":
        found.names = list(labels.names)
        return {
            picture: ObjectEntry(FileSource(root / picture, picture), ClassMask(root / mask, mask, labels))
            for picture, mask in masks.pairs.items()
        }
    found.names = [name for kind, name in enumerate(labels.names) if kind != labels.background]
    objects = pair_files(files.pictures, files.object_masks).pairs
    both = [picture for picture in masks.pairs if picture in objects]
    entries: _Entries = dict.fromkeys([*masks.pairs, *objects])
    single = sorted(set(masks.pairs) ^ set(objects), key=natural_key)
    what = "a mask in only one of the two mask folders"
    found.problems += left_out(
        "half-annotated", single, _PICTURES, what, f"Add the other mask ({CLASS_FOLDER} and {OBJECT_FOLDER})."
    )
    for picture in both:
        mask = ObjectMask(root / objects[picture], root / masks.pairs[picture], objects[picture], labels)
        entries[picture] = ObjectEntry(FileSource(root / picture, picture), mask)
    return entries


def _labels_of(files: _Files, found: ObjectFindings) -> LabelMap:
    listed = files.label_map()
    if listed is not None:
        labels = read_label_map(listed)
        if len(labels.names) > MOST_MASK_CLASSES:
            raise DataError(
                f"{len(labels.names)} classes are listed; a mask can tell {MOST_MASK_CLASSES} apart.",
                where=listed,
                fix="Merge classes, and list those that the masks hold.",
            )
        return labels
    names: set[str] = set()
    for name in islice(files.xml, 200):
        file = read_voc_xml(files.root / name, name, FileTally())
        names |= {one.name for one in file.objects} if file else set()
    labels, note = guess_labels([files.root / mask for mask in files.class_masks], not names <= set(VOC_CLASSES))
    found.notes.append(note)
    return labels


def _settle_splits(files: _Files, entries: _Entries, found: ObjectFindings) -> None:
    """Lists decide, then names of folders; pictures without annotation are reported where they were expected."""
    sets = find_image_sets(files.root, files.others, found.task)
    listed = split_by_image_sets(files.pictures, sets, found.problems)
    unlisted, unlabelled, elsewhere = [], [], 0
    for picture in files.pictures:
        split = listed.get(picture, split_of_path(picture))
        entry = entries.get(picture)
        if entry is not None and split is not None:
            found.splits[split].append(entry)
        elif entry is not None:
            unlisted.append(picture)
        elif picture in entries:
            continue
        elif split is None or (found.task != "detection" and not listed):
            elsewhere += 1
        else:
            unlabelled.append(picture)
    if sets and any(split is not None for split in listed.values()):
        used = ", ".join(file for one in sets for file in one.files.values())
        found.notes.append(f"The splits are those of {used}.")
    if elsewhere:
        found.notes.append(
            f"{Count(elsewhere):picture has|pictures have} no annotation for {found.task} and no list; left out."
        )
    found.problems += left_out(
        "unlisted", unlisted, "picture is|pictures are", "annotated, but in no list of a split", "Add them to a list."
    )
    what = "no " + ("XML file" if found.task == "detection" else "mask")
    advice = "For pictures without any object, add annotation that holds none."
    found.problems += left_out("unlabelled", unlabelled, _PICTURES, what, advice)


def _lonely(names: Sequence[str], what: str) -> list[Problem]:
    return left_out("annotation-without-picture", names, what, "no picture", "Add them, with the same names.")


def _no_pair(files: _Files, annotations: Sequence[str], what: str) -> DataError:
    if not files.pictures:
        seen = "no picture"
    else:
        seen = f"{Count(len(files.pictures)):picture} ({files.pictures[0]}, ...), none with the name of one of them"
    return DataError(
        f"{len(annotations)} {what} files ({annotations[0]}, ...) and {seen}.",
        where=files.root,
        fix=f"Put the pictures into a folder {PICTURE_FOLDER} beside the annotation, under the same names.",
    )


FORMATS.add(_Voc.name, _Voc())
