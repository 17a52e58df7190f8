"""Objects and the boxes around them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.networks import Network, NetworkOptions
from striate.networks.heads import HEADS
from striate.networks.heads.points import PointOutputs
from striate.networks.spatial import SpatialNetwork
from striate.structures import DetectedObjects, Placement, Prediction, Ragged, Sample
from striate.tasks.base import TASKS, LossSettings, Scores, Targets, Task, View
from striate.tasks.box_truth import BoxBatch, BoxTruth, objects_of
from striate.tasks.coco_figures import coco_figures, coco_headline
from striate.tasks.matching import average_precisions, match_all
from striate.tasks.point_loss import MOST_FOUND, decode_points, point_loss
from striate.tasks.truth import Motion, TruthStore

LEAST_VISIBLE = 0.3
"""Share of a moved object's box that must lie in the frame; less is neither an object nor background."""

EMPTY_FOUND: dict[str, npt.NDArray[Any]] = {
    "boxes_xyxy": np.zeros((0, 4), np.float32),
    "classes": np.zeros(0, np.int64),
    "scores": np.zeros(0, np.float32),
}
EMPTY_TRUTH: dict[str, npt.NDArray[Any]] = {
    "boxes_xyxy": np.zeros((0, 4), np.float32),
    "classes": np.zeros(0, np.int64),
    "iscrowd": np.zeros(0, np.bool_),
    "ignore": np.zeros(0, np.bool_),
}


