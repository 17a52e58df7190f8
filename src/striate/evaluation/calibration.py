"""How sure the network is, against how often it is right (Guo et al. 2017, section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.tasks.resampling import CALIBRATION_BINS


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers of similar score.

    Attributes:
        low: Lower edge of the scores.
        high: Upper edge.
        count: Answers in it.
        score: Their mean score.
        right: Share of them that were right.
    """

    low: float
    high: float
    count: int
    score: float
    right: float


def reliability(scores: npt.NDArray[Any], targets: npt.NDArray[Any]) -> list[ReliabilityBin]:
    """Bins of equal width that hold at least one answer.

    Where one class holds, a picture counts once, with the score of its answer; where several may hold, each class of
    each picture counts, with the score for it.

    Args:
        scores: `(N, K)` in 0..1.
        targets: `(N,)` class indices, or `(N, K)` of 0 and 1.
    """
    if targets.ndim == 1:
        sure, right = scores.max(axis=1), scores.argmax(axis=1) == targets
    else:
        sure, right = scores.ravel(), targets.ravel() > 0
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    place = np.clip(np.digitize(sure, edges) - 1, 0, CALIBRATION_BINS - 1)
    bins = []
    for index in range(CALIBRATION_BINS):
        inside = place == index
        if inside.any():
            low, high = float(edges[index]), float(edges[index + 1])
            bins.append(
                ReliabilityBin(low, high, int(inside.sum()), float(sure[inside].mean()), float(right[inside].mean()))
            )
    return bins
