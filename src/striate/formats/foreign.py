"""Annotation of other kinds, recognised so that a refusal can name it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from striate.errors import DataError
from striate.formats.annotation_files import head_of
from striate.formats.folder_names import holds_annotation, read_folder_name, split_of
from striate.formats.listing import holds_pictures, natural_key, scan, stem_of, visit, walk
from striate.images import find_line_ending_damage
from striate.images.damage import FIX as LINE_ENDING_FIX
from striate.structures import Count

_PLAINLY_TRUTH = frozenset({"ground_truth", "groundtruth", "gt", "gtfine", "gtcoarse", "annot", "labelstr"})
_MASK_ENDINGS = ("mask", "masks", "seg", "segmentation", "label", "labels", "labelids", "gt", "annotation", "matte")
_MASK_NAME = re.compile(rf"(.+?)[-_. ]({'|'.join(_MASK_ENDINGS)})$", re.I)
_RUN_LENGTH_COLUMNS = frozenset({"segmentation", "rle", "encodedpixels", "polygon"})
_DELIMITER = re.compile(r"[,;\t]")
_YOLO_BOX = 5
_CORNERS = 8
_SCAN_SUFFIXES = (".mha", ".mhd")
_SCAN_FIX = "MetaImage is not read: save the volumes as NIfTI or NRRD."
_FOLDERS, _FILES, _DEPTH, _HEAD = 40, 60, 4, 20_000
_JSON_KINDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("segments_info",), "COCO's panoptic JSON", "panoptic segmentation"),
    (("annotations", "segmentation"), "Segment Anything's JSON", "segmentation"),
    (("caption", "image_id"), "captions in a JSON file like COCO's", "captioning"),
    (("keypoints", "image_id"), "key points in a JSON file like COCO's", "key points"),
    (("classTitle",), "Supervisely's JSON", "segmentation"),
    (("asset", "regions"), "VoTT's JSON", "detection"),
    (("regions", "boundingBox"), "VoTT's JSON", "detection"),
    (("imgHeight", "objects"), "outlines in Cityscapes' JSON", "segmentation"),
    (("box2d",), "BDD100K's JSON", "detection"),
    (("annotations", "coordinates"), "CreateML's JSON", "detection"),
    (("annotations", "image_id"), "a JSON file like COCO's without boxes and masks", ""),
    (("images", "file_name"), "a list of pictures in a JSON file like COCO's", ""),
)
"""Words that must all be keys in a file of this kind, what it is, and for what."""


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
            "Export it as COCO's JSON, Pascal VOC's XML or YOLO's text files with the tool that made it "
            "(`striate data convert --help` lists all formats that are read)."
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
        return DataError(
            "this file is neither a table that names pictures, nor annotation of them, nor an array of pictures.",
            where=path,
            fix="Give the folder that holds the pictures, a CSV table, a COCO JSON file, an IDX or an npz file.",
        )
    listing = scan(path, ordered=False)
    flat = [len(scan(path / folder, ordered=False).pictures) for folder in listing.folders if split_of(folder)]
    count = len(listing.pictures) + sum(flat)
    if count:
        return DataError(
            f"{Count(count):picture}, but no class folders, no table and no annotation that says what they show.",
            where=path,
            fix="Make a folder for each class and move its pictures there, or add a CSV table with the columns "
            "path and label; or put the annotation files (COCO, VOC, YOLO, masks, ...) beside the pictures.",
        )
    if not listing.folders and not listing.others:
        return DataError("the folder is empty.", where=path, fix="Give the folder that holds the pictures.")
    if not listing.others and not holds_pictures(path, _DEPTH):
        return _without_pictures(path, sorted(listing.folders, key=natural_key))
    return _unusable_labels(path) or DataError(
        "no pictures with labels were found here.",
        where=path,
        fix="Make a folder for each class and put its pictures there (JPEG, PNG, TIFF, WebP, BMP, GIF, PGM), or add a "
        "CSV table with the columns path and label.",
    )


def _without_pictures(path: Path, folders: Sequence[str]) -> DataError:
    """The refusal of folders that hold no picture."""
    named = ", ".join([*folders[:3], "..."] if len(folders) > 3 else folders)
    _, others = walk(path, _DEPTH)
    more = ", ..." if len(others) > 1 else ""
    only = f", only {Count(len(others)):other file} ({others[0]}{more})" if others else ""
    return DataError(
        f"no picture lies in its {Count(len(folders)):folder} ({named}){only}.",
        where=path,
        fix="Put the pictures of each class there (JPEG, PNG, TIFF, WebP, BMP, GIF, PGM), into a folder of its own.",
    )


def _unusable_labels(path: Path) -> DataError | None:
    """The refusal of label files like YOLO's that say nothing, or say it in pixels."""
    visited = list(_visit(path))
    stems = {stem_of(name) for seen in visited for name in seen.pictures}
    files = [file for seen in visited for file in seen.files(".txt") if file.stem in stems]
    filled = [file for file in files if file.stat().st_size]
    if files and not filled:
        return DataError(
            f"{Count(len(files)):picture has|pictures have} a label file, and all of these files are empty: "
            "no picture shows an object.",
            where=path,
            fix="Check the export of the labels; there is nothing to learn from pictures of background alone.",
        )
    for file in filled[:_FILES]:
        rows = [line.split() for line in head_of(file, _HEAD).splitlines()[:20] if line.strip()]
        if rows and all(len(row) == _YOLO_BOX and _are_numbers(row) and row[0].isdigit() for row in rows):
            beyond = max(float(word) for row in rows for word in row[1:])
            if beyond > 1:
                return DataError(
                    f"lines like YOLO's `class cx cy w h`, but with values up to {beyond:g} where shares of the "
                    "picture from 0 to 1 are expected: they seem to be pixels.",
                    where=file,
                    fix="Divide cx and w by the width of the picture, cy and h by its height.",
                )
    return None


