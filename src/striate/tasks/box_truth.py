"""True boxes of training pictures, padded to one length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.networks.heads.truth import BoxBatch
from striate.structures import Boxes, Instances, Placement, Sample
from striate.tasks.truth import Positions, placed

LEAST_VISIBLE = 0.3
"""Share of a box that must lie in the frame for its object to be learned; less of it teaches nothing."""

_LEAST_SIDE = 1.0
"""Pixels: what is left of a box that is narrower lies outside of the frame for all that can be seen."""

_Row = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.bool_]]


class BoxTruth:
    """True boxes in the network's frame, cut at its edges.

    Args:
        samples: The picture of each frame.
        placements: How it lies there.
    """

    def __init__(self, samples: Sequence[Sample], placements: Sequence[Placement]) -> None:
        self._rows = placed(samples, placements, objects_of, _seen_in)

    def rows(self, indices: Positions) -> BoxBatch:
        """The boxes of some pictures."""
        chosen = [self._rows[index] for index in indices.tolist()]
        most = max((len(classes) for _, classes, _ in chosen), default=0)
        boxes = torch.zeros(len(chosen), most, 4)
        classes = torch.full((len(chosen), most), -1, dtype=torch.int64)
        ignore = torch.zeros(len(chosen), most, dtype=torch.bool)
        for row, (own_boxes, own_classes, own_ignore) in enumerate(chosen):
            count = len(own_classes)
            boxes[row, :count] = torch.from_numpy(own_boxes)
            classes[row, :count] = torch.from_numpy(own_classes)
            ignore[row, :count] = torch.from_numpy(own_ignore)
        return BoxBatch(boxes, classes, ignore)


def cut_boxes(boxes_xyxy: Tensor, frame_hw: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """What a frame shows of boxes `(..., 4)`: the boxes cut at its edges, which are gone, and which teach nothing.

    A sliver of an object is no object of its own: see `LEAST_VISIBLE`.
    """
    height, width = frame_hw
    cut = torch.minimum(boxes_xyxy.clamp(min=0.0), boxes_xyxy.new_tensor([width, height, width, height]))
    sides = (cut[..., 2:] - cut[..., :2]).clamp(min=0)
    before = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).clamp(min=1e-6)
    # Objects that are narrower than a pixel all along are not cut.
    gone = (sides < before.clamp(max=_LEAST_SIDE)).any(-1)
    return cut, gone, sides.prod(-1) / before.prod(-1) < LEAST_VISIBLE


def _seen_in(objects: Boxes, placement: Placement) -> _Row:
    boxes, gone, sliver = cut_boxes(torch.from_numpy(placement.boxes_into(objects.boxes_xyxy)), placement.frame_hw)
    there = ~gone.numpy()
    ignore = objects.ignore | objects.iscrowd | sliver.numpy()
    return boxes.numpy()[there], objects.classes[there], ignore[there]


def objects_of(sample: Sample) -> Boxes:
    """The boxes of a sample.

    Raises:
        PictureError: Its annotation cannot be read.
        TypeError: It is of another kind.
    """
    annotation = sample.read_annotation()
    if isinstance(annotation, Instances):
        return annotation.boxes()
    if not isinstance(annotation, Boxes):
        raise TypeError(f"{sample.name} has no boxes but {type(annotation).__name__}")
    return annotation
