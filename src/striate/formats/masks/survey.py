"""What occurs in the masks of a set, seen in all of them or in an even sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from striate.errors import PictureError
from striate.formats.masks.files import Codes, read_codes
from striate.images import read_header
from striate.images.kinds import MAX_PIXELS
from striate.structures import evenly

MOST_READ = 300
_PIXELS_READ = 300_000_000
_FEWEST_READ = 20
_MOST_SEMANTIC = 60
_MOST_DISTINCT = 4096
_FLAT, _NOISY, _ENOUGH = 4.0, 2.0, 1024
_BLACK_OR_WHITE = 16
_CLEAN = 0.97
_SPECK = 16
"""Values in fewer pixels of a mask than this may be a slip of the pen."""
_STRAY_SHARE, _FEWEST_TO_TELL = 0.05, 10


@dataclass(slots=True)
class SurveyedMask:
    """What one file holds.

    Attributes:
        name: Its name.
        levels: Grey levels or palette indices that occur; `None` where there are colours.
        colours: Packed colours that occur, palettes resolved.
        bits: Bits of one stored value.
        lossy: Whether the kind of file blurs values.
        two_tone: Share of its pixels that are nearly black or nearly white.
        run_length: Mean pixels in a row until the value changes.
        pixels: How many pixels it has.
        specks: Levels in so few of its pixels that they may be a slip of the pen; none in a small mask.
    """

    name: str
    levels: frozenset[int] | None
    colours: frozenset[int]
    bits: int
    lossy: bool
    two_tone: float
    run_length: float
    pixels: int
    specks: frozenset[int] = frozenset()

    @property
    def is_flat(self) -> bool:
        """Whether it is large enough to tell, and its areas are flat."""
        return self.pixels >= _ENOUGH and self.run_length >= _FLAT and len(self.colours) <= _MOST_DISTINCT

    @property
    def is_noisy(self) -> bool:
        """Whether it is large enough to tell, and hardly two neighbours are equal."""
        return self.pixels >= _ENOUGH and self.run_length < _NOISY


@dataclass(slots=True)
class Survey:
    """What the masks of a set hold.

    Attributes:
        masks: Those that were read.
        total: How many there are.
        broken: Files that cannot be read, with their error.
    """

    masks: list[SurveyedMask]
    total: int
    broken: list[tuple[str, PictureError]] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether all masks were read."""
        return len(self.masks) + len(self.broken) == self.total

    @property
    def coloured(self) -> bool:
        """Whether a mask holds colours that are not grey."""
        return any(mask.levels is None for mask in self.masks)

    @property
    def levels(self) -> set[int]:
        """Grey levels or palette indices that occur."""
        return {level for mask in self.masks for level in mask.levels or ()}

    def stray_levels(self) -> set[int]:
        """Levels that are specks wherever they occur, in one mask of twenty at most: slips rather than classes.

        None where too few masks were read to tell.
        """
        if len(self.masks) < _FEWEST_TO_TELL:
            return set()
        counts = Counter(level for mask in self.masks for level in mask.levels or ())
        rare = {level for level, count in counts.items() if count <= max(1, _STRAY_SHARE * len(self.masks))}
        return {level for level in rare if all(level in m.specks for m in self.masks if level in (m.levels or ()))}

    @property
    def colours(self) -> set[int]:
        """Packed colours that occur."""
        return {colour for mask in self.masks for colour in mask.colours}

    @property
    def lossy(self) -> bool:
        """Whether a mask lies in a kind of file that blurs values."""
        return any(mask.lossy for mask in self.masks)

    @property
    def two_tone(self) -> bool:
        """Whether masks are black and white but for a few blurred pixels."""
        return all(mask.two_tone >= _CLEAN for mask in self.masks) and not any(mask.bits > 8 for mask in self.masks)

    def looks_like_masks(self, named: bool = True) -> bool:
        """Whether these can be masks, and no photographs: flat areas of few values, or black and white.

        Args:
            named: Whether names say that they are masks. Then only what is plainly a photograph is none; else only
                what is plainly a mask is one.
        """
        if not self.masks or self.two_tone:
            return bool(self.masks)
        if named:
            return not any(mask.is_noisy or len(mask.colours) > _MOST_DISTINCT for mask in self.masks)
        return not self.lossy and all(mask.is_flat for mask in self.masks)

    def counts_without_gap(self) -> bool:
        """Whether the values of each mask run from 1 to a number of its own."""
        counted = self._counted()
        return bool(counted) and all(max(levels) == len(levels) and min(levels) == 1 for levels in counted)

    def looks_like_label_images(self) -> bool:
        """Whether values number objects, and do not stand for classes.

        Said of grey masks where a file holds more values than any set has classes; where all files count without a
        gap from 1 to different numbers, in 16 bit or more; and where they do in 8 bit, to more different numbers and
        further than classes would.
        """
        counted = self._counted()
        if self.coloured or self.lossy or self.two_tone or not counted:
            return False
        if any(len(levels) > _MOST_SEMANTIC for levels in counted):
            return True
        tops = {len(levels) for levels in counted}
        if any(mask.bits >= 16 for mask in self.masks):
            counts = self.counts_without_gap() and len(tops) > 1 and max(tops) > 2
            return counts or len(set().union(*counted)) > 255
        return self.counts_without_gap() and len(tops) >= 5 and max(tops) >= 8

    def _counted(self) -> list[frozenset[int]]:
        """Values but 0 of each grey mask that has any."""
        return [levels for mask in self.masks if mask.levels is not None and (levels := mask.levels - {0})]