class Detection(Task):
    """Objects with boxes and classes: mean average precision at an overlap of a half.

    What is kept of an answer are the boxes found in each picture, in pixels of the picture; targets are its true boxes.
    Both are `Ragged`.
    """

    name = "detection"
    title = "which objects a picture shows, and the box around each"
    headline = "map50"
    spatial = True
    default_head = "points"

    def finish_network(self, backbone: Network, options: NetworkOptions) -> nn.Module:
        """The backbone with the head that `options.head` names.

        Raises:
            UnknownNameError: No such head.
        """
        info = HEADS.get(options.head or self.default_head)
        return SpatialNetwork(backbone, info.build(backbone.feature_spec, options.classes), options)

    def targets(self, samples: Sequence[Sample], classes: tuple[str, ...]) -> Targets:
        """True boxes of each picture, in its own pixels."""
        del classes
        rows = []
        for sample in samples:
            boxes = objects_of(sample)
            rows.append({name: getattr(boxes, name) for name in EMPTY_TRUTH})
        return Ragged.of_rows(rows, EMPTY_TRUTH)

    def build_truth(self, samples: Sequence[Sample], targets: Targets, placements: Sequence[Placement]) -> TruthStore:
        """True boxes in the network's frame."""
        del targets
        return BoxTruth(samples, placements)

    def move(self, truth: BoxBatch, motion: Motion) -> BoxBatch:
        """Boxes moved as the pixels were, cut at the frame; what is hardly visible any more is ignored."""
        height, width = motion.size_hw
        moved = motion.boxes(truth.boxes_xyxy)
        limits = moved.new_tensor([width, height, width, height])
        cut = torch.minimum(moved.clamp(min=0.0), limits)
        sides, before = (cut[..., 2:] - cut[..., :2]).clamp(min=0), (moved[..., 2:] - moved[..., :2]).clamp(min=1e-6)
        visible = sides.prod(-1) / before.prod(-1)
        gone = (sides < 1.0).any(-1)
        return BoxBatch(cut, torch.where(gone, -1, truth.classes), truth.ignore | (visible < LEAST_VISIBLE))

    def loss(self, output: PointOutputs, targets: BoxBatch, settings: LossSettings) -> Tensor:
        """Class loss and box loss; see `striate.tasks.point_loss`."""
        return point_loss(output, targets, settings)

    def soften(self, targets: Any, classes: int) -> Tensor:
        """Not for boxes.

        Raises:
            ValueError: Always; mixing pictures is refused before training begins.
        """
        raise ValueError(f"boxes of {classes} classes are not mixed; got {type(targets).__name__}")

    def scores(self, output: PointOutputs) -> Tensor:
        """Sigmoid of the class scores of every point: `(N, P, K)` float32."""
        return torch.sigmoid(output.scores.float())

    def prediction(self, scores: Scores, classes: tuple[str, ...]) -> Prediction:
        """The objects of one picture, from a `Ragged` of one row."""
        return DetectedObjects(**scores.row(0), names=classes)

    def predictions(self, output: Any, placements: Sequence[Placement], classes: tuple[str, ...]) -> list[Prediction]:
        """The objects of each picture, in its own pixels."""
        found = _found(output, placements)
        return [DetectedObjects(**found.row(index), names=classes) for index in range(len(found))]

    def answers(self, output: Any, view: View) -> Scores:
        """Boxes found in each picture, in its own pixels: overlaps are the same in the frame, sizes are not."""
        return _found(output, view.placements)

    def join(self, parts: Sequence[Scores]) -> Scores:
        """Answers, or targets, of several batches."""
        return Ragged.join(parts) if parts else Ragged.of_rows([], EMPTY_FOUND)

    def headline_value(self, scores: Scores, targets: Targets) -> float:
        """MAP at an overlap of 0.5, by COCO's rules; NaN without a true object."""
        return coco_headline(scores, targets)

    def resampled_metrics(
        self,
        scores: Scores,
        targets: Targets,
        weights: npt.NDArray[np.float64],
        names: Collection[str] | None = None,
    ) -> dict[str, npt.NDArray[np.float64]]:
        """mAP, mAP50 and mAP75 of many resamples, from matches that are made once."""
        matched = match_all(scores, targets)
        found = average_precisions(matched, weights)
        return {name: values for name, values in found.items() if names is None or name in names}

    def class_weights(self, train_targets: Targets, classes: tuple[str, ...]) -> npt.NDArray[np.float32]:
        """Square root of the inverse share of objects, mean 1 over the classes that occur, at most 5."""
        counts = np.bincount(train_targets.values["classes"], minlength=len(classes)).astype(np.float64)
        weights = np.divide(1.0, np.sqrt(counts), out=np.ones(len(classes)), where=counts > 0)
        weights /= max(weights[counts > 0].mean(), 1e-12) if (counts > 0).any() else 1.0
        return np.asarray(np.clip(weights, 0.0, 5.0), np.float32)

    def metrics(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> dict[str, float]:
        """mAP50 first, then mAP over overlaps of 0.5 to 0.95, mAP75, by size, and recall; COCO's, by its own rules."""
        figures = coco_figures(scores, targets, len(classes))
        found = {"map50": figures.overall["map50"], **figures.overall}
        return {name: value for name, value in found.items() if np.isfinite(value)}

    def per_class(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> list[dict[str, Any]]:
        """One row a class: true objects, pictures that show it, AP, AP50 and the best recall."""
        figures = coco_figures(scores, targets, len(classes))
        counted = targets.values["classes"], targets.pictures
        return [
            {
                "class": label,
                "count": len(np.unique(counted[1][counted[0] == k])),
                "objects": int((counted[0] == k).sum()),
                **{name: _defined(values[k]) for name, values in figures.by_class.items()},
            }
            for k, label in enumerate(classes)
        ]

    def baseline_scores(self, train_targets: Targets, targets: Targets, classes: tuple[str, ...]) -> Scores:
        """The mean box of each class in every picture, the commonest class surest."""
        boxes, kinds = train_targets.values["boxes_xyxy"], train_targets.values["classes"]
        counts = np.bincount(kinds, minlength=len(classes))
        occurring = np.flatnonzero(counts)
        row = {
            "boxes_xyxy": np.array([boxes[kinds == k].mean(0) for k in occurring], np.float32).reshape(-1, 4),
            "classes": occurring.astype(np.int64),
            "scores": (counts[occurring] / max(counts.sum(), 1)).astype(np.float32),
        }
        return Ragged.of_rows([row] * len(targets), EMPTY_FOUND)

    def class_counts(self, targets: Targets, classes: tuple[str, ...]) -> npt.NDArray[np.int64]:
        """Objects of each class."""
        return np.bincount(targets.values["classes"], minlength=len(classes)).astype(np.int64)

    def mistake_words(self, scores: Scores, targets: Targets, index: int, classes: tuple[str, ...]) -> tuple[str, str]:
        """How many objects were missed and how many boxes hold none."""
        wanted, missed, wrong = match_all(scores, targets).counts_of(index)
        kinds = np.unique(targets.row(index)["classes"])
        shows = ", ".join(classes[k] for k in kinds) or "no object"
        return f"{missed} of {wanted} objects missed, {wrong} boxes wrong", f"shows {shows}"

    worst_first = "these have most objects missed and most boxes wrong, at an overlap of a half"

    def mistakes(self, scores: Scores, targets: Targets) -> npt.NDArray[np.int64]:
        """Pictures with missed or wrongly found objects, those with most first."""
        wrong = match_all(scores, targets).mistakes_of_each_picture()
        order = np.argsort(-wrong, kind="stable")
        found: npt.NDArray[np.int64] = order[wrong[order] > 0].astype(np.int64)
        return found


def _found(output: PointOutputs, placements: Sequence[Placement]) -> Ragged:
    rows = []
    for row, placement in zip(decode_points(output, MOST_FOUND), placements, strict=True):
        boxes = placement.boxes_out_of(row["boxes_xyxy"])
        inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        rows.append({name: array[inside] for name, array in (row | {"boxes_xyxy": boxes}).items()})
    return Ragged.of_rows(rows, EMPTY_FOUND)


def _defined(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


TASKS.add(Detection.name, Detection())
