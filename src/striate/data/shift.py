"""Whether the pictures of two splits come from one source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from striate.data.facts import COLOUR_SIDE, PictureFacts, area_average

_LARGEST = 1500
_FEWEST = 20
_FOLDS = 5
_CLEAR = 0.6
_Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Shift:
    """How well a simple classifier tells the pictures of two splits apart.

    Attributes:
        auc: Area under its ROC curve on pictures it was not fitted on: 0.5 by chance, 1 where every picture gives
            its split away.
        low: Lower end of the 95 % interval.
        high: Upper end.
        images: Pictures compared, of each split.
    """

    auc: float
    low: float
    high: float
    images: int

    @property
    def clear(self) -> bool:
        """Whether the splits differ beyond chance, and enough to matter."""
        return self.low > 0.5 and self.auc >= _CLEAR


def split_shift(
    facts_a: Sequence[PictureFacts],
    facts_b: Sequence[PictureFacts],
    labels_a: Sequence[int] | None = None,
    labels_b: Sequence[int] | None = None,
    *,
    seed: int = 0,
) -> Shift | None:
    """Compares two splits by a classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017).

    A linear discriminant on the coarse look of each picture (8 x 8 thumbnail, mean, contrast and sharpness, size)
    learns to tell the splits apart, in five folds. We report the area under the ROC curve instead of the accuracy,
    with the interval of Hanley and McNeil (1982), and draw equally many pictures of each class from both, so that
    other class shares alone are no shift.

    Args:
        facts_a: Facts of the pictures of one split.
        facts_b: Facts of those of the other.
        labels_a: Class of each picture, where each has one.
        labels_b: The same for the other.
        seed: Seed of the drawing.

    Returns:
        The shift; `None` where there are too few pictures to tell.
    """
    chosen_a, chosen_b = _matched(facts_a, facts_b, labels_a, labels_b, np.random.default_rng(seed))
    count = len(chosen_a)
    if count < _FEWEST:
        return None
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    features = _features([*chosen_a, *chosen_b])
    features = (features - features.mean(0)) / np.maximum(features.std(0), 1e-9)
    side = np.repeat([0, 1], count)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(model, features, side, cv=folds, method="decision_function")
    auc = float(roc_auc_score(side, scores))
    reach = _Z_95 * _auc_error(auc, count, count)
    return Shift(auc, max(0.0, auc - reach), min(1.0, auc + reach), count)


def _matched(
    facts_a: Sequence[PictureFacts],
    facts_b: Sequence[PictureFacts],
    labels_a: Sequence[int] | None,
    labels_b: Sequence[int] | None,
    random: np.random.Generator,
) -> tuple[list[PictureFacts], list[PictureFacts]]:
    """Equally many pictures of each class from both sides."""
    keys_a = np.asarray(labels_a) if labels_a is not None else np.zeros(len(facts_a), np.int64)
    keys_b = np.asarray(labels_b) if labels_b is not None else np.zeros(len(facts_b), np.int64)
    shared = np.intersect1d(keys_a, keys_b)
    least = {int(key): int(min((keys_a == key).sum(), (keys_b == key).sum())) for key in shared}
    scale = min(1.0, _LARGEST / max(1, sum(least.values())))
    chosen: tuple[list[PictureFacts], list[PictureFacts]] = ([], [])
    for key, count in least.items():
        take = max(1, round(count * scale))
        for side, (facts, keys) in enumerate(((facts_a, keys_a), (facts_b, keys_b))):
            picked = random.permutation(np.flatnonzero(keys == key))[:take]
            chosen[side].extend(facts[i] for i in picked)
    return chosen


def _features(facts: Sequence[PictureFacts]) -> npt.NDArray[np.float64]:
    thumbnails = np.stack([fact.thumbnail for fact in facts]).astype(np.float32)
    coarse = area_average(thumbnails, COLOUR_SIDE).reshape(len(facts), -1)
    steps = [np.abs(np.diff(thumbnails, axis=axis)).mean((1, 2)) for axis in (1, 2)]
    channels = np.array([fact.channels for fact in facts])
    starts = np.cumsum(channels) - channels

    def joined(name: str, join: np.ufunc) -> npt.NDArray[np.float64]:
        # One number a picture from one a channel, for all at once: pictures may differ in their channels.
        values: npt.NDArray[np.float64] = join.reduceat(np.concatenate([getattr(fact, name) for fact in facts]), starts)
        return values

    heights, widths = np.array([fact.size_hw for fact in facts], np.float64).T
    plain = [
        joined("mean", np.add) / channels,
        joined("deviation", np.add) / channels,
        joined("low", np.minimum),
        joined("high", np.maximum),
        joined("mean", np.maximum) - joined("mean", np.minimum),
        np.log(heights * widths),
        np.log(widths / heights),
    ]
    return np.column_stack([coarse, *steps, *plain]).astype(np.float64)


def _auc_error(auc: float, positives: int, negatives: int) -> float:
    """Standard error of an area under the ROC curve (Hanley and McNeil, Radiology 143, 1982, equation 2)."""
    q1, q2 = auc / (2.0 - auc), 2.0 * auc**2 / (1.0 + auc)
    variance = auc * (1.0 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    return float((variance / (positives * negatives)) ** 0.5)
