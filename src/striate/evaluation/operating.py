"""Where two classes are told apart: a threshold chosen on validation pictures, and what it is worth on others."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.evaluation.intervals import CONFIDENCE, Groups, affordable_resamples, draw_counts, estimate
from striate.evaluation.structures import Estimate
from striate.structures import evenly
from striate.tasks import Task
from striate.tasks.resampling import divided

Floats = npt.NDArray[np.float64]

GRID = 101
"""Shares of false alarms at which the band of a ROC curve is known."""

MOST_POINTS = 300


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What an answer is worth that says the second class from a score on; `None` where no picture tells.

    Attributes:
        threshold: The score.
        sensitivity: Share of the second class's pictures that reach it.
        specificity: Share of the first class's pictures that do not.
        positive_value: Share of the pictures that reach it which are of the second class (precision).
        negative_value: Share of the others which are of the first class.
    """

    threshold: float
    sensitivity: Estimate | None
    specificity: Estimate | None
    positive_value: Estimate | None
    negative_value: Estimate | None

    @property
    def figures(self) -> list[Estimate]:
        """Those that there are, in this order."""
        found = (self.sensitivity, self.specificity, self.positive_value, self.negative_value)
        return [one for one in found if one is not None]

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> OperatingPoint:
        """Reads what `as_dict` gave.

        Raises:
            KeyError, TypeError: A field is missing or of another kind.
        """
        figures = (tree[name] for name in ("sensitivity", "specificity", "positive_value", "negative_value"))
        return cls(tree["threshold"], *(None if one is None else Estimate(**one) for one in figures))


def choose_threshold(scores: npt.NDArray[Any], targets: npt.NDArray[np.int64]) -> float | None:
    """The score at which sensitivity plus specificity is greatest (Youden 1950); `None` where a class is missing.

    Of equal ones the threshold nearest to one half is taken, half way between two scores that occur.

    Args:
        scores: `(N,)` scores of the second class.
        targets: `(N,)` 0 or 1.
    """
    positives = int((targets == 1).sum())
    if positives in (0, len(targets)):
        return None
    order = np.argsort(scores, kind="stable")
    ranked, hits = scores[order].astype(np.float64), (targets[order] == 1)
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    # Below each threshold lie the pictures up to an end.
    missed = np.concatenate([[0], np.cumsum(hits)[ends]])
    spared = np.concatenate([[0], np.cumsum(~hits)[ends]])
    gain = 1 - missed / positives + spared / (len(targets) - positives)
    values = ranked[ends]
    between = np.concatenate([[0.0], (values[:-1] + values[1:]) / 2, [1.0]])
    best = np.flatnonzero(np.isclose(gain, gain.max()))
    return float(between[best[np.abs(between[best] - 0.5).argmin()]])


@dataclass(frozen=True, slots=True)
class RocCurve:
    """Sensitivity against false alarms as the threshold moves, with a band.

    Attributes:
        thresholds: `(P,)` scores from which the second class is answered, descending.
        alarms: `(P,)` share of the first class's pictures that reach them.
        found: `(P,)` share of the second class's that do.
        low: `(101,)` low end of the interval of `found` where 0, 1, ... 100 % of the first class are false alarms.
        high: `(101,)` high end.
    """

    thresholds: tuple[float, ...]
    alarms: tuple[float, ...]
    found: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> RocCurve:
        """Reads what `as_dict` gave.

        Raises:
            KeyError, TypeError: A field is missing or of another kind.
        """
        return cls(*(tuple(tree[name]) for name in ("thresholds", "alarms", "found", "low", "high")))


def roc_curve(
    scores: npt.NDArray[Any], targets: npt.NDArray[np.int64], *, seed: int = 0, groups: Groups = None
) -> RocCurve | None:
    """The ROC curve with a bootstrap band by patient, at each share of false alarms (Fawcett 2006, section 8.1).

    Args:
        scores: `(N,)` scores of the second class.
        targets: `(N,)` 0 or 1.
        seed: Fixes the resamples.
        groups: A number for each picture; those of one patient are drawn together.

    Returns:
        At most `MOST_POINTS` thresholds; `None` where a class is missing.
    """
    positive = targets == 1
    if positive.all() or not positive.any():
        return None
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    cells = np.stack([~positive[order], positive[order]]).astype(np.float64)
    alarms, found = _shares_from(cells, ends)
    grid = np.linspace(0, 1, GRID)
    draws = []
    resamples = affordable_resamples(len(targets), 2)
    for rows in draw_counts(len(targets), resamples, seed, groups):
        for row in rows:
            drawn = cells * row[order]
            if drawn.sum(1).all():
                drawn_alarms, drawn_found = _shares_from(drawn, ends)
                # The most that can be found with no more false alarms than that.
                draws.append(drawn_found[np.searchsorted(drawn_alarms, grid + 1e-12, side="right") - 1])
    low, high = np.percentile(draws, [100 * (1 - CONFIDENCE) / 2, 100 * (1 + CONFIDENCE) / 2], axis=0)
    thresholds = np.concatenate([[max(1.0, float(scores.max()))], scores[order][ends]])
    kept = evenly(len(thresholds), MOST_POINTS)
    shown = (np.round(one.astype(np.float64), 6).tolist() for one in (thresholds[kept], alarms[kept], found[kept]))
    return RocCurve(*map(tuple, shown), *(tuple(np.round(one, 6).tolist()) for one in (low, high)))


def _shares_from(cells: Floats, ends: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Shares of both classes that reach each threshold, from none on.

    Args:
        cells: `(2, N)` weights of the first and the second class, by falling score.
        ends: Last position of each score that occurs.
    """
    reached = np.cumsum(cells, axis=1)
    shares = reached[:, ends] / reached[:, -1:]
    return np.append(0.0, shares[0]), np.append(0.0, shares[1])


def tells_two_apart(task: Task, classes: tuple[str, ...]) -> bool:
    """Whether there is a threshold to choose: one of two classes a picture."""
    return task.one_class and len(classes) == 2


def operating_point(
    scores: npt.NDArray[Any],
    targets: npt.NDArray[np.int64],
    threshold: float,
    *,
    seed: int = 0,
    groups: Groups = None,
) -> OperatingPoint:
    """What a threshold is worth on some pictures, with bootstrap intervals by patient.

    Args:
        scores: `(N,)` scores of the second class.
        targets: `(N,)` 0 or 1.
        threshold: The score from which the second class is answered.
        seed: Fixes the resamples.
        groups: A number for each picture; those of one patient are drawn together.
    """
    answered, true = scores >= threshold, targets == 1
    cells = np.stack([true & answered, true & ~answered, ~true & answered, ~true & ~answered], axis=1).astype(
        np.float64
    )
    weights = [rows @ cells for rows in draw_counts(len(targets), affordable_resamples(len(targets), 2), seed, groups)]
    draws = np.concatenate(weights)
    whole = cells.sum(0, keepdims=True)
    pairs = {"sensitivity": (0, 1), "specificity": (3, 2), "positive_value": (0, 2), "negative_value": (3, 1)}
    found = [
        None
        if not whole[0, right] + whole[0, wrong]
        else estimate(
            name,
            float(divided(whole[:, right], whole[:, right] + whole[:, wrong])[0]),
            divided(draws[:, right], draws[:, right] + draws[:, wrong]),
            support=int(whole[0, right] + whole[0, wrong]),
        )
        for name, (right, wrong) in pairs.items()
    ]
    return OperatingPoint(threshold, *found)
