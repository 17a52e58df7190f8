"""What a learning curve does towards its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from striate.evaluation.structures import EpochRecord

FEWEST_EVALUATIONS = 3
"""With fewer, a curve has no direction that could be told from noise."""

_LOSS_RISE = 1.15


@dataclass(frozen=True, slots=True)
class Trend:
    """The direction of a curve over its last part.

    Attributes:
        rise: Change of the fitted line over that part, in the metric's own unit.
        doubt: Half width of the 95 % interval of `rise`.
        epochs: Epochs that part spans.
    """

    rise: float
    doubt: float
    epochs: int

    @property
    def rises(self) -> bool:
        """Whether it clearly goes up."""
        return self.rise > self.doubt

    @property
    def falls(self) -> bool:
        """Whether it clearly goes down."""
        return self.rise < -self.doubt


@dataclass(frozen=True, slots=True)
class Turn:
    """A validation loss that has passed its minimum.

    Attributes:
        epoch: Epoch of the minimum.
        lowest: The loss there.
        now: Median of the losses at the end.
    """

    epoch: int
    lowest: float
    now: float


def evaluated(history: Sequence[EpochRecord]) -> list[EpochRecord]:
    """The epochs in which both figures were measured."""
    return [
        one
        for one in history
        if one.train is not None
        and one.validation is not None
        and math.isfinite(one.train)
        and math.isfinite(one.validation)
    ]


def last_part(records: Sequence[EpochRecord]) -> Sequence[EpochRecord]:
    """The last third of the evaluations, three at least."""
    return records[-max(FEWEST_EVALUATIONS, math.ceil(len(records) / 3)) :]


def trend(epochs: Sequence[float], values: Sequence[float], noise: float) -> Trend:
    """Slope of a curve by the median of all pairwise slopes (Theil 1950, Sen 1968), which one odd epoch cannot turn.

    Its doubt is the larger of the scatter about that line and of what is known about the noise of one measurement,
    carried through the least-squares formula for the error of a slope.

    Args:
        epochs: Rising.
        values: The metric at these epochs.
        noise: Standard error of one value.
    """
    x, y = np.asarray(epochs, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if len(x) < FEWEST_EVALUATIONS:
        return Trend(0.0, math.inf, 0)
    first, second = np.triu_indices(len(x), k=1)
    slope = float(np.median((y[second] - y[first]) / (x[second] - x[first])))
    rest = y - slope * x
    scatter = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
    span = float(x[-1] - x[0])
    error = max(scatter, noise) / math.sqrt(float(((x - x.mean()) ** 2).sum()))
    return Trend(slope * span, 1.96 * error * span, round(span))


def loss_turn(records: Sequence[EpochRecord]) -> Turn | None:
    """Where the validation loss turned up while the training loss went on falling, or `None`.

    The median of the last evaluations must exceed the minimum by 15 %, and the minimum must lie before them.
    """
    known = [one for one in records if one.train_loss is not None and one.validation_loss is not None]
    if len(known) < 2 * FEWEST_EVALUATIONS:
        return None
    # Comparisons of losses that are not numbers are false, so a diverged run has no turn.
    losses = np.array([one.validation_loss for one in known], dtype=np.float64)
    train = np.array([one.train_loss for one in known], dtype=np.float64)
    at = int(np.argmin(losses))
    tail = len(last_part(known))
    now = float(np.median(losses[-tail:]))
    past = at < len(known) - tail
    if past and now > _LOSS_RISE * losses[at] and float(np.median(train[-tail:])) < train[at]:
        return Turn(known[at].epoch, float(losses[at]), now)
    return None
