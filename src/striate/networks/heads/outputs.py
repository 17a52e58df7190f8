"""What a head that finds objects gives: it knows its loss and its answers, so that a task need not know the head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from striate.networks.heads.looks import Look
from striate.networks.heads.truth import BoxBatch, InstanceBatch
from striate.structures import Placement

Found: TypeAlias = dict[str, npt.NDArray[Any]]
"""Objects found in one picture, a column for each name, the surest first."""

MOST_FOUND = 300
"""Objects of one picture, at most."""

NO_INSTANCES: Found = {
    "boxes_xyxy": np.zeros((0, 4), np.float32),
    "classes": np.zeros(0, np.int64),
    "scores": np.zeros(0, np.float32),
    "masks": np.zeros(0, "S1"),
    "sizes_hw": np.zeros((0, 2), np.int64),
}
"""No objects with masks: masks are COCO's run lengths, sizes those of the pictures."""


class ObjectOutputs(ABC):
    """What a head says about a batch of pictures."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of pictures."""

    @abstractmethod
    def float(self) -> Self:
        """The same in float32: what follows needs more than the eight bits of bfloat16."""

    def looks(self) -> dict[str, Look]:
        """Layers with weights that decoding asks again, by name; none where the outputs say all that it needs."""
        return {}

    @abstractmethod
    def confidence(self) -> Tensor:
        """How sure the head is of what, before objects are told apart: float32 in 0..1, first axis the picture."""


class BoxOutputs(ObjectOutputs):
    """Outputs from which boxes come."""

    @abstractmethod
    def loss(self, truth: BoxBatch, class_weights: Tensor | None) -> Tensor:
        """Mean loss of the batch, a scalar; taken in float32 and in training mode.

        Args:
            truth: True boxes, in pixels of the network's input.
            class_weights: `(K,)`, or `None` for equal weights. Only heads whose `HeadInfo.weighs_classes` says so
                are given any.
        """

    @abstractmethod
    def decode(self, most: int) -> list[Found]:
        """`boxes_xyxy`, `classes` and `scores` of each picture, at most `most`, in pixels of the network's input."""


class InstanceOutputs(ObjectOutputs):
    """Outputs from which objects with masks come."""

    @abstractmethod
    def loss(self, truth: InstanceBatch, class_weights: Tensor | None) -> Tensor:
        """Mean loss of the batch, a scalar; arguments as `BoxOutputs.loss` has."""

    @abstractmethod
    def decode(self, placements: Sequence[Placement]) -> list[Found]:
        """The objects of each picture at its own size, columns as in `NO_INSTANCES`.

        Args:
            placements: How each picture lies in the network's frame.
        """


def as_found(boxes_xyxy: Tensor, classes: Tensor, scores: Tensor) -> Found:
    """Arrays from tensors of one picture: `(n, 4)`, `(n,)` and `(n,)`."""
    return {
        "boxes_xyxy": boxes_xyxy.detach().cpu().numpy().astype(np.float32),
        "classes": classes.cpu().numpy().astype(np.int64),
        "scores": scores.detach().cpu().numpy().astype(np.float32),
    }


def packed(masks: Sequence[bytes], size_hw: tuple[int, int]) -> dict[str, npt.NDArray[Any]]:
    """Run lengths and the size of their picture, as columns of a `Ragged`."""
    return {
        "masks": np.array(masks, np.bytes_) if len(masks) else NO_INSTANCES["masks"],
        "sizes_hw": np.tile(np.array(size_hw, np.int64), (len(masks), 1)),
    }
