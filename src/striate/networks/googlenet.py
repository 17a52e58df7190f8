"""GoogLeNet (Szegedy et al. 2015), with its auxiliary classifiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.networks.base import NETWORKS, Network, NetworkInfo, NetworkOptions, Published
from striate.networks.layers import build_activation, build_pooling, check_size, initialise, stem_stride
from striate.structures import FeatureSpec, Stage


@dataclass(frozen=True, slots=True)
class Widths:
    """Maps in one inception module: four branches, two of them with a 1 x 1 reduction first."""

    one: int
    reduce3: int
    three: int
    reduce5: int
    five: int
    pooled: int

    @property
    def maps(self) -> int:
        """Maps of the four branches together."""
        return self.one + self.three + self.five + self.pooled


# Table 1 of the paper, "inception" rows.
MODULES: dict[str, Widths] = {
    #             1x1 red3  3x3 red5  5x5 pool
    "3a": Widths(64, 96, 128, 16, 32, 32),
    "3b": Widths(128, 128, 192, 32, 96, 64),
    "4a": Widths(192, 96, 208, 16, 48, 64),
    "4b": Widths(160, 112, 224, 24, 64, 64),
    "4c": Widths(128, 128, 256, 24, 64, 64),
    "4d": Widths(112, 144, 288, 32, 64, 64),
    "4e": Widths(256, 160, 320, 32, 128, 128),
    "5a": Widths(256, 160, 320, 32, 128, 128),
    "5b": Widths(384, 192, 384, 48, 128, 128),
}


class GoogLeNetOutputs(NamedTuple):
    """Class scores in training mode, each `(N, classes)`; the fields are torchvision's."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class ConvolutionUnit(nn.Module):
    """Convolution, batch normalisation, activation."""

    def __init__(
        self, channels: int, maps: int, kernel: int, activation: str, *, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, maps, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(maps, eps=0.001)
        self.act = build_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, channels, H, W)` to `(N, maps, H/stride, W/stride)`."""
        out: Tensor = self.act(self.bn(self.conv(x)))
        return out


class Inception(nn.Module):
    """Four branches side by side; the "5 x 5" branch has 3 x 3 kernels, as torchvision's weights do."""

    def __init__(self, channels: int, widths: Widths, activation: str, pooling: str, *, stride: int = 1) -> None:
        super().__init__()
        self.branch1 = ConvolutionUnit(channels, widths.one, 1, activation, stride=stride)
        self.branch2 = nn.Sequential(
            ConvolutionUnit(channels, widths.reduce3, 1, activation),
            ConvolutionUnit(widths.reduce3, widths.three, 3, activation, stride=stride, padding=1),
        )
        self.branch3 = nn.Sequential(
            ConvolutionUnit(channels, widths.reduce5, 1, activation),
            ConvolutionUnit(widths.reduce5, widths.five, 3, activation, stride=stride, padding=1),
        )
        self.branch4 = nn.Sequential(
            build_pooling(pooling, 3, 1, padding=1, ceil_mode=True),
            ConvolutionUnit(channels, widths.pooled, 1, activation, stride=stride),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(N, channels, H, W)` to `(N, widths.maps, H/stride, W/stride)`."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class AuxiliaryClassifier(nn.Module):
    """Class scores from a map in the middle, so that the gradient reaches the early layers (section 5)."""

    def __init__(self, channels: int, classes: int, activation: str, dropout: float = 0.7) -> None:
        super().__init__()
        self.conv = ConvolutionUnit(channels, 128, 1, activation)
        self.fc1 = nn.Linear(2048, 1024)
        self.act = build_activation(activation)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, channels, H, W)` to `(N, classes)`."""
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4)))
        out: Tensor = self.fc2(self.dropout(self.act(self.fc1(torch.flatten(x, 1)))))
        return out


class GoogLeNet(Network):
    """Nine inception modules; state-dict keys and sums are torchvision's (batch norm, 3 x 3 for 5 x 5).

    In training mode `forward` returns `GoogLeNetOutputs`. With a small-picture stem the first pooling is left out, and
    the first convolution is 7 x 7 with stride 2 ("auto", 41 to 80 pixels: the official weights still fit) or 3 x 3 with
    stride 1: strides up to the last map are then 16 or 8 instead of 32. With pooling "stride" the last convolution of
    each branch strides before a pooling, and the pooling branch inside a module does not pool.

    Args:
        options: Classes, channels, size, activation, pooling, stem, dropout (torchvision's 0.2).
    """

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__()
        activation = options.activation or "relu"
        pooling = options.pooling or "max"
        self._stem = stem_stride(options)
        self._strided = pooling == "stride"
        check_size("GoogLeNet", options, {4: 32, 2: 16, 1: 8}[self._stem])
        self._build_stem(options.channels, activation, pooling)
        channels = 192
        for name, widths in MODULES.items():
            stride = 2 if self._strided and name in ("3b", "4e") else 1
            self.add_module(f"inception{name}", Inception(channels, widths, activation, pooling, stride=stride))
            channels = widths.maps
        self.maxpool3 = build_pooling(pooling, 3, 2, ceil_mode=True)
        self.maxpool4 = build_pooling(pooling, 2, 2, ceil_mode=True)
        self.aux1 = AuxiliaryClassifier(MODULES["4a"].maps, options.classes, activation)
        self.aux2 = AuxiliaryClassifier(MODULES["4d"].maps, options.classes, activation)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(0.2 if options.dropout is None else options.dropout)
        self.fc = nn.Linear(MODULES["5b"].maps, options.classes)
        initialise(self, activation, self.class_layers)

    def _build_stem(self, channels: int, activation: str, pooling: str) -> None:
        double = 2 if self._strided else 1
        if self._stem == 1:
            self.conv1 = ConvolutionUnit(channels, 64, 3, activation, padding=1)
        else:
            stride = 2 * (double if self._stem == 4 else 1)
            self.conv1 = ConvolutionUnit(channels, 64, 7, activation, stride=stride, padding=3)
        self.maxpool1 = build_pooling(pooling, 3, 2, ceil_mode=True) if self._stem == 4 else nn.Identity()
        self.conv2 = ConvolutionUnit(64, 64, 1, activation)
        self.conv3 = ConvolutionUnit(64, 192, 3, activation, stride=double, padding=1)
        self.maxpool2 = build_pooling(pooling, 3, 2, ceil_mode=True)

    @property
    def feature_spec(self) -> FeatureSpec:
        """The maps before each shrinking, and the last one."""
        first = self._stem if self._strided and self._stem == 4 else min(self._stem, 2)
        double = 2 if self._strided else 1
        return FeatureSpec(
            (
                Stage("conv1", 64, first),
                Stage("conv3", 192, self._stem * double),
                Stage("inception3b", MODULES["3b"].maps, 2 * self._stem * double),
                Stage("inception4e", MODULES["4e"].maps, 4 * self._stem * double),
                Stage("inception5b", MODULES["5b"].maps, 8 * self._stem),
            )
        )

    @property
    def head(self) -> nn.Module:
        """The last linear layer."""
        return self.fc

    @property
    def class_layers(self) -> tuple[nn.Module, ...]:
        """The last layers of the main and the auxiliary classifiers."""
        return self.fc, self.aux1.fc2, self.aux2.fc2

    def forward_features(self, x: Tensor) -> dict[str, Tensor]:
        """Maps by stage name."""
        maps = {"conv1": self.conv1(x)}
        maps["conv3"] = self.conv3(self.conv2(self.maxpool1(maps["conv1"])))
        x = self.maxpool2(maps["conv3"])
        maps["inception3b"] = self._run(x, "3a", "3b")
        x = self.maxpool3(maps["inception3b"])
        maps["inception4e"] = self._run(x, "4a", "4b", "4c", "4d", "4e")
        x = self.maxpool4(maps["inception4e"])
        maps["inception5b"] = self._run(x, "5a", "5b")
        return maps

    def _run(self, x: Tensor, *names: str) -> Tensor:
        for name in names:
            x = self.get_submodule(f"inception{name}")(x)
        return x

    def _until_4a(self, x: Tensor) -> Tensor:
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        return self._run(self.maxpool3(self._run(x, "3a", "3b")), "4a")

    def _after_4d(self, x: Tensor) -> Tensor:
        x = self._run(self.maxpool4(self._run(x, "4e")), "5a", "5b")
        out: Tensor = self.dropout(torch.flatten(self.avgpool(x), 1))
        return out

    def embed(self, x: Tensor) -> Tensor:
        """What the last linear layer gets: `(N, 1024)`."""
        return self._after_4d(self._run(self._until_4a(x), "4b", "4c", "4d"))

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:  # type: ignore[override]
        """Class scores `(N, classes)`; three of them in training mode."""
        if not self.training:
            return super().forward(x)
        early = self._until_4a(x)
        first = self.aux1(early)
        late = self._run(early, "4b", "4c", "4d")
        second = self.aux2(late)
        return GoogLeNetOutputs(self.fc(self._after_4d(late)), second, first)


NETWORKS.add(
    "googlenet",
    NetworkInfo(
        name="googlenet",
        family="GoogLeNet",
        year=2014,
        authors="Christian Szegedy, Wei Liu, Yangqing Jia, Pierre Sermanet, Scott Reed, Dragomir Anguelov, "
        "Dumitru Erhan, Vincent Vanhoucke, Andrew Rabinovich",
        paper="Going Deeper with Convolutions, CVPR 2015",
        build=GoogLeNet,
        published=(
            Published(
                "ImageNet-1k validation, one central crop", 69.778, "torchvision, GoogLeNet_Weights.IMAGENET1K_V1"
            ),
        ),
        torchvision="googlenet",
        note="Batch normalisation instead of response normalisation, and 3 x 3 kernels in the 5 x 5 branch, as in "
        "torchvision (a known slip there, kept so that its weights fit). The paper gives 6.67 % top-5 error only.",
    ),
)
