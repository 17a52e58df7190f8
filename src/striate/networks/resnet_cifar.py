"""ResNet for CIFAR-10 (He et al. 2016, section 4.2), with shortcuts that have no parameters."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.errors import RequestError
from striate.networks.base import NETWORKS, Network, NetworkInfo, NetworkOptions, Published
from striate.networks.layers import build_activation, check_size, initialise
from striate.networks.resnet import BasicBlock, build_stage
from striate.structures import FeatureSpec, Stage

WIDTHS = (16, 32, 64)

# Blocks in each of the three stages (depth = 6 n + 2), and test error in percent (table 6).
VARIANTS: dict[str, tuple[int, float]] = {
    "resnet20": (3, 8.75),
    "resnet32": (5, 7.51),
    "resnet44": (7, 7.17),
    "resnet56": (9, 6.97),
    "resnet110": (18, 6.43),
}


class PaddedShortcut(nn.Module):
    """Option A: every second pixel, and maps of zeros to fill up (section 3.3).

    The paper does not say where the zeros go; half before and half after, as in the published CIFAR weights of
    akamaster/pytorch_resnet_cifar10, which therefore load.
    """

    def __init__(self, channels: int, maps: int) -> None:
        super().__init__()
        self._before = (maps - channels) // 2
        self._after = maps - channels - self._before

    def forward(self, x: Tensor) -> Tensor:
        """`(N, channels, H, W)` to `(N, maps, ceil(H/2), ceil(W/2))`."""
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self._before, self._after))


class Block(BasicBlock):
    """Two 3 x 3 convolutions and a shortcut without parameters."""

    def build_shortcut(self, channels: int, width: int, stride: int) -> nn.Module | None:
        """Option A where the shape changes."""
        return PaddedShortcut(channels, width) if stride != 1 else None


class CifarResNet(Network):
    """Three stages of 16, 32 and 64 maps at strides 1, 2 and 4.

    The stem is small as published, whatever `options.stem` says, and there is no pooling but the global one.

    Args:
        blocks: Blocks in each stage.
        options: Classes, channels, size, activation, dropout (none).

    Raises:
        RequestError: Another pooling was asked for.
    """

    def __init__(self, blocks: int, options: NetworkOptions) -> None:
        super().__init__()
        if options.pooling is not None:
            raise RequestError(
                "the CIFAR ResNets have no pooling that could be changed; their convolutions stride.",
                where="pooling",
                fix="Leave it out, or use another network.",
            )
        check_size("The CIFAR ResNet", options, 4)
        activation = options.activation or "relu"
        self.conv1 = nn.Conv2d(options.channels, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.act1 = build_activation(activation)
        channels = WIDTHS[0]
        for index, width in enumerate(WIDTHS, start=1):
            self.add_module(
                f"layer{index}", build_stage(Block, channels, width, 2 if index > 1 else 1, blocks, activation)
            )
            channels = width
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(options.dropout or 0.0)
        self.linear = nn.Linear(WIDTHS[-1], options.classes)
        initialise(self, activation, self.class_layers)

    @property
    def feature_spec(self) -> FeatureSpec:
        """The three stages."""
        return FeatureSpec(tuple(Stage(f"layer{i + 1}", width, 2**i) for i, width in enumerate(WIDTHS)))

    @property
    def head(self) -> nn.Module:
        """The last linear layer."""
        return self.linear

    def forward_features(self, x: Tensor) -> dict[str, Tensor]:
        """Maps by stage name."""
        maps: dict[str, Tensor] = {}
        x = self.act1(self.bn1(self.conv1(x)))
        for name in ("layer1", "layer2", "layer3"):
            x = maps[name] = self.get_submodule(name)(x)
        return maps

    def embed(self, x: Tensor) -> Tensor:
        """What the last linear layer gets: `(N, 64)`."""
        x = self.avgpool(self.forward_features(x)["layer3"])
        out: Tensor = self.dropout(torch.flatten(x, 1))
        return out


def _register(name: str, blocks: int, error: float) -> None:
    def build(options: NetworkOptions) -> Network:
        return CifarResNet(blocks, options)

    NETWORKS.add(
        name,
        NetworkInfo(
            name=name,
            family="ResNet",
            year=2015,
            authors="Kaiming He, Xiangyu Zhang, Shaoqing Ren, Jian Sun",
            paper="Deep Residual Learning for Image Recognition, CVPR 2016",
            build=build,
            published=(Published("CIFAR-10 test", round(100 - error, 2), "He et al. 2016, table 6"),),
            size_hw=(32, 32),
            classes=10,
            note="Zero maps of the shortcut half before and half after, which the paper leaves open.",
        ),
    )


for _name, (_blocks, _error) in VARIANTS.items():
    _register(_name, _blocks, _error)
