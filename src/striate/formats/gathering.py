"""Pictures that annotation in other files names: found on disk, each once, in one split."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol, TypeVar

from striate.errors import PictureError
from striate.formats.foreign import MASK_FOLDERS
from striate.formats.listing import split_of
from striate.formats.tables.rows import PictureIndex
from striate.images import Header, read_header
from striate.structures import Problem

_WORDS = re.compile(r"[-_. \d]+")
_LATEST_FIRST = ("test", "validation", "", "train")
_READERS = 8
_NAMED = 5


class Gathered(Protocol):
    """A picture with its objects, on the way to a sample."""

    path: str
    split: str


GatheredPicture = TypeVar("GatheredPicture", bound=Gathered)


@dataclass(slots=True)
class Tally:
    """Counts what is wrong with one file, so that a thousand equal faults become one problem.

    Attributes:
        file: Path of the file relative to the data set.
    """

    file: str
    _seen: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, example: str) -> None:
        """Counts one fault; the first examples are named."""
        self._seen[kind].append(example)

    def forget(self, *kinds: str) -> None:
        """Counts some faults anew."""
        for kind in kinds:
            self._seen.pop(kind, None)

    def problems(self, texts: dict[str, tuple[str, str, Literal["dropped", "note"]]]) -> list[Problem]:
        """One problem for each kind.

        Args:
            texts: For each kind a sentence with `{count}` and `{example}`, what to do, and how grave it is.
        """
        found = []
        for kind, (detail, fix, severity) in texts.items():
            examples = self._seen.get(kind)
            if examples:
                example = some_of(examples)
                found.append(
                    Problem(kind, self.file, detail.format(count=len(examples), example=example), fix, severity)
                )
        return found


def some_of(names: Iterable[str]) -> str:
    """The first few of some names, for a sentence."""
    different = list(dict.fromkeys(names))
    return ", ".join(different[:_NAMED]) + (", ..." if len(different) > _NAMED else "")


def split_in_name(name: str) -> str:
    """The split among the words of a name such as `instances_val2017`, the last one first; else empty."""
    splits = (split_of(word) for word in reversed(_WORDS.split(name)))
    return next((split for split in splits if split is not None), "")


def split_in_folders(path: str) -> str:
    """The split that the folders of a path name, the nearest one first; empty where none does."""
    parts = PurePosixPath(path).parent.parts
    return next((split for part in reversed(parts) if (split := split_in_name(part))), "")


def find_picture(index: PictureIndex, cell: str, near: str, split: str) -> list[str]:
    """Pictures that a name in an annotation file may mean; one where it is clear.

    As `PictureIndex.find`, and where several have that name: those in a folder like `val2017` of the split, those that
    are not in a folder of masks, those that share most folders with the annotation file.
    """
    found = index.find(cell, near, split)
    rules: tuple[Callable[[str], object], ...] = (
        lambda path: split and split_in_folders(path) == split,
        lambda path: not any(part.casefold() in MASK_FOLDERS for part in PurePosixPath(path).parent.parts),
    )
    for rule in rules:
        if len(found) > 1:
            found = [path for path in found if rule(path)] or found
    if len(found) > 1:
        shared = [_shared_folders(path, near) for path in found]
        found = [path for path, count in zip(found, shared, strict=True) if count == max(shared)]
    return found


def _shared_folders(path: str, near: str) -> int:
    count = 0
    for one, other in zip(PurePosixPath(path).parent.parts, PurePosixPath(near).parts, strict=False):
        if one != other:
            break
        count += 1
    return count


def take_splits_from_folders(pictures: Sequence[Gathered], notes: list[str]) -> None:
    """Where no annotation file says the split, the folders that pictures lie in may."""
    if any(picture.split for picture in pictures):
        return
    splits = [split_in_folders(picture.path) for picture in pictures]
    if all(splits) and len(set(splits)) > 1:
        for picture, split in zip(pictures, splits, strict=True):
            picture.split = split
        notes.append("Splits come from the folders that the pictures lie in.")


def keep_in_one_split(pictures: Sequence[GatheredPicture], problems: list[Problem]) -> list[GatheredPicture]:
    """Takes pictures that are in several splits out of the earlier ones: a test picture must not be learned."""
    latest: dict[str, str] = {}
    for picture in pictures:
        other = latest.setdefault(picture.path, picture.split)
        if _LATEST_FIRST.index(picture.split) < _LATEST_FIRST.index(other):
            latest[picture.path] = picture.split
    kept = [picture for picture in pictures if picture.split == latest[picture.path]]
    moved = {picture.path for picture in pictures if picture.split != latest[picture.path]}
    if moved:
        problems.append(
            Problem(
                "leakage",
                min(moved),
                f"{len(moved)} pictures are in several splits ({some_of(sorted(moved))}).",
                "They were taken out of the earlier ones (test keeps them first).",
            )
        )
    return kept


def report_unlisted(index: PictureIndex, listed: Collection[str], where: str, problems: list[Problem]) -> None:
    """Reports pictures that lie beside listed ones and that no annotation file names."""
    folders = {path.rpartition("/")[0] for path in listed}
    left = [path for path in index.paths if path.rpartition("/")[0] in folders and path not in listed]
    if left:
        problems.append(
            Problem(
                "unlabelled",
                left[0],
                f"{len(left)} pictures lie beside others and {where} does not name them: {some_of(left)}.",
                "They are left out. Add them to the annotation, without objects where there are none.",
                "dropped",
            )
        )


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
