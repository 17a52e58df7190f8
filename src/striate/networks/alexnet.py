"""AlexNet (Krizhevsky 2014, the one-column form that torchvision has)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striate.networks.base import NETWORKS, Network, NetworkInfo, NetworkOptions, Published
from striate.networks.layers import (
    build_activation,
    build_pooling,
    check_size,
    initialise,
    pad_to_stride,
    stem_stride,
)
from striate.structures import FeatureSpec, Stage


@dataclass(frozen=True, slots=True)
class Convolution:
    """One convolution and whether pooling follows it."""

    maps: int
    kernel: int
    stride: int
    padding: int
    pooled: bool


CONVOLUTIONS = (
    #           maps kernel stride padding pooled
    Convolution(64, 11, 4, 2, True),
    Convolution(192, 5, 1, 2, True),
    Convolution(384, 3, 1, 1, False),
    Convolution(256, 3, 1, 1, False),
    Convolution(256, 3, 1, 1, True),
)
# The first layer where the stem is not the published one, by its stride.
FIRST = {1: Convolution(64, 5, 1, 2, True), 2: Convolution(64, 11, 2, 5, True), 4: CONVOLUTIONS[0]}


class AlexNet(Network):
    """Five convolutions and three linear layers; state-dict keys and sums are torchvision's.

    With a small-picture stem the first layer strides by 1 (5 x 5) or 2 (11 x 11), pooling pads so that no border is
    lost, the grid before the linear layers is 4 x 4 instead of 6 x 6, and they are 1024 wide instead of 4096: the keys
    stay the same, 50 million weights that 28 x 28 pixels cannot fill do not.

    `forward_features` widens the picture by 3 pixels and each map before pooling by 1, at the right and bottom, so
    that every map has exactly H/stride positions; `forward` does as published, where borders are lost (224 -> 55).

    Args:
        options: Classes, channels, size, activation, pooling, stem, dropout (torchvision's 0.5 in both places).
    """

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__()
        activation = options.activation or "relu"
        self._pooling = options.pooling or "max"
        stride = stem_stride(options)
        check_size("AlexNet", options, {4: 63, 2: 16, 1: 8}[stride])
        self._layers = (FIRST[stride], *CONVOLUTIONS[1:])
        self._pool_padding = 0 if stride == 4 else 1
        grid, width = (6, 4096) if stride == 4 else (4, 1024)
        dropout = 0.5 if options.dropout is None else options.dropout
        self.features = self._build_features(options.channels, activation)
        self.avgpool = nn.AdaptiveAvgPool2d((grid, grid))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * grid * grid, width),
            build_activation(activation),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            build_activation(activation),
            nn.Linear(width, options.classes),
        )
        initialise(self, activation, self.class_layers)

    def _stride(self, layer: Convolution) -> int:
        return layer.stride * (2 if layer.pooled and self._pooling == "stride" else 1)

    def _build_features(self, channels: int, activation: str) -> nn.Sequential:
        modules: list[nn.Module] = []
        for layer in self._layers:
            modules.append(nn.Conv2d(channels, layer.maps, layer.kernel, self._stride(layer), layer.padding))
            modules.append(build_activation(activation))
            if layer.pooled:
                modules.append(build_pooling(self._pooling, 3, 2, self._pool_padding))
            channels = layer.maps
        return nn.Sequential(*modules)

    @property
    def feature_spec(self) -> FeatureSpec:
        """The maps before each pooling, and the last one after it."""
        stages = []
        stride = 1
        for index, layer in enumerate(self._layers, start=1):
            stride *= self._stride(layer)
            if layer.pooled:
                stages.append(Stage(f"conv{index}", layer.maps, stride))
            if layer.pooled and self._pooling != "stride":
                stride *= 2
        if self._pooling != "stride":
            stages.append(Stage("pool5", self._layers[-1].maps, stride))
        return FeatureSpec(tuple(stages))

    @property
    def head(self) -> nn.Module:
        """The last linear layer."""
        return self.classifier[-1]

    def forward_features(self, x: Tensor) -> dict[str, Tensor]:
        """Maps by stage name."""
        maps: dict[str, Tensor] = {}
        modules = iter(self.features)
        for index, layer in enumerate(self._layers, start=1):
            convolution, activation = next(modules), next(modules)
            x = pad_to_stride(x, layer.kernel, self._stride(layer), layer.padding)
            x = activation(convolution(x))
            if layer.pooled:
                maps[f"conv{index}"] = x
                pool = next(modules)
                if self._pooling != "stride":
                    x = pool(pad_to_stride(x, 3, 2, self._pool_padding, mode="replicate"))
        if self._pooling != "stride":
            maps["pool5"] = x
        return maps

    def embed(self, x: Tensor) -> Tensor:
        """What the last linear layer gets: `(N, 4096)`, or `(N, 1024)` with a small-picture stem."""
        x = torch.flatten(self.avgpool(self.features(x)), 1)
        for module in self.classifier[:-1]:
            x = module(x)
        return x


NETWORKS.add(
    "alexnet",
    NetworkInfo(
        name="alexnet",
        family="AlexNet",
        year=2012,
        authors="Alex Krizhevsky, Ilya Sutskever, Geoffrey Hinton",
        paper="ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012",
        build=AlexNet,
        published=(
            Published("ImageNet-1k validation, one central crop", 56.522, "torchvision, AlexNet_Weights.IMAGENET1K_V1"),
            Published("ILSVRC-2010 test, ten crops", 62.5, "Krizhevsky et al. 2012, table 1"),
        ),
        torchvision="alexnet",
        note="One column with 64-192-384-256-256 maps and without response normalisation, as in Krizhevsky 2014 "
        "(One weird trick for parallelizing convolutional neural networks, arXiv:1404.5997) and torchvision; the 2012 "
        "network had two columns on two GPUs and 60 million weights as well.",
    ),
)
