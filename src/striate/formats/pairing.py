"""Which annotation file belongs to which picture."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from striate.formats.foreign import ANNOTATION_FOLDERS
from striate.formats.listing import split_of

PICTURE_ENDINGS = ("image", "img", "rgb", "leftimg8bit", "photo", "raw", "orig")
MASK_ENDINGS = (
    *("gtfine_labelids", "gtfine_instanceids", "gtfine_color", "gtfine_labeltrainids", "labelids", "labeltrainids"),
    *("masks", "mask", "seg", "segmentation", "semantic", "labels", "label", "gt", "groundtruth", "annotation"),
    *("annotations", "instances", "instance", "color", "l", "matte"),
)
"""Words that stand at the end of a file name after `_`, `-`, `.` or a blank and are no part of the picture's name."""

_SEPARATORS = r"[-_. ]"
_FOLDER_ENDING = re.compile(rf"{_SEPARATORS}?(annot|annots|annotations?|masks?|labels?|gt|images?|imgs?)$")


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
    and `train/masks/a.png`, `train/a.jpg` and `trainannot/a.png`), then one whose name ends in a word like `_mask`,
    then, where it is the only one, a file of that name anywhere.

    Args:
        pictures: Paths relative to the data set, with forward slashes.
        annotations: Paths of annotation files, likewise; none of them is among the pictures.
    """
    found = Pairing()
    left, taken = list(pictures), set[str]()
    rules = (
        ("the same name", _place, str.casefold, str.casefold),
        ("the same name but for words like _mask", _place, _picture_stem, _mask_stem),
        ("the same name in another folder", _nowhere, str.casefold, str.casefold),
        ("the same name but for words like _mask in another folder", _nowhere, _picture_stem, _mask_stem),
    )
    used = []
    for words, place, picture_stem, mask_stem in rules:
        theirs: defaultdict[tuple[object, str], list[str]] = defaultdict(list)
        for annotation in annotations:
            if annotation not in taken:
                theirs[place(annotation), mask_stem(PurePosixPath(annotation).stem)].append(annotation)
        counts: defaultdict[tuple[object, str], int] = defaultdict(int)
        keys = [(place(picture), picture_stem(PurePosixPath(picture).stem)) for picture in left]
        for key in keys:
            counts[key] += 1
        still = []
        for picture, key in zip(left, keys, strict=True):
            if len(theirs.get(key, ())) == 1 and counts[key] == 1:
                found.pairs[picture] = theirs[key][0]
                taken.add(theirs[key][0])
            else:
                still.append(picture)
        if len(still) < len(left):
            used.append(words)
        left = still
    found.pictures = left
    found.annotations = [annotation for annotation in annotations if annotation not in taken]
    found.how = ", or ".join(used)
    return found


def place_of(path: str) -> tuple[str, ...]:
    """Folders of a path without those that only say "pictures" or "annotation", splits by their usual name."""
    return _place(path)


def split_of_path(path: str) -> str:
    """The split that a folder of a path is named after (`train/images`, `images/val2017`); `""` where none is."""
    parts = (split_of(part.rstrip("0123456789")) for part in _place(path))
    return next((split for split in parts if split is not None), "")


def _place(path: str) -> tuple[str, ...]:
    parts = []
    for part in PurePosixPath(path).parent.parts:
        lower = part.casefold()
        if lower in ANNOTATION_FOLDERS and _FOLDER_ENDING.sub("", lower) not in _SPLIT_STEMS:
            continue
        stem = _FOLDER_ENDING.sub("", lower) or lower
        parts.append(split_of(stem) or stem)
    return tuple(parts)


_SPLIT_STEMS: Mapping[str, None] = dict.fromkeys(("train", "val", "valid", "validation", "test"))


def _nowhere(_path: str) -> tuple[str, ...]:
    return ()


def _picture_stem(stem: str) -> str:
    return _without(stem, PICTURE_ENDINGS)


def _mask_stem(stem: str) -> str:
    return _without(stem, MASK_ENDINGS)


def _without(stem: str, endings: Sequence[str]) -> str:
    lower = stem.casefold()
    match = re.match(rf"(.+?){_SEPARATORS}({'|'.join(sorted(map(re.escape, endings), key=len, reverse=True))})$", lower)
    return match[1] if match else lower
