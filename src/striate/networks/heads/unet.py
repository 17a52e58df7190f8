"""The decoder of U-Net (Ronneberger, Fischer and Brox 2015), on any backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.networks.base import NetworkOptions
from striate.networks.heads.base import HEADS, Head, HeadInfo, choose_stages
from striate.structures import FeatureSpec

WIDTHS = (256, 128, 64, 48, 32)
"""Channels of the decoder, from the coarsest step to the finest."""


def build_convolution(channels: int, width: int, kernel: int = 3) -> nn.Sequential:
    """Convolution, batch normalisation and ReLU; the size stays."""
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()
    )


class UNetHead(Head):
    """Enlarges the coarsest map step by step and joins it with the finer ones.

    Args:
        spec: Stages of the backbone.
        options: What the caller chose; background is one of the classes.
    """

    def __init__(self, spec: FeatureSpec, options: NetworkOptions) -> None:
        super().__init__()
        stages = choose_stages(spec)
        self.stages = [stage.name for stage in stages]
        *finer, coarsest = stages
        channels = coarsest.channels
        self.steps = nn.ModuleList()
        for step, stage in enumerate(reversed(finer)):
            width = min(WIDTHS[min(step, len(WIDTHS) - 1)], max(16, channels))
            self.steps.append(
                nn.Sequential(build_convolution(channels + stage.channels, width), build_convolution(width, width))
            )
            channels = width
        self.scores = nn.Conv2d(channels, options.classes, 1)

    def forward(self, maps: dict[str, Tensor], size_hw: tuple[int, int]) -> Tensor:
        """Class scores before softmax: `(N, classes, *size_hw)`."""
        *finer, x = (maps[name] for name in self.stages)
        for step, skip in zip(self.steps, reversed(finer), strict=True):
            x = functional.interpolate(x, size=skip.shape[-2:], mode="nearest")
            x = step(torch.cat([x, skip], 1))
        return functional.interpolate(self.scores(x), size=size_hw, mode="bilinear", align_corners=False)


HEADS.add(
    "unet",
    HeadInfo(
        name="unet",
        task="segmentation",
        title="U-Net: the coarsest map enlarged step by step, joined with finer ones on the way",
        paper="Ronneberger, Fischer and Brox: U-Net, MICCAI 2015",
        build=UNetHead,
        note="The backbone is the contracting path; padded convolutions with batch normalisation instead of valid "
        "ones; nearest enlargement instead of transposed convolution; scores at the finest stride, then enlarged.",
    ),
)