def _visit(path: Path) -> Iterator[_Visited]:
    """Some folders, the upper ones first."""
    for folder, found in visit(path, _FOLDERS, _DEPTH):
        others = sorted(found.others, key=natural_key)
        yield _Visited(path, folder, sorted(found.folders, key=natural_key), found.pictures, others)


def _find_texts(seen: _Visited) -> Foreign | None:
    for file in islice(seen.files(".txt"), _FILES):
        rows = [row for line in head_of(file, _HEAD).splitlines() if len(row := line.split()) > _CORNERS][:20]
        if not rows:
            continue
        if all(_are_numbers(row[:_CORNERS]) and not _are_numbers(row[_CORNERS : _CORNERS + 1]) for row in rows):
            return Foreign("turned boxes in DOTA's text files", seen.relative(file), "detection")
        if all(len(row) in (15, 16) and not _are_numbers(row[:1]) and _are_numbers(row[1:]) for row in rows):
            return Foreign("boxes in KITTI's text files", seen.relative(file), "detection")
    return None


def _are_numbers(words: Sequence[str]) -> bool:
    try:
        return bool([float(word) for word in words])
    except ValueError:
        return False


def _find_xml(seen: _Visited) -> Foreign | None:
    for file in seen.files(".xml")[:3]:
        if "<annotations" in head_of(file, _HEAD):
            return Foreign("CVAT's XML annotation", seen.relative(file), "detection or segmentation")
    return None


def _find_json(seen: _Visited) -> Foreign | None:
    for file in seen.files(".json")[:5]:
        text = head_of(file, _HEAD)
        for words, what, task in _JSON_KINDS:
            if all(f'"{word}"' in text for word in words):
                return Foreign(what, seen.relative(file), task, "" if task else _NO_OBJECTS_FIX)
    return None


def _find_masks(seen: _Visited) -> Foreign | None:
    pictured = any(read_folder_name(name).role == "picture" for name in seen.folders)
    for name in seen.folders:
        # A class may be called "mask" (faces with and without one), but hardly "ground_truth".
        told = read_folder_name(name)
        suspect = holds_annotation(name) and (pictured or told.split is not None or told.word in _PLAINLY_TRUTH)
        if suspect and len(seen.folders) > 1 and holds_pictures(seen.folder / name):
            where = seen.relative(seen.folder / name)
            return Foreign("pictures with mask pictures in a folder beside them", where, "segmentation", _MASK_FIX)
    stems = {stem_of(name) for name in seen.pictures}
    suspects = [stem for stem in stems if stem.lower().endswith(_MASK_ENDINGS)]
    paired = sorted(stem for stem in suspects if (found := _MASK_NAME.match(stem)) and found[1] in stems)
    if paired and len(paired) * 3 >= len(seen.pictures):
        where = seen.relative(seen.folder / paired[0]) + ".*"
        return Foreign("pictures with a mask picture for each", where, "segmentation", _MASK_FIX)
    return None


def _find_run_lengths(seen: _Visited) -> Foreign | None:
    for file in seen.files(".csv", ".tsv")[:10]:
        header = {cell.strip().strip('"').lower() for cell in _DELIMITER.split(head_of(file, _HEAD).split("\n")[0])}
        if names_outlines(header):
            return Foreign("a table of outlines or run lengths", seen.relative(file), "segmentation")
    return None


def names_outlines(columns: set[str]) -> bool:
    """Whether lower-case column names are those of outlines or run lengths."""
    return bool(columns & _RUN_LENGTH_COLUMNS)


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
        (_SCAN_SUFFIXES, "files of a scanner", _SCAN_FIX),
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
        return Foreign("files of a scanner", scans[0], "", _SCAN_FIX)
    return None


_NO_OBJECTS_FIX = (
    "It has no boxes and masks, as in the lists that are handed out for test pictures: give the folder whose JSON file "
    "has them under `annotations`."
)
_MASK_FIX = (
    "Nothing there can be read as masks by itself; `--format masks`, `--format label-images` and `--format "
    "object-masks` say why."
)
_LOOKS: tuple[tuple[Callable[[_Visited], Foreign | None], bool], ...] = (
    (_find_texts, True),
    (_find_xml, False),
    (_find_masks, True),
    (_find_json, False),
    (_find_run_lengths, False),
    (_find_packed, False),
)
"""What is looked for, in this order, and whether it rules out class folders wherever it lies."""
