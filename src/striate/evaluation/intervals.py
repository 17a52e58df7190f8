"""Bootstrap intervals (Efron and Tibshirani 1993, chapter 13: the percentile interval).

Whole pictures are drawn with replacement from the whole split, not class by class: how many pictures of a class a
split holds is itself a matter of chance. Pictures of one patient are no independent witnesses, so where groups are
known whole groups are drawn (Field and Welsh 2007, "Bootstrapping clustered data"). The same seed gives the same
interval.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from striate.evaluation.structures import Estimate
from striate.tasks import Task
from striate.tasks.base import Scores, Targets
from striate.tasks.metric_names import metric_info

CONFIDENCE = 0.95
RESAMPLES = 1000
"""For the headline; other metrics get fewer on large splits, see `affordable_resamples`."""

_CELLS_AT_ONCE = 4_000_000
_WORK = 40_000_000

Floats = npt.NDArray[np.float64]
Groups: TypeAlias = npt.NDArray[np.int64] | None
"""A number for each picture, `(N,)`; pictures of equal number are drawn together. `None`: each for itself."""


def resample(
    task: Task,
    scores: Scores,
    targets: Targets,
    names: Collection[str] | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    groups: Groups = None,
) -> dict[str, Floats]:
    """Metrics of bootstrap resamples: `(resamples,)` for each name, NaN where one is not defined.

    Pictures of one group, by the numbers of `groups`, are drawn together. Two calls with the same number of pictures,
    seed, resamples and groups draw the same pictures, so their values can be compared pair by pair.
    """
    parts: dict[str, list[Floats]] = {}
    done = 0
    for weights in draw_counts(len(targets), resamples, seed, groups):
        found = task.resampled_metrics(scores, targets, weights, names)
        for name, values in found.items():
            parts.setdefault(name, [np.full(done, np.nan)] if done else []).append(values)
        done += len(weights)
        for name in parts.keys() - found.keys():
            parts[name].append(np.full(len(weights), np.nan))
    return {name: np.concatenate(values) for name, values in parts.items()}


def headline_estimate(
    task: Task,
    scores: Scores,
    targets: Targets,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    groups: Groups = None,
) -> Estimate:
    """The deciding metric with its interval."""
    value = task.headline_value(scores, targets)
    draws = resample(task, scores, targets, (task.headline,), seed=seed, resamples=resamples, groups=groups)
    return estimate(task.headline, value, draws.get(task.headline, np.array([])), support=_drawn(targets, groups))


def metric_estimates(
    task: Task,
    scores: Scores,
    targets: Targets,
    classes: tuple[str, ...],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    groups: Groups = None,
) -> tuple[Estimate, ...]:
    """All metrics of a split with their intervals, the headline first."""
    values = task.metrics(scores, targets, classes)
    affordable = affordable_resamples(len(targets), len(classes), resamples)
    draws = resample(task, scores, targets, seed=seed, resamples=affordable, groups=groups)
    draws |= resample(task, scores, targets, (task.headline,), seed=seed, resamples=resamples, groups=groups)
    support = _support(targets, len(classes))
    return tuple(
        estimate(name, value, draws.get(name, np.array([])), support=support.get(name, _drawn(targets, groups)))
        for name, value in values.items()
    )


def estimate(name: str, value: float, draws: Floats, *, support: int) -> Estimate:
    """A value with the middle 95 % of its resamples.

    Where every resample gives the same 0 or 1 (nothing wrong, or nothing right), the bootstrap knows no doubt; the
    exact binomial bound (Clopper and Pearson 1934) for `support` pictures takes its place: all of 10 right leaves
    69 % to 100 %.

    Args:
        name: Name of the metric.
        value: Its value on the pictures at hand.
        draws: Its values in the resamples; those not defined are left out.
        support: Pictures it rests on.
    """
    defined = draws[np.isfinite(draws)]
    if not len(defined):
        return Estimate(name, value, value, value)
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(edge) for edge in np.quantile(defined, [tail, 1 - tail]))
    # The statistic can lie outside a percentile interval where it is biased; a reader expects it inside.
    low, high = min(low, value), max(high, value)
    info = metric_info(name)
    if info.share and info.higher_is_better and low == high and support > 0:
        bound = tail ** (1 / support)
        low, high = (bound, 1.0) if value >= 1 else (0.0, 1 - bound) if value <= 0 else (low, high)
    return Estimate(name, value, low, high)


def affordable_resamples(images: int, classes: int, wanted: int = RESAMPLES) -> int:
    """Resamples for all metrics of a split: as many as wanted, fewer on large splits, never under 200.

    Large splits have narrow intervals, whose ends need not be known as finely.
    """
    return min(wanted, max(200, _WORK // max(images * classes, 1)))


def group_numbers(groups: Sequence[str | None]) -> Groups:
    """A number for each picture by the name of its group; `None` where no picture has one."""
    if not any(groups):
        return None
    own = [f"#{index}" if name is None else name for index, name in enumerate(groups)]
    return np.unique(own, return_inverse=True)[1].astype(np.int64)


def _drawn(targets: Targets, groups: Groups) -> int:
    """How many independent things a figure rests on."""
    return len(targets) if groups is None else len(np.unique(groups))


def draw_counts(images: int, resamples: int, seed: int, groups: Groups = None) -> Iterator[Floats]:
    """Rows of counts, `(rows, images)` at a time so that memory stays small."""
    generator = np.random.default_rng(seed)
    if images == 0:
        return
    owner = None if groups is None else np.unique(groups, return_inverse=True)[1]
    drawn = images if owner is None else int(owner.max()) + 1
    rows = max(1, _CELLS_AT_ONCE // images)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        picks = generator.integers(0, drawn, size=(count, drawn))
        picks += np.arange(count)[:, None] * drawn
        counts = np.bincount(picks.ravel(), minlength=count * drawn).reshape(count, drawn).astype(np.float64)
        yield counts if owner is None else counts[:, owner]


def _support(targets: Targets, classes: int) -> Mapping[str, int]:
    """Pictures that the metrics of one class alone rest on."""
    if not isinstance(targets, np.ndarray) or targets.ndim != 1 or classes != 2:
        return {}
    counts = np.bincount(targets, minlength=2)
    return {"sensitivity": int(counts[1]), "specificity": int(counts[0])}
