"""One folder for each picture, with a mask file for each object (the layout of the 2018 Data Science Bowl)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from striate.errors import DataError, PictureError, RequestError
from striate.formats.base import FORMATS, Format, Reading, Sniff
from striate.formats.folder_names import read_folder_name, split_of_path
from striate.formats.foreign import refusal
from striate.formats.listing import scan, visit, walk
from striate.formats.masks.files import read_codes
from striate.formats.masks.survey import survey_masks
from striate.formats.objects import ObjectEntry, ObjectFindings, build_object_reading
from striate.formats.storing import PictureStore, make_folder, objects_of, prepare_folder
from striate.formats.tally import left_out
from striate.images import FileSource, read_header, write_picture
from striate.structures import Count, Instances, Picture, Sample

ONE_CLASS = "object"
_SURE, _UNSURE = 0.9, 0.6
_FOLDERS_LOOKED_AT, _DEPTH, _MASKS_LOOKED_AT = 60, 4, 3
_INSIDE = 255


@dataclass(frozen=True, slots=True)
class ObjectMasks:
    """Objects of one picture, a mask file each, read when asked for; all of one class.

    Attributes:
        paths: The mask files, in the order of the objects; none where the picture shows no object.
        picture: The picture, whose size counts where there is no mask.
        name: Path of the folder relative to the root of the data set, with forward slashes.
    """

    paths: tuple[Path, ...]
    picture: Path
    name: str

    def read(self) -> Instances:
        """Reads the masks. Every value but 0, or every colour but black, belongs to the object.

        A file without such a pixel shows no object and is left out. Masks may overlap.

        Raises:
            PictureError: A file cannot be read, or masks of one picture differ in size.
        """
        packed: list[bytes] = []
        size_hw: tuple[int, int] | None = None
        for path in self.paths:
            codes = read_codes(path)
            # Compression leaves traces around zero.
            inside = codes.values >= 128 if codes.lossy and not codes.coloured else codes.values > 0
            if size_hw is not None and inside.shape != size_hw:
                raise PictureError(
                    f"the mask has {inside.shape[0]} x {inside.shape[1]} pixels and another one of the same picture "
                    f"{size_hw[0]} x {size_hw[1]}.",
                    where=path,
                    fix="Make all masks of a picture as large as the picture.",
                    kind="size-differs",
                )
            size_hw = int(inside.shape[0]), int(inside.shape[1])
            if inside.any():
                packed += Instances.from_label_image(inside.view(np.uint8)).masks
        size_hw = size_hw or read_header(self.picture).size_hw
        return Instances.from_run_lengths(size_hw, packed, np.zeros(len(packed), np.int64))


@dataclass(slots=True)
class _Folder:
    """One folder of a picture.

    Attributes:
        name: Path relative to the root, with forward slashes.
        pictures: Paths of the pictures in it.
        masks: Paths of its masks; `None` where there is no folder for them.
    """

    name: str
    pictures: list[str] = field(default_factory=list)
    masks: list[str] | None = None


class _ObjectMasks(Format):
    name = "object-masks"
    title = "one folder for each picture with a mask file for each object"
    tasks = ("instances",)
    unflagged_tasks = tasks
    names_classes = False

    def sniff(self, path: Path) -> Sniff | None:
        folders = [folder for folder in _some_folders(path) if folder.pictures and folder.masks is not None]
        if not folders or any(len(folder.pictures) != 1 for folder in folders):
            return None
        counts = [len(folder.masks or ()) for folder in folders]
        if max(counts) < 2 and len(folders) < 2:
            return None
        # One mask for each picture may as well be a semantic one.
        sure = _SURE if max(counts) > 1 else _UNSURE
        same = all(_stem(folder.masks[0]) == _stem(folder.pictures[0]) for folder in folders if folder.masks)
        if (max(counts) < 2 and same) or not _hold_objects(path, folders):
            return None
        return Sniff(sure, f"folders with one picture and up to {max(counts)} masks, as in {folders[0].name}/")

    def read(self, path: Path, task: str | None = None) -> Reading:
        del task
        folders = _find_folders(path) if path.is_dir() else []
        annotated = [folder for folder in folders if folder.pictures and folder.masks is not None]
        if not annotated:
            raise refusal(path)
        crowded = next((folder for folder in annotated if len(folder.pictures) > 1), None)
        if crowded is not None:
            raise DataError(
                f"{crowded.name}/ holds {len(crowded.pictures)} pictures beside one folder of masks; one picture was "
                "expected, so that all masks belong to it.",
                where=path,
                fix="Give each picture a folder of its own; or try --format masks, if there is one mask a picture.",
            )
        found = ObjectFindings("instances", [ONE_CLASS])
        for folder in annotated:
            _add(path, folder, found)
        _report_incomplete(folders, found)
        masks = sum(len(folder.masks or ()) for folder in annotated)
        found.notes.append(
            f"{Count(masks):mask file} of {Count(len(annotated)):picture}, one for each object; no class is named, so "
            f"all are {ONE_CLASS!r}."
        )
        return build_object_reading(self.name, path, found)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes `split/picture/images/picture.*` and `split/picture/masks/object-N.png`, 0 and 255, N from 1.

        Groups, boxes that differ from the masks, and objects without a pixel are not kept. A picture without objects
        has an empty folder of masks.
        """
        prepare_folder(out)
        taken: set[str] = set()
        for split, samples in splits.items():
            for sample in samples:
                instances = instances_of(sample, classes, self.name)
                folder = _free_folder(out / split, sample.name, taken)
                PictureStore().save(sample, folder / "images")
                masks = make_folder(folder / "masks")
                for index in range(len(instances)):
                    plane = instances[index : index + 1].dense().astype(np.uint8) * _INSIDE
                    write_picture(Picture(plane, ("gray",)), masks / f"object-{index + 1}.png")


