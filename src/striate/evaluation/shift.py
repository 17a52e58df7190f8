"""Signs that a split holds another kind of pictures than the training split."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from striate.evaluation.structures import Estimate
from striate.evaluation.words import in_words, listed, points, title_of
from striate.tasks.base import Targets

_CERTAIN = 1e-3
_NOTABLE_SHARE = 0.05


def class_share_shift(
    train_targets: Targets, targets: Targets, classes: tuple[str, ...], split: str
) -> tuple[str, ...]:
    """A sentence where classes have clearly other shares than in training, else nothing.

    Each class is tested by itself (difference of two shares, normal approximation), at 0.1 % divided by the number of
    classes, and must differ by five points at least.
    """
    if split in ("train", "validation") or not len(train_targets):
        return ()
    before, after = _shares(train_targets, len(classes)), _shares(targets, len(classes))
    pooled = (before * len(train_targets) + after * len(targets)) / (len(train_targets) + len(targets))
    spread = np.sqrt(pooled * (1 - pooled) * (1 / len(train_targets) + 1 / len(targets)))
    needed = _normal_quantile(1 - _CERTAIN / (2 * len(classes)))
    differs = (np.abs(after - before) > needed * spread) & (np.abs(after - before) >= _NOTABLE_SHARE)
    moved = sorted(np.flatnonzero(differs), key=lambda k: -abs(after[k] - before[k]))
    if not moved:
        return ()
    told = [f"'{classes[k]}' {100 * before[k]:.0f} % in training, {100 * after[k]:.0f} % here" for k in moved]
    return (f"The {split} split has other shares of classes than the training split: {listed(told, 4)}.",)


def headline_shift(validation: Estimate, test: Estimate) -> tuple[str, ...]:
    """A sentence where the test figure lies further below the validation figure than chance explains, else nothing."""
    gap = validation.value - test.value
    doubt = math.hypot(validation.value - validation.low, test.high - test.value)
    if gap <= doubt or gap < 0.02:
        return ()
    return (
        f"Test {title_of(test.name)} {in_words(test)} lies {points(gap)} below validation {in_words(validation)}, more "
        "than chance explains: the test pictures are probably of another kind (other place, device, time or people) "
        "than the training and validation pictures. Trust the lower figure.",
    )


def _shares(targets: Targets, classes: int) -> npt.NDArray[np.float64]:
    if targets.ndim == 1:
        return np.bincount(targets, minlength=classes) / max(len(targets), 1)
    return np.asarray(targets.mean(axis=0, dtype=np.float64))


def _normal_quantile(probability: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)
