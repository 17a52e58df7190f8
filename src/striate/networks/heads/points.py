"""A light one-stage detector without anchors: every point of a pyramid says what it sees and how far its edges are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.networks.heads.base import HEADS, Head, HeadInfo
from striate.networks.heads.pyramid import FeaturePyramid
from striate.structures import FeatureSpec

WIDTH = 96
PRIOR = 0.01
"""Score of every class at every point before training: nearly all of them are background (Lin et al. 2017)."""


@dataclass(frozen=True, slots=True)
class PointOutputs:
    """What the points of a pyramid say, all levels end to end.

    Attributes:
        scores: `(N, P, K)` class scores before the sigmoid.
        boxes_xyxy: `(N, P, 4)` in pixels of the network's input.
        points_xy: `(P, 2)` where the points lie, in the same pixels.
        strides: `(P,)` pixels for one step at each point.
    """

    scores: Tensor
    boxes_xyxy: Tensor
    points_xy: Tensor
    strides: Tensor

    def __len__(self) -> int:
        return len(self.scores)

    def float(self) -> PointOutputs:
        """The same in float32: what follows needs more than the eight bits of bfloat16."""
        return PointOutputs(self.scores.float(), self.boxes_xyxy.float(), self.points_xy, self.strides)


class PointsHead(Head):
    """Two convolutions for classes and two for edges, shared by all levels of a pyramid.

    Args:
        spec: Stages of the backbone.
        classes: Classes of objects; background is none of them.
    """

    def __init__(self, spec: FeatureSpec, classes: int) -> None:
        super().__init__()
        self.pyramid = FeaturePyramid(spec, WIDTH)
        self.strides = [stage.stride for stage in self.pyramid.stages]
        self.class_tower, self.edge_tower = _build_tower(), _build_tower()
        self.class_scores = nn.Conv2d(WIDTH, classes, 3, padding=1)
        self.edges = nn.Conv2d(WIDTH, 4, 3, padding=1)
        # A learned scale for each level, as in FCOS: the same convolution speaks of edges near and far.
        self.scales = nn.Parameter(torch.ones(len(self.strides)))
        nn.init.constant_(self.class_scores.bias, -math.log((1 - PRIOR) / PRIOR))  # type: ignore[arg-type]
        for layer in (self.class_scores, self.edges):
            nn.init.normal_(layer.weight, std=0.01)
        nn.init.constant_(self.edges.bias, 1.0)  # type: ignore[arg-type]

    def forward(self, maps: dict[str, Tensor], size_hw: tuple[int, int]) -> PointOutputs:
        """What every point says."""
        scores, boxes, points, strides = [], [], [], []
        for index, level in enumerate(self.pyramid(maps)):
            height, width = int(level.shape[-2]), int(level.shape[-1])
            # Maps of odd pictures are a little smaller or larger than H/stride: points are spread over the picture.
            step_y, step_x = size_hw[0] / height, size_hw[1] / width
            y = (torch.arange(height, device=level.device) + 0.5) * step_y
            x = (torch.arange(width, device=level.device) + 0.5) * step_x
            place = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], -1).view(-1, 2)
            scores.append(self.class_scores(self.class_tower(level)).flatten(2).transpose(1, 2))
            edges = self.edges(self.edge_tower(level)).flatten(2).transpose(1, 2).float()
            reach = functional.softplus(edges * self.scales[index]) * self.strides[index]
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
