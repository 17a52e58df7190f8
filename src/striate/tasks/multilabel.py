"""Several classes, or none, for each picture."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from striate.errors import DataError
from striate.structures import ClassScores, Label, Labels, Prediction, Sample
from striate.tasks.base import TASKS, LossSettings, Scores, Targets
from striate.tasks.class_scores import (
    SMALLEST_SCORE,
    ClassScoresTask,
    areas_under_roc,
    check_class_index,
    defined,
    main_output,
    share,
)
from striate.tasks.resampling import area_under_roc, average_precision, divided, mean_of_defined

THRESHOLD = 0.5
"""Score from which a class counts as present."""

LARGEST_WEIGHT = 100.0
"""Limit of a class weight: a class seen once in ten thousand pictures must not drown all others."""


class MultiLabel(ClassScoresTask):
    """Several classes for each picture: a sigmoid for each, binary cross-entropy, mean average precision."""

    name = "multilabel"
    title = "which of several classes a picture shows, each by itself"
    headline = "mean_average_precision"

    def targets(self, samples: Sequence[Sample], classes: tuple[str, ...]) -> Targets:
        """1 where a class holds: `(N, K)` uint8.

        Raises:
            DataError: A sample has no annotation, or a class outside `classes`.
        """
        truth = np.zeros((len(samples), len(classes)), dtype=np.uint8)
        for row, sample in zip(truth, samples, strict=True):
            row[list(_class_indices(sample, len(classes)))] = 1
        return truth

    def cross_entropy(self, output: Tensor, targets: Tensor, settings: LossSettings) -> Tensor:
        """Binary cross-entropy over pictures and classes.

        Args:
            output: `(N, K)`.
            targets: `(N, K)`, 0 to 1.
            settings: Smoothing pulls targets towards 1/2; class weights multiply the loss of positives.
        """
        soft = targets.float() * (1 - settings.label_smoothing) + 0.5 * settings.label_smoothing
        return functional.binary_cross_entropy_with_logits(output.float(), soft, pos_weight=settings.class_weights)

    def soften(self, targets: Tensor, classes: int) -> Tensor:
        """The same rows as float32."""
        del classes
        return targets.to(torch.float32)

    def scores(self, output: Any) -> Tensor:
        """Sigmoid of the main output: `(N, K)` float32."""
        return torch.sigmoid(main_output(output))

    def as_prediction(self, scores: Scores, classes: tuple[str, ...]) -> Prediction:
        """Scores of one picture, `(K,)`, with their names."""
        return ClassScores(np.asarray(scores, dtype=np.float32), classes, several=True, threshold=THRESHOLD)

    def headline_value(self, scores: Scores, targets: Targets) -> float:
        """Mean average precision over the classes that occur; NaN where none does."""
        values = _precisions(scores, targets)
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    def resampled_metrics(
        self,
        scores: Scores,
        targets: Targets,
        weights: npt.NDArray[np.float64],
        names: Collection[str] | None = None,
    ) -> dict[str, npt.NDArray[np.float64]]:
        """The same metrics as `metrics`, for many resamples at once, from weighted counts."""
        true, answered = (targets > 0).astype(np.float64), (scores >= THRESHOLD).astype(np.float64)
        found = {self.headline: mean_of_defined(average_precision(scores, true, weights))}
        if names is not None and set(names) <= set(found):
            return found
        count, claimed, right = weights @ true, weights @ answered, weights @ (true * answered)
        found["macro_f1"] = mean_of_defined(divided(2 * right, count + claimed))
        found["micro_f1"] = divided(2 * right.sum(axis=1), (count + claimed).sum(axis=1))
        found["auroc"] = mean_of_defined(area_under_roc(scores, true, weights))
        total = weights.sum(axis=1)
        found |= {name: weights @ values / total for name, values in _picture_values(scores, targets).items()}
        return {name: values for name, values in found.items() if names is None or name in names}

    def class_weights(self, train_targets: Targets, classes: tuple[str, ...]) -> npt.NDArray[np.float32]:
        """Pictures without the class for each one with it, at most 100; 1 for a class without pictures."""
        positives = train_targets.sum(axis=0, dtype=np.float64)
        weights = np.divide(len(train_targets) - positives, positives, out=np.ones(len(classes)), where=positives > 0)
        return np.asarray(np.clip(weights, 1 / LARGEST_WEIGHT, LARGEST_WEIGHT), dtype=np.float32)

    def metrics(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> dict[str, float]:
        """All metrics of a split, mean average precision first.

        Average precision and AUROC are averaged over the classes where they are defined (a positive; and a negative
        too), macro F1 over the classes that occur in truth or answers.
        """
        if len(targets) == 0:
            return {}
        rows = self.per_class(scores, targets, classes)
        plain = _picture_values(scores, targets)
        answered, true = scores >= THRESHOLD, targets > 0
        found = {
            "mean_average_precision": self.headline_value(scores, targets),
            "macro_f1": _mean([row["f1"] for row in rows]),
            "micro_f1": share(2 * (answered & true).sum(), answered.sum() + true.sum()),
            "auroc": _mean([row["auroc"] for row in rows]),
        } | {name: float(values.mean()) for name, values in plain.items()}
        return {name: value for name, value in found.items() if value is not None and np.isfinite(value)}

    def per_class(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> list[dict[str, Any]]:
        """One row a class: count, precision, recall, F1, average precision and AUROC; `None` where not defined."""
        answered, true = scores >= THRESHOLD, targets > 0
        right, count, claimed = (answered & true).sum(axis=0), true.sum(axis=0), answered.sum(axis=0)
        precisions = _precisions(scores, targets)
        areas = areas_under_roc(scores, true)
        return [
            {
                "class": label,
                "count": int(count[k]),
                "precision": share(right[k], claimed[k]),
                "recall": share(right[k], count[k]),
                "f1": share(2 * right[k], count[k] + claimed[k]),
                "average_precision": defined(precisions[k]),
                "auroc": defined(areas[k]),
            }
            for k, label in enumerate(classes)
        ]

    def baseline_scores(self, train_targets: Targets, targets: Targets, classes: tuple[str, ...]) -> Scores:
        """Each class's share of the training pictures, for every picture alike."""
        shares = train_targets.sum(axis=0, dtype=np.float64) / max(len(train_targets), 1)
        return np.tile(shares.astype(np.float32).reshape(1, len(classes)), (len(targets), 1))

    def mistake_words(self, scores: Scores, targets: Targets, index: int, classes: tuple[str, ...]) -> tuple[str, str]:
        """What was missed and what wrongly named, with its scores."""
        own, true = scores[index], targets[index] > 0
        said = own >= THRESHOLD
        missed = [classes[k] for k in np.flatnonzero(true & ~said)]
        wrong = [classes[k] for k in np.flatnonzero(said & ~true)]
        words = [f"missed {', '.join(missed)}"] * bool(missed) + [f"wrongly {', '.join(wrong)}"] * bool(wrong)
        doubtful = [k for k in np.argsort(-own, kind="stable") if true[k] != said[k]]
        return "; ".join(words), ", ".join(f"{classes[k]} {own[k]:.1%}" for k in doubtful)

    def mistakes(self, scores: Scores, targets: Targets) -> npt.NDArray[np.int64]:
        """Pictures with at least one wrong label, the highest log loss first."""
        wrong = np.flatnonzero(((scores >= THRESHOLD) != (targets > 0)).any(axis=1))
        order = np.argsort(-_log_losses(scores, targets)[wrong], kind="stable")
        result: npt.NDArray[np.int64] = wrong[order].astype(np.int64)
        return result


