"""Which annotation file belongs to which picture."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Literal

from striate.formats.listing import is_picture_name, split_of

PICTURE_WORDS = ("image", "img", "rgb", "leftimg8bit", "photo", "raw", "orig", "original", "training", "test")
MASK_WORDS = (
    *("gtfine_labeltrainids", "gtfine_labelids", "gtfine_instanceids", "gtfine_color", "labeltrainids", "labelids"),
    *("instanceids", "masks", "mask", "seg", "segmentation", "semantic", "labels", "label", "gt", "groundtruth"),
    *("ground_truth", "annotation", "annotations", "instances", "instance", "color", "l", "matte", "manual"),
    *("manual1", "1stho"),
)
"""Words at the end or the beginning of a file name, set off by `_`, `-`, `.` or a blank, that only say what it is."""

Role = Literal["picture", "mask", "instance", "other"]
"""What lies in a folder by its name: pictures, masks, masks with a value for each object, or something else."""

_SEPARATORS = r"[-_. ]"
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


@dataclass(slots=True)
class Pairing:
    """Pictures and annotation files, side by side.

    Attributes:
        pairs: Annotation file of each picture that has one, by the picture's path.
        pictures: Pictures without annotation.
        annotations: Annotation files without a picture.
        how: One phrase: how names had to be read for the pairs to fit.
    """

    pairs: dict[str, str] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)
    annotations: list[str] = field(default_factory=list)
    how: str = ""


def pair_files(pictures: Sequence[str], annotations: Sequence[str]) -> Pairing:
    """Pairs files by name, and where names repeat by the folders around them.

    Extensions never matter. A file of the same name in the place that corresponds comes first (`train/images/a.jpg`
    and `train/masks/a.png`, `train/a.jpg` and `trainannot/a.png`), then one whose name differs by a word like `_mask`
    or `gt_`, then, where it is the only one, a file of that name anywhere. Where two files fit equally well, none is
    taken.

    Args:
        pictures: Paths relative to the data set, with forward slashes.
        annotations: Paths of annotation files, likewise; none of them is among the pictures.
    """
    found = Pairing()
    left, taken, used = list(pictures), set[str](), []
    for where, place in (("", place_of), (" in another folder", _nowhere)):
        for words, picture_stem, annotation_stem in _RULES:
            theirs: defaultdict[tuple[object, str], list[str]] = defaultdict(list)
            for annotation in annotations:
                if annotation not in taken:
                    theirs[place(annotation), annotation_stem(PurePosixPath(annotation).stem)].append(annotation)
            keys = [(place(picture), picture_stem(PurePosixPath(picture).stem)) for picture in left]
            counts = Counter(keys)
            still = []
            for picture, key in zip(left, keys, strict=True):
                if len(theirs.get(key, ())) == 1 and counts[key] == 1:
                    found.pairs[picture] = theirs[key][0]
                    taken.add(theirs[key][0])
                else:
                    still.append(picture)
            if len(still) < len(left):
                used.append(words + where)
            left = still
    found.pictures = left
    found.annotations = [annotation for annotation in annotations if annotation not in taken]
    found.how = ", or ".join(used)
    return found


@lru_cache(maxsize=4096)
def _place_of_folder(folder: str) -> tuple[str, ...]:
    names = [read_folder_name(part) for part in PurePosixPath(folder).parts]
    return tuple(name.split or name.rest for name in names if name.split or name.rest)


def place_of(path: str) -> tuple[str, ...]:
    """Folders of a path without those that only say "pictures" or "annotation", splits by their usual name."""
    return _place_of_folder(path.rpartition("/")[0])


def split_of_path(path: str) -> str:
    """The split that a folder of a path is named after (`train/images`, `images/val2017`); `""` where none is."""
    parts = (split_of(part.rstrip("0123456789")) for part in place_of(path))
    return next((split for split in parts if split is not None), "")


def _nowhere(_path: str) -> tuple[str, ...]:
    return ()


def _alternatives(words: Sequence[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


def _ending(words: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(.+?){_SEPARATORS}({_alternatives(words)})")


def _beginning(words: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(?:{_alternatives(words)})(?:{_SEPARATORS}|(?=\d))(.+)")


_PICTURE_ENDING, _MASK_ENDING = _ending(PICTURE_WORDS), _ending(MASK_WORDS)
_PICTURE_BEGINNING, _MASK_BEGINNING = _beginning(PICTURE_WORDS), _beginning(MASK_WORDS)


def mask_ending(stem: str) -> tuple[str, str] | None:
    """A file name without its suffix, taken apart: the name of a picture and a word like `mask`, both folded."""
    match = _MASK_ENDING.fullmatch(stem.casefold())
    return None if match is None else (_without_suffix(match[1]), match[2])


def _without_suffix(stem: str) -> str:
    """Some tools call the mask of `a.jpg` `a.jpg.png`."""
    return stem.rpartition(".")[0] if is_picture_name(stem) else stem


def _without(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def shorten(stem: str) -> str:
        lower = _without_suffix(stem.casefold())
        match = pattern.fullmatch(lower)
        return _without_suffix(match[1]) if match else lower

    return shorten


_RULES: tuple[tuple[str, Callable[[str], str], Callable[[str], str]], ...] = (
    ("the same name", str.casefold, str.casefold),
    ("the same name but for words like _mask", str.casefold, _without(_MASK_ENDING)),
    ("the same name but for words like _mask", _without(_PICTURE_ENDING), _without(_MASK_ENDING)),
    ("the same name but for words like mask_ in front", _without(_PICTURE_BEGINNING), _without(_MASK_BEGINNING)),
)
"""How names may differ, the most certain first: in words, and what of the picture's and of the annotation's counts."""
