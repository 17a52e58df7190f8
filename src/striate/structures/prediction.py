"""What a network answers for one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Scores of all classes for one picture.

    Attributes:
        scores: `(K,)` float32; they sum to 1 for one-label tasks, each lies in 0..1 by itself for several labels.
        classes: `K` class names.
        several: Whether several classes may hold at once.
        threshold: Score from which a class counts as present where several may hold.
    """

    scores: npt.NDArray[np.float32]
    classes: tuple[str, ...]
    several: bool = False
    threshold: float = 0.5

    @property
    def label(self) -> str:
        """The class with the highest score."""
        return self.classes[int(self.scores.argmax())]

    @property
    def score(self) -> float:
        """Its score."""
        return float(self.scores.max())

    def ranked(self, top: int | None = None) -> list[tuple[str, float]]:
        """Classes and scores, best first; all of them where `top` is `None`."""
        order = np.argsort(-self.scores, kind="stable")[:top]
        return [(self.classes[i], float(self.scores[i])) for i in order]


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedPicture:
    """A class for every pixel of one picture.

    Attributes:
        mask: `(H, W)` uint8, positions in the class names, at the picture's own size.
        classes: `K` class names.
    """

    mask: npt.NDArray[np.uint8]
    classes: tuple[str, ...]

    @property
    def shares(self) -> dict[str, float]:
        """Share of the pixels of each class that occurs, largest first."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.classes))
        order = np.argsort(-counts, kind="stable")
        return {self.classes[k]: float(counts[k] / self.mask.size) for k in order if counts[k]}


Prediction: TypeAlias = ClassScores | SegmentedPicture