def survey_masks(files: Sequence[tuple[Path, str]], most: int = MOST_READ) -> Survey:
    """Reads masks: all of them up to `most`, then an evenly spread sample; fewer where they are very large.

    Args:
        files: Path and name of each.
        most: How many are read at most.
    """
    chosen = list(files)
    limit = min(most, max(_FEWEST_READ, _PIXELS_READ // _pixels_of(chosen)))
    chosen = [chosen[position] for position in evenly(len(chosen), limit).tolist()]
    found = Survey([], len(files))
    for path, name in chosen:
        try:
            found.masks.append(_look_at(read_codes(path), name))
        except PictureError as error:
            found.broken.append((name, error))
    return found


def _pixels_of(files: Sequence[tuple[Path, str]]) -> int:
    for path, _ in files[:5]:
        try:
            height, width = read_header(path).size_hw
        except PictureError:
            continue
        return height * width
    return MAX_PIXELS


def _look_at(codes: Codes, name: str) -> SurveyedMask:
    distinct, areas = codes.areas()
    colours = Codes(distinct, codes.coloured, codes.palette).packed()
    two_tone = 0.0
    if not codes.coloured and codes.palette is None and codes.values.dtype == np.uint8:
        counts = np.bincount(codes.values.ravel(), minlength=256)
        ends = counts[: _BLACK_OR_WHITE + 1].sum() + counts[256 - _BLACK_OR_WHITE - 1 :].sum()
        # Small values alone are class indices, and no blurred black.
        two_tone = float(ends / counts.sum()) if counts[256 - _BLACK_OR_WHITE - 1 :].any() else 0.0
        if not distinct[-1]:
            two_tone = 1.0
    return SurveyedMask(
        name=name,
        levels=None if codes.coloured else frozenset(distinct.tolist()),
        colours=frozenset(colours.tolist()),
        bits=codes.bits,
        lossy=codes.lossy,
        two_tone=two_tone,
        run_length=codes.run_length(),
        pixels=int(codes.values.size),
        specks=frozenset(distinct[areas < _SPECK].tolist() if codes.values.size >= _ENOUGH else ()),
    )


def packs_class_and_object(levels: set[int]) -> int | None:
    """The factor by which class numbers were multiplied to make room for object numbers, `None` where there is none.

    Cityscapes writes class * 1000 + object, KITTI and Mapillary class * 256 + object. Told by object numbers that
    start again near 0 for each class.
    """
    for factor in (1000, 256):
        objects: Counter[int] = Counter()
        high = {level for level in levels if level >= factor}
        for level in high:
            objects[level // factor] += 1
        near = all(level % factor <= 2 * objects[level // factor] + 2 for level in high)
        if high and near and len(high) < max(high) / 8:
            return factor
    return None
