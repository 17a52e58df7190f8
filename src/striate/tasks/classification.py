"""One class for each picture."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from striate.errors import DataError
from striate.structures import ClassScores, Label, Prediction, Sample
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
from striate.tasks.resampling import area_under_roc, calibration_error, divided, mean_of_defined


class Classification(ClassScoresTask):
    """One class for each picture: softmax over the class scores, cross-entropy, accuracy."""

    name = "classification"
    title = "which one class a picture shows"
    headline = "accuracy"
    one_class = True

    def targets(self, samples: Sequence[Sample], classes: tuple[str, ...]) -> Targets:
        """Class indices: `(N,)` int64.

        Raises:
            DataError: A sample has no label, or one outside `classes`.
        """
        return np.array([_class_index(sample, len(classes)) for sample in samples], dtype=np.int64)

    def cross_entropy(self, output: Tensor, targets: Tensor, settings: LossSettings) -> Tensor:
        """Cross-entropy.

        With class weights the mean is weighted by the weight of each picture's target, for hard and soft targets
        alike (torch does so for hard ones only).

        Args:
            output: `(N, K)`.
            targets: `(N,)` class indices, or `(N, K)` shares that sum to 1.
            settings: Smoothing and class weights.
        """
        # Cross-entropy in bfloat16 loses the small differences that late training lives on.
        output = output.float()
        weights, smoothing = settings.class_weights, settings.label_smoothing
        if weights is None or not targets.is_floating_point():
            return functional.cross_entropy(output, targets, weight=weights, label_smoothing=smoothing)
        losses = functional.cross_entropy(output, targets, weight=weights, label_smoothing=smoothing, reduction="none")
        return losses.sum() / (targets * weights).sum()

    def soften(self, targets: Tensor, classes: int) -> Tensor:
        """One-hot rows: `(N, classes)` float32."""
        return functional.one_hot(targets, classes).to(torch.float32)

    def scores(self, output: Any) -> Tensor:
        """Softmax of the main output: `(N, K)` float32."""
        return torch.softmax(main_output(output), dim=1)

    def as_prediction(self, scores: Scores, classes: tuple[str, ...]) -> Prediction:
        """Scores of one picture, `(K,)`, with their names."""
        return ClassScores(np.asarray(scores, dtype=np.float32), classes)

    def headline_value(self, scores: Scores, targets: Targets) -> float:
        """Accuracy."""
        return float((scores.argmax(axis=1) == targets).mean()) if len(targets) else float("nan")

    def resampled_metrics(
        self,
        scores: Scores,
        targets: Targets,
        weights: npt.NDArray[np.float64],
        names: Collection[str] | None = None,
    ) -> dict[str, npt.NDArray[np.float64]]:
        """The same metrics as `metrics`, for many resamples at once, from weighted counts."""
        kinds, answers = scores.shape[1], scores.argmax(axis=1)
        total = weights.sum(axis=1)
        found = {name: weights @ values / total for name, values in _picture_values(scores, targets).items()}
        if names is not None and set(names) <= set(found):
            return {name: found[name] for name in names}
        true, answered = np.eye(kinds)[targets], np.eye(kinds)[answers]
        count, claimed, right = weights @ true, weights @ answered, weights @ (true * answered)
        recall = divided(right, count)
        found["balanced_accuracy"] = mean_of_defined(recall)
        found["macro_f1"] = mean_of_defined(divided(2 * right, count + claimed))
        areas = area_under_roc(scores, true, weights)
        found["auroc"] = areas[:, 1] if kinds == 2 else mean_of_defined(areas)
        found["calibration_error"] = calibration_error(scores.max(axis=1), answers == targets, weights)
        if kinds == 2:
            found |= {"sensitivity": recall[:, 1], "specificity": recall[:, 0]}
        return {name: values for name, values in found.items() if names is None or name in names}

    def class_weights(self, train_targets: Targets, classes: tuple[str, ...]) -> npt.NDArray[np.float32]:
        """Inverse frequency, with mean 1 over the training pictures; 0 for a class without pictures."""
        counts = np.bincount(train_targets, minlength=len(classes)).astype(np.float64)
        occurring = max(int((counts > 0).sum()), 1)
        weights = np.divide(counts.sum(), occurring * counts, out=np.zeros_like(counts), where=counts > 0)
        return np.asarray(weights, dtype=np.float32)

    def metrics(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> dict[str, float]:
        """All metrics of a split, accuracy first.

        Balanced accuracy averages over the classes that occur in the truth; macro F1 over those that occur in truth
        or answers; AUROC over those that some but not all pictures belong to, and is left out where there is none.
        For two classes the second one is the positive one.
        """
        if len(targets) == 0:
            return {}
        kinds = len(classes)
        plain = _picture_values(scores, targets)
        table = confusion_matrix(scores, targets, kinds)
        recall = recall_per_class(table)
        found = {"accuracy": plain["accuracy"].mean(), "balanced_accuracy": np.nanmean(recall)}
        found |= {name: values.mean() for name, values in plain.items() if name.startswith("top")}
        hits, named = table.diagonal().astype(np.float64), (table.sum(axis=1) + table.sum(axis=0)).astype(np.float64)
        found["macro_f1"] = np.nanmean(divided(2 * hits, named))
        areas = areas_under_roc(scores, targets[:, None] == np.arange(kinds))
        if np.isfinite(areas).any():
            found["auroc"] = areas[1] if kinds == 2 else np.nanmean(areas)
        found["log_loss"] = plain["log_loss"].mean()
        right = plain["accuracy"].astype(np.bool_)
        found["calibration_error"] = calibration_error(scores.max(axis=1), right, np.ones((1, len(right))))[0]
        if kinds == 2:
            found |= {"sensitivity": recall[1], "specificity": recall[0]}
        return {name: float(value) for name, value in found.items() if np.isfinite(float(value))}

    def per_class(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> list[dict[str, Any]]:
        """One row a class: count, precision, recall, F1 and one-against-rest AUROC; `None` where not defined."""
        table = confusion_matrix(scores, targets, len(classes))
        right, count, answered = np.diag(table), table.sum(axis=1), table.sum(axis=0)
        areas = areas_under_roc(scores, targets[:, None] == np.arange(len(classes)))
        return [
            {
                "class": label,
                "count": int(count[k]),
                "precision": share(right[k], answered[k]),
                "recall": share(right[k], count[k]),
                "f1": share(2 * right[k], count[k] + answered[k]),
                "auroc": defined(areas[k]),
            }
            for k, label in enumerate(classes)
        ]

    def baseline_scores(self, train_targets: Targets, targets: Targets, classes: tuple[str, ...]) -> Scores:
        """Each class's share of the training pictures, for every picture alike: its answer is the commonest class."""
        shares = np.bincount(train_targets, minlength=len(classes)) / max(len(train_targets), 1)
        return np.tile(shares.astype(np.float32), (len(targets), 1))

    def confusion(
        self, scores: Scores, targets: Targets, classes: tuple[str, ...]
    ) -> tuple[npt.NDArray[np.int64], str]:
        """Pictures by true and answered class."""
        return confusion_matrix(scores, targets, len(classes)), "pictures"

    def mistake_words(self, scores: Scores, targets: Targets, index: int, classes: tuple[str, ...]) -> tuple[str, str]:
        """The true class and the answer, with the score of each."""
        own = scores[index]
        true, answered = int(targets[index]), int(own.argmax())
        return (
            f"{classes[true]}, answered {classes[answered]}",
            f"{classes[answered]} {own[answered]:.1%}, {classes[true]} {own[true]:.1%}",
        )

    def mistakes(self, scores: Scores, targets: Targets) -> npt.NDArray[np.int64]:
        """Wrongly answered pictures, those that gave the truth the lowest score first."""
        wrong = np.flatnonzero(scores.argmax(axis=1) != targets)
        order = np.argsort(_true_scores(scores, targets)[wrong], kind="stable")
        result: npt.NDArray[np.int64] = wrong[order].astype(np.int64)
        return result


