"""Objects and the pixels of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from striate.networks.heads.outputs import NO_INSTANCES as EMPTY_FOUND
from striate.networks.heads.outputs import InstanceOutputs, packed
from striate.networks.heads.truth import InstanceBatch
from striate.structures import DetectedInstances, Placement, Prediction, Ragged, Sample
from striate.tasks.base import TASKS, LossSettings, ObjectFacts, Scores, Targets
from striate.tasks.class_scores import defined
from striate.tasks.coco_figures import packed_masks
from striate.tasks.found_objects import ObjectTask
from striate.tasks.instance_truth import InstanceTruth, instances_of
from striate.tasks.matching import match_all
from striate.tasks.panoptic import panoptic_counts, panoptic_figures, panoptic_of_classes
from striate.tasks.tiles import Row
from striate.tasks.truth import Motion, TruthStore

EMPTY_TRUTH: dict[str, npt.NDArray[Any]] = {
    "boxes_xyxy": np.zeros((0, 4), np.float32),
    "classes": np.zeros(0, np.int64),
    "iscrowd": np.zeros(0, np.bool_),
    "ignore": np.zeros(0, np.bool_),
    "masks": np.zeros(0, "S1"),
    "sizes_hw": np.zeros((0, 2), np.int64),
}


MOST_HIDDEN = 0.05
"""Share of object pixels that lie under other objects, beyond which one plane of pixels cannot tell them apart."""


class InstanceSegmentation(ObjectTask):
    """Objects with masks and classes: mean average precision of masks at an overlap of a half.

    What is kept are the objects found in each picture, masks as COCO's run lengths at the picture's own size.
    """

    name = "instances"
    title = "which objects a picture shows, and the pixels of each"
    default_head = "distance"
    empty_found = EMPTY_FOUND

    def facts_of(self, targets: Targets, sizes_hw: Sequence[tuple[int, int]]) -> ObjectFacts:
        """Sides of all objects that are to be found, and how much of them others cover."""
        return replace(super().facts_of(targets, sizes_hw), hidden=hidden_share(targets))

    def suitable_head(self, objects: ObjectFacts | None) -> tuple[str, str]:
        """Distances where every pixel is of one object; proposals where objects cover each other."""
        if objects is not None and objects.hidden > MOST_HIDDEN:
            return "mask_rcnn", f"{objects.hidden:.0%} of the objects' pixels belong to several objects"
        return self.default_head, "objects do not cover each other; many small ones that touch stay apart"

    def targets(self, samples: Sequence[Sample], classes: tuple[str, ...]) -> Targets:
        """True objects of each picture."""
        del classes
        rows = []
        for sample in samples:
            objects = instances_of(sample)
            row = {name: getattr(objects, name) for name in ("boxes_xyxy", "classes", "iscrowd", "ignore")}
            rows.append(row | packed(objects.masks, objects.size_hw))
        return Ragged.of_rows(rows, EMPTY_TRUTH)

    def build_truth(self, samples: Sequence[Sample], targets: Targets, placements: Sequence[Placement]) -> TruthStore:
        """Objects in the network's frame."""
        del targets
        return InstanceTruth(samples, placements)

    def move(self, truth: InstanceBatch, motion: Motion) -> InstanceBatch:
        """Numbers moved as the pixels were."""
        return InstanceBatch(motion.planes(truth.numbers), truth.classes)

    def loss(self, output: InstanceOutputs, targets: InstanceBatch, settings: LossSettings) -> Tensor:
        """The loss of the network's head."""
        return output.loss(targets, settings.class_weights)

    def scores(self, output: InstanceOutputs) -> Tensor:
        """How sure the head is of what, before objects are told apart: float32, first axis the picture."""
        return output.confidence()

    def decode(self, output: InstanceOutputs, placements: Sequence[Placement]) -> list[Row]:
        """The objects that each frame shows, in pixels of its picture; masks are as large as the picture."""
        return output.decode(placements)

    def as_prediction(self, row: Row, classes: tuple[str, ...]) -> Prediction:
        """The objects of one picture."""
        return DetectedInstances(
            row["boxes_xyxy"], row["classes"], row["scores"], classes, tuple(row["masks"].tolist()), row["sizes_hw"]
        )

    def metrics(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> dict[str, float]:
        """COCO's figures of masks as `ObjectTask` gives them, then panoptic quality and its two factors."""
        found = panoptic_figures(panoptic_counts(match_all(scores, targets)).sum(0, keepdims=True))
        quality = {name: float(values[0]) for name, values in found.items() if np.isfinite(values[0])}
        return super().metrics(scores, targets, classes) | quality

    def resampled_metrics(
        self,
        scores: Scores,
        targets: Targets,
        weights: npt.NDArray[np.float64],
        names: Collection[str] | None = None,
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Those of `ObjectTask`, and panoptic quality, whose counts are weighted sums."""
        counts = panoptic_counts(match_all(scores, targets))
        found = panoptic_figures(np.tensordot(weights, counts, 1))
        quality = {name: values for name, values in found.items() if names is None or name in names}
        return super().resampled_metrics(scores, targets, weights, names) | quality

    def per_class(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> list[dict[str, Any]]:
        """Those of `ObjectTask`, and panoptic quality."""
        quality = panoptic_of_classes(panoptic_counts(match_all(scores, targets)).sum(0))
        rows = super().per_class(scores, targets, classes)
        for k, row in enumerate(rows):
            row["panoptic_quality"] = defined(quality[k]) if k < len(quality) else None
        return rows

    def baseline_scores(self, train_targets: Targets, targets: Targets, classes: tuple[str, ...]) -> Scores:
        """One object of the commonest class that fills the mean box of the training pictures, in every picture."""
        from striate.structures import Instances

        kinds, boxes = train_targets.values["classes"], train_targets.values["boxes_xyxy"]
        counts = np.bincount(kinds, minlength=len(classes))
        kind = int(counts.argmax())
        left, top, right, bottom = np.rint(boxes[kinds == kind].mean(0)).astype(int).tolist()
        rows = []
        for index in range(len(targets)):
            sizes = targets.row(index)["sizes_hw"]
            if not len(sizes):
                rows.append(dict(EMPTY_FOUND))
                continue
            size_hw = (int(sizes[0, 0]), int(sizes[0, 1]))
            plane = np.zeros((1, *size_hw), np.bool_)
            plane[0, top:bottom, left:right] = True
            answer = Instances.from_dense(plane, np.array([kind], np.int64))
            row: dict[str, npt.NDArray[Any]] = {
                "boxes_xyxy": answer.boxes_xyxy,
                "classes": answer.classes,
                "scores": np.ones(1, np.float32),
            }
            rows.append(row | packed(answer.masks, size_hw))
        return Ragged.of_rows(rows, EMPTY_FOUND)


def hidden_share(targets: Ragged) -> float:
    """Share of all pixels of objects that lie in the mask of another object of the same picture, too.

    Args:
        targets: Objects with masks.
    """
    from faster_coco_eval.core import mask as coco_mask

    total = shown = 0
    for picture in range(len(targets)):
        masks = packed_masks(targets.row(picture))
        if masks:
            total += int(np.sum(coco_mask.area(masks), dtype=np.int64))
            shown += int(coco_mask.area([coco_mask.merge(masks)])[0])
    return (total - shown) / max(total, 1)


TASKS.add(InstanceSegmentation.name, InstanceSegmentation())
