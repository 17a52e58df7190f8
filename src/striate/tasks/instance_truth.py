"""Objects with masks in the network's frame: a number for each, and how deep inside it every pixel lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.structures import Instances, Placement, Sample
from striate.tasks.truth import Positions, placed

UNKNOWN = -1
"""Number of pixels that teach nothing: beside the picture, and those of objects that are ignored."""


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
