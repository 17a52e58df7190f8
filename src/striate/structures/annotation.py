"""What a picture is said to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Label:
    """One class.

    Attributes:
        index: Position in the data set's class names.
    """

    index: int


@dataclass(frozen=True, slots=True)
class Labels:
    """Several classes at once, or none of them.

    Attributes:
        indices: Positions in the data set's class names, ascending, each once.
    """

    indices: tuple[int, ...]


Annotation: TypeAlias = Label | Labels
