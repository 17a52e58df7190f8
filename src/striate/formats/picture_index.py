"""Pictures that annotation in other files names: found on disk, each once, in one split."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Protocol, TypeVar

from striate.errors import PictureError
from striate.formats.folder_names import holds_annotation, place_of, split_of_path
from striate.formats.listing import walk
from striate.formats.tally import left_out, some_of
from striate.images import Header, read_header
from striate.structures import Count, Problem

_LATEST_FIRST = ("test", "validation", "", "train")
_READERS = 8


class PictureIndex:
    """Finds pictures below a folder by what annotation calls them.

    A name may be a path relative to the annotation, or to a folder of pictures beside or below it; it may lack the
    suffix, or begin with folders of another machine.

    Args:
        root: The folder.
        paths: The pictures, relative to it; all below it where `None`.
    """

    def __init__(self, root: Path, paths: Sequence[str] | None = None) -> None:
        self.root = root
        self._given = paths

    @cached_property
    def paths(self) -> Sequence[str]:
        """All pictures, relative to the root."""
        return walk(self.root)[0] if self._given is None else self._given

    @cached_property
    def _by_path(self) -> dict[str, str]:
        """By whole path, with the suffix and without; files that differ in their suffix alone have no short form."""
        whole = {path.casefold(): path for path in self.paths}
        short: dict[str, str] = {}
        for folded, path in whole.items():
            stem = _without_suffix(folded)
            short[stem] = "" if stem in short else path
        return {stem: path for stem, path in short.items() if path} | whole

    @cached_property
    def _by_end(self) -> dict[str, list[str]]:
        ends: dict[str, list[str]] = defaultdict(list)
        for path in self.paths:
            name = path.rsplit("/", 1)[-1].casefold()
            ends[name].append(path)
            ends[_without_suffix(name)].append(path)
        return ends

    def find(self, name: str, near: str = "", split: str = "") -> list[str]:
        """Pictures that a name may mean, relative to the root; one where it is clear.

        Among pictures of one name, those come first whose folders are the ones that are named, that lie below the
        annotation, that are in its split, in the folder that corresponds (`images` to `annotations`), in no folder of
        masks, or that share most folders with it.

        Args:
            name: What the annotation says.
            near: Folder of the annotation relative to the root, with forward slashes; empty for the root.
            split: Split that the annotation is for; empty where unknown.
        """
        parts = [part for part in name.replace("\\", "/").casefold().split("/") if part not in ("", ".")]
        if not parts:
            return []
        beside = self._by_path.get(_resolved(near.casefold(), parts))
        if beside is not None:
            return [beside]
        found = self._by_end.get(parts[-1], [])
        place, below = place_of(f"{near}/picture"), [part for part in near.split("/") if part]
        for rank in (
            lambda path: _in_common(reversed(path.casefold().split("/")[:-1]), reversed(parts[:-1])),
            lambda path: bool(near) and path.startswith(f"{near}/"),
            lambda path: bool(split) and split_of_path(path, loosely=True) == split,
            lambda path: place_of(path) == place,
            lambda path: not any(map(holds_annotation, path.split("/")[:-1])),
            lambda path: _in_common(path.split("/")[:-1], below),
        ):
            found = _best(found, rank)
        return found

    def leads_out(self, name: str, near: str = "", found: bool = False) -> bool:
        """Whether a name means a picture out of the root.

        Args:
            name: What the annotation says.
            near: Folder of the annotation relative to the root.
            found: Whether a picture in the root has that name. It is meant by an absolute path, which may be of
                another machine or of the place that a set was copied from, but not by `../` where that is there.
        """
        wanted = name.replace("\\", "/")
        if posixpath.isabs(wanted) or Path(wanted).is_absolute():
            return not found and is_file(wanted)
        if ".." not in wanted:
            return False
        full = posixpath.normpath(posixpath.join(near, wanted))
        return full.split("/")[0] == ".." and (not found or is_file(str(self.root / full)))


def is_file(path: str | Path) -> bool:
    """Whether there is such a file; text from annotation may be no path at all."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        # No name of a file: too long, or with a zero byte, for example.
        return False


def _best(paths: list[str], rank: Callable[[str], int]) -> list[str]:
    if len(paths) <= 1:
        return paths
    ranks = [rank(path) for path in paths]
    return [path for path, one in zip(paths, ranks, strict=True) if one == max(ranks)]


def _in_common(first: Iterable[str], second: Iterable[str]) -> int:
    """How many parts are equal before the first that differ."""
    same = (one == other for one, other in zip(first, second, strict=False))
    return sum(1 for _ in takewhile(bool, same))


def _resolved(folder: str, parts: Sequence[str]) -> str:
    """A path seen from a folder; empty where it leads above the root."""
    here = [part for part in folder.split("/") if part]
    for part in parts:
        if part != "..":
            here.append(part)
        elif here:
            here.pop()
        else:
            return ""
    return "/".join(here)


def _without_suffix(path: str) -> str:
    return path.rsplit(".", 1)[0]


class Gathered(Protocol):
    """A picture with its objects, on the way to a sample."""

    path: str
    split: str


GatheredPicture = TypeVar("GatheredPicture", bound=Gathered)


def take_splits_from_folders(pictures: Sequence[Gathered], notes: list[str]) -> None:
    """Where no annotation file says the split, the folders that pictures lie in may."""
    if any(picture.split for picture in pictures):
        return
    splits = [split_of_path(picture.path, loosely=True) for picture in pictures]
    if all(splits) and len(set(splits)) > 1:
        for picture, split in zip(pictures, splits, strict=True):
            picture.split = split
        notes.append("Splits come from the folders that the pictures lie in.")


def keep_in_one_split(pictures: Sequence[GatheredPicture], problems: list[Problem]) -> list[GatheredPicture]:
    """Takes pictures that are in several splits out of the earlier ones: a test picture must not be learned."""
    latest: dict[str, str] = {}
    for picture in pictures:
        latest[picture.path] = min(latest.get(picture.path, "train"), picture.split, key=_LATEST_FIRST.index)
    kept = [picture for picture in pictures if picture.split == latest[picture.path]]
    moved = sorted({picture.path for picture in pictures if picture.split != latest[picture.path]})
    if moved:
        detail = f"{Count(len(moved)):picture is|pictures are} in several splits ({some_of(moved)})."
        fix = "They were taken out of the earlier ones (test keeps them first)."
        problems.append(Problem("leakage", moved[0], detail, fix))
    return kept


def report_unlisted(index: PictureIndex, listed: Collection[str], where: str, problems: list[Problem]) -> None:
    """Reports pictures that lie beside listed ones and that no annotation file names."""
    folders = {path.rpartition("/")[0] for path in listed}
    left = [path for path in index.paths if path.rpartition("/")[0] in folders and path not in listed]
    what = f"beside others, not named in {where}"
    advice = "Add them to the annotation, without objects where there are none."
    problems += left_out("unlabelled", left, "picture lies|pictures lie", what, advice)


def read_headers(root: Path, paths: Sequence[str]) -> list[Header | PictureError]:
    """Headers of picture files below a folder, or what is wrong with them."""

    def read(path: str) -> Header | PictureError:
        try:
            return read_header(root / path)
        except PictureError as error:
            return error

    # Network drives answer slowly, and many questions at once as fast as one.
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(read, paths))
