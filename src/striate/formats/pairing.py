"""Which annotation file belongs to which picture."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from striate.formats.folder_names import place_of
from striate.formats.listing import is_picture_name, stem_of

PICTURE_WORDS = ("image", "img", "rgb", "leftimg8bit", "photo", "raw", "orig", "original", "training", "test")
MASK_WORDS = (
    *("gtfine_labeltrainids", "gtfine_labelids", "gtfine_instanceids", "gtfine_color", "labeltrainids", "labelids"),
    *("instanceids", "masks", "mask", "seg", "segmentation", "semantic", "labels", "label", "gt", "groundtruth"),
    *("ground_truth", "annotation", "annotations", "instances", "instance", "color", "l", "matte", "manual"),
    *("manual1", "1stho"),
)
"""Words at the end or the beginning of a file name, set off by `_`, `-`, `.` or a blank, that only say what it is."""


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
                    theirs[place(annotation), annotation_stem(stem_of(annotation))].append(annotation)
            keys = [(place(picture), picture_stem(stem_of(picture))) for picture in left]
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


def _nowhere(_path: str) -> tuple[str, ...]:
    return ()


def _alternatives(words: Sequence[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


def _ending(words: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(.+?)[-_. ]({_alternatives(words)})")


def _beginning(words: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(?:{_alternatives(words)})(?:[-_. ]|(?=\d))(.+)")


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
