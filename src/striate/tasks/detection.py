"""Objects and the boxes around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.networks.heads.outputs import MOST_FOUND, BoxOutputs
from striate.networks.heads.truth import BoxBatch
from striate.structures import DetectedObjects, Placement, Prediction, Ragged, Sample
from striate.tasks.base import TASKS, LossSettings, Scores, Targets
from striate.tasks.box_truth import BoxTruth, cut_boxes, objects_of
from striate.tasks.found_objects import ObjectTask
from striate.tasks.tiles import Row
from striate.tasks.truth import Motion, TruthStore

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


class Detection(ObjectTask):
    """Objects with boxes and classes: mean average precision at an overlap of a half.

    What is kept of an answer are the boxes found in each picture, in pixels of the picture; targets are its true boxes.
    Both are `Ragged`.
    """

    name = "detection"
    title = "which objects a picture shows, and the box around each"
    default_head = "points"
    empty_found = EMPTY_FOUND

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
        cut, gone, sliver = cut_boxes(motion.boxes(truth.boxes_xyxy), motion.size_hw)
        return BoxBatch(cut, torch.where(gone, -1, truth.classes), truth.ignore | sliver)

    def loss(self, output: BoxOutputs, targets: BoxBatch, settings: LossSettings) -> Tensor:
        """The loss of the network's head."""
        return output.loss(targets, settings.class_weights)

    def scores(self, output: BoxOutputs) -> Tensor:
        """How sure the head is of what, before boxes are chosen: float32, first axis the picture."""
        return output.confidence()

    def decode(self, output: BoxOutputs, placements: Sequence[Placement]) -> list[Row]:
        """The objects that each frame shows, in pixels of its picture."""
        rows = []
        for row, placement in zip(output.decode(MOST_FOUND), placements, strict=True):
            boxes = placement.boxes_out_of(row["boxes_xyxy"])
            inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
            rows.append({name: array[inside] for name, array in (row | {"boxes_xyxy": boxes}).items()})
        return rows

    def as_prediction(self, row: Row, classes: tuple[str, ...]) -> Prediction:
        """The objects of one picture."""
        return DetectedObjects(**row, names=classes)

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


TASKS.add(Detection.name, Detection())
