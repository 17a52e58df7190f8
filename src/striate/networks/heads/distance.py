"""Class and distance to the edge at every pixel, from which touching objects are told apart."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from striate.networks.base import NetworkOptions
from striate.networks.heads.base import HEADS, Head, HeadInfo
from striate.networks.heads.distance_outputs import DistanceOutputs
from striate.networks.heads.unet import UNetHead
from striate.structures import FeatureSpec


class DistanceHead(Head):
    """U-Net's decoder with one output more.

    Args:
        spec: Stages of the backbone.
        options: What the caller chose; background is none of the classes.
    """

    def __init__(self, spec: FeatureSpec, options: NetworkOptions) -> None:
        super().__init__()
        self.decoder = UNetHead(spec, replace(options, classes=options.classes + 2))

    def forward(self, maps: dict[str, Tensor], size_hw: tuple[int, int]) -> DistanceOutputs:
        """What every pixel says."""
        scores, distance = torch.split(self.decoder(maps, size_hw), [self.decoder.scores.out_channels - 1, 1], 1)
        return DistanceOutputs(scores, distance[:, 0])


HEADS.add(
    "distance",
    HeadInfo(
        name="distance",
        task="instances",
        title="class and distance to the edge at every pixel; a watershed from the innermost parts gives the objects",
        paper="Naylor, Laé, Reyal and Walter: Segmentation of Nuclei by Deep Regression of the Distance Map, IEEE "
        "Transactions on Medical Imaging 38(2), 2019",
        build=DistanceHead,
        note="Distances are divided by the largest of their object, so that small and large objects have one middle "
        "each; classes are learned beside them; any backbone.",
    ),
)
