"""The two networks in PyTorch, for the contenders that train PyTorch modules."""

from __future__ import annotations

import torchvision
from torch import nn


def build_torch_network(net: str, size: int, classes: int = 10) -> nn.Module:
    """LeNet-5 in its modern form for one channel, or ResNet-18 for three.

    At 32 pixels ResNet-18 starts with a 3 x 3 convolution of stride 1 and no pooling, as is usual on CIFAR.
    """
    if net == "lenet5":
        return nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(400, 120), nn.ReLU(),
            nn.Linear(120, 84), nn.ReLU(),
            nn.Linear(84, classes),
        )  # fmt: skip
    network = torchvision.models.resnet18(num_classes=classes)
    if size <= 40:
        network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    return network


def count_parameters(network: nn.Module) -> int:
    """Number of trained values."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
