"""Objects with masks in the network's frame: a number for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from striate.networks.heads.truth import UNKNOWN, InstanceBatch
from striate.structures import Instances, Placement, Sample
from striate.tasks.truth import Positions, placed


class InstanceTruth:
    """Objects in the network's frame. Where objects overlap the smaller one shows.

    Args:
        samples: The picture of each frame.
        placements: How it lies there.
    """

    def __init__(self, samples: Sequence[Sample], placements: Sequence[Placement]) -> None:
        self._rows = placed(samples, placements, _numbered, _placed)

    def rows(self, indices: Positions) -> InstanceBatch:
        """The objects of some pictures."""
        chosen = [self._rows[index] for index in indices.tolist()]
        most = max((len(classes) for _, classes in chosen), default=0)
        classes = torch.full((len(chosen), most), -1, dtype=torch.int64)
        for row, (_, own) in enumerate(chosen):
            classes[row, : len(own)] = torch.from_numpy(own)
        return InstanceBatch(torch.from_numpy(np.stack([numbers for numbers, _ in chosen])), classes)


def _numbered(sample: Sample) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Number of the object at each pixel of a picture, and the class of each object."""
    objects = instances_of(sample)
    numbers = objects.label_image()
    aside = np.flatnonzero(objects.ignore | objects.iscrowd) + 1
    if len(aside):
        numbers[np.isin(numbers, aside)] = UNKNOWN
    return numbers, objects.classes


def _placed(
    truth: tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]], placement: Placement
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    return placement.plane_into(truth[0], outside=UNKNOWN), truth[1]


def instances_of(sample: Sample) -> Instances:
    """The objects of a sample.

    Raises:
        PictureError: Its annotation cannot be read.
        TypeError: It is of another kind.
    """
    annotation = sample.read_annotation()
    if not isinstance(annotation, Instances):
        raise TypeError(f"{sample.name} has no objects with masks but {type(annotation).__name__}")
    return annotation
