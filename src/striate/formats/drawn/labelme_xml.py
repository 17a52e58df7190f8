"""XML files of the older LabelMe web tool: polygons, and masks in files of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np

from striate.errors import DataError, PictureError
from striate.formats.annotation_files import read_xml
from striate.formats.drawn.drawings import Drawings, DrawnPicture
from striate.formats.drawn.shapes import Area, DrawnObject, Outline, Painted, rectangle
from striate.formats.folder_names import split_of_path
from striate.formats.pairing import pair_files
from striate.formats.picture_index import PictureIndex
from striate.formats.tally import Tally
from striate.images import FileSource, read_picture

_MASK_FOLDERS = {"masks", "scribbles"}
_UNREADABLE = "mask-without-file"


def is_labelme_xml(text: str) -> bool:
    """Whether the first and last bytes of a file are those of LabelMe: VOC's have `bndbox` where it has points."""
    return "<annotation" in text and "<bndbox" not in text and ("<pt>" in text or "<segm>" in text)


def is_mask_picture(name: str) -> bool:
    """Whether a picture lies where the tool keeps masks and scribbles."""
    return any(part.lower() in _MASK_FOLDERS for part in PurePosixPath(name).parent.parts)


def read_xml_pictures(
    root: Path, pictures: Sequence[str], masks: Sequence[str], files: Sequence[str], drawings: Drawings
) -> set[str]:
    """Adds what XML files say; returns the pictures that they are about.

    Args:
        root: The folder that names are relative to.
        pictures: Pictures, without masks.
        masks: Pictures in the folders of masks and scribbles.
        files: The XML files.
        drawings: Where pictures and problems go.
    """
    paired = {file: picture for picture, file in pair_files(pictures, files).pairs.items()}
    names, mask_index = PictureIndex(root, pictures), PictureIndex(root, masks)
    annotated = set(paired.values())
    for file in files:
        picture = paired.get(file)
        try:
            tree = read_xml(root / file)
        except DataError as error:
            drawings.tally.add("broken-annotation", file, error.what)
            continue
        if picture is None:
            named = f"{_text(tree, 'folder')}/{_text(tree, 'filename')}"
            candidates = names.find(named, file.rpartition("/")[0], split_of_path(file))
            if len(candidates) != 1:
                kind = "ambiguous-picture" if candidates else "annotation-without-picture"
                drawings.tally.add(kind, file, f"it is about {named!r}")
                continue
            picture = candidates[0]
            if picture in annotated:
                drawings.tally.add("annotated-twice", picture, f"in {file} too")
                continue
            annotated.add(picture)
        elements = [one for one in tree.findall("object") if _text(one, "deleted") != "1"]
        read = _Reader(root, file, mask_index, drawings.tally)
        objects = [one for number, element in enumerate(elements, 1) if (one := read.object(element, number))]
        source = FileSource(root / picture, picture)
        drawings.pictures.append(
            DrawnPicture(source, objects, len(elements), split_of_path(picture) or split_of_path(file))
        )
    return annotated


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


class _Reader:
    """Reads the objects of one file."""

    def __init__(self, root: Path, file: str, masks: PictureIndex, tally: Tally) -> None:
        self.root, self.file, self.masks, self.tally = root, file, masks, tally

    def object(self, element: ElementTree.Element, number: int) -> DrawnObject | None:
        """An object, or `None` where it is counted as unusable."""
        name = _text(element, "name")
        area = self._area(element)
        if area is None:
            self.tally.add("broken-object", self.file, f"object {number}, {name!r}")
        elif not name:
            self.tally.add("object-without-class", self.file, f"object {number}")
        else:
            return DrawnObject(name, [area])
        return None

    def _area(self, element: ElementTree.Element) -> Area | None:
        segment = element.find("segm")
        if segment is not None:
            return self._mask(segment) or self._box(segment)
        rows = [(_text(point, "x"), _text(point, "y")) for point in element.findall("polygon/pt")]
        points = _numbers(rows)
        if points is None or len(points) < 3:
            return None
        if _text(element, "type") == "bounding_box":
            return rectangle(*points.min(0).tolist(), *points.max(0).tolist())
        return Outline(points)

    def _mask(self, segment: ElementTree.Element) -> Area | None:
        """Pixels that are at least half as opaque as the most opaque one: edges are blended."""
        name = _text(segment, "mask")
        near = self.masks.find(name, self.file.rpartition("/")[0])
        if len(near) != 1:
            self.tally.add(_UNREADABLE, self.file, name)
            return None
        try:
            picture = read_picture(self.root / near[0])
        except PictureError as error:
            self.tally.add(_UNREADABLE, self.file, f"{near[0]}: {error.what}")
            return None
        strength = picture.pixels[-1] if picture.channels in (2, 4) else picture.pixels.max(0)
        return Painted((strength > 0) & (2 * strength.astype(np.int64) >= int(strength.max())), 0, 0)

    def _box(self, segment: ElementTree.Element) -> Area | None:
        corners = _numbers([[_text(segment, f"box/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")]])
        return None if corners is None else rectangle(*corners[0].tolist())


def _numbers(rows: Sequence[Sequence[str]]) -> np.ndarray | None:
    try:
        found = np.array([[float(cell) for cell in row] for row in rows], np.float64)
    except ValueError:
        return None
    return found if len(found) and np.isfinite(found).all() and np.abs(found).max() < 1e9 else None
