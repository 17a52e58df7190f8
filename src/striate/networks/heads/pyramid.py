"""Feature pyramid (Lin et al. 2017): coarse maps, which know what, brought to finer ones, which know where."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from striate.networks.heads.base import one_stage_a_stride
from striate.structures import FeatureSpec, Stage

LEVELS = 3
"""Maps of the pyramid: the three coarsest of the backbone, strides 8, 16 and 32 in most."""


class FeaturePyramid(nn.Module):
    """Maps of several strides with equally many channels.

    Differs from the paper in the number of channels and in taking three levels.

    Args:
        spec: Stages of the backbone.
        width: Channels of every map that comes out.
    """

    def __init__(self, spec: FeatureSpec, width: int) -> None:
        super().__init__()
        self.stages: tuple[Stage, ...] = one_stage_a_stride(spec)[-LEVELS:]
        self.lateral = nn.ModuleList(nn.Conv2d(stage.channels, width, 1) for stage in self.stages)
        self.smooth = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
            for _ in self.stages
        )

    def forward(self, maps: dict[str, Tensor]) -> list[Tensor]:
        """Maps `(N, width, h, w)`, finest first."""
        levels = [lateral(maps[stage.name]) for lateral, stage in zip(self.lateral, self.stages, strict=True)]
        for index in range(len(levels) - 1, 0, -1):
            size = levels[index - 1].shape[-2:]
            levels[index - 1] = levels[index - 1] + functional.interpolate(levels[index], size=size, mode="nearest")
        return [smooth(level) for smooth, level in zip(self.smooth, levels, strict=True)]
