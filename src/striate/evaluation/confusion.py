"""Which classes are taken for which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """One way of being wrong.

    Attributes:
        true: The class shown.
        answered: The class answered.
        count: Pictures.
        share: Share of the pictures of the true class.
    """

    true: str
    answered: str
    count: int
    share: float


def confused_pairs(table: npt.NDArray[np.int64], classes: tuple[str, ...], limit: int = 10) -> list[ConfusedPair]:
    """The commonest mistakes of a confusion matrix (rows the truth), most pictures first."""
    off = table.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:limit]
    pairs = [(int(cell) // len(classes), int(cell) % len(classes)) for cell in order]
    return [
        ConfusedPair(classes[row], classes[column], int(off[row, column]), float(off[row, column] / table[row].sum()))
        for row, column in pairs
        if off[row, column] > 0
    ]
