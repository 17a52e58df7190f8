"""Folders of pictures: what is in them, leaving out what operating systems and tools put there."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from striate.images import PICTURE_SUFFIXES

_JUNK = {"thumbs.db", "desktop.ini", "__macosx", "_macosx", "@eadir", "$recycle.bin", "__pycache__", "#temp"}
_DIGITS = re.compile(r"(\d+)")
_DIGITS_COMPARED = 20
_DEPTH = 8


def natural_key(text: str) -> str:
    """Sorts `2` before `10`, and `img2` before `img10`, in any letter case."""
    parts = _DIGITS.split(text.casefold())
    parts[1::2] = [number.rjust(_DIGITS_COMPARED, "0") for number in parts[1::2]]
    return "".join(parts)


def is_junk(name: str) -> bool:
    """Whether a name is hidden or belongs to an operating system or a tool."""
    return name.startswith(".") or name.lower() in _JUNK


def is_picture_name(name: str) -> bool:
    """Whether a name ends like a picture's."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in PICTURE_SUFFIXES


def stem_of(path: str) -> str:
    """Name of a file without its suffix, as pathlib has it, which takes ten times as long for many files."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[:dot] if 0 < dot < len(name) - 1 else name


def suffix_of(path: str) -> str:
    """The suffix of a file in lower case, with its dot, as pathlib has it; empty where there is none."""
    name = path.rpartition("/")[2]
    return name[len(stem_of(name)) :].lower()


@dataclass(frozen=True, slots=True)
class Listing:
    """What one folder holds, without junk.

    Attributes:
        folders: Names of the folders in it.
        pictures: Names that end like a picture's.
        others: Names of all other files.
    """

    folders: list[str]
    pictures: list[str]
    others: list[str]


_LISTED: ContextVar[dict[tuple[str, bool], Listing] | None] = ContextVar("listed", default=None)


@contextmanager
def listed_once() -> Iterator[None]:
    """Inside, each folder is listed once: every format that is asked whether it knows a set looks at the same ones."""
    token = _LISTED.set({})
    try:
        yield
    finally:
        _LISTED.reset(token)


def scan(folder: str | Path, ordered: bool = True) -> Listing:
    """Lists one folder. One that is not there or may not be read counts as empty.

    Args:
        folder: The folder.
        ordered: Whether names are sorted naturally; else they come as the disk has them.

    Returns:
        What is in it; not to be changed, see `listed_once`.
    """
    known = _LISTED.get()
    if known is None:
        return _list(folder, ordered)
    key = os.fspath(folder), ordered
    if key not in known:
        known[key] = _list(folder, ordered)
    return known[key]


def _list(folder: str | Path, ordered: bool) -> Listing:
    found = Listing([], [], [])
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if is_junk(name):
                    continue
                if entry.is_dir():
                    if not _leads_upwards(entry):
                        found.folders.append(name)
                elif entry.is_file() or not os.path.exists(entry.path):  # noqa: PTH110 - as below
                    # A link to nothing is a file that is missed; a pipe or a device would be waited for for ever.
                    (found.pictures if is_picture_name(name) else found.others).append(name)
    except (PermissionError, NotADirectoryError, FileNotFoundError):
        return Listing([], [], [])
    if ordered:
        for names in (found.folders, found.pictures, found.others):
            names.sort(key=natural_key)
    return found


def _leads_upwards(entry: os.DirEntry[str]) -> bool:
    """Whether a link leads to a folder that it lies in: followed, it would show the same pictures again."""
    if not entry.is_symlink():
        return False
    target = os.path.realpath(entry.path)
    here = os.path.realpath(os.path.dirname(entry.path))  # noqa: PTH120 - listing many files with pathlib is slow
    return here == target or here.startswith(target.rstrip(os.sep) + os.sep)


def subfolders(folder: Path) -> list[Path]:
    """Subfolders, naturally sorted, without junk."""
    return [folder / name for name in sorted(scan(folder, ordered=False).folders, key=natural_key)]


def walk(folder: Path, depth: int = _DEPTH) -> tuple[list[str], list[str]]:
    """Pictures and other files in a folder and below, relative to it with forward slashes, naturally sorted."""
    pictures: list[str] = []
    others: list[str] = []
    waiting = [(str(folder), "", depth)]
    while waiting:
        current, prefix, left = waiting.pop()
        listing = scan(current)
        pictures += [prefix + name for name in listing.pictures]
        others += [prefix + name for name in listing.others]
        if left > 0:
            below = reversed(listing.folders)
            waiting += [(f"{current}{os.sep}{name}", f"{prefix}{name}/", left - 1) for name in below]
    return pictures, others


def holds_pictures(folder: str | Path, depth: int = 2) -> bool:
    """Whether there is a picture in a folder or below; stops at the first."""
    deeper = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_junk(entry.name):
                    continue
                if entry.is_dir():
                    deeper.append(entry.path)
                elif is_picture_name(entry.name):
                    return True
    except (PermissionError, NotADirectoryError, FileNotFoundError):
        return False
    return depth > 0 and any(holds_pictures(child, depth - 1) for child in deeper)


def visit(folder: Path, most: int = 60, depth: int = 5) -> Iterator[tuple[Path, Listing]]:
    """Some folders of a set with what lies in them, the upper ones first: enough to tell what kind of set it is.

    Args:
        folder: The set.
        most: Folders that are looked at.
        depth: Folders inside each other that are looked at.
    """
    waiting = deque([(folder, 0)])
    while waiting and most > 0:
        current, level = waiting.popleft()
        listing = scan(current, ordered=False)
        most -= 1
        yield current, listing
        if level < depth:
            waiting += [(current / name, level + 1) for name in sorted(listing.folders, key=natural_key)]
