"""The truth that heads which find objects learn from, and the same picture by picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

LEAST_UNKNOWN = 0.5
"""Share of a box that must be unknown for it to teach nothing where it answers for no object."""

UNKNOWN = -1
"""Number of pixels that teach nothing: beside the picture, and those of objects that are ignored."""

_LEAST_SIDE = 0.1
"""Pixels: boxes without an area have no shape that could be learned."""


@dataclass(frozen=True, slots=True)
class BoxBatch:
    """Boxes of several pictures.

    Attributes:
        boxes_xyxy: `(n, M, 4)` float32, in pixels of the network's input.
        classes: `(n, M)` int64; -1 where there is no box.
        ignore: `(n, M)`; neither an object to find nor background.
    """

    boxes_xyxy: Tensor
    classes: Tensor
    ignore: Tensor

    def to(self, device: torch.device) -> BoxBatch:
        """The same on a device."""
        return BoxBatch(self.boxes_xyxy.to(device), self.classes.to(device), self.ignore.to(device))


@dataclass(frozen=True, slots=True)
class InstanceBatch:
    """Objects of several pictures.

    Attributes:
        numbers: `(n, H, W)` int32: 0 is no object, `UNKNOWN` not known, others the number of an object from 1.
        classes: `(n, M)` int64, class of each object by its number less one; -1 beyond.
    """

    numbers: Tensor
    classes: Tensor

    def to(self, device: torch.device) -> InstanceBatch:
        """The same on a device."""
        return InstanceBatch(self.numbers.to(device), self.classes.to(device))


@dataclass(frozen=True, slots=True)
class Scene:
    """The objects of one picture that are to be found.

    Attributes:
        boxes_xyxy: `(M, 4)` float32, each with an area.
        classes: `(M,)` int64.
        unknown_share: From boxes `(n, 4)` to the share of each that is neither object nor background, `(n,)`.
        masks: `(M, H, W)` bool, or `None` where boxes are all that is known.
    """

    boxes_xyxy: Tensor
    classes: Tensor
    unknown_share: Callable[[Tensor], Tensor]
    masks: Tensor | None = None

    def is_silent(self, boxes_xyxy: Tensor) -> Tensor:
        """Which of the boxes `(n, 4)` are no background: they show what is unknown and none of the objects, `(n,)`."""
        unknown = self.unknown_share(boxes_xyxy) >= LEAST_UNKNOWN
        return unknown & (share_within(boxes_xyxy, self.boxes_xyxy) < LEAST_UNKNOWN)

    def as_targets(self, first_class: int) -> dict[str, Tensor]:
        """The same as torchvision's detectors take it, with classes that are counted from `first_class`."""
        targets = {"boxes": self.boxes_xyxy, "labels": self.classes + first_class}
        return targets if self.masks is None else targets | {"masks": self.masks}


def share_within(boxes_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """Largest share of the area of each box `(n, 4)` that lies in one of the others `(M, 4)`: `(n,)`."""
    if not len(others_xyxy):
        return boxes_xyxy.new_zeros(len(boxes_xyxy))
    low = torch.maximum(boxes_xyxy[:, None, :2], others_xyxy[None, :, :2])
    high = torch.minimum(boxes_xyxy[:, None, 2:], others_xyxy[None, :, 2:])
    area = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(-1).clamp_min(1e-6)
    return (high - low).clamp_min(0).prod(-1).amax(1) / area


def scenes_of_boxes(truth: BoxBatch) -> list[Scene]:
    """The pictures of a batch; what lies in boxes that are ignored is unknown."""
    scenes = []
    for boxes, classes, ignore in zip(truth.boxes_xyxy, truth.classes, truth.ignore, strict=True):
        there = (classes >= 0) & ((boxes[:, 2:] - boxes[:, :2]) >= _LEAST_SIDE).all(1)
        wanted, aside = there & ~ignore, boxes[there & ignore]
        scenes.append(Scene(boxes[wanted], classes[wanted], _share_within_of(aside)))
    return scenes


def _share_within_of(aside_xyxy: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda boxes_xyxy: share_within(boxes_xyxy, aside_xyxy)


def scenes_of_instances(truth: InstanceBatch) -> list[Scene]:
    """The pictures of a batch; each object is what is seen of it, and its box lies around that."""
    from torchvision.ops import masks_to_boxes

    scenes = []
    for numbers, classes in zip(truth.numbers, truth.classes, strict=True):
        present = numbers[numbers > 0].unique().long()
        masks = numbers == present[:, None, None]
        # torchvision gives the last pixel; boxes here are half-open.
        boxes = masks_to_boxes(masks) + numbers.new_tensor([0, 0, 1, 1])
        scenes.append(Scene(boxes, classes[present - 1], _unknown_share_of(numbers == UNKNOWN), masks))
    return scenes


def _unknown_share_of(unknown: Tensor) -> Callable[[Tensor], Tensor]:
    """From boxes to the share of their pixels that are unknown; parts outside of the picture do not count."""
    height, width = unknown.shape
    summed = functional.pad(unknown.float().cumsum(0).cumsum(1), (1, 0, 1, 0))

    def share(boxes_xyxy: Tensor) -> Tensor:
        left, right = (boxes_xyxy[:, side].round().long().clamp(0, width) for side in (0, 2))
        top, bottom = (boxes_xyxy[:, side].round().long().clamp(0, height) for side in (1, 3))
        found = summed[bottom, right] - summed[top, right] - summed[bottom, left] + summed[top, left]
        return found / ((bottom - top) * (right - left)).clamp_min(1)

    return share
