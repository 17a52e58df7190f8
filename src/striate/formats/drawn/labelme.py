"""LabelMe's files: one JSON for each picture (labelme 3 to 5 and its relatives), or one XML (the older web tool).

Russell, Torralba, Murphy, Freeman: "LabelMe: a database and web-based tool for image annotation", IJCV 77, 2008;
Wada: "labelme: Image Polygonal Annotation with Python", 2016.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import DataError, PictureError
from striate.formats.annotation_files import ends_of, read_json, read_some_lines
from striate.formats.base import FORMATS, Format, Reading, Sniff
from striate.formats.drawn.drawings import (
    Drawings,
    DrawnPicture,
    Gathered,
    build_drawn_reading,
    drawn_annotations,
    find_annotation_file,
    gather,
)
from striate.formats.drawn.labelme_xml import is_labelme_xml, is_mask_picture, read_xml_pictures
from striate.formats.drawn.shapes import Area, DrawnObject, Outline, Painted, ellipse, finite_numbers, rectangle
from striate.formats.folder_names import split_of_path
from striate.formats.pairing import pair_files
from striate.formats.picture_index import PictureIndex
from striate.formats.storing import PictureStore, prepare_folder, store_text
from striate.formats.tally import Tally
from striate.images import FileSource, read_header, read_picture
from striate.images.pillow import decoding, open_image
from striate.structures import Boxes, Instances, Picture, PictureSource, Sample

CLASSES_FILE = "labels.txt"
"""Class names, one a line, as `labelme --labels` takes them."""

_NO_CLASSES = ("__ignore__", "_background_")
_POLYGONS = ("polygon", "rotation", "oriented_rectangle", "quadrilateral")
_NO_AREA = ("point", "points", "line", "linestrip")
_CROWD_FLAGS, _IGNORE_FLAGS = {"iscrowd", "crowd"}, {"ignore", "difficult"}
_VERSION = "5.5.0"


class _LabelMe(Format):
    name = "labelme"
    title = "LabelMe's JSON or XML file for each picture"
    tasks = ("detection", "instances")

    def sniff(self, path: Path) -> Sniff | None:
        found = find_annotation_file(
            path, (".json", ".xml"), lambda text: _is_labelme_json(text) or is_labelme_xml(text)
        )
        return None if found is None else Sniff(0.9, f"{found.name} is a file of LabelMe")

    def read(self, path: Path, task: str | None = None) -> Reading:
        there = gather(path)
        files = [name for name in there.others if _is_json_of_labelme(there.root, name)]
        xml_files = [
            name
            for name in there.others
            if name.lower().endswith(".xml") and is_labelme_xml(ends_of(there.root / name))
        ]
        if not files and not xml_files:
            raise DataError(
                "no file of LabelMe was found here.",
                where=path,
                fix="LabelMe saves a JSON file beside each picture, with its `shapes` and its `imagePath`.",
            )
        drawings = Drawings()
        masks = [name for name in there.pictures if xml_files and is_mask_picture(name)]
        pictures = sorted(set(there.pictures) - set(masks))
        files += _cut_off_files(there, pictures, files)
        annotated = _read_json_pictures(there.root, pictures, files, drawings)
        annotated |= read_xml_pictures(there.root, pictures, masks, xml_files, drawings)
        if there.whole:
            for name in pictures:
                if name not in annotated:
                    drawings.tally.add("unlabelled", name)
        drawings.declared = _declared_classes(there)
        return build_drawn_reading(self.name, path, drawings, task)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes pictures, a JSON beside each, and `labels.txt`.

        Boxes become rectangles and masks become shapes of the type `mask`, which keep every pixel. Flags (`iscrowd`,
        `ignore`) go into the flags of a shape; groups are not kept.
        """
        annotated = list(drawn_annotations(splits, self.name, classes))
        prepare_folder(out)
        store, taken = PictureStore(), set[str]()
        for split, sample, annotation in annotated:
            picture = store.save(sample, out / split if split else out)
            # a.jpg and a.png cannot both have a.json; the second one's imagePath says which it is.
            file = picture.with_suffix(".json")
            if str(file).lower() in taken:
                file = picture.with_name(picture.name + ".json")
            taken.add(str(file).lower())
            text = json.dumps(_json_content(picture, annotation, classes), ensure_ascii=False, indent=1)
            store_text(file, text)
        store_text(out / CLASSES_FILE, "".join(f"{name}\n" for name in classes))


