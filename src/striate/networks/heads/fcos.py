"""FCOS (Tian, Shen, Chen and He 2019) on any backbone; torchvision's head, loss and decoding."""

from __future__ import annotations

from torch import Tensor
from torchvision.models.detection.fcos import FCOS

from striate.networks.base import NetworkOptions
from striate.networks.heads.anchors import Anchors
from striate.networks.heads.base import HEADS, HeadInfo
from striate.networks.heads.one_stage import AnchorOutputs, OneStageHead
from striate.networks.heads.truth import Scene


class FcosHead(OneStageHead):
    """Every point near the middle of an object says its class, its edges, and how near the middle it is.

    Args:
        spec: Stages of the backbone.
        options: What the caller chose; background is none of the classes.
    """

    detector_type = FCOS

    def build_anchors(self, strides: list[int], options: NetworkOptions) -> Anchors:
        """One cell for each point, by which torchvision's FCOS knows where it is and how far it sees."""
        del options
        return Anchors([[stride] for stride in strides], [1.0])

    def detector_losses(self, output: AnchorOutputs, scenes: list[Scene]) -> dict[str, Tensor]:
        """Focal loss of the classes, generalised overlap of the boxes, and centre-ness."""
        anchors = [output.anchors_xyxy] * len(scenes)
        targets = [scene.as_targets(first_class=0) for scene in scenes]
        losses: dict[str, Tensor] = self.detector.compute_loss(targets, output.answers, anchors, output.counts)
        return losses


HEADS.add(
    "fcos",
    HeadInfo(
        name="fcos",
        task="detection",
        title="one stage, no anchors: points near the middle of an object give its class, edges and their centre-ness",
        paper="Tian, Shen, Chen and He: FCOS: Fully Convolutional One-Stage Object Detection, ICCV 2019",
        build=FcosHead,
        note="Three levels of 128 channels; the four convolutions a tower are the paper's.",
        weighs_classes=False,
    ),
)
