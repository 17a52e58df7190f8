"""Metrics of many bootstrap resamples at once.

A resample is a row of weights: how often each picture occurs in it. Sorting pictures by score, the costly part of a
ranking metric, is then done once for all resamples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

CALIBRATION_BINS = 15
"""As in Guo et al. 2017, "On Calibration of Modern Neural Networks"."""

Floats = npt.NDArray[np.float64]


def average_precision(scores: npt.NDArray[Any], positives: npt.NDArray[Any], weights: Floats) -> Floats:
    """Average precision of each class: the sum over thresholds of precision times the step in recall.

    Pictures with equal scores are one threshold, as in scikit-learn and torchmetrics: no interpolation, and a constant
    score gives the share of positives.

    Args:
        scores: `(N, K)`.
        positives: `(N, K)`, 1 where the class holds.
        weights: `(B, N)`, how often each picture occurs in each resample.

    Returns:
        `(B, K)`; NaN where a class has no positive.
    """
    result = np.full((len(weights), scores.shape[1]), np.nan)
    for k, (order, end) in enumerate(_ranked(scores)):
        ranked = weights[:, order]
        hits = ranked * positives[order, k]
        precision = divided(np.cumsum(hits, axis=1)[:, end], np.cumsum(ranked, axis=1)[:, end])
        result[:, k] = divided(np.nansum(hits * precision, axis=1), hits.sum(axis=1))
    return result


def area_under_roc(scores: npt.NDArray[Any], positives: npt.NDArray[Any], weights: Floats) -> Floats:
    """Area under the ROC curve of each class against the rest: the chance that a positive scores above a negative.

    Ties count half (Mann and Whitney 1947).

    Args:
        scores: `(N, K)`.
        positives: `(N, K)`, 1 where the class holds.
        weights: `(B, N)`, how often each picture occurs in each resample.

    Returns:
        `(B, K)`; NaN where a class has no positive or no negative.
    """
    result = np.full((len(weights), scores.shape[1]), np.nan)
    for k, (order, end) in enumerate(_ranked(scores)):
        ranked = weights[:, order]
        hits = ranked * positives[order, k]
        misses = np.cumsum(ranked - hits, axis=1)
        total = misses[:, -1:]
        through_ties = misses[:, end]
        start = np.concatenate([[0], end[:-1] + 1])
        first_of_ties = np.maximum.accumulate(np.where(np.diff(end, prepend=-1) > 0, start, 0))
        before_ties = np.concatenate([np.zeros_like(total), misses], axis=1)[:, first_of_ties]
        below = total - (through_ties + before_ties) / 2
        result[:, k] = divided((hits * below).sum(axis=1), hits.sum(axis=1) * total[:, 0])
    return result


def calibration_error(confidence: npt.NDArray[Any], right: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    """Expected calibration error: over bins of confidence, the mean distance between confidence and accuracy.

    Args:
        confidence: `(N,)` score of the answer.
        right: `(N,)` whether it was right.
        weights: `(B, N)`, how often each picture occurs in each resample.

    Returns:
        `(B,)`.
    """
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1, dtype=np.float32)
    bins = np.digitize(confidence.astype(np.float32), edges) - 1
    excess = np.zeros((len(bins), CALIBRATION_BINS + 1))
    excess[np.arange(len(bins)), bins] = right.astype(np.float64) - confidence
    result: Floats = np.abs(weights @ excess).sum(axis=1) / weights.sum(axis=1)
    return result


def mean_of_defined(values: Floats) -> Floats:
    """Mean over classes of `(B, K)`, those that are not defined left out; NaN where none is."""
    defined = np.isfinite(values)
    return divided(np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1).astype(np.float64))


def divided(part: Floats, whole: Floats) -> Floats:
    """Quotient, NaN where `whole` is 0."""
    result = np.full(part.shape, np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def _ranked(scores: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """For each class, pictures by falling score, and for each of these the last position with the same score."""
    for column in scores.T:
        order = np.argsort(-column, kind="stable")
        ranked = column[order]
        last = np.append(ranked[:-1] != ranked[1:], True)
        end = np.minimum.accumulate(np.where(last, np.arange(len(last)), len(last))[::-1])[::-1]
        yield order, end
