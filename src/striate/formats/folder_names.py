"""What names of folders and files say: which split, and whether pictures or annotation lie there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Literal

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "validation": "validation",
    "validate": "validation",
    "validating": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "tst": "test",
}

Role = Literal["picture", "mask", "instance", "other"]
"""What lies in a folder by its name: pictures, masks, masks with a value for each object, or something else."""

_SEPARATORS = r"[-_. ]"
_WORDS = re.compile(r"[-_. \d]+")
_SPLIT = r"train(?:ing)?|trn|val(?:id(?:ation|ate)?)?|dev|test(?:ing)?|tst"
_SPLIT_AROUND = re.compile(rf"(?:({_SPLIT}){_SEPARATORS}?)?(.*?)(?:{_SEPARATORS}?({_SPLIT}))?")
_ROLES: dict[Role, tuple[str, ...]] = {
    "picture": (
        *("image", "images", "img", "imgs", "jpegimages", "imagestr", "imagests", "frame", "frames", "leftimg8bit"),
        *("rgb", "rgbleft", "rgbright", "image_2", "photo", "photos", "picture", "pictures", "input", "inputs"),
        *("original", "originals", "raw"),
    ),
    "mask": (
        *("mask", "masks", "label", "labels", "labelstr", "labelsts", "label_2", "annotation", "annotations", "annot"),
        *("annots", "ground_truth", "groundtruth", "gt", "gts", "gtfine", "gtcoarse", "gtleft", "gtright", "truth"),
        *("seg", "segs", "segmentation", "segmentations", "segmentationclass", "segmentationclassaug", "semantic"),
        *("semseg", "semantic_rgb", "bmp_masks", "png_masks", "seg_masks", "segmentation_masks", "trimaps"),
        *("target", "targets", "manual", "1st_manual", "labelids"),
    ),
    "instance": (*("instance", "instances", "segmentationobject", "instance_masks", "label_images", "instanceids"),),
    "other": (
        *("depth", "depthleft", "depthright", "panoptic", "disparity", "scribbles", "polygons", "edges", "gttxt"),
        *("superpixels", "calib"),
    ),
}
_ROLE_OF = {word: role for role, words in _ROLES.items() for word in words}


def split_of(name: str) -> str | None:
    """The split that a folder name, a cell of a table or a word of a file name stands for, in any letter case."""
    return _SPLIT_NAMES.get(name.strip().lower())


@dataclass(frozen=True, slots=True)
class FolderName:
    """What the name of a folder says.

    Attributes:
        split: The split, where it names one (`val`, `trainannot`, `masks_test`).
        role: What lies in it, where the name says so.
        rest: The name itself, folded, where it says neither.
        word: The word that says the role, folded (`annot` of `trainannot`).
    """

    split: str | None
    role: Role | None
    rest: str
    word: str = ""


@lru_cache(maxsize=4096)
def read_folder_name(name: str) -> FolderName:
    """Takes a folder name apart into split and role."""
    lower = name.casefold().strip()
    if lower in _ROLE_OF:
        return FolderName(None, _ROLE_OF[lower], "", lower)
    match = _SPLIT_AROUND.fullmatch(lower)
    split = match and (match[1] or match[3])
    if match and split and not match[2]:
        return FolderName(split_of(split), None, "")
    if match and split and match[2] in _ROLE_OF:
        return FolderName(split_of(split), _ROLE_OF[match[2]], "", match[2])
    return FolderName(None, None, lower)


@lru_cache(maxsize=4096)
def _place_of_folder(folder: str) -> tuple[str, ...]:
    names = [read_folder_name(part) for part in PurePosixPath(folder).parts]
    return tuple(name.split or name.rest for name in names if name.split or name.rest)


def place_of(path: str) -> tuple[str, ...]:
    """Folders of a path without those that only say "pictures" or "annotation", splits by their usual name."""
    return _place_of_folder(path.rpartition("/")[0])


def words_in(name: str) -> list[str]:
    """Words of a name, without numbers and without those that stand for splits: `instances` for `instances_val2017`."""
    return [word for word in _WORDS.split(name) if word and split_of(word) is None]


def split_in_name(name: str) -> str:
    """The split among the words of a name such as `instances_val2017`, the last one first; else empty."""
    splits = (split_of(word) for word in reversed(_WORDS.split(name)))
    return next((split for split in splits if split is not None), "")


@lru_cache(maxsize=4096)
def _split_of_folder(folder: str, loosely: bool) -> str:
    for part in reversed(PurePosixPath(folder).parts):
        split = read_folder_name(part.rstrip("0123456789")).split or (split_in_name(part) if loosely else "")
        if split:
            return split
    return ""


def split_of_path(path: str, loosely: bool = False) -> str:
    """The split that a folder of a path is named after (`train/images`, `val2017`, `testannot`), the nearest first.

    Args:
        path: The path, whose last part is a file.
        loosely: Whether a word of a folder's name is enough (`ships_train`).
    """
    return _split_of_folder(path.rpartition("/")[0], loosely)


def holds_annotation(folder: str) -> bool:
    """Whether a folder is called like one of annotation: `masks`, `trainannot`, `instances`, `depth`."""
    return read_folder_name(folder).role in ("mask", "instance", "other")


def says_no_class(folder: str) -> bool:
    """Whether a folder is called like one of pictures or of annotation, and so hardly like a class."""
    return read_folder_name(folder).role is not None