def _picture_values(scores: Scores, targets: Targets) -> dict[str, npt.NDArray[np.float64]]:
    """The metrics that are plain means over pictures, picture by picture."""
    right = (scores >= THRESHOLD) == (targets > 0)
    return {
        "exact_match": right.all(axis=1).astype(np.float64),
        "label_accuracy": right.mean(axis=1),
        "log_loss": _log_losses(scores, targets),
    }


def _class_indices(sample: Sample, classes: int) -> tuple[int, ...]:
    annotation = sample.annotation
    indices = (annotation.index,) if isinstance(annotation, Label) else getattr(annotation, "indices", None)
    if not isinstance(annotation, Label | Labels) or indices is None:
        found = "none" if annotation is None else type(annotation).__name__
        raise DataError(
            f"multilabel needs the classes of each picture; found {found}.",
            where=sample.name,
            fix="Leave the picture out, or choose the task that fits with --task.",
        )
    for index in indices:
        check_class_index(index, classes, sample.name)
    return tuple(indices)


def _precisions(scores: Scores, targets: Targets) -> npt.NDArray[np.float64]:
    precisions: npt.NDArray[np.float64] = average_precision(scores, targets > 0, np.ones((1, len(targets))))[0]
    return precisions


def _log_losses(scores: Scores, targets: Targets) -> npt.NDArray[np.float64]:
    sure = np.clip(scores.astype(np.float64), SMALLEST_SCORE, 1 - SMALLEST_SCORE)
    losses: npt.NDArray[np.float64] = -np.where(targets > 0, np.log(sure), np.log1p(-sure)).mean(axis=1)
    return losses


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


TASKS.add("multilabel", MultiLabel())
