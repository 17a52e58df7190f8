"""VGG (Simonyan and Zisserman 2015), with and without batch normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from striate.networks.base import NETWORKS, Network, NetworkInfo, NetworkOptions, Published
from striate.networks.layers import build_activation, build_pooling, check_size, initialise, stem_stride
from striate.structures import FeatureSpec, Stage

Blocks = tuple[tuple[int, ...], ...]

# Maps of each 3 x 3 convolution, block by block; pooling ends a block (table 1: columns A, B, D, E).
BLOCKS: dict[str, Blocks] = {
    "vgg11": ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    "vgg13": ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)),
    "vgg16": ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
    "vgg19": ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512, 512, 512, 512)),
}

# Side of the grid before the linear layers and their width, by the stride of the stem.
CLASSIFIERS = {4: (7, 4096), 2: (2, 512), 1: (1, 512)}


class VGG(Network):
    """Blocks of 3 x 3 convolutions and three linear layers; state-dict keys and sums are torchvision's.

    With a small-picture stem ("small", or "auto" up to 80 pixels) the convolutions are the same, pooling rounds up
    (28 -> 14 -> 7 -> 4 -> 2 -> 1), and the linear layers are 512 wide on a 1 x 1 or 2 x 2 grid instead of 4096 wide
    on 7 x 7: the keys stay the same, the 120 million weights of the linear layers do not.

    Args:
        blocks: Maps of each convolution, block by block.
        batch_norm: Whether batch normalisation follows each convolution.
        options: Classes, channels, size, activation, pooling, stem, dropout (torchvision's 0.5 in both places).
    """

    def __init__(self, blocks: Blocks, batch_norm: bool, options: NetworkOptions) -> None:
        super().__init__()
        activation = options.activation or "relu"
        self._blocks = blocks
        self._pooling = options.pooling or "max"
        stride = stem_stride(options)
        check_size("VGG", options, 32 if stride == 4 else 8)
        grid, width = CLASSIFIERS[stride]
        dropout = 0.5 if options.dropout is None else options.dropout
        self._ends: list[int] = []
        self.features = self._build_features(options.channels, batch_norm, activation, ceil_mode=stride < 4)
        self.avgpool = nn.AdaptiveAvgPool2d((grid, grid))
        self.classifier = nn.Sequential(
            nn.Linear(512 * grid * grid, width),
            build_activation(activation),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            build_activation(activation),
            nn.Dropout(dropout),
            nn.Linear(width, options.classes),
        )
        initialise(self, activation, self.class_layers)

    def _build_features(self, channels: int, batch_norm: bool, activation: str, ceil_mode: bool) -> nn.Sequential:
        modules: list[nn.Module] = []
        for block in self._blocks:
            for index, maps in enumerate(block, start=1):
                stride = 2 if self._pooling == "stride" and index == len(block) else 1
                modules.append(nn.Conv2d(channels, maps, 3, stride, padding=1))
                if batch_norm:
                    modules.append(nn.BatchNorm2d(maps))
                modules.append(build_activation(activation))
                channels = maps
            modules.append(build_pooling(self._pooling, 2, 2, ceil_mode=ceil_mode))
            self._ends.append(len(modules) - 1)
        return nn.Sequential(*modules)

    @property
    def feature_spec(self) -> FeatureSpec:
        """The maps before each pooling, and the last one after it."""
        first = 2 if self._pooling == "stride" else 1
        stages = [
            Stage(f"block{index}", block[-1], first * 2 ** (index - 1)) for index, block in enumerate(self._blocks, 1)
        ]
        if self._pooling != "stride":
            stages.append(Stage("pool5", self._blocks[-1][-1], 2 ** len(self._blocks)))
        return FeatureSpec(tuple(stages))

    @property
    def head(self) -> nn.Module:
        """The last linear layer."""
        return self.classifier[-1]

    def forward_features(self, x: Tensor) -> dict[str, Tensor]:
        """Maps by stage name."""
        maps: dict[str, Tensor] = {}
        for index, module in enumerate(self.features):
            if index in self._ends:
                maps[f"block{len(maps) + 1}"] = x
            x = module(x)
        if self._pooling != "stride":
            maps["pool5"] = x
        return maps

    def embed(self, x: Tensor) -> Tensor:
        """What the last linear layer gets: `(N, 4096)`, or `(N, 512)` with a small-picture stem."""
        x = torch.flatten(self.avgpool(self.features(x)), 1)
        for module in self.classifier[:-1]:
            x = module(x)
        return x


# Top-1 in torchvision's table without and with batch norm; top-1 error of the paper (None: the column is not ours).
_ACCURACY = {
    "vgg11": (69.020, 70.370, 29.6),
    "vgg13": (69.928, 71.586, 28.7),
    "vgg16": (71.592, 73.360, 25.6),
    "vgg19": (72.376, 74.218, 25.5),
}


def _register(name: str, batch_norm: bool) -> None:
    plain, normalised, paper_error = _ACCURACY[name]
    full_name = f"{name}_bn" if batch_norm else name
    weights = f"{name.upper()}{'_BN' if batch_norm else ''}_Weights"
    published = [
        Published(
            "ImageNet-1k validation, one central crop",
            normalised if batch_norm else plain,
            f"torchvision, {weights}.IMAGENET1K_V1",
        )
    ]
    if not batch_norm:
        published.append(
            Published(
                "ImageNet-1k validation, whole picture at one scale",
                round(100 - paper_error, 1),
                "Simonyan and Zisserman 2015, table 3",
            )
        )

    def build(options: NetworkOptions) -> Network:
        return VGG(BLOCKS[name], batch_norm, options)

    NETWORKS.add(
        full_name,
        NetworkInfo(
            name=full_name,
            family="VGG",
            year=2014,
            authors="Karen Simonyan, Andrew Zisserman",
            paper="Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015",
            build=build,
            published=tuple(published),
            torchvision=full_name,
            # A deep stack without skip connections: at the usual rate VGG-11-bn came to 25 % on sign language digits in
            # four minutes, at half of it to 81 % in three.
            rate_share=0.5 if batch_norm else 1.0,
            note="Batch normalisation after each convolution came after the paper (torchvision)." if batch_norm else "",
        ),
    )


for _name in BLOCKS:
    _register(_name, batch_norm=False)
    _register(_name, batch_norm=True)
