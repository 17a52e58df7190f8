"""RetinaNet (Lin, Goyal, Girshick, He and Dollár 2017) on any backbone; torchvision's head, loss and decoding."""

from __future__ import annotations

from torch import Tensor
from torchvision.models.detection.retinanet import RetinaNet

from striate.networks.base import NetworkOptions
from striate.networks.heads.anchors import SHAPES, Anchors, level_sides
from striate.networks.heads.base import HEADS, HeadInfo
from striate.networks.heads.one_stage import AnchorOutputs, OneStageHead
from striate.networks.heads.truth import Scene

SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
"""Sides of a level's anchors for one of its smallest, as in the paper."""


class RetinaNetHead(OneStageHead):
    """Nine anchors on every cell, each with class scores and a box, learned with focal loss.

    Args:
        spec: Stages of the backbone.
        options: What the caller chose; background is none of the classes.
    """

    detector_type = RetinaNet

    def build_anchors(self, strides: list[int], options: NetworkOptions) -> Anchors:
        """Three sizes and three shapes on each level, around the sides of the objects."""
        # The middle one of the three is the level's own.
        sides = [side / SCALES[1] for side in level_sides(options.object_sides, strides)]
        return Anchors([[side * scale for scale in SCALES] for side in sides], SHAPES)

    def detector_losses(self, output: AnchorOutputs, scenes: list[Scene]) -> dict[str, Tensor]:
        """Focal loss of the classes plus the distance between true and answered boxes."""
        anchors = [output.anchors_xyxy] * len(scenes)
        targets = [scene.as_targets(first_class=0) for scene in scenes]
        losses: dict[str, Tensor] = self.detector.compute_loss(targets, output.answers, anchors)
        return losses


HEADS.add(
    "retinanet",
    HeadInfo(
        name="retinanet",
        task="detection",
        title="one stage: nine anchors on every cell of a feature pyramid, learned with focal loss",
        paper="Lin, Goyal, Girshick, He and Dollár: Focal Loss for Dense Object Detection, ICCV 2017",
        build=RetinaNetHead,
        note="Three levels of 128 channels; anchors are as large as the training objects.",
        weighs_classes=False,
        needs_sides=True,
    ),
)