def confusion_matrix(scores: Scores, targets: Targets, classes: int) -> npt.NDArray[np.int64]:
    """Counts of pictures by true class (row) and answered class (column): `(K, K)`."""
    cells = targets.astype(np.int64) * classes + scores.argmax(axis=1)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def recall_per_class(table: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Recall of each class from a confusion matrix: `(K,)`, NaN for a class without pictures."""
    count = table.sum(axis=1).astype(np.float64)
    recall = np.full(len(table), np.nan)
    np.divide(np.diag(table), count, out=recall, where=count > 0)
    return recall


def _picture_values(scores: Scores, targets: Targets) -> dict[str, npt.NDArray[np.float64]]:
    """The metrics that are plain means over pictures, picture by picture."""
    values = {"accuracy": (scores.argmax(axis=1) == targets).astype(np.float64)}
    top = _top(scores.shape[1])
    if top:
        best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
        values[f"top{top}_accuracy"] = (best == targets[:, None]).any(axis=1).astype(np.float64)
    values["log_loss"] = -np.log(np.clip(_true_scores(scores, targets).astype(np.float64), SMALLEST_SCORE, 1.0))
    return values


def _class_index(sample: Sample, classes: int) -> int:
    label = sample.annotation
    if not isinstance(label, Label):
        found = "no label" if label is None else type(label).__name__
        raise DataError(
            f"classification needs one class for each picture; found {found}.",
            where=sample.name,
            fix="Leave the picture out, or choose the task that fits with --task.",
        )
    check_class_index(label.index, classes, sample.name)
    return label.index


def _top(classes: int) -> int:
    if classes >= 20:
        return 5
    return 3 if classes > 3 else 0


def _true_scores(scores: Scores, targets: Targets) -> Scores:
    result: Scores = np.take_along_axis(scores, targets[:, None].astype(np.int64), axis=1)[:, 0]
    return result


TASKS.add("classification", Classification())