@dataclass(frozen=True, slots=True)
class EmbeddedSource:
    """A picture that a JSON file of LabelMe holds itself, in `imageData`.

    Attributes:
        path: The JSON file.
        name: Its path relative to the root of the data set.
    """

    path: Path
    name: str

    def read(self) -> Picture:
        """Reads the picture.

        Raises:
            PictureError: It cannot be read.
        """
        try:
            data = base64.b64decode(read_json(self.path)["imageData"], validate=False)
        except (DataError, KeyError, TypeError, binascii.Error) as error:
            raise _no_embedded_picture(self.path, str(error)) from error
        # Decoders read files, since some kinds need to seek in them or to know their size.
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "picture"
            try:
                file.write_bytes(data)
                picture = read_picture(file)
            except PictureError as error:
                raise PictureError(
                    f"imageData: {error.what}", where=self.path, fix=error.fix, kind=error.kind
                ) from error
            except OSError as error:
                raise _no_embedded_picture(self.path, str(error.strerror)) from error
        return replace(picture, source=self.name)


def _no_embedded_picture(path: Path, detail: str) -> PictureError:
    return PictureError(
        f"the picture in its imageData cannot be read ({detail}).",
        where=path,
        fix="Save the annotation again with LabelMe, or put the picture beside it.",
        kind="damaged",
    )


def _is_labelme_json(text: str) -> bool:
    # Embedded pixels can push all else out of the first bytes; the last ones then show the last shape.
    return ('"shapes"' in text or '"shape_type"' in text) and ('"imagePath"' in text or '"imageData"' in text)


def _is_json_of_labelme(root: Path, name: str) -> bool:
    return name.lower().endswith(".json") and _is_labelme_json(ends_of(root / name))


def _cut_off_files(there: Gathered, pictures: Sequence[str], files: Sequence[str]) -> list[str]:
    """JSON files of pictures that end too early to look like LabelMe's: their pictures are not without annotation."""
    left = [name for name in there.others if name.lower().endswith(".json") and name not in set(files)]
    return [name for name in pair_files(pictures, left).pairs.values() if not _is_whole_json(there.root / name)]


def _is_whole_json(file: Path) -> bool:
    try:
        read_json(file)
    except DataError:
        return False
    return True


def _declared_classes(there: Gathered) -> list[str]:
    """Names of `labels.txt` at the root or in the only folder that has one."""
    files = [name for name in there.others if name.rsplit("/", 1)[-1].lower() == CLASSES_FILE]
    if len(files) != 1:
        return []
    # Names that occur are enough where it cannot be read; the list only orders them.
    names = dict.fromkeys(map(str.strip, read_some_lines(there.root / files[0])))
    return [name for name in names if name and name not in _NO_CLASSES]


def _read_json_pictures(root: Path, pictures: Sequence[str], files: Sequence[str], drawings: Drawings) -> set[str]:
    """Adds what JSON files say; returns the pictures that they are about."""
    paired = {file: picture for picture, file in pair_files(pictures, files).pairs.items()}
    names, annotated, tally = PictureIndex(root, pictures), set(paired.values()), drawings.tally
    for file in files:
        picture = paired.get(file)
        try:
            content = read_json(root / file)
            shapes = content["shapes"]
            if not isinstance(shapes, list):
                raise TypeError("`shapes` is no list")
        except (DataError, KeyError, TypeError) as error:
            tally.add("broken-annotation", file, getattr(error, "what", f"no list of `shapes` ({error})"))
            continue
        source = FileSource(root / picture, picture) if picture else _named_picture(root, file, content, names, tally)
        if source is None:
            continue
        if not picture and source.name in annotated:
            tally.add("annotated-twice", source.name, f"in {file} too")
            continue
        annotated.add(source.name)
        drawings.pictures.append(
            DrawnPicture(
                source,
                read_shapes(shapes, file, tally),
                len(shapes),
                split_of_path(source.name) or split_of_path(file),
                _stated_size(content),
            )
        )
    return annotated


def _named_picture(
    root: Path, file: str, content: dict[str, Any], names: PictureIndex, tally: Tally
) -> PictureSource | None:
    """The picture of a JSON whose own name is no picture's: by its `imagePath`, else the one that it holds."""
    named = content.get("imagePath")
    folder = file.rpartition("/")[0]
    candidates = names.find(named, folder, split_of_path(file)) if isinstance(named, str) else []
    if len(candidates) == 1:
        return FileSource(root / candidates[0], candidates[0])
    if isinstance(content.get("imageData"), str) and content["imageData"]:
        return EmbeddedSource(root / file, file)
    if candidates:
        tally.add("ambiguous-picture", file, f"{named} could be {' or '.join(candidates[:3])}")
    else:
        tally.add("annotation-without-picture", file, f"it is about {named!r}")
    return None


def _stated_size(content: dict[str, Any]) -> tuple[int, int] | None:
    size = content.get("imageHeight"), content.get("imageWidth")
    known = all(isinstance(value, int) and value > 0 for value in size)
    return (int(size[0]), int(size[1])) if known else None  # type: ignore[arg-type]


