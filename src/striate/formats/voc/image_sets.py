"""Lists of pictures that decide the splits, as in VOC's `ImageSets/Main/train.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from striate.formats.folder_names import split_of
from striate.formats.listing import is_picture_name, stem_of
from striate.formats.split_lists import split_by_lists
from striate.structures import Problem

FOLDER = "ImageSets"
_PREFERRED = {"detection": ("main", "segmentation"), "segmentation": ("segmentation", "main")}
_FLAGGED = re.compile(r"(.*\S)\s+-?[01]")
_UNDECIDED = "trainval"


@dataclass(slots=True)
class ImageSets:
    """Splits of the pictures below one folder.

    Attributes:
        prefix: The folder that holds `ImageSets`, relative to the set, with a slash at the end; `""` for the set.
        files: Path of each list by its split; the key `""` is for training and validation together.
        lines: Lines of each list, with the path of the list.
    """

    prefix: str
    files: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


def find_image_sets(path: Path, others: Iterable[str], task: str) -> list[ImageSets]:
    """Reads the lists that are for a task, the deepest folder first.

    Lists of single classes (`cat_train.txt`) and lists under other names (`default.txt`) decide nothing.

    Args:
        path: The set.
        others: Paths of its files.
        task: "detection", or another for which the lists in `Segmentation` come first.
    """
    kinds: dict[str, dict[str, dict[str, str]]] = {}
    for other in others:
        parts = PurePosixPath(other).parts
        lower = [part.casefold() for part in parts]
        split = _split_of_list(parts[-1])
        if split is None or FOLDER.casefold() not in lower[:-1]:
            continue
        place = lower.index(FOLDER.casefold())
        prefix, kind = "".join(f"{part}/" for part in parts[:place]), "/".join(lower[place + 1 : -1])
        kinds.setdefault(prefix, {}).setdefault(kind, {}).setdefault(split, other)
    found = []
    preferred = _PREFERRED.get(task, _PREFERRED["segmentation"])
    for prefix, choices in sorted(kinds.items(), key=lambda pair: -pair[0].count("/")):
        kind = next((kind for kind in preferred if kind in choices), min(choices))
        lines = {split: [(line, file) for line in _read_names(path / file)] for split, file in choices[kind].items()}
        found.append(ImageSets(prefix, choices[kind], lines))
    return found


def _split_of_list(name: str) -> str | None:
    stem, _, suffix = name.rpartition(".")
    if suffix.lower() != "txt":
        return None
    return "" if stem.lower() == _UNDECIDED else split_of(stem)


def _read_names(file: Path) -> list[str]:
    try:
        # Names of files may be of any encoding; what is not UTF-8 is compared as Python has it from the disk.
        text = file.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    except OSError:
        return []
    return re.split(r"\r?\n", text)


def split_by_image_sets(
    pictures: Sequence[str], sets: Sequence[ImageSets], problems: list[Problem]
) -> dict[str, str | None]:
    """Split of each picture below a folder with lists; `None` where no list there names it.

    Lists of which no name fits a picture count as absent.
    """
    splits: dict[str, str | None] = {}
    for one in sets:
        by_stem: dict[str, list[str]] = {}
        for picture in pictures:
            if picture.startswith(one.prefix) and picture not in splits:
                by_stem.setdefault(PurePosixPath(picture).stem, []).append(picture)

        def find(line: str, by_stem: dict[str, list[str]] = by_stem) -> str | None:
            return next((name for name in _readings(line) if name in by_stem), None)

        chosen = split_by_lists(one.lines, find, f"{one.prefix}{FOLDER}", problems)
        if chosen:
            splits |= {picture: chosen.get(stem) for stem, same in by_stem.items() for picture in same}
    return splits


def _readings(line: str) -> Iterator[str]:
    """What a line may name: itself, without quotes, without VOC's 1, 0 or -1 behind it, without folder and suffix."""
    flagged = _FLAGGED.fullmatch(line.strip())
    for text in (line, line.strip(), line.strip().strip("\"'"), flagged[1].strip("\"'") if flagged else ""):
        yield text
        name = text.replace("\\", "/").rsplit("/", 1)[-1]
        yield name
        if is_picture_name(name):
            yield stem_of(name)
