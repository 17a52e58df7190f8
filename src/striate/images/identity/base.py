"""What every family of files answers about the entries that may tell who somebody is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """Entries of one file that may tell who somebody is, by name.

    Attributes:
        names: Names of the entries that are there and not empty, each once.
        burnt_in: Why text may be written into the pixels, a phrase each; none where nothing points to it.
    """

    names: tuple[str, ...] = ()
    burnt_in: tuple[str, ...] = ()


@dataclass(slots=True)
class Taken:
    """What was done to one file.

    Attributes:
        actions: How often it was done, by entry and action (`removed`, `emptied`, `replaced`, `cleaned`).
        person: Words that name the person (a name, an id), for holding against file names; never shown or stored.
        burnt_in: As in `Identity`.
    """

    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    person: frozenset[str] = frozenset()
    burnt_in: tuple[str, ...] = ()


class Holder(ABC):
    """A family of files that can hold more than pixels."""

    name: str
    title: str

    @abstractmethod
    def recognises(self, path: Path, head: bytes) -> bool:
        """Whether a file with this name and these first bytes is of this family; quick, and never raises."""

    @abstractmethod
    def find(self, path: Path) -> Identity:
        """Names of identifying entries, from the header alone.

        Raises:
            PictureError: It cannot be read.
        """

    @abstractmethod
    def copier(self) -> Callable[[Path, Path], Taken]:
        """What writes copies without identifying entries, with the pixels as they are, for the files of one tree.

        It is called with the file and the new one, and raises `PictureError` where a file cannot be read and `OSError`
        where a copy cannot be written.
        """
