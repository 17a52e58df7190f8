"""Which split a picture of a YOLO set belongs to: by its folder, a list, or what `data.yaml` says, in this order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath

from striate.formats.foreign import ANNOTATION_FOLDERS
from striate.formats.listing import is_picture_name, split_of
from striate.formats.objects import ObjectFindings
from striate.formats.pairing import split_of_path
from striate.formats.yolo.labels import read_lines
from striate.formats.yolo.settings import YoloSettings
from striate.structures import Problem

_LISTED_LINES = 5


def find_picture_lists(root: Path, texts: Sequence[str], settings: YoloSettings) -> dict[str, list[str]]:
    """Lists of pictures by split, as darknet has them: `train.txt`, or what `obj.data` or `data.yaml` names.

    Args:
        root: The set.
        texts: Paths of text files, relative to it.
        settings: What the files around the labels say.
    """
    named = {
        place.replace("\\", "/").rsplit("/", 1)[-1].casefold(): split
        for split, places in settings.places.items()
        for place in places
        if place.lower().endswith(".txt")
    }
    found: dict[str, list[str]] = {}
    for text in texts:
        name = PurePosixPath(text)
        split = named.get(name.name.casefold()) or split_of(name.stem.rstrip("0123456789"))
        if split is not None and _is_picture_list(root / text):
            found.setdefault(split, []).append(text)
    return found


def _is_picture_list(file: Path) -> bool:
    try:
        lines = [line.strip() for line in read_lines(file) if line.strip()][:_LISTED_LINES]
    except OSError:
        return False
    return bool(lines) and all(map(is_picture_name, lines))


def settle_splits(
    root: Path, pictures: Sequence[str], lists: dict[str, list[str]], settings: YoloSettings, found: ObjectFindings
) -> dict[str, str | None]:
    """Split of each picture; `None` where there are lists and none names it."""
    by_folder = {picture: split_of_path(picture) for picture in pictures}
    if any(by_folder.values()):
        _compare_places(pictures, settings, found.notes)
        return dict(by_folder)
    if lists:
        by_list = _split_by_lists(root, pictures, lists, found.problems)
        if by_list is not None:
            found.notes.append(
                f"The splits are those of {', '.join(name for names in lists.values() for name in names)}."
            )
            return by_list
    by_place = _split_by_places(pictures, settings)
    if len(set(by_place.values())) > 1:
        found.notes.append(f"The splits are those that {settings.places_source} names.")
        return dict(by_place)
    _compare_places(pictures, settings, found.notes)
    return dict(by_folder)


def _split_by_lists(
    root: Path, pictures: Sequence[str], lists: dict[str, list[str]], problems: list[Problem]
) -> dict[str, str | None] | None:
    """`None` where the lists name none of the pictures."""
    by_name: dict[str, list[str]] = {}
    for picture in pictures:
        by_name.setdefault(picture.rsplit("/", 1)[-1].casefold(), []).append(picture)
    chosen: dict[str, str] = {}
    missing: list[str] = []
    twice: list[str] = []
    for split in ("train", "validation", "test"):
        for name in lists.get(split, ()):
            for line in read_lines(root / name):
                if not line.strip():
                    continue
                nearest = _nearest(line.strip(), by_name)
                if nearest is None:
                    missing.append(f"{line.strip()} in {name}")
                elif chosen.setdefault(nearest, split) != split:
                    twice.append(f"{nearest} in {name}")
    if missing:
        detail = f"{len(missing)} lines of the lists name no picture that is here ({missing[0]}, ...)."
        fix = "Add the pictures, or take them off the lists."
        problems.append(Problem("listed-without-picture", next(iter(lists.values()))[0], detail, fix, "dropped"))
    if twice:
        detail = f"{len(twice)} pictures are in the lists of several splits ({twice[0]}, ...)."
        fix = "Each stays in the first of training, validation and test. Take it off the other lists."
        problems.append(Problem("listed-twice", next(iter(lists.values()))[0], detail, fix))
    return {picture: chosen.get(picture) for picture in pictures} if chosen else None


def _nearest(line: str, by_name: dict[str, list[str]]) -> str | None:
    """The picture whose path has most of its end in common with a line."""
    parts = [part.casefold() for part in line.replace("\\", "/").split("/")][::-1]

    def common(picture: str) -> int:
        theirs = picture.casefold().split("/")[::-1]
        same = (ours == other for ours, other in zip(parts, theirs, strict=False))
        return sum(1 for _ in takewhile(bool, same))

    return max(by_name.get(parts[0], ()), key=common, default=None)


def _split_by_places(pictures: Sequence[str], settings: YoloSettings) -> dict[str, str]:
    """Splits by the folders that `data.yaml` names; `""` where none holds the picture, or several do."""
    found: dict[str, set[str]] = {picture: set() for picture in pictures}
    folders = {_folder(picture) for picture in pictures}
    for split, places in settings.places.items():
        for place in places:
            inner = _inner(place, folders)
            for picture in pictures if inner is not None else ():
                if f"/{inner}/" in _folder(picture):
                    found[picture].add(split)
    return {picture: next(iter(splits)) if len(splits) == 1 else "" for picture, splits in found.items()}


def _compare_places(pictures: Sequence[str], settings: YoloSettings, notes: list[str]) -> None:
    """Says where `data.yaml` names folders that are not there."""
    folders = {_folder(picture) for picture in pictures}
    wrong = [
        f"{place} for {split}"
        for split, places in settings.places.items()
        for place in places
        if not place.lower().endswith(".txt") and _inner(place, folders) is None
    ]
    if wrong:
        notes.append(
            f"{settings.places_source} names {' and '.join(wrong)}, where there is no picture; the "
            "splits are those that the names of folders tell."
        )


def _folder(picture: str) -> str:
    return f"/{PurePosixPath(picture).parent.as_posix()}/"


def _inner(place: str, folders: Iterable[str]) -> str | None:
    """The longest end of a path, which may be one on another machine, that is a folder here and says which."""
    parts = [part for part in place.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    for start in range(len(parts)):
        end = parts[start:]
        if start and all(part.casefold() in ANNOTATION_FOLDERS for part in end):
            return None
        if any(f"/{'/'.join(end)}/" in folder for folder in folders):
            return "/".join(end)
    return None
