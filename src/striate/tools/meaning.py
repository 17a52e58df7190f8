"""What a network from elsewhere gives for a picture, and the scores behind it that a task takes."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

SCORES = "scores"
"""What a softmax, or for several labels a sigmoid, is still to be made of."""

SHARES = "shares"
"""What a softmax gave: one share for each class, which sum to 1."""

PROBABILITIES = "probabilities"
"""What a sigmoid gave: one probability for each class, each by itself, or that of the second of two classes alone."""

GIVES = MappingProxyType(
    {
        SCORES: "scores, of which a softmax or a sigmoid is still to be made",
        SHARES: "shares of the classes, which sum to 1",
        PROBABILITIES: "probabilities, each by itself",
    }
)

_SUM = 1e-3


def scores_behind(given: Tensor, gives: str, classes: int) -> Tensor:
    """Scores of all classes, whose softmax, or for several labels whose sigmoid, is what a network says.

    Args:
        given: `(N, K)` or `(N, K, H, W)`; one in the place of `K` is about the second of two classes.
        gives: One of `GIVES`.
        classes: `K`.
    """
    least = torch.finfo(given.dtype).tiny
    if gives == SHARES:
        given = given.clamp(min=least).log()
    elif gives == PROBABILITIES:
        given = given.clamp(min=least).log() - (1 - given).clamp(min=least).log()
    if given.shape[1] < classes:
        # The odds of the second class against the first: softmax of 0 and s is sigmoid of s.
        given = torch.cat([torch.zeros_like(given), given], 1)
    return given


def meaning_of(given: npt.NDArray[np.float32]) -> str:
    """One of `GIVES`, by what a network gave for noise: scores leave the range from 0 to 1 sooner or later.

    Args:
        given: `(N, K)` or `(N, K, H, W)`.
    """
    if given.min() < 0 or given.max() > 1:
        return SCORES
    if given.shape[1] > 1 and np.allclose(given.sum(1), 1, atol=_SUM):
        return SHARES
    return PROBABILITIES


__all__ = ["GIVES", "PROBABILITIES", "SCORES", "SHARES", "meaning_of", "scores_behind"]
