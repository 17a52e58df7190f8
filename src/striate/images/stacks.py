"""Pictures whose channels lie in files of their own: `name_c0.tif`, `name_c1.tif`.

A file belongs to such a picture where its name ends, behind `_`, `-`, a blank or a dot, in

- a letter or word for channels and a number: `c0`, `ch00`, `channel1`, `w1`, `b02`, `B8A`, `band3`;
- a colour, or what a camera of many bands calls one: `red`, `green`, `blue`, `nir`, `swir`, `rededge`, ...

and where it is one of a set: nearly all pictures (9 of 10) have the same two or more endings, and the files hold one
channel each, of one size. So `cat_c1.jpg` among other cats, or `apple_red.jpg` in colour, stays a picture of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from striate.errors import PictureError
from striate.images.reading import is_picture_path, read_header, read_picture
from striate.structures import Picture, PictureSource
from striate.structures.picture import PIXEL_DTYPES

USUAL_SHARE = 0.9
"""Share of the pictures that must have the same endings."""

_COLOURS = ("red", "green", "blue")
_WORDS = (
    *_COLOURS,
    "gray",
    "pan",
    "nir",
    "rededge",
    "swir",
    "tir",
    "lwir",
    "thermal",
    "ir",
    "uv",
    "dapi",
    "gfp",
    "rfp",
)
_LAST = ("alpha",)
_ENDING = re.compile(
    rf"(?P<stem>.+?)[-_. ](?P<ending>(?:c|ch|channel|w|b|band)[-_ ]?\d{{1,3}}a?|{'|'.join((*_WORDS, *_LAST))})",
    re.IGNORECASE,
)
_LOOKED_AT = 3
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class StackSource:
    """A picture whose channels lie in files of their own.

    Attributes:
        paths: The files, in the order of the channels.
        channels: Names of the channels.
        name: Path of the files relative to the root of the data set, without ending and suffix; of pictures in no
            data set, the path of the first file.
    """

    paths: tuple[Path, ...]
    channels: tuple[str, ...]
    name: str

    def read(self) -> Picture:
        """Reads the picture. Files of different types come to the narrowest type that holds all of their values.

        Raises:
            PictureError: A file cannot be read, has several channels, or another size than the first.
        """
        planes = [read_picture(path) for path in self.paths]
        first = planes[0]
        for path, plane in zip(self.paths, planes, strict=True):
            if plane.channels != 1:
                raise PictureError(
                    f"{path.name} holds {plane.channels} channels, where every file of this picture holds one.",
                    where=self.name,
                    fix="Save it with one channel.",
                    kind="channels",
                )
            if plane.size_hw != first.size_hw:
                own, other = (f"{height} x {width}" for height, width in (plane.size_hw, first.size_hw))
                raise PictureError(
                    f"{path.name} has {own} pixels, where {self.paths[0].name} has {other}.",
                    where=self.name,
                    fix="Bring all channels of a picture to one size.",
                    kind="channel-sizes",
                )
        pixels = np.concatenate([plane.pixels for plane in planes])
        if pixels.dtype.name not in PIXEL_DTYPES:
            pixels = pixels.astype(np.float32)
        return Picture(pixels, self.channels, first.spacing_mm, self.name)


@dataclass(slots=True)
class Stacks:
    """Files that were put together.

    Attributes:
        sources: Pictures by the position of their first file.
        members: Positions of all files that belong to a picture with channels in files of their own.
        channels: Names of the channels; none where there are no such pictures.
        missing: Names of incomplete pictures, and the channels that they lack.
        surplus: Names of files with a channel that other pictures do not have.
        doubt: Why files that are named like channels are pictures of their own, a sentence; mostly empty.
    """

    sources: dict[int, PictureSource] = field(default_factory=dict)
    members: set[int] = field(default_factory=set)
    channels: tuple[str, ...] = ()
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    surplus: list[str] = field(default_factory=list)
    doubt: str = ""


def split_ending(name: str) -> tuple[str, str] | None:
    """What stands before the channel in a file's name, and the channel; `None` where it names none.

    Args:
        name: Name or path of the file.
    """
    folder, slash, last = name.rpartition("/")
    dot = last.rfind(".")
    found = _ENDING.fullmatch(last[:dot] if dot > 0 else last)
    return None if found is None else (f"{folder}{slash}{found['stem']}", found["ending"])


def find_stacks(paths: Sequence[Path], names: Sequence[str]) -> Stacks:
    """Puts files together that are channels of one picture; finds none where they are pictures of their own.

    Args:
        paths: Files.
        names: Name of each, with forward slashes; files of one folder with one stem belong together.
    """
    parts: dict[str, dict[str, int]] = {}
    alone = 0
    for position, name in enumerate(names):
        found = split_ending(name)
        if found is None:
            alone += 1
            continue
        # Two files of one channel (.tif and .png): the first stands for both.
        parts.setdefault(found[0], {}).setdefault(found[1].casefold(), position)
    usual = _usual_endings([frozenset(part) for part in parts.values()], alone)
    if not usual:
        return Stacks()
    order = _ordered(usual)
    whole = [part for part in parts.values() if usual <= set(part)]
    doubt = _why_no_channels([[paths[part[ending]] for ending in order] for part in whole[:_LOOKED_AT]])
    if doubt is not None:
        return Stacks(doubt=doubt)
    return _put_together(paths, names, parts, order)


def gather_stacks(paths: Sequence[Path], channels: Sequence[str]) -> tuple[list[Path | StackSource], Stacks]:
    """Files as a network takes them that learned from pictures with these channels, in files of their own.

    Args:
        paths: Files, of any folders.
        channels: Names of the channels, as `StackSource` has them.

    Returns:
        Pictures in the order of their first files, and what is missing.
    """
    wanted = {name.casefold(): name for name in channels}
    parts: dict[str, dict[str, Path]] = {}
    for path in paths:
        found = split_ending(path.as_posix())
        if found is not None and found[1].casefold() in wanted:
            parts.setdefault(found[0], {}).setdefault(wanted[found[1].casefold()], path)
    gathered: list[Path | StackSource] = []
    report = Stacks(channels=tuple(channels))
    done: set[str] = set()
    for path in paths:
        found = split_ending(path.as_posix())
        if found is None or found[1].casefold() not in wanted:
            gathered.append(path)
        elif found[0] not in done:
            done.add(found[0])
            part = parts[found[0]]
            lacking = tuple(name for name in channels if name not in part)
            if lacking:
                report.missing[found[0]] = lacking
            else:
                files = tuple(part[name] for name in channels)
                gathered.append(StackSource(files, tuple(channels), str(files[0])))
    return gathered, report


def beside(paths: Sequence[Path], channels: Sequence[str]) -> list[Path]:
    """Files, each with those in its folder that hold other channels of the same picture."""
    wanted = {name.casefold() for name in channels}

    def stem(path: Path) -> str | None:
        found = split_ending(path.as_posix())
        return None if found is None or found[1].casefold() not in wanted else found[0]

    stems = {stem(path) for path in paths} - {None}
    folders = sorted({path.parent for path in paths if stem(path) is not None})
    others = [path for folder in folders for path in sorted(folder.iterdir()) if stem(path) in stems]
    return list(dict.fromkeys([*paths, *filter(is_picture_path, others)]))


def _put_together(
    paths: Sequence[Path], names: Sequence[str], parts: dict[str, dict[str, int]], order: Sequence[str]
) -> Stacks:
    first = next(part for part in parts.values() if set(order) <= set(part))
    found = Stacks(channels=tuple(_channel_name(names[first[ending]]) for ending in order))
    for stem, part in parts.items():
        found.members.update(part.values())
        lacking = [found.channels[place] for place, ending in enumerate(order) if ending not in part]
        found.surplus += [names[position] for ending, position in part.items() if ending not in order]
        if lacking:
            found.missing[stem] = tuple(lacking)
            continue
        chosen = [part[ending] for ending in order]
        found.sources[min(chosen)] = StackSource(tuple(paths[i] for i in chosen), found.channels, stem)
    return found


def _usual_endings(sets: Sequence[frozenset[str]], alone: int) -> frozenset[str]:
    """The endings that nearly all pictures have; none where there are no such."""
    if not sets:
        return frozenset()
    usual, _ = Counter(sets).most_common(1)[0]
    having = sum(usual <= one for one in sets)
    return usual if len(usual) > 1 and having >= USUAL_SHARE * (len(sets) + alone) else frozenset()


def _why_no_channels(pictures: Iterable[Sequence[Path]]) -> str | None:
    """Why files are no channels of one picture; `None` where they are. One that cannot be read says nothing."""
    for paths in pictures:
        sizes: dict[tuple[int, int], Path] = {}
        for path in paths:
            try:
                header = read_header(path)
            except PictureError:
                continue
            if header.channels != 1:
                # Colour pictures whose names end like this are common, and nothing to wonder about.
                return ""
            sizes.setdefault(header.size_hw, path)
        if len(sizes) > 1:
            (one, path), (other, beside) = list(sizes.items())[:2]
            return (
                f"Files are named like channels of one picture, but {path.name} has {one[0]} x {one[1]} pixels and "
                f"{beside.name} {other[0]} x {other[1]}: each is read as a picture of its own. Bring them to one size."
            )
    return None


def _ordered(endings: Iterable[str]) -> list[str]:
    """Red, green and blue first, then by number and letter, alpha last."""

    def key(ending: str) -> tuple[int, list[str | int]]:
        if ending in _COLOURS:
            return 0, [_COLOURS.index(ending)]
        pieces: list[str | int] = [int(part) if part.isdecimal() else part for part in _DIGITS.split(ending)]
        return (2 if ending in _LAST else 1), pieces

    return sorted(endings, key=key)


def _channel_name(name: str) -> str:
    """Colours in small letters, as rules of channels know them; all else as in the file's name."""
    found = split_ending(name)
    assert found is not None
    ending = found[1]
    return ending.casefold() if ending.casefold() in (*_WORDS, *_LAST) else ending
