"""How much a channel alone tells of the classes, by a quick linear probe."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.data.splits import class_indices
from striate.structures import Sample

MOST_PROBED = 24
"""Channels that are probed one by one, at most."""

FEWEST_PICTURES = 40
"""Fewer labelled pictures give an interval that says nothing."""

_FOLDS = 5
_FEWEST_IN_CLASS = 2
_PENALTY = 0.05
_Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """A share of pictures with its 95 % interval.

    Attributes:
        value: The share.
        low: Lower end of its interval.
        high: Upper end.
        count: What it rests on: pictures, or where several are of one group, groups.
    """

    value: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, value: float, count: int) -> Share:
        """The share and its interval by Wilson (Journal of the American Statistical Association 22, 1927)."""
        spread = _Z_95 * (value * (1 - value) / count + _Z_95**2 / (4 * count**2)) ** 0.5
        middle, scale = value + _Z_95**2 / (2 * count), 1 + _Z_95**2 / count
        return cls(value, max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale), count)

    def __str__(self) -> str:
        return f"{self.value:.0%} ({self.low:.0%} to {self.high:.0%})"

    def beats(self, baseline: float, among: int) -> bool:
        """Whether it is above a baseline by more than chance gives to the best of several shares (Bonferroni)."""
        reach = NormalDist().inv_cdf(1 - 0.025 / among) * (baseline * (1 - baseline) / self.count) ** 0.5
        return self.low > baseline and self.value > baseline + reach

    def as_dict(self) -> dict[str, float]:
        """Plain data."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Probe:
    """What a probe found.

    Attributes:
        single: Share of pictures whose class it finds from one channel, by the channel's position.
        together: The same from all channels; `None` where nobody probed.
        baseline: Share of the commonest class.
        why_not: Why nobody probed, a sentence; empty where somebody did.
    """

    single: dict[int, Share] = field(default_factory=dict)
    together: Share | None = None
    baseline: float = 0.0
    why_not: str = ""


def probe_channels(features: npt.NDArray[np.float32], samples: Sequence[Sample], task: str, seed: int = 0) -> Probe:
    """Asks a logistic regression for the class of pictures that it never saw, of each channel and of all.

    Args:
        features: `(N, C, F)` what the probe sees of each channel of each picture.
        samples: The pictures; those of one group stay in one fold.
        task: Name of the task.
        seed: Draws the folds.
    """
    if task != "classification":
        return Probe(why_not=f"How much channels tell is measured where a picture has one class; this is {task}.")
    labels = np.array([class_indices(sample)[0] for sample in samples])
    groups = _groups(samples)
    usable = np.flatnonzero(_in_classes_of(labels, groups, _FEWEST_IN_CLASS))
    if len(usable) < FEWEST_PICTURES or len(np.unique(labels[usable])) < 2:
        few = f"{len(usable)} training pictures are too few to tell; {FEWEST_PICTURES} of two classes are the least."
        return Probe(why_not=f"How much channels tell: {few}")
    labels, groups = labels[usable], groups[usable]
    folds = _folds(labels, groups, seed)
    features = features[usable]
    count, independent = features.shape[1], len(np.unique(groups))
    single = {i: _told(features[:, i], labels, folds, independent) for i in range(min(count, MOST_PROBED)) if count > 1}
    together = _told(features.reshape(len(features), -1), labels, folds, independent)
    if count == 1:
        single = {0: together}
    return Probe(single, together, float(np.bincount(labels).max() / len(labels)))


def _groups(samples: Sequence[Sample]) -> npt.NDArray[np.int64]:
    """A number for each picture, the same within a group."""
    known: dict[str, int] = {}
    return np.array(
        [
            known.setdefault(sample.name if sample.group is None else f"group {sample.group}", len(known))
            for sample in samples
        ],
        np.int64,
    )


def _in_classes_of(labels: npt.NDArray[Any], groups: npt.NDArray[Any], fewest: int) -> npt.NDArray[np.bool_]:
    """Pictures of classes that enough groups show, so that each can be learned and asked for."""
    enough = [label for label in np.unique(labels) if len(np.unique(groups[labels == label])) >= fewest]
    return np.asarray(np.isin(labels, enough))


def _folds(labels: npt.NDArray[Any], groups: npt.NDArray[Any], seed: int) -> list[tuple[Any, Any]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    one_each = len(np.unique(groups)) == len(groups)
    kind = StratifiedKFold if one_each else StratifiedGroupKFold
    with warnings.catch_warnings():
        # Classes with fewer pictures than folds are absent from some; that is fine.
        warnings.simplefilter("ignore", UserWarning)
        return list(kind(_FOLDS, shuffle=True, random_state=seed).split(labels, labels, groups))


def _told(
    features: npt.NDArray[np.float32], labels: npt.NDArray[Any], folds: Sequence[tuple[Any, Any]], independent: int
) -> Share:
    """Share of pictures whose class a logistic regression finds that never saw them, of so many independent ones."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    values = features.astype(np.float64)
    right = 0
    for learned, asked in folds:
        mean, std = values[learned].mean(0), values[learned].std(0)
        scaled = (values - mean) / np.where(std > 1e-12 * np.abs(mean), std, np.inf)
        model = LogisticRegression(C=_PENALTY, max_iter=100, tol=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(scaled[learned], labels[learned])
        right += int((model.predict(scaled[asked]) == labels[asked]).sum())
    return Share.of(right / len(labels), independent)
