"""Annotation of other kinds, recognised so that a refusal can name it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from striate.errors import DataError
from striate.formats.listing import holds_pictures, is_picture_name, natural_key, scan, split_of
from striate.images import find_line_ending_damage
from striate.images.damage import FIX as LINE_ENDING_FIX

PICTURE_FOLDERS = frozenset(
    {"image", "images", "img", "imgs", "jpegimages", "imagestr", "imagests", "frames", "leftimg8bit", "rgb", "image_2"}
)
MASK_FOLDERS = frozenset(
    {"mask", "masks", "label", "labels", "labelstr", "annotation", "annotations", "annot", "annots", "trainannot"}
    | {"valannot", "testannot", "ground_truth", "groundtruth", "gt", "gtfine", "gtcoarse", "segmentation"}
    | {"segmentationclass", "segmentationobject", "segmentations", "semantic", "instance", "instances", "panoptic"}
    | {"bmp_masks", "png_masks", "scribbles", "depth", "semseg"}
)
ANNOTATION_FOLDERS = PICTURE_FOLDERS | MASK_FOLDERS
"""Folder names that stand for pictures and their annotation, not for classes."""

_TRUTH_FOLDERS = frozenset(
    {"ground_truth", "groundtruth", "gt", "gtfine", "gtcoarse", "segmentationclass", "segmentationobject"}
    | {"trainannot", "valannot", "testannot", "annot", "labelstr"}
)
_MASK_ENDINGS = ("mask", "masks", "seg", "segmentation", "label", "labels", "labelids", "gt", "annotation", "matte")
_MASK_NAME = re.compile(rf"(.+?)[-_. ]({'|'.join(_MASK_ENDINGS)})$", re.I)
_DELIMITER = re.compile(r"[,;\t]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_SCAN_SUFFIXES = (".dcm", ".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
_FOLDERS, _FILES, _DEPTH, _HEAD = 40, 60, 4, 20_000


@dataclass(frozen=True, slots=True)
class _Visited:
    """One folder of a set and the names in it."""

    root: Path
    folder: Path
    folders: list[str]
    pictures: list[str]
    others: list[str]

    def files(self, *suffixes: str) -> list[Path]:
        """Other files that end like this, in any letter case."""
        return [self.folder / name for name in self.others if name.lower().endswith(suffixes)]

    def relative(self, file: Path) -> str:
        """Path of a file for people."""
        return file.relative_to(self.root).as_posix()


@dataclass(frozen=True, slots=True)
class Foreign:
    """Annotation that no format reads.

    Attributes:
        what: What it seems to be, a phrase.
        where: File or folder that shows it, relative to the root.
        task: What it is for: detection, segmentation, another purpose.
        fix: What the user can do; a general advice where empty.
    """

    what: str
    where: str
    task: str
    fix: str = ""

    def error(self, path: Path) -> DataError:
        """The refusal."""
        advice = self.fix or (
            "This version reads classification only. To classify these pictures, put each class's pictures in a "
            "folder of its own, or add a CSV table with the columns path and label."
        )
        purpose = f", annotation for {self.task}" if self.task else ""
        return DataError(f"this looks like {self.what}{purpose} (seen in {self.where}).", where=path, fix=advice)


def find_damage(path: Path) -> DataError | None:
    """The refusal of a set whose files a text conversion has destroyed; `None` where none shows."""
    if not path.is_dir():
        return None
    files = [seen.folder / name for seen in _visit(path) for name in seen.pictures[:_FILES]]
    # PNG first: one of them settles the question.
    damage = find_line_ending_damage(sorted(files, key=lambda file: file.suffix.lower() != ".png"))
    if damage is None:
        return None
    how = "lost carriage returns (CR LF became LF)" if damage.direction == "lost" else "gained carriage returns"
    return DataError(
        f"the picture files are damaged: a conversion of line endings went over them and they {how}: "
        f"{damage.evidence} PNG files cannot be opened any more; JPEG files open, with wrong pixels.",
        where=path,
        fix=LINE_ENDING_FIX,
    )


def find_foreign(path: Path, beside_pictures: bool = False) -> Foreign | None:
    """Looks at names and first bytes of some files for annotation of other kinds.

    Args:
        path: The folder.
        beside_pictures: Look only for annotation that lies with the pictures it is for. That rules out class
            folders; a table or an archive somewhere else in the set does not.
    """
    if not path.is_dir():
        return None
    visited = list(_visit(path))
    for look, everywhere in _LOOKS:
        for seen in visited:
            if beside_pictures and not everywhere and (not seen.pictures or look is _find_packed):
                continue
            foreign = look(seen)
            if foreign is not None:
                return foreign
    return _find_scans(visited)


def refusal(path: Path) -> DataError:
    """Why nothing can be read at a path, as exactly as a look at it allows."""
    if not path.exists():
        return DataError("there is no such file or folder.", where=path, fix="Check the path.")
    foreign = find_foreign(path)
    if foreign is not None:
        return foreign.error(path)
    if path.is_file():
        boxes = _find_box_tables(_Visited(path.parent, path.parent, [], [], [path.name]))
        if boxes is not None:
            return boxes.error(path)
        return DataError(
            "this file is neither a table of pictures and labels nor an array of pictures.",
            where=path,
            fix="Give the folder that holds the pictures, a CSV table, an IDX or an npz file.",
        )
    listing = scan(path, ordered=False)
    flat = [len(scan(path / folder, ordered=False).pictures) for folder in listing.folders if split_of(folder)]
    count = len(listing.pictures) + sum(flat)
    if count:
        return DataError(
            f"{count} pictures, but no class folders and no table that says what they show.",
            where=path,
            fix="Make a folder for each class and move its pictures there, or add a CSV table with the columns "
            "path and label.",
        )
    if not listing.folders and not listing.others:
        return DataError("the folder is empty.", where=path, fix="Give the folder that holds the pictures.")
    return DataError(
        "no pictures with labels were found here.",
        where=path,
        fix="Make a folder for each class and put its pictures there (JPEG, PNG, TIFF, WebP, BMP, GIF, PGM), or add a "
        "CSV table with the columns path and label.",
    )


def _visit(path: Path) -> Iterator[_Visited]:
    """Some folders, the upper ones first."""
    waiting, count = [(path, 0)], 0
    while waiting and count < _FOLDERS:
        folder, depth = waiting.pop(0)
        listing = scan(folder, ordered=False)
        folders = sorted(listing.folders, key=natural_key)
        seen = _Visited(path, folder, folders, listing.pictures, sorted(listing.others, key=natural_key))
        count += 1
        yield seen
        if depth < _DEPTH:
            waiting += [(folder / name, depth + 1) for name in seen.folders]


def _head(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_HEAD).decode("latin-1")
    except OSError:
        return ""


def _find_text_boxes(seen: _Visited) -> Foreign | None:
    lower = {name.lower(): name for name in seen.folders}
    if "images" in lower and "labels" in lower:
        labels = seen.folder / lower["labels"]
        texts = [labels / name for name in scan(labels).others if name.lower().endswith(".txt")]
    elif texts := seen.files(".txt"):
        stems = _stems(seen.pictures)
        texts = [file for file in texts if file.stem in stems]
    for file in islice(texts, _FILES):
        rows = [line.split() for line in _head(file).splitlines() if line.strip()][:20]
        if rows and all(_is_yolo(row) for row in rows):
            polygons = any(len(row) > 6 for row in rows)
            what = "outlines in YOLO text files" if polygons else "boxes in YOLO text files"
            return Foreign(what, seen.relative(file), "instance segmentation" if polygons else "detection")
    return None


def _stems(names: Sequence[str]) -> set[str]:
    return {name.rsplit(".", 1)[0] for name in names}


def _is_yolo(row: list[str]) -> bool:
    try:
        values = [float(word) for word in row]
    except ValueError:
        return False
    return len(values) >= 5 and values[0].is_integer() and all(-0.01 <= value <= 1.01 for value in values[1:5])


def _find_xml(seen: _Visited) -> Foreign | None:
    for file in seen.files(".xml")[:3]:
        text = _head(file)
        if "<bndbox" in text or ("<annotation" in text and "<object" in text):
            return Foreign("boxes in Pascal VOC XML files", seen.relative(file), "detection")
        if "<annotations" in text:
            return Foreign("CVAT's XML annotation", seen.relative(file), "detection or segmentation")
    return None


def _find_json(seen: _Visited) -> Foreign | None:
    for file in seen.files(".json")[:5]:
        text, where = _head(file), seen.relative(file)
        if '"annotations"' in text and any(key in text for key in ('"image_id"', '"bbox"', '"segmentation"')):
            return Foreign("a JSON file like COCO's", where, "detection or segmentation")
        if '"images"' in text and '"file_name"' in text:
            return Foreign("a JSON file like COCO's", where, "detection or segmentation")
        if '"shapes"' in text and '"imagePath"' in text:
            return Foreign("outlines in LabelMe JSON files", where, "segmentation")
        if '"regions"' in text or '"boundingBox"' in text:
            return Foreign("regions in a JSON file", where, "detection")
    return None


def _find_masks(seen: _Visited) -> Foreign | None:
    pictured = any(name.lower() in PICTURE_FOLDERS for name in seen.folders)
    for name in seen.folders:
        # A class may be called "mask" (faces with and without one), but hardly "ground_truth".
        suspect = name.lower() in (MASK_FOLDERS if pictured else _TRUTH_FOLDERS) and len(seen.folders) > 1
        if suspect and holds_pictures(seen.folder / name):
            where = seen.relative(seen.folder / name)
            return Foreign("pictures with mask pictures in a folder beside them", where, "segmentation")
    stems = _stems(seen.pictures)
    suspects = [stem for stem in stems if stem.lower().endswith(_MASK_ENDINGS)]
    paired = sorted(stem for stem in suspects if (found := _MASK_NAME.match(stem)) and found[1] in stems)
    if paired and len(paired) * 3 >= len(seen.pictures):
        where = seen.relative(seen.folder / paired[0]) + ".*"
        return Foreign("pictures with a mask picture for each", where, "segmentation")
    return None


def _find_box_tables(seen: _Visited) -> Foreign | None:
    for file in seen.files(".csv", ".tsv", ".txt")[:10]:
        rows = [[cell.strip().strip('"') for cell in _DELIMITER.split(line)] for line in _head(file).splitlines()[:30]]
        pictured = any(is_picture_name(row[0].replace("\\", "/").rsplit("/", 1)[-1]) for row in rows)
        if rows and (has_box_columns({cell.lower() for cell in rows[0]}) or (pictured and has_box_cells(rows[:-1]))):
            return Foreign("a table of boxes", seen.relative(file), "detection")
    return None


def has_box_cells(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows end in four numbers or more, not all of them 0 and 1, as boxes without a header do."""
    tails = [row[-4:] for row in rows if len(row) >= 5]
    numeric = bool(tails) and all(_NUMBER.fullmatch(cell) for tail in tails for cell in tail)
    return numeric and any(cell not in ("0", "1", "-1") for tail in tails for cell in tail)


