"""What tasks share that answer a whole picture with one score for each class."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from striate.errors import DataError
from striate.structures import Placement, Prediction
from striate.tasks.base import LossSettings, Scores, Targets, Task
from striate.tasks.resampling import area_under_roc

AUXILIARY_WEIGHT = 0.3
"""Weight of each auxiliary classifier's loss (Szegedy et al. 2015, section 5)."""

SMALLEST_SCORE = float(np.finfo(np.float32).eps)
"""Scores are kept this far from 0 where their logarithm is taken."""


class ClassScoresTask(Task):
    """A task whose head is the network's own last layer: `(N, K)` scores, before softmax or sigmoid."""

    def loss(self, output: Any, targets: Tensor, settings: LossSettings) -> Tensor:
        """`cross_entropy` of the main output, plus 0.3 of that of each auxiliary classifier where there are some.

        Args:
            output: `(N, K)`, or a tuple whose first entry is the main output and whose others are auxiliary.
            targets: As `cross_entropy` takes them.
            settings: Smoothing and class weights.
        """
        main, *auxiliary = output if isinstance(output, tuple) else (output,)
        loss = self.cross_entropy(main, targets, settings)
        for scores in auxiliary:
            if scores is not None:
                loss = loss + AUXILIARY_WEIGHT * self.cross_entropy(scores, targets, settings)
        return loss

    def decode(self, output: Any, placements: Sequence[Placement]) -> list[npt.NDArray[np.float32]]:
        """Scores `(K,)` of each picture."""
        del placements
        return list(self.scores(output).float().cpu().numpy())

    def prediction(self, parts: Sequence[Any], placements: Sequence[Placement], classes: tuple[str, ...]) -> Prediction:
        """The answer for one picture, which is never cut into tiles."""
        del placements
        (scores,) = parts
        return self.as_prediction(scores, classes)

    @abstractmethod
    def as_prediction(self, scores: Scores, classes: tuple[str, ...]) -> Prediction:
        """The answer for one picture from its scores, `(K,)`."""

    def in_class_order(self, scores: Scores, targets: Targets, order: Sequence[int]) -> tuple[Scores, Targets]:
        """Scores and truth as if the classes had come in another order.

        Args:
            scores: `(N, K)`.
            targets: `(N,)` class indices, or `(N, K)`.
            order: For each new place the index that the class had.
        """
        put = list(order)
        return scores[:, put], targets[:, put] if targets.ndim == 2 else np.argsort(put)[targets]

    @abstractmethod
    def cross_entropy(self, output: Tensor, targets: Tensor, settings: LossSettings) -> Tensor:
        """Mean loss of one output, `(N, K)`, of any precision."""


def main_output(output: Any) -> Tensor:
    """The output that is the answer, `(N, K)` float32; auxiliary ones are only learned from."""
    main: Tensor = output[0] if isinstance(output, tuple) else output
    return main.float()


def check_class_index(index: int, classes: int, name: str) -> None:
    """Refuses a class that has no name.

    Args:
        index: Index of the class.
        classes: Number of class names.
        name: Name of the picture.

    Raises:
        DataError: It lies outside.
    """
    if not 0 <= index < classes:
        raise DataError(
            f"class index {index} lies outside the {classes} class names (0 to {classes - 1}).",
            where=name,
            fix="Open the data with the class names of the training split.",
        )


def areas_under_roc(scores: Scores, true: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """AUROC of each class against the rest: `(K,)`, NaN where all pictures or none belong to it.

    Args:
        scores: `(N, K)`.
        true: `(N, K)`, whether a picture belongs to a class.
    """
    areas: npt.NDArray[np.float64] = area_under_roc(scores, true, np.ones((1, len(scores))))[0]
    return areas


def share(part: Any, whole: Any) -> float | None:
    """A quotient; `None` where `whole` is 0."""
    return float(part / whole) if whole else None


def defined(value: float) -> float | None:
    """The value as plain data; `None` where it is no number."""
    return float(value) if np.isfinite(value) else None
