"""Objects and the pixels of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from striate.networks.heads.distance import DistanceOutputs
from striate.structures import DetectedInstances, Placement, Prediction, Ragged, Sample
from striate.tasks.base import TASKS, LossSettings, Scores, Targets
from striate.tasks.class_scores import defined
from striate.tasks.found_objects import ObjectTask
from striate.tasks.instance_truth import UNKNOWN, InstanceBatch, InstanceTruth, instances_of, relative_depth
from striate.tasks.matching import match_all
from striate.tasks.panoptic import panoptic_counts, panoptic_figures, panoptic_of_classes
from striate.tasks.segmentation import enlarged_scores, pixel_loss
from striate.tasks.tiles import Row
from striate.tasks.truth import Motion, TruthStore

CORE = 0.5
"""Depth from which pixels are the core of an object: touching objects have cores that do not touch."""

LEAST_PIXELS = 10
"""Smaller objects are specks."""

LEAST_SCORE = 0.1
"""Less sure objects are left out: a network that has learned nothing yet sees thousands of them."""

MOST_OBJECTS = 1000
DEPTH_WEIGHT = 2.0

_THREADS = 8

EMPTY_FOUND: dict[str, npt.NDArray[Any]] = {
    "boxes_xyxy": np.zeros((0, 4), np.float32),
    "classes": np.zeros(0, np.int64),
    "scores": np.zeros(0, np.float32),
    "masks": np.zeros(0, "S1"),
    "sizes_hw": np.zeros((0, 2), np.int64),
}
EMPTY_TRUTH: dict[str, npt.NDArray[Any]] = {
    "boxes_xyxy": np.zeros((0, 4), np.float32),
    "classes": np.zeros(0, np.int64),
    "iscrowd": np.zeros(0, np.bool_),
    "ignore": np.zeros(0, np.bool_),
    "masks": np.zeros(0, "S1"),
    "sizes_hw": np.zeros((0, 2), np.int64),
}


class InstanceSegmentation(ObjectTask):
    """Objects with masks and classes: mean average precision of masks at an overlap of a half.

    What is kept are the objects found in each picture, masks as COCO's run lengths at the picture's own size.
    """

    name = "instances"
    title = "which objects a picture shows, and the pixels of each"
    default_head = "distance"
    empty_found = EMPTY_FOUND

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

    def loss(self, output: DistanceOutputs, targets: InstanceBatch, settings: LossSettings) -> Tensor:
        """Cross-entropy and Dice of the classes, plus the distance between true and answered depth inside objects."""
        numbers = targets.numbers
        known = numbers != UNKNOWN
        padded = functional.pad(targets.classes + 1, (1, 0))
        kinds = padded.gather(1, numbers.clamp_min(0).flatten(1).long()).view(numbers.shape)
        depth = torch.from_numpy(np.stack([relative_depth(one) for one in numbers.cpu().numpy()])).to(output.distance)
        weights = None
        if settings.class_weights is not None:
            weights = functional.pad(settings.class_weights, (1, 0), value=1.0)
        off = functional.smooth_l1_loss(torch.sigmoid(output.distance), depth, reduction="none", beta=0.1)
        # Pixels of objects are few: they count as much as all others together.
        inside = known & (numbers > 0)
        mean_off = sum((off * part).sum() / part.sum().clamp_min(1) for part in (inside, known & (numbers == 0)))
        total: Tensor = pixel_loss(output.scores, kinds, known, LossSettings(0.0, weights)) + DEPTH_WEIGHT * mean_off
        return total

    def scores(self, output: DistanceOutputs) -> Tensor:
        """Softmax over no object and the classes: `(N, 1 + K, H, W)` float32."""
        return torch.softmax(output.scores.float(), 1)

    def decode(self, output: Any, placements: Sequence[Placement]) -> list[Row]:
        """The objects that each frame shows, in pixels of its picture; masks are as large as the picture."""
        scores = torch.softmax(output.scores.float(), 1)
        depth = torch.sigmoid(output.distance.float())[:, None]
        planes = torch.cat([scores, depth], 1)

        def one(index: int) -> Row:
            enlarged = enlarged_scores(planes[index], placements[index])
            return decode_objects(enlarged[:-1], enlarged[-1], placements[index])

        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(one, range(len(placements))))

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


def packed(masks: Sequence[bytes], size_hw: tuple[int, int]) -> dict[str, npt.NDArray[Any]]:
    """Run lengths and the size of their picture, as columns of a `Ragged`."""
    return {
        "masks": np.array(masks, np.bytes_) if len(masks) else EMPTY_FOUND["masks"],
        "sizes_hw": np.tile(np.array(size_hw, np.int64), (len(masks), 1)),
    }


def decode_objects(
    scores: npt.NDArray[np.float32], depth: npt.NDArray[np.float32], placement: Placement | None = None
) -> Row:
    """Objects from what the pixels say: a watershed that floods from the cores and stays where objects are.

    Args:
        scores: `(1 + K, H, W)` shares of no object and of the classes.
        depth: `(H, W)` 0 at edges, 1 at the middle of objects.
        placement: Which part of which picture the pixels are; a whole one where not given.

    Returns:
        Boxes, classes, scores, masks and sizes, the surest first.
    """
    from scipy import ndimage
    from skimage.segmentation import watershed

    from striate.structures import Instances

    size_hw, corner_yx = (int(depth.shape[0]), int(depth.shape[1])), (0, 0)
    if placement is not None:
        rows, columns = placement.covered
        size_hw, corner_yx = placement.size_hw, (rows.start, columns.start)
    inside = scores[0] < 0.5
    cores, _ = ndimage.label(inside & (depth >= CORE))
    # An object all of whose pixels are shallow has its deepest part for a core.
    parts, count = ndimage.label(inside)
    with_core = np.unique(parts[cores > 0])
    lonely = np.setdiff1d(np.arange(1, count + 1), with_core)
    if len(lonely):
        alone = np.isin(parts, lonely)
        cores[alone] = parts[alone] + cores.max()
    regions: npt.NDArray[np.int32] = watershed(-depth, cores, mask=inside)  # type: ignore[no-untyped-call]
    numbers, sizes = np.unique(regions[regions > 0], return_counts=True)
    kept = numbers[sizes >= LEAST_PIXELS]
    if not len(kept):
        return dict(EMPTY_FOUND)
    shares = np.stack([ndimage.mean(plane, regions, kept) for plane in scores[1:]], 1)
    peaks = ndimage.maximum(depth, regions, kept)
    kinds = shares.argmax(1)
    sure = shares[np.arange(len(kept)), kinds] * np.clip(peaks, 0.05, 1.0) ** 0.5
    order = np.argsort(-sure, kind="stable")[:MOST_OBJECTS]
    order = order[sure[order] >= LEAST_SCORE]
    if not len(order):
        return dict(EMPTY_FOUND)
    place = np.zeros(int(regions.max()) + 1, np.int32)
    place[kept[order]] = np.arange(1, len(order) + 1)
    objects = Instances.from_label_image(place[regions], size_hw=size_hw, corner_yx=corner_yx)
    row = {
        "boxes_xyxy": objects.boxes_xyxy,
        "classes": kinds[order].astype(np.int64),
        "scores": sure[order].astype(np.float32),
    }
    return row | packed(objects.masks, size_hw)


TASKS.add(InstanceSegmentation.name, InstanceSegmentation())
