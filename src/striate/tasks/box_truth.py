"""True boxes of training pictures, padded to one length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from striate.networks.heads.truth import BoxBatch
from striate.structures import Boxes, Instances, Placement, Sample
from striate.tasks.truth import Positions


class BoxTruth:
    """True boxes in the network's frame.

    Args:
        samples: The pictures.
        placements: How each lies in the frame.
    """

    def __init__(self, samples: Sequence[Sample], placements: Sequence[Placement]) -> None:
        self._rows = []
        for sample, placement in zip(samples, placements, strict=True):
            boxes = objects_of(sample)
            height, width = placement.frame_hw
            placed = np.clip(placement.boxes_into(boxes.boxes_xyxy), 0, [width, height, width, height])
            self._rows.append((placed.astype(np.float32), boxes.classes, boxes.ignore | boxes.iscrowd))

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
