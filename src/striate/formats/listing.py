"""Folders of pictures: what is in them, leaving out what operating systems and tools put there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from striate.images import PICTURE_SUFFIXES

_JUNK = {"thumbs.db", "desktop.ini", "__macosx", "_macosx", "@eadir", "$recycle.bin", "__pycache__", "#temp"}
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
_DIGITS = re.compile(r"(\d+)")
_DEPTH = 8


def split_of(name: str) -> str | None:
    """The split that a folder name, a cell of a table or a word of a file name stands for, in any letter case."""
    return _SPLIT_NAMES.get(name.strip().lower())


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts `2` before `10`, and `img2` before `img10`."""
    parts = (part for part in _DIGITS.split(text.casefold()) if part)
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts)


def is_junk(name: str) -> bool:
    """Whether a name is hidden or belongs to an operating system or a tool."""
    return name.startswith(".") or name.lower() in _JUNK


def is_picture_name(name: str) -> bool:
    """Whether a name ends like a picture's."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in PICTURE_SUFFIXES


def scan(folder: str | Path) -> tuple[list[str], list[str], list[str]]:
    """Names of the subfolders, pictures and other files of one folder, naturally sorted, without junk.

    A folder that may not be read counts as empty.
    """
    folders: list[str] = []
    pictures: list[str] = []
    others: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_junk(entry.name):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                else:
                    (pictures if is_picture_name(entry.name) else others).append(entry.name)
    except (PermissionError, NotADirectoryError, FileNotFoundError):
        return [], [], []
    return sorted(folders, key=natural_key), sorted(pictures, key=natural_key), sorted(others, key=natural_key)


def subfolders(folder: Path) -> list[Path]:
    """Subfolders, naturally sorted, without junk."""
    return [folder / name for name in scan(folder)[0]]


def walk_pictures(folder: Path, depth: int = _DEPTH) -> Iterator[str]:
    """Paths of all pictures in a folder and below, relative to it, with forward slashes, naturally sorted."""
    yield from _walk(str(folder), "", depth)


def _walk(folder: str, prefix: str, depth: int) -> Iterator[str]:
    folders, pictures, _ = scan(folder)
    for name in pictures:
        yield prefix + name
    if depth > 0:
        for name in folders:
            yield from _walk(f"{folder}{os.sep}{name}", f"{prefix}{name}/", depth - 1)


def holds_pictures(folder: Path, depth: int = 2) -> bool:
    """Whether there is a picture in a folder or below; stops at the first."""
    deeper = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_junk(entry.name):
                    continue
                if entry.is_dir():
                    deeper.append(Path(entry.path))
                elif is_picture_name(entry.name):
                    return True
    except (PermissionError, NotADirectoryError, FileNotFoundError):
        return False
    return depth > 0 and any(holds_pictures(child, depth - 1) for child in deeper)
