"""VGG Image Annotator's files: JSON of its versions 1 and 2, projects, and CSV.

Dutta, Zisserman: "The VIA annotation software for images, audio and video", ACM Multimedia 2019.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import DataError
from striate.formats.annotation_files import ends_of
from striate.formats.base import FORMATS, Format, Reading, Sniff
from striate.formats.drawn.drawings import (
    Drawings,
    DrawnPicture,
    build_drawn_reading,
    drawn_annotations,
    find_annotation_file,
    gather,
    nothing_usable,
)
from striate.formats.drawn.shapes import Area, DrawnObject, Outline, ellipse, finite_numbers, rectangle
from striate.formats.drawn.via_classes import (
    FLAG_ATTRIBUTES,
    find_class_attribute,
    find_split_attribute,
    is_set,
    values_of,
)
from striate.formats.drawn.via_files import ViaFile, ViaPicture, is_via_text, read_via_file
from striate.formats.folder_names import split_in_name, split_of, split_of_path
from striate.formats.outlines import refuse_inexact, trace_outline
from striate.formats.picture_index import PictureIndex
from striate.formats.storing import PictureStore, prepare_folder, store_text
from striate.formats.tally import Tally
from striate.images import FileSource
from striate.structures import Boxes, Instances, Sample

WRITTEN_FILE = "via_region_data.json"
_ONE_CLASS = "object"
_CLASS_ATTRIBUTE = "class"


class _Via(Format):
    name = "via"
    title = "VGG Image Annotator's JSON, project or CSV files"
    tasks = ("detection", "instances")

    def sniff(self, path: Path) -> Sniff | None:
        found = find_annotation_file(path, (".json", ".csv"), is_via_text)
        return None if found is None else Sniff(0.9, f"{found.name} is a file of the VGG Image Annotator")

    def read(self, path: Path, task: str | None = None) -> Reading:
        there = gather(path)
        drawings = Drawings()
        files = []
        for name in there.others:
            if name.lower().endswith((".json", ".csv")) and is_via_text(ends_of(there.root / name)):
                try:
                    files.append(read_via_file(there.root / name, name))
                except DataError as error:
                    drawings.tally.add("broken-annotation", name, error.what)
        if not files:
            for problem in drawings.tally.problems():
                raise nothing_usable(path, problem)
            raise DataError(
                "no file of the VGG Image Annotator was found here.",
                where=path,
                fix="Save the project, or export the annotation as JSON, into the folder with the pictures.",
            )
        # A project knows more than what was exported from it.
        files.sort(key=lambda file: file.rank)
        listed = _pair(there.root, files, there.pictures, drawings)
        if there.whole:
            for name in there.pictures:
                if name not in listed:
                    drawings.tally.add("unlabelled", name)
        _add_pictures(there.root, listed, files, drawings)
        return build_drawn_reading(self.name, path, drawings, task)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes pictures and a project file for each split, beside them.

        Boxes become rectangles, masks polygons along the edges of pixels; holes and further parts are joined to the
        first part by seams of no width. Flags (`iscrowd`, `ignore`) become attributes; groups are not kept.

        Raises:
            RequestError: A mask does not come back from its polygon; the picture is named.
        """
        annotated = [
            (split, sample, _regions(annotation, sample.name, classes))
            for split, sample, annotation in drawn_annotations(splits, self.name, classes)
        ]
        prepare_folder(out)
        store = PictureStore()
        content: dict[str, dict[str, Any]] = {}
        for split, sample, regions in annotated:
            picture = store.save(sample, out / split if split else out)
            size = picture.stat().st_size
            content.setdefault(split, {})[f"{picture.name}{size}"] = {
                "filename": picture.name,
                "size": size,
                "regions": regions,
                "file_attributes": {},
            }
        for split, entries in content.items():
            text = json.dumps(_project(split, entries, classes), ensure_ascii=False, indent=1)
            store_text((out / split if split else out) / WRITTEN_FILE, text)


def _pair(
    root: Path, files: Sequence[ViaFile], pictures: Sequence[str], drawings: Drawings
) -> dict[str, tuple[ViaFile, ViaPicture]]:
    """Annotation by picture: the first that has regions, else the first."""
    names, listed = PictureIndex(root, pictures), dict[str, tuple[ViaFile, ViaPicture]]()
    repeated: dict[str, int] = {}
    for file in files:
        for entry in file.pictures:
            candidates = names.find(entry.filename, file.name.rpartition("/")[0], _split_of_file(file))
            if len(candidates) != 1:
                kind = "ambiguous-picture" if candidates else "annotation-without-picture"
                drawings.tally.add(kind, file.name, entry.filename)
                continue
            (picture,) = candidates
            if picture not in listed:
                listed[picture] = file, entry
            elif entry.regions and listed[picture][1].regions and not entry.agrees(listed[picture][1]):
                drawings.tally.add("annotated-twice", picture, f"in {listed[picture][0].name} and in {file.name}")
            else:
                repeated[file.name] = repeated.get(file.name, 0) + 1
                if entry.regions and not listed[picture][1].regions:
                    listed[picture] = file, entry
    for name, count in repeated.items():
        drawings.notes.append(f"Pictures of {name} that another file holds, too: {count}; each counts once.")
    return listed


def _split_of_file(file: ViaFile) -> str:
    """The split of a folder, or that a word of the file's name stands for, as in `via_train.json`."""
    return split_of_path(file.name) or split_in_name(Path(file.name).stem)


