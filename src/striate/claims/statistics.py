"""Shares and differences with their intervals, and what may be said of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from striate.claims.base import Measure
from striate.evaluation.intervals import CONFIDENCE

Bools = npt.NDArray[np.bool_]

RESAMPLES = 1000


def share(words: str, right: Bools, seed: int = 0) -> Measure:
    """A share of pictures with its bootstrap interval over the pictures."""
    low, high = _interval(right.astype(np.float64)[None], seed)
    return Measure(words, float(right.mean()), low, high, ".1%")


def mean_over(words: str, values: npt.NDArray[np.float64], seed: int = 0, form: str = ".3g") -> Measure:
    """A mean over pictures with its bootstrap interval."""
    low, high = _interval(values[None], seed)
    return Measure(words, float(values.mean()), low, high, form)


def share_over_seeds(words: str, right: Sequence[Bools], seed: int = 0) -> Measure:
    """The mean share over several trainings; the interval draws both trainings and pictures."""
    stacked = np.stack([one.astype(np.float64) for one in right])
    low, high = _interval(stacked, seed)
    return Measure(words, float(stacked.mean()), low, high, ".1%")


def difference(words: str, one: Sequence[Bools], other: Sequence[Bools], seed: int = 0) -> Measure:
    """How much larger the first share is, on the same pictures, paired; in points where shown as per cent."""
    gaps = np.stack([a.astype(np.float64) - b.astype(np.float64) for a, b in zip(one, other, strict=True)])
    low, high = _interval(gaps, seed)
    return Measure(words, float(gaps.mean()), low, high, "+.1%")


def _interval(values: npt.NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Percentile interval of the mean of `(trainings, pictures)`, both drawn with replacement."""
    generator = np.random.default_rng(seed)
    trainings, pictures = values.shape
    draws = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        chosen = values[generator.integers(trainings, size=trainings)] if trainings > 1 else values
        draws[index] = chosen.mean(0)[generator.integers(pictures, size=pictures)].mean()
    ends = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(ends[0]), float(ends[1])


def is_above(measure: Measure, limit: float) -> bool:
    """Whether a measure lies above a limit beyond chance."""
    return (measure.low if measure.low is not None else measure.value) > limit


def is_below(measure: Measure, limit: float) -> bool:
    """Whether a measure lies below a limit beyond chance."""
    return (measure.high if measure.high is not None else measure.value) < limit
