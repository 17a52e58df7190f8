"""Fully convolutional scores at three strides, summed (Long, Shelhamer and Darrell 2015: FCN-8s)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from striate.networks.base import NetworkOptions
from striate.networks.heads.base import HEADS, Head, HeadInfo, one_stage_a_stride
from striate.structures import FeatureSpec

FUSED = 3
"""Strides whose scores are summed: 8, 16 and 32 in the paper, the three coarsest here."""


class FcnHead(Head):
    """A 1 x 1 convolution on each of the three coarsest maps; scores are enlarged and summed.

    Args:
        spec: Stages of the backbone.
        options: What the caller chose; background is one of the classes.
    """

    def __init__(self, spec: FeatureSpec, options: NetworkOptions) -> None:
        super().__init__()
        stages = one_stage_a_stride(spec)[-FUSED:]
        self.stages = [stage.name for stage in stages]
        self.scores = nn.ModuleList(nn.Conv2d(stage.channels, options.classes, 1) for stage in stages)
        for score in list(self.scores)[:-1]:
            # As in the paper: finer scores start at nothing, so that the coarse ones are learned first.
            for parameter in score.parameters():
                nn.init.zeros_(parameter)

    def forward(self, maps: dict[str, Tensor], size_hw: tuple[int, int]) -> Tensor:
        """Class scores before softmax: `(N, classes, *size_hw)`."""
        *finer, total = [score(maps[name]) for score, name in zip(self.scores, self.stages, strict=True)]
        for score in reversed(finer):
            total = functional.interpolate(total, size=score.shape[-2:], mode="bilinear", align_corners=False) + score
        return functional.interpolate(total, size=size_hw, mode="bilinear", align_corners=False)


HEADS.add(
    "fcn",
    HeadInfo(
        name="fcn",
        task="segmentation",
        title="FCN: class scores of the three coarsest maps, enlarged and summed",
        paper="Long, Shelhamer and Darrell: Fully Convolutional Networks for Semantic Segmentation, CVPR 2015",
        build=FcnHead,
        note="Bilinear enlargement that stays fixed; the paper starts from it and learns it.",
    ),
)
