"""Files that grow by one answer at a time, and names for those that hold one answer each."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from striate.errors import RequestError
from striate.formats.storing import make_folder, stored

PARTIAL = ".partial"
"""Ending of a file that is not complete."""


class GrowingFile:
    """A text file that has its name only when it is complete; until then the name ends in `PARTIAL`.

    Nothing is written before the first text comes.

    Args:
        path: The file.

    Raises:
        RequestError: There is something already.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise RequestError("there is something here already.", where=path, fix="Name another folder with --out.")
        self.path = path
        self._partial = path.with_name(path.name + PARTIAL)
        self._file: TextIO | None = None

    @property
    def begun(self) -> bool:
        """Whether anything was written."""
        return self._file is not None

    def write(self, text: str) -> None:
        """Adds text.

        Raises:
            StorageError: It cannot be written.
        """
        file = self._file or stored(self._partial, self._open)
        self._file = file
        stored(self._partial, lambda: file.write(text))

    def write_rows(self, rows: Iterable[Iterable[object]]) -> None:
        """Adds rows of a CSV table.

        Raises:
            StorageError: They cannot be written.
        """
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(rows)
        self.write(text.getvalue())

    def close(self, *, complete: bool) -> None:
        """Ends the file, and gives it its name where it is complete.

        Raises:
            StorageError: The rest cannot be written.
        """
        file = self._file
        if file is None:
            return
        stored(self._partial, file.close)
        if complete:
            stored(self.path, lambda: self._partial.replace(self.path))

    def _open(self) -> TextIO:
        make_folder(self.path.parent)
        # Names of files need not be UTF-8; their bytes are kept.
        return self._partial.open("w", encoding="utf-8", errors="surrogateescape", newline="")


class AnswerNames:
    """Names for files that hold the answer for one picture each.

    They lie in folders as their pictures do below the path that was asked about. Where a name is taken, by another
    picture or by an earlier answer, a number is added.

    Args:
        folder: Where they lie.
        asked: Paths that were asked about.
        suffix: Of the names, with its dot.
    """

    def __init__(self, folder: Path, asked: Sequence[Path], suffix: str = ".png") -> None:
        self._folder = folder
        self._asked = asked
        self._suffix = suffix
        self._given: Counter[Path] = Counter()

    def free(self, picture: str) -> Path:
        """A name that nothing has, for the answer about a picture."""
        wanted = self._folder / place_below(self._asked, Path(picture)).with_suffix("")
        while True:
            self._given[wanted] += 1
            number = self._given[wanted]
            path = wanted.with_name(
                f"{wanted.name}-{number}{self._suffix}" if number > 1 else wanted.name + self._suffix
            )
            if not path.exists():
                return path


def place_below(asked: Sequence[Path], picture: Path) -> Path:
    """Where a picture lies below the path that was asked about; its name where it was asked about itself."""
    for root in asked:
        if picture != root and picture.is_relative_to(root):
            return picture.relative_to(root)
    return Path(picture.name)
