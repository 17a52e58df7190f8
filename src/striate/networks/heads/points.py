"""A light one-stage detector without anchors: every point of a pyramid says what it sees and how far its edges are."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.networks.base import NetworkOptions
from striate.networks.heads.base import HEADS, Head, HeadInfo
from striate.networks.heads.point_outputs import PointOutputs
from striate.networks.heads.pyramid import FeaturePyramid, spread_points
from striate.structures import FeatureSpec

WIDTH = 96
PRIOR = 0.01
"""Score of every class at every point before training: nearly all of them are background (Lin et al. 2017)."""


class Scale(nn.Module):
    """A learned factor."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x * self.factor


class PointsHead(Head):
    """Two convolutions for classes and two for edges, shared by all levels of a pyramid.

    Args:
        spec: Stages of the backbone.
        options: What the caller chose; background is none of the classes.
    """

    def __init__(self, spec: FeatureSpec, options: NetworkOptions) -> None:
        super().__init__()
        self.pyramid = FeaturePyramid(spec, WIDTH)
        self.strides = self.pyramid.strides
        self.class_tower, self.edge_tower = _build_tower(), _build_tower()
        self.class_scores = nn.Conv2d(WIDTH, options.classes, 3, padding=1)
        self.edges = nn.Conv2d(WIDTH, 4, 3, padding=1)
        # A learned scale for each level, as in FCOS: the same convolution speaks of edges near and far.
        self.scales = nn.ModuleList(Scale() for _ in self.strides)
        nn.init.constant_(self.class_scores.bias, -math.log((1 - PRIOR) / PRIOR))  # type: ignore[arg-type]
        for layer in (self.class_scores, self.edges):
            nn.init.normal_(layer.weight, std=0.01)
        nn.init.constant_(self.edges.bias, 1.0)  # type: ignore[arg-type]

    def forward(self, maps: dict[str, Tensor], size_hw: tuple[int, int]) -> PointOutputs:
        """What every point says."""
        scores, boxes, points, strides = [], [], [], []
        for index, level in enumerate(self.pyramid(maps)):
            place = spread_points(level, size_hw)
            scores.append(self.class_scores(self.class_tower(level)).flatten(2).transpose(1, 2))
            edges = self.edges(self.edge_tower(level)).flatten(2).transpose(1, 2).float()
            reach = functional.softplus(self.scales[index](edges)) * self.strides[index]
            boxes.append(torch.cat([place - reach[..., :2], place + reach[..., 2:]], -1))
            points.append(place)
            strides.append(torch.full((len(place),), float(self.strides[index]), device=level.device))
        return PointOutputs(torch.cat(scores, 1), torch.cat(boxes, 1), torch.cat(points), torch.cat(strides))


def _build_tower() -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(2):
        layers += [nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU()]
    return nn.Sequential(*layers)


HEADS.add(
    "points",
    HeadInfo(
        name="points",
        task="detection",
        title="one stage, no anchors: every point of a feature pyramid gives class scores and four distances to edges",
        paper="Tian, Shen, Chen and He: FCOS, ICCV 2019; points are assigned as in Feng et al.: TOOD, ICCV 2021",
        build=PointsHead,
        note="Three levels of 96 channels and two convolutions a tower, so that a laptop trains it; no centre-ness: "
        "class scores learn the overlap instead (Li et al., Generalized Focal Loss, NeurIPS 2020).",
    ),
)
