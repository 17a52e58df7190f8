"""Atrous spatial pyramid pooling (Chen et al. 2017: DeepLabV3), on any backbone; torchvision's module."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.segmentation.deeplabv3 import DeepLabHead

from striate.networks.base import NetworkOptions
from striate.networks.heads.base import HEADS, Head, HeadInfo, one_stage_a_stride
from striate.structures import FeatureSpec, Stage

STRIDE = 8
"""Stride of the map that the paper's head looks at."""


class DeepLabV3Head(Head):
    """Looks at one map through convolutions of several dilations at once.

    The paper removes the backbone's last strides so that its last map has stride 8; here the last map of stride 8 (or
    the nearest finer one) is joined with the coarsest one, enlarged, so that any backbone will do as it is.

    Args:
        spec: Stages of the backbone.
        options: What the caller chose; background is one of the classes.
    """

    def __init__(self, spec: FeatureSpec, options: NetworkOptions) -> None:
        super().__init__()
        stages = one_stage_a_stride(spec)
        fine = [stage for stage in stages if stage.stride <= STRIDE] or [stages[0]]
        middle = fine[-1]
        self.stages = _distinct(middle, stages[-1])
        channels = sum(stage.channels for stage in self.stages)
        self.pyramid = DeepLabHead(channels, options.classes)

    def forward(self, maps: dict[str, Tensor], size_hw: tuple[int, int]) -> Tensor:
        """Class scores before softmax: `(N, classes, *size_hw)`."""
        first, *others = [maps[stage.name] for stage in self.stages]
        enlarged = [
            functional.interpolate(one, size=first.shape[-2:], mode="bilinear", align_corners=False) for one in others
        ]
        scores: Tensor = self.pyramid(torch.cat([first, *enlarged], 1))
        return functional.interpolate(scores, size=size_hw, mode="bilinear", align_corners=False)


def _distinct(first: Stage, second: Stage) -> list[Stage]:
    return [first] if first == second else [first, second]


HEADS.add(
    "deeplabv3",
    HeadInfo(
        name="deeplabv3",
        task="segmentation",
        title="DeepLabV3: one map seen through convolutions of several dilations and a global mean",
        paper="Chen, Papandreou, Schroff and Adam: Rethinking Atrous Convolution, arXiv:1706.05587, 2017",
        build=DeepLabV3Head,
        note="The backbone keeps its strides; its map of stride 8 is joined with its coarsest one.",
    ),
)
