"""ResNet for ImageNet (He et al. 2016), in torchvision's form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striate.networks.base import NETWORKS, Network, NetworkInfo, NetworkOptions, Published
from striate.networks.layers import build_activation, build_pooling, check_size, initialise, stem_stride
from striate.structures import FeatureSpec, Stage

WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut (figure 5, left); one with parameters where the shape changes."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int, activation: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.act1 = build_activation(activation)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = self.build_shortcut(channels, width, stride)
        self.act2 = build_activation(activation)

    def build_shortcut(self, channels: int, width: int, stride: int) -> nn.Module | None:
        """What stands in the shortcut; `None` where it passes on the block's input as it is."""
        return build_projection(channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, channels, H, W)` to `(N, width, H/stride, W/stride)`."""
        identity = x if self.downsample is None else self.downsample(x)
        x = self.act1(self.bn1(self.conv1(x)))
        out: Tensor = self.act2(self.bn2(self.conv2(x)) + identity)
        return out


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions and a shortcut (figure 5, right).

    The 3 x 3 convolution strides, not the first 1 x 1 (torchvision; "ResNet v1.5").
    """

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int, activation: str) -> None:
        super().__init__()
        maps = width * self.expansion
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.act1 = build_activation(activation)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.act2 = build_activation(activation)
        self.conv3 = nn.Conv2d(width, maps, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(maps)
        self.downsample = build_projection(channels, maps, stride)
        self.act3 = build_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, channels, H, W)` to `(N, 4 width, H/stride, W/stride)`."""
        identity = x if self.downsample is None else self.downsample(x)
        x = self.act1(self.bn1(self.conv1(x)))
        x = self.act2(self.bn2(self.conv2(x)))
        out: Tensor = self.act3(self.bn3(self.conv3(x)) + identity)
        return out


def build_projection(channels: int, maps: int, stride: int) -> nn.Sequential | None:
    """The shortcut where the shape changes: option B, a 1 x 1 convolution (section 3.3); `None` elsewhere."""
    if stride == 1 and channels == maps:
        return None
    return nn.Sequential(nn.Conv2d(channels, maps, 1, stride, bias=False), nn.BatchNorm2d(maps))


def build_stage(
    block: type[BasicBlock | Bottleneck], channels: int, width: int, stride: int, depth: int, activation: str
) -> nn.Sequential:
    """Blocks in a row, of which the first takes `channels` maps and strides.

    Args:
        block: Kind of the blocks.
        channels: Maps that the stage gets.
        width: Width of its blocks.
        stride: Stride of the stage.
        depth: Number of blocks.
        activation: Name of the activation.
    """
    blocks = [block(channels, width, stride, activation)]
    blocks += [block(width * block.expansion, width, 1, activation) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


class ResNet(Network):
    """Four stages of residual blocks; state-dict keys and sums are torchvision's.

    With a small-picture stem there is no pooling before the first stage, and the first convolution is 7 x 7 with stride
    2 ("auto", 41 to 80 pixels: the official weights still fit) or 3 x 3 with stride 1 ("small", or "auto" up to 40):
    strides up to the last map are then 16 or 8 instead of 32.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        depths: Blocks in each of the four stages.
        options: Classes, channels, size, activation, pooling (the one of the stem), stem, dropout (none).
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck], depths: tuple[int, int, int, int], options: NetworkOptions
    ) -> None:
        super().__init__()
        activation = options.activation or "relu"
        self._expansion = block.expansion
        self._stem = stem_stride(options)
        check_size("ResNet", options, {4: 32, 2: 16, 1: 8}[self._stem])
        pooling = options.pooling or "max"
        self._stem_map_stride = 4 if self._stem == 4 and pooling == "stride" else min(self._stem, 2)
        if self._stem == 1:
            self.conv1 = nn.Conv2d(options.channels, 64, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(options.channels, 64, 7, self._stem_map_stride, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.act1 = build_activation(activation)
        self.maxpool = build_pooling(pooling, 3, 2, padding=1) if self._stem == 4 else nn.Identity()
        channels = 64
        for index, (width, depth) in enumerate(zip(WIDTHS, depths, strict=True)):
            stage = build_stage(block, channels, width, 2 if index > 0 else 1, depth, activation)
            self.add_module(f"layer{index + 1}", stage)
            channels = width * block.expansion
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(options.dropout or 0.0)
        self.fc = nn.Linear(channels, options.classes)
        initialise(self, activation, self.class_layers)

    @property
    def feature_spec(self) -> FeatureSpec:
        """The map after the first convolution, and those of the four stages."""
        stages = [Stage("conv1", 64, self._stem_map_stride)]
        stages += [
            Stage(f"layer{index + 1}", width * self._expansion, self._stem * 2**index)
            for index, width in enumerate(WIDTHS)
        ]
        return FeatureSpec(tuple(stages))

    @property
    def head(self) -> nn.Module:
        """The last linear layer."""
        return self.fc

    def forward_features(self, x: Tensor) -> dict[str, Tensor]:
        """Maps by stage name."""
        maps = {"conv1": self.act1(self.bn1(self.conv1(x)))}
        x = self.maxpool(maps["conv1"])
        for name in ("layer1", "layer2", "layer3", "layer4"):
            x = maps[name] = self.get_submodule(name)(x)
        return maps

    def embed(self, x: Tensor) -> Tensor:
        """What the last linear layer gets: `(N, 512)` or `(N, 2048)`."""
        x = self.avgpool(self.forward_features(x)["layer4"])
        out: Tensor = self.dropout(torch.flatten(x, 1))
        return out


@dataclass(frozen=True, slots=True)
class Variant:
    """One column of table 1, and its accuracies in percent: torchvision's V1 and V2, and the paper's error."""

    block: type[BasicBlock | Bottleneck]
    depths: tuple[int, int, int, int]
    version1: float
    version2: float | None
    paper_error: float
    paper_table: str


VARIANTS: dict[str, Variant] = {
    "resnet18": Variant(BasicBlock, (2, 2, 2, 2), 69.758, None, 27.88, "table 2"),
    "resnet34": Variant(BasicBlock, (3, 4, 6, 3), 73.314, None, 24.52, "table 3, option B"),
    "resnet50": Variant(Bottleneck, (3, 4, 6, 3), 76.130, 80.858, 22.85, "table 3"),
    "resnet101": Variant(Bottleneck, (3, 4, 23, 3), 77.374, 81.886, 21.75, "table 3"),
    "resnet152": Variant(Bottleneck, (3, 8, 36, 3), 78.312, 82.284, 21.43, "table 3"),
}


def _register(name: str, variant: Variant) -> None:
    crop = "ImageNet-1k validation, one central crop"
    weights = f"torchvision, {name.replace('resnet', 'ResNet')}_Weights"
    published = [Published(crop, variant.version1, f"{weights}.IMAGENET1K_V1")]
    if variant.version2 is not None:
        published.append(Published(crop, variant.version2, f"{weights}.IMAGENET1K_V2"))
    ten = round(100 - variant.paper_error, 2)
    published.append(Published("ImageNet-1k validation, ten crops", ten, f"He et al. 2016, {variant.paper_table}"))

    def build(options: NetworkOptions) -> Network:
        return ResNet(variant.block, variant.depths, options)

    bottleneck = variant.block is Bottleneck
    NETWORKS.add(
        name,
        NetworkInfo(
            name=name,
            family="ResNet",
            year=2015,
            authors="Kaiming He, Xiangyu Zhang, Shaoqing Ren, Jian Sun",
            paper="Deep Residual Learning for Image Recognition, CVPR 2016",
            build=build,
            published=tuple(published),
            torchvision=name,
            note="The 3 x 3 convolution of a block strides, not its first 1 x 1 (as in torchvision)." * bottleneck,
        ),
    )


for _name, _variant in VARIANTS.items():
    _register(_name, _variant)
