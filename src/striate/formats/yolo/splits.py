"""Which split a picture of a YOLO set belongs to: by its folder, a list, or what `data.yaml` says, in this order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from striate.formats.annotation_files import read_some_lines
from striate.formats.folder_names import says_no_class, split_of, split_of_path
from striate.formats.listing import is_picture_name
from striate.formats.objects import ObjectFindings
from striate.formats.picture_index import PictureIndex
from striate.formats.split_lists import split_by_lists
from striate.formats.yolo.settings import YoloSettings

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
    lines = [line.strip() for line in read_some_lines(file) if line.strip()][:_LISTED_LINES]
    return bool(lines) and all(map(is_picture_name, lines))


def settle_splits(
    root: Path, pictures: Sequence[str], lists: dict[str, list[str]], settings: YoloSettings, found: ObjectFindings
) -> dict[str, str | None]:
    """Split of each picture; `None` where there are lists and none names it."""
    by_folder = {picture: split_of_path(picture) for picture in pictures}
    if any(by_folder.values()):
        _compare_places(pictures, settings, found.notes)
        return dict(by_folder)
    names = [name for files in lists.values() for name in files]
    if names:
        index = PictureIndex(root, pictures)
        lines = {
            split: [(line, name) for name in files for line in read_some_lines(root / name)]
            for split, files in lists.items()
        }
        chosen = split_by_lists(
            lines, lambda line: next(iter(index.find(line.strip())), None), names[0], found.problems
        )
        if chosen:
            found.notes.append(f"The splits are those of {', '.join(names)}.")
            return {picture: chosen.get(picture) for picture in pictures}
    by_place = _split_by_places(pictures, settings)
    if len(set(by_place.values())) > 1:
        found.notes.append(f"The splits are those that {settings.places_source} names.")
        return dict(by_place)
    _compare_places(pictures, settings, found.notes)
    return dict(by_folder)


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
        if start and all(map(says_no_class, end)):
            return None
        if any(f"/{'/'.join(end)}/" in folder for folder in folders):
            return "/".join(end)
    return None