def read_shapes(shapes: Sequence[Any], file: str, tally: Tally) -> list[DrawnObject]:
    """Objects of a JSON file; shapes of one label and one `group_id` are parts of one object.

    Args:
        shapes: Its list of shapes.
        file: Its name, for problems.
        tally: Where shapes that cannot be used are counted.
    """
    objects: list[DrawnObject] = []
    groups: dict[tuple[str, str], DrawnObject] = {}
    for number, shape in enumerate(shapes, 1):
        if not isinstance(shape, dict):
            tally.add("broken-object", file, f"shape {number} is no JSON object")
            continue
        label = shape.get("label")
        name = "" if label is None else str(label).strip()
        area = _area(shape, file)
        if name in _NO_CLASSES:
            tally.add("ignored-label", file, f"shape {number} is {name!r}")
        elif isinstance(area, str):
            tally.add(area, file, f"shape {number}, {shape.get('shape_type', 'polygon')!r}")
        elif not name:
            tally.add("object-without-class", file, f"shape {number}")
        else:
            flags = _flags(shape)
            crowd, ignore = bool(flags & _CROWD_FLAGS), bool(flags & _IGNORE_FLAGS)
            one = DrawnObject(name, [area], crowd, ignore)
            group = shape.get("group_id")
            whole = one if group is None else groups.setdefault((name, str(group)), one)
            if whole is not one:
                whole.areas.append(area)
                whole.iscrowd, whole.ignore = whole.iscrowd or crowd, whole.ignore or ignore
            else:
                objects.append(one)
    return objects


def _flags(shape: dict[str, Any]) -> set[str]:
    """Names of the flags that are set; relatives of labelme keep `difficult` in the shape itself."""
    flags = shape.get("flags")
    found = {str(name).lower() for name, value in flags.items() if value is True} if isinstance(flags, dict) else set()
    return found | ({"difficult"} if shape.get("difficult") is True else set())


def _area(shape: dict[str, Any], file: str) -> Area | str:
    """What a shape encloses, or the kind of problem with it."""
    kind = shape.get("shape_type") or "polygon"
    if kind in _NO_AREA:
        return "no-area"
    rows = shape.get("points")
    numbers = [finite_numbers(row) for row in rows] if isinstance(rows, list) else []
    if not numbers or any(row is None or len(row) != 2 for row in numbers):
        return "broken-object"
    points = np.array(numbers, np.float64)
    if kind in _POLYGONS:
        return Outline(points) if len(points) > 2 else "broken-object"
    if kind == "rectangle":
        return rectangle(*points.min(0).tolist(), *points.max(0).tolist()) if len(points) > 1 else "broken-object"
    if kind == "circle":
        if len(points) != 2:
            return "broken-object"
        (centre_x, centre_y), (x, y) = points.tolist()
        radius = math.hypot(x - centre_x, y - centre_y)
        return ellipse(centre_x, centre_y, radius, radius)
    return _painted(shape, points, file) if kind == "mask" else "unknown-shape"


def _painted(shape: dict[str, Any], points: np.ndarray, file: str) -> Area | str:
    """A mask: a PNG of the piece of the picture whose first pixel is the first point."""
    try:
        data = base64.b64decode(shape["mask"], validate=False)
        with decoding(Path(file)), open_image(Path(file), data) as image:
            pixels = np.asarray(image.convert("L")) > 0
    except (KeyError, TypeError, binascii.Error, PictureError):
        # The caller counts it and names the file and the shape.
        return "broken-object"
    return Painted(pixels, *points[0].astype(int).tolist())


def _json_content(picture: Path, annotation: Boxes | Instances, classes: Sequence[str]) -> dict[str, Any]:
    size_hw = read_header(picture).size_hw
    dense = annotation.dense() if isinstance(annotation, Instances) else None
    shapes = []
    for index, number in enumerate(annotation.classes.tolist()):
        flags = {name: True for name in ("iscrowd", "ignore") if getattr(annotation, name)[index]}
        if dense is None:
            left, top, right, bottom = annotation.boxes_xyxy[index].tolist()
            place: dict[str, Any] = {"points": [[left, top], [right, bottom]], "shape_type": "rectangle"}
        else:
            place = _mask_shape(dense[index])
        shapes.append({"label": classes[number], "group_id": None, "description": "", "flags": flags, **place})
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": picture.name,
        "imageData": None,
        "imageHeight": size_hw[0],
        "imageWidth": size_hw[1],
    }


def _mask_shape(mask: np.ndarray) -> dict[str, Any]:
    """A painted shape; its two points are its first and its last pixel."""
    from PIL import Image

    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, left, right = (int(edge) for edge in (rows[0], rows[-1], columns[0], columns[-1]))
    out = io.BytesIO()
    Image.fromarray(mask[top : bottom + 1, left : right + 1]).save(out, "PNG")
    return {
        "points": [[float(left), float(top)], [float(right), float(bottom)]],
        "shape_type": "mask",
        "mask": base64.b64encode(out.getvalue()).decode("ascii"),
    }


FORMATS.add(_LabelMe.name, _LabelMe())
