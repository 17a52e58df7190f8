"""What torchvision's one-stage detectors share, on any backbone."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from striate.networks.base import NetworkOptions
from striate.networks.heads.anchors import Anchors, image_list
from striate.networks.heads.base import Head
from striate.networks.heads.outputs import MOST_FOUND, BoxOutputs, Found, as_found
from striate.networks.heads.pyramid import FeaturePyramid
from striate.networks.heads.truth import BoxBatch, Scene, scenes_of_boxes
from striate.structures import FeatureSpec

WIDTH = 128
"""Channels of the pyramid: half of the papers', for a quarter of the work."""

LEAST_SCORE = 0.05
SAME_OBJECT = 0.6
_NEVER = -100.0
"""Score before the sigmoid with which background has neither loss nor gradient."""


@dataclass(frozen=True, slots=True)
class AnchorOutputs(BoxOutputs):
    """What the anchors of a pyramid say, all levels end to end.

    Attributes:
        head: Made them; its detector knows their loss.
        answers: By torchvision's names, each `(N, A, ...)`; `cls_logits` are class scores before the sigmoid.
        anchors_xyxy: `(A, 4)` in pixels of the network's input.
        counts: Anchors of each level.
        size_hw: Height and width of the network's input.
    """

    head: OneStageHead
    answers: dict[str, Tensor]
    anchors_xyxy: Tensor
    counts: list[int]
    size_hw: tuple[int, int]

    def __len__(self) -> int:
        return len(self.answers["cls_logits"])

    def float(self) -> AnchorOutputs:
        """The same in float32."""
        return replace(self, answers={name: answer.float() for name, answer in self.answers.items()})

    def confidence(self) -> Tensor:
        """Scores of every class at every anchor: `(N, A, K)`."""
        return torch.sigmoid(self.answers["cls_logits"].float())

    def loss(self, truth: BoxBatch, class_weights: Tensor | None) -> Tensor:
        """Focal loss of the classes plus what the detector asks of boxes.

        Anchors that show what is ignored, and no object, teach nothing.
        """
        del class_weights
        scenes = scenes_of_boxes(truth)
        with torch.no_grad():
            silent = torch.stack([scene.is_silent(self.anchors_xyxy) for scene in scenes])
        logits = self.answers["cls_logits"].masked_fill(silent[..., None], _NEVER)
        losses = self.head.detector_losses(replace(self, answers=self.answers | {"cls_logits": logits}), scenes)
        return sum(losses.values(), start=self.anchors_xyxy.new_zeros(()))

    @torch.no_grad()
    def decode(self, most: int) -> list[Found]:
        """The surest of overlapping boxes of a class, at most `most` a picture, in pixels of the network's input."""
        answers = {name: list(torch.split(answer.float(), self.counts, 1)) for name, answer in self.answers.items()}
        anchors = [list(torch.split(self.anchors_xyxy, self.counts))] * len(self)
        rows = self.head.detector.postprocess_detections(answers, anchors, [self.size_hw] * len(self))
        return [as_found(row["boxes"][:most], row["labels"][:most], row["scores"][:most]) for row in rows]


class OneStageHead(Head):
    """A detector of torchvision on a feature pyramid.

    Args:
        spec: Stages of the backbone.
        options: What the caller chose; background is none of the classes.
    """

    detector_type: ClassVar[Any]
    """Torchvision's detector."""

    def __init__(self, spec: FeatureSpec, options: NetworkOptions) -> None:
        super().__init__()
        pyramid = FeaturePyramid(spec, WIDTH)
        self.detector: Any = self.detector_type(
            pyramid,
            options.classes,
            anchor_generator=self.build_anchors(pyramid.strides, options),
            score_thresh=LEAST_SCORE,
            nms_thresh=SAME_OBJECT,
            detections_per_img=MOST_FOUND,
        )

    @abstractmethod
    def build_anchors(self, strides: list[int], options: NetworkOptions) -> Anchors:
        """Anchors of each level, by its stride."""

    @abstractmethod
    def detector_losses(self, output: AnchorOutputs, scenes: list[Scene]) -> dict[str, Tensor]:
        """Torchvision's losses of a batch, scalars by name."""

    def forward(self, maps: dict[str, Tensor], size_hw: tuple[int, int]) -> AnchorOutputs:
        """What every anchor says."""
        levels = self.detector.backbone(maps)
        anchors = self.detector.anchor_generator(image_list(levels[0], size_hw), levels)[0]
        each = self.detector.anchor_generator.num_anchors_per_location()
        counts = [int(level.shape[-2] * level.shape[-1]) * count for level, count in zip(levels, each, strict=True)]
        return AnchorOutputs(self, self.detector.head(levels), anchors, counts, size_hw)