def _add_pictures(
    root: Path, listed: Mapping[str, tuple[ViaFile, ViaPicture]], files: Sequence[ViaFile], drawings: Drawings
) -> None:
    """Settles classes and splits, and reads the shapes."""
    entries = [entry for _, entry in listed.values()]
    chosen = find_class_attribute([region.attributes for entry in entries for region in entry.regions])
    split_attribute = find_split_attribute(entry.attributes for entry in entries)
    if any(entry.regions for entry in entries):
        drawings.notes.append(chosen.note)
    if split_attribute is not None:
        drawings.notes.append(f"Splits come from the file attribute {split_attribute!r}.")
    closed = 0
    for picture, (file, entry) in listed.items():
        objects: list[DrawnObject] = []
        for number, region in enumerate(entry.regions, 1):
            drawn = _object(
                region.shape, region.attributes, chosen.name, f"{picture}, region {number}", file.name, drawings
            )
            if drawn is not None:
                objects.append(drawn)
                closed += region.shape.get("name") == "polyline"
        given = values_of(entry.attributes.get(split_attribute)) if split_attribute is not None else []
        split = (split_of(given[0]) if given else None) or split_of_path(picture) or _split_of_file(file)
        drawings.pictures.append(DrawnPicture(FileSource(root / picture, picture), objects, len(entry.regions), split))
    if closed:
        drawings.notes.append(
            f"Open lines among the objects: {closed}; each is closed from its last point to its first."
        )
    declared = dict.fromkeys(option for file in files for option in file.options.get(chosen.name, ()))
    drawings.declared = [_ONE_CLASS] if not chosen.name else list(declared)


def _object(
    shape: Mapping[str, Any],
    attributes: Mapping[str, Any],
    class_attribute: str,
    where: str,
    file: str,
    drawings: Drawings,
) -> DrawnObject | None:
    tally: Tally = drawings.tally
    names = values_of(attributes.get(class_attribute)) if class_attribute else [_ONE_CLASS]
    area = read_shape(shape)
    if isinstance(area, str):
        tally.add(area, file, f"{where}, {shape.get('name')!r}")
    elif len(names) != 1:
        seen = f" is {' and '.join(names)}" if names else ""
        tally.add("several-classes" if names else "object-without-class", file, where + seen)
    else:
        flags = {FLAG_ATTRIBUTES.get(key.lower()) for key, value in attributes.items() if is_set(value)}
        return DrawnObject(names[0], [area], "iscrowd" in flags, "ignore" in flags)
    return None


def read_shape(shape: Mapping[str, Any]) -> Area | str:
    """What the `shape_attributes` of a region enclose, or the kind of problem with them."""
    kind = str(shape.get("name", "")).lower()
    if kind in ("point", "line"):
        return "no-area"
    if kind in ("polygon", "polyline"):
        x, y = finite_numbers(shape.get("all_points_x")), finite_numbers(shape.get("all_points_y"))
        if x is None or y is None or len(x) != len(y) or len(x) < 3:
            return "broken-object"
        return Outline(np.column_stack([x, y]))
    fields = {"rect": ("x", "y", "width", "height"), "circle": ("cx", "cy", "r"), "ellipse": ("cx", "cy", "rx", "ry")}
    if kind not in fields:
        return "unknown-shape"
    numbers = finite_numbers([shape.get(field) for field in fields[kind]])
    angle = finite_numbers([shape.get("theta", 0)])
    if numbers is None or angle is None:
        return "broken-object"
    if kind == "rect":
        left, top, width, height = numbers
        return rectangle(left, top, left + width, top + height)
    if kind == "circle":
        return ellipse(numbers[0], numbers[1], numbers[2], numbers[2])
    centre_x, centre_y, radius_x, radius_y = numbers
    return ellipse(centre_x, centre_y, radius_x, radius_y, angle[0])


def _regions(annotation: Boxes | Instances, name: str, classes: Sequence[str]) -> list[dict[str, Any]]:
    dense = annotation.dense() if isinstance(annotation, Instances) else None
    regions = []
    for index, number in enumerate(annotation.classes.tolist()):
        if dense is None:
            left, top, right, bottom = annotation.boxes_xyxy[index].tolist()
            shape = {"name": "rect", "x": left, "y": top, "width": right - left, "height": bottom - top}
        else:
            outline = trace_outline(dense[index])
            refuse_inexact(outline, annotation.masks[index], annotation.size_hw, name, "via")  # type: ignore[union-attr]
            x, y = outline.astype(int).T.tolist()
            shape = {"name": "polygon", "all_points_x": x, "all_points_y": y}
        flags = {flag: "true" for flag in ("iscrowd", "ignore") if getattr(annotation, flag)[index]}
        attributes = {_CLASS_ATTRIBUTE: classes[number], **flags}
        regions.append({"shape_attributes": shape, "region_attributes": attributes})
    return regions


def _project(split: str, entries: dict[str, dict[str, Any]], classes: Sequence[str]) -> dict[str, Any]:
    options = dict.fromkeys(classes, "")
    attribute = {"type": "dropdown", "description": "", "options": options, "default_options": {}}
    return {
        "_via_settings": {"project": {"name": split or "pictures"}},
        "_via_img_metadata": entries,
        "_via_attributes": {"region": {_CLASS_ATTRIBUTE: attribute}, "file": {}},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(entries),
    }


FORMATS.add(_Via.name, _Via())
