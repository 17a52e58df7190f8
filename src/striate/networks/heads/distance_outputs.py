"""What every pixel learns about the object that it belongs to, and objects from what the pixels say."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from striate.networks.heads.outputs import NO_INSTANCES, Found, InstanceOutputs, packed
from striate.networks.heads.pixels import enlarged_scores, pixel_loss
from striate.networks.heads.truth import UNKNOWN, InstanceBatch
from striate.structures import Instances, Placement

CORE = 0.5
"""Depth from which pixels are the core of an object: touching objects have cores that do not touch."""

LEAST_PIXELS = 10
"""Smaller objects are specks."""

LEAST_SCORE = 0.1
"""Less sure objects are left out: a network that has learned nothing yet sees thousands of them."""

MOST_OBJECTS = 1000
DEPTH_WEIGHT = 2.0

_THREADS = 8


@dataclass(frozen=True, slots=True)
class DistanceOutputs(InstanceOutputs):
    """What every pixel says.

    Attributes:
        scores: `(N, 1 + K, H, W)` class scores before softmax; the first is that of no object.
        distance: `(N, H, W)` before the sigmoid: 0 at the edge of an object, 1 at its innermost point.
    """

    scores: Tensor
    distance: Tensor

    def __len__(self) -> int:
        return len(self.scores)

    def float(self) -> DistanceOutputs:
        """The same in float32."""
        return DistanceOutputs(self.scores.float(), self.distance.float())

    def confidence(self) -> Tensor:
        """Softmax over no object and the classes: `(N, 1 + K, H, W)`."""
        return torch.softmax(self.scores.float(), 1)

    def loss(self, truth: InstanceBatch, class_weights: Tensor | None) -> Tensor:
        """Cross-entropy and Dice of the classes, plus the distance between true and answered depth inside objects."""
        numbers = truth.numbers
        known = numbers != UNKNOWN
        padded = functional.pad(truth.classes + 1, (1, 0))
        kinds = padded.gather(1, numbers.clamp_min(0).flatten(1).long()).view(numbers.shape)
        depth = torch.from_numpy(np.stack([relative_depth(one) for one in numbers.cpu().numpy()])).to(self.distance)
        weights = None if class_weights is None else functional.pad(class_weights, (1, 0), value=1.0)
        off = functional.smooth_l1_loss(torch.sigmoid(self.distance), depth, reduction="none", beta=0.1)
        # Pixels of objects are few: they count as much as all others together.
        inside = known & (numbers > 0)
        mean_off = sum((off * part).sum() / part.sum().clamp_min(1) for part in (inside, known & (numbers == 0)))
        total: Tensor = pixel_loss(self.scores, kinds, known, weights) + DEPTH_WEIGHT * mean_off
        return total

    def decode(self, placements: Sequence[Placement]) -> list[Found]:
        """The objects that each frame shows, by a watershed from the deep parts, in pixels of its picture."""
        depth = torch.sigmoid(self.distance.float())[:, None]
        planes = torch.cat([self.confidence(), depth], 1)

        def one(index: int) -> Found:
            enlarged = enlarged_scores(planes[index], placements[index])
            return decode_objects(enlarged[:-1], enlarged[-1], placements[index])

        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(one, range(len(placements))))


def decode_objects(
    scores: npt.NDArray[np.float32], depth: npt.NDArray[np.float32], placement: Placement | None = None
) -> Found:
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
        return dict(NO_INSTANCES)
    shares = np.stack([ndimage.mean(plane, regions, kept) for plane in scores[1:]], 1)
    peaks = ndimage.maximum(depth, regions, kept)
    kinds = shares.argmax(1)
    sure = shares[np.arange(len(kept)), kinds] * np.clip(peaks, 0.05, 1.0) ** 0.5
    order = np.argsort(-sure, kind="stable")[:MOST_OBJECTS]
    order = order[sure[order] >= LEAST_SCORE]
    if not len(order):
        return dict(NO_INSTANCES)
    place = np.zeros(int(regions.max()) + 1, np.int32)
    place[kept[order]] = np.arange(1, len(order) + 1)
    objects = Instances.from_label_image(place[regions], size_hw=size_hw, corner_yx=corner_yx)
    row = {
        "boxes_xyxy": objects.boxes_xyxy,
        "classes": kinds[order].astype(np.int64),
        "scores": sure[order].astype(np.float32),
    }
    return row | packed(objects.masks, size_hw)


def relative_depth(numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """How deep inside its object each pixel lies: 0 outside, 1 at the innermost pixel of each object.

    Args:
        numbers: `(H, W)`, 0 or less where there is no object.
    """
    from scipy import ndimage

    inside = numbers > 0
    if not inside.any():
        return np.zeros(numbers.shape, np.float32)
    # A pixel whose neighbour belongs to another object is at the edge of its own, too.
    apart = inside.copy()
    for axis in (0, 1):
        differs = np.diff(numbers, axis=axis) != 0
        both = np.minimum(np.take(numbers, range(numbers.shape[axis] - 1), axis), np.roll(numbers, -1, axis).take(
            range(numbers.shape[axis] - 1), axis)) > 0  # fmt: skip
        edge = differs & both
        first = [slice(None)] * 2
        first[axis] = slice(0, -1)
        apart[tuple(first)] &= ~edge
    padded = np.pad(apart, 1, mode="edge")
    depth = ndimage.distance_transform_edt(padded)[1:-1, 1:-1]
    labels = np.arange(1, int(numbers.max()) + 1)
    deepest = np.maximum(ndimage.maximum(depth, np.maximum(numbers, 0), labels), 1.0)
    scaled = np.zeros(numbers.shape, np.float32)
    scaled[inside] = depth[inside] / deepest[numbers[inside] - 1]
    return scaled
