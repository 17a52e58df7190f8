"""Feature pyramid (Lin et al. 2017): coarse maps, which know what, brought to finer ones, which know where."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.networks.heads.base import one_stage_a_stride
from striate.structures import FeatureSpec, Stage

LEVELS = 3
"""Maps of the pyramid: the three coarsest of the backbone, strides 8, 16 and 32 in most."""

FINEST = 4
"""Least stride of a level. At full resolution a detector costs more than its backbone, and sees least."""


class FeaturePyramid(nn.Module):
    """Maps of several strides with equally many channels.

    Differs from the paper in the number of channels and in taking three levels. A backbone that gives fewer coarse maps
    (LeNet-5 ends at stride 4) gets the missing ones by convolutions of stride 2, as RetinaNet adds P6 and P7.

    Args:
        spec: Stages of the backbone.
        width: Channels of every map that comes out.

    Attributes:
        strides: Of the maps that come out, finest first.
    """

    def __init__(self, spec: FeatureSpec, width: int) -> None:
        super().__init__()
        stages = one_stage_a_stride(spec)[-LEVELS:]
        self.stages: tuple[Stage, ...] = tuple(one for one in stages if one.stride >= FINEST) or stages[-1:]
        self.strides = [stage.stride for stage in self.stages]
        self.coarser = nn.ModuleList()
        while len(self.strides) < LEVELS:
            self.coarser.append(nn.Conv2d(width, width, 3, stride=2, padding=1))
            self.strides.append(2 * self.strides[-1])
        self.out_channels = width
        self.lateral = nn.ModuleList(nn.Conv2d(stage.channels, width, 1) for stage in self.stages)
        self.smooth = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
            for _ in self.strides
        )

    def forward(self, maps: dict[str, Tensor]) -> list[Tensor]:
        """Maps `(N, width, h, w)`, finest first."""
        levels = [lateral(maps[stage.name]) for lateral, stage in zip(self.lateral, self.stages, strict=True)]
        for shrink in self.coarser:
            levels.append(shrink(functional.relu(levels[-1])))
        for index in range(len(levels) - 1, 0, -1):
            size = levels[index - 1].shape[-2:]
            levels[index - 1] = levels[index - 1] + functional.interpolate(levels[index], size=size, mode="nearest")
        return [smooth(level) for smooth, level in zip(self.smooth, levels, strict=True)]


def spread_points(level: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """The middle of every cell of a map `(N, C, h, w)`, row by row: `(h * w, 2)` x and y in pixels of the picture.

    Maps of odd pictures are a little smaller or larger than H/stride: cells are spread over the picture.
    """
    height, width = int(level.shape[-2]), int(level.shape[-1])
    y = (torch.arange(height, device=level.device) + 0.5) * (size_hw[0] / height)
    x = (torch.arange(width, device=level.device) + 0.5) * (size_hw[1] / width)
    return torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], -1).view(-1, 2)