def has_box_columns(columns: set[str]) -> bool:
    """Whether lower-case column names are those of boxes or outlines."""
    corners = ({"xmin", "ymin", "xmax", "ymax"}, {"x1", "y1", "x2", "y2"}, {"x1", "y1", "w", "h"}, {"x", "y", "w", "h"})
    return any(names <= columns for names in (*corners, {"x", "y", "width", "height"})) or bool(
        columns & {"bbox", "bounding_box", "boxes", "bboxes", "segmentation", "rle", "encodedpixels", "polygon"}
    )


def _find_packed(seen: _Visited) -> Foreign | None:
    pickled = [name for name in seen.others if name.lower() in ("batches.meta", "data_batch_1")]
    if pickled:
        return Foreign(
            "CIFAR's pickled batches",
            seen.relative(seen.folder / pickled[0]),
            "",
            "Pickles can run code and are not read: get the set with `striate data get cifar10`.",
        )
    if seen.pictures:
        return None
    kinds = (
        (_SCAN_SUFFIXES, "files of a scanner", "DICOM, NIfTI and NRRD are not read by this version."),
        ((".tfrecord", ".parquet", ".lmdb", ".rec"), "packed records", "Unpack them into class folders first."),
        ((".zip", ".tar", ".tar.gz", ".tgz", ".rar", ".7z"), "packed archives", "Unpack them first."),
        ((".mp4", ".avi", ".mov", ".mkv"), "films", "Save single frames as pictures first."),
    )
    for suffixes, what, fix in kinds:
        for file in seen.files(*suffixes):
            return Foreign(what, seen.relative(file), "", fix)
    return None


def _find_scans(visited: Sequence[_Visited]) -> Foreign | None:
    """Scans that outnumber pictures: those are screenshots then, not the data."""
    scans = [seen.relative(file) for seen in visited for file in seen.files(*_SCAN_SUFFIXES)]
    if len(scans) > sum(len(seen.pictures) for seen in visited):
        return Foreign("files of a scanner", scans[0], "", "DICOM, NIfTI and NRRD are not read by this version.")
    return None


_LOOKS: tuple[tuple[Callable[[_Visited], Foreign | None], bool], ...] = (
    (_find_text_boxes, True),
    (_find_xml, False),
    (_find_masks, True),
    (_find_json, False),
    (_find_box_tables, False),
    (_find_packed, False),
)
"""What is looked for, in this order, and whether it rules out class folders wherever it lies."""