def instances_of(sample: Sample, classes: Sequence[str], format: str) -> Instances:
    """The objects of a sample, for a format that knows nothing but their pixels.

    Raises:
        RequestError: It has no instance masks, or classes or marks that would be lost.
    """
    instances = objects_of(sample, Instances, format)
    if len(classes) > 1:
        shown = ", ".join(classes[:3]) + (", ..." if len(classes) > 3 else "")
        raise RequestError(
            f"the objects are of {len(classes)} classes ({shown}), which `{format}` cannot tell apart.",
            where=sample.name,
            fix="Write the format `coco`, which keeps classes.",
        )
    if instances.iscrowd.any() or instances.ignore.any():
        raise RequestError(
            f"picture {sample.name} has objects marked as a crowd or to be ignored, which `{format}` cannot say.",
            fix="Write the format `coco`.",
        )
    return instances


def _hold_objects(path: Path, folders: Sequence[_Folder]) -> bool:
    """Whether the first masks have few values, as an object and what is around it have."""
    files = [(path / folder.masks[0], folder.masks[0]) for folder in folders if folder.masks]
    survey = survey_masks(files[:_MASKS_LOOKED_AT])
    return survey.looks_like_masks() or not files


def _stem(path: str) -> str:
    return PurePosixPath(path).stem.casefold()


def _find_folders(path: Path) -> list[_Folder]:
    found: dict[str, _Folder] = {}
    for file in walk(path)[0]:
        above, _, last = file.rpartition("/")[0].rpartition("/")
        role = _role(last) if last else None
        if role is None:
            continue
        folder = found.setdefault(above, _Folder(above))
        if role == "picture":
            folder.pictures.append(file)
        else:
            folder.masks = folder.masks or []
            folder.masks.append(file)
    for folder in found.values():
        if folder.masks is None and "mask" in map(_role, scan(path / folder.name, ordered=False).folders):
            folder.masks = []
    return list(found.values())


def _some_folders(path: Path) -> Iterator[_Folder]:
    """Folders with a folder of pictures and one of masks in them, among the first ones."""
    for above, listing in visit(path, _FOLDERS_LOOKED_AT, _DEPTH):
        files: dict[str, list[str]] = {"picture": [], "mask": []}
        roles = {name: _role(name) for name in listing.folders}
        for name, role in roles.items():
            if role:
                inside = scan(above / name).pictures
                files[role] += [(above / name / file).relative_to(path).as_posix() for file in inside]
        if len(set(roles.values()) & set(files)) == 2:
            yield _Folder(above.relative_to(path).as_posix().strip("."), files["picture"], files["mask"])


def _role(folder: str) -> str | None:
    """Whether a folder is called like one of pictures or of masks, with a value for each object or not."""
    role = read_folder_name(folder).role
    return "mask" if role == "instance" else role if role != "other" else None


def _add(path: Path, folder: _Folder, found: ObjectFindings) -> None:
    picture = path / folder.pictures[0]
    masks = ObjectMasks(tuple(path / mask for mask in folder.masks or ()), picture, f"{folder.name}/masks")
    entry = ObjectEntry(FileSource(picture, folder.pictures[0]), masks)
    found.splits.setdefault(split_of_path(folder.pictures[0]), []).append(entry)


def _report_incomplete(folders: Sequence[_Folder], found: ObjectFindings) -> None:
    unmasked = [folder.pictures[0] for folder in folders if folder.pictures and folder.masks is None]
    unpictured = [folder.name for folder in folders if not folder.pictures]
    found.problems += left_out(
        "picture-without-mask",
        unmasked,
        "picture has|pictures have",
        "no folder of masks",
        "An empty one says: no object.",
    )
    noun = "folder holds|folders hold"
    found.problems += left_out("mask-without-picture", unpictured, noun, "masks and no picture", "Add the pictures.")
    empty = sum(1 for folder in folders if folder.pictures and folder.masks is not None and not folder.masks)
    if empty:
        found.notes.append(f"{Count(empty):picture has|pictures have} an empty folder of masks: they show no object.")


def _free_folder(parent: Path, name: str, taken: set[str]) -> Path:
    stem = PurePosixPath(name).stem if "#" not in name else name
    stem = "".join("_" if sign in '<>:"/\\|?*#' else sign for sign in stem).strip(". ") or "picture"
    # A folder called like a split or like masks would be taken for one.
    reserved = read_folder_name(stem).rest != stem.casefold() or split_of_path(f"{stem}/picture")
    stem = f"picture {stem}" if reserved else stem
    free, number = stem, 1
    while str(parent / free).lower() in taken:
        number += 1
        free = f"{stem} ({number})"
    taken.add(str(parent / free).lower())
    return parent / free


FORMATS.add(_ObjectMasks.name, _ObjectMasks())
