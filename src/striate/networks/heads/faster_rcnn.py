"""Faster R-CNN (Ren, He, Girshick and Sun 2015) on any backbone, from torchvision's parts."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.networks.heads.base import HEADS, HeadInfo
from striate.networks.heads.outputs import BoxOutputs, Found, as_found
from striate.networks.heads.truth import BoxBatch, scenes_of_boxes
from striate.networks.heads.two_stage import TwoStageHead, TwoStageOutputs


class FasterRcnnOutputs(TwoStageOutputs, BoxOutputs):
    """Boxes from two stages."""

    __slots__ = ()

    def loss(self, truth: BoxBatch, class_weights: Tensor | None) -> Tensor:
        """Losses of the proposals and of what is said about them."""
        del class_weights
        return self.head.loss(self, scenes_of_boxes(truth))

    @torch.no_grad()
    def decode(self, most: int) -> list[Found]:
        """The surest of overlapping boxes of a class, at most `most` a picture, in pixels of the network's input."""
        rows = self.head.second_stage(self)
        return [as_found(row["boxes"][:most], row["labels"][:most] - 1, row["scores"][:most]) for row in rows]


class FasterRcnnHead(TwoStageHead):
    """Proposes boxes, then says the class of each and moves its edges.

    Args:
        spec: Stages of the backbone.
        options: What the caller chose; background is none of the classes.
    """

    def forward(self, maps: dict[str, Tensor], size_hw: tuple[int, int]) -> FasterRcnnOutputs:
        """What the first stage says."""
        return FasterRcnnOutputs(self, *self.first_stage(maps), size_hw)


HEADS.add(
    "faster_rcnn",
    HeadInfo(
        name="faster_rcnn",
        task="detection",
        title="two stages: proposals of boxes that may hold an object, then a look at each of them",
        paper="Ren, He, Girshick and Sun: Faster R-CNN, NeurIPS 2015; on a feature pyramid as in Lin et al., CVPR 2017",
        build=FasterRcnnHead,
        note="Three levels of 128 channels, 512 numbers for a proposal, 128 sampled in a picture; anchors are as large "
        "as the training objects.",
        weighs_classes=False,
        needs_sides=True,
    ),
)
