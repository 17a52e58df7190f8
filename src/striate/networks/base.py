"""What every network is: a backbone with named stages, an embedding, and one linear layer of class scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from striate.registry import Registry
from striate.structures import FeatureSpec


@dataclass(frozen=True, slots=True)
class Published:
    """One published accuracy.

    Attributes:
        data: The data set, for example "ImageNet-1k validation, one central crop".
        top1: Top-1 accuracy in percent.
        source: Where the figure stands.
    """

    data: str
    top1: float
    source: str


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """What a caller can choose about any network.

    Attributes:
        classes: Number of class scores.
        channels: Channels of the input picture.
        size_hw: Height and width the pictures will have; small ones get the small-picture stem where `stem` is "auto".
        activation: Name in `striate.networks.layers.ACTIVATIONS`; `None` is what the paper used.
        pooling: "max", "average" or "stride" (the convolution before it strides instead); `None` is the paper's.
        stem: "standard" (as published, stride 4 before the first stage), "small" (stride 1), or "auto": stride 1 up to
            40 pixels on the shorter side, 2 up to 80, 4 above (`striate.networks.layers.stem_stride`).
        dropout: Share dropped before the last linear layer; `None` is what the paper used.
        head: Name in `striate.networks.heads.HEADS`, for tasks that say where something is; `None` is the task's own.
        object_sides: Sides of small, middling and large objects in pixels of the network's input, for heads with
            anchors; `None` is what their papers use.
    """

    classes: int = 1000
    channels: int = 3
    size_hw: tuple[int, int] = (224, 224)
    activation: str | None = None
    pooling: Literal["max", "average", "stride"] | None = None
    stem: Literal["auto", "standard", "small"] = "auto"
    dropout: float | None = None
    head: str | None = None
    object_sides: tuple[float, ...] | None = None


class Backbone(nn.Module, ABC):
    """What turns a picture into maps of features, stage by stage.

    A subclass names its stages once in `feature_spec`; every head of every task is built from that, never from the
    network's name.
    """

    @property
    @abstractmethod
    def feature_spec(self) -> FeatureSpec:
        """Channels and stride of each named stage."""

    @abstractmethod
    def forward_features(self, x: Tensor) -> dict[str, Tensor]:
        """Feature maps by stage name, each `(N, channels, H/stride, W/stride)`, finest first."""


class Network(Backbone):
    """Base of all networks."""

    @property
    @abstractmethod
    def head(self) -> nn.Module:
        """The last layer, from the embedding to the class scores."""

    @property
    def class_layers(self) -> tuple[nn.Module, ...]:
        """Every layer whose shape depends on the number of classes: `head`, and auxiliary ones."""
        return (self.head,)

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """The input of `head`: `(N, D)`."""

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before softmax: `(N, classes)`.

        GoogLeNet with auxiliary classifiers returns a named tuple of three such tensors in training mode, as
        torchvision does.
        """
        scores: Tensor = self.head(self.embed(x))
        return scores


@dataclass(frozen=True, slots=True)
class NetworkInfo:
    """One row of the table of networks.

    Attributes:
        name: Registered name.
        family: "LeNet", "AlexNet", "VGG", "GoogLeNet", "ResNet", or "timm".
        year: Year of the paper.
        authors: Its authors.
        paper: Title and where it appeared.
        build: Makes the network with fresh weights.
        published: Published accuracies.
        size_hw: Input size of the paper.
        channels: Channels of the paper's pictures.
        classes: Classes of the paper's data set.
        torchvision: Name of torchvision's builder for the same network; `None` where it has none.
        note: Where we differ from the paper.
        rate_share: Share of the usual learning rate at which its fresh layers learn steadily.
    """

    name: str
    family: str
    year: int
    authors: str
    paper: str
    build: Callable[[NetworkOptions], Network]
    published: tuple[Published, ...] = ()
    size_hw: tuple[int, int] = (224, 224)
    channels: int = 3
    classes: int = 1000
    torchvision: str | None = None
    note: str = ""
    rate_share: float = 1.0


NETWORKS: Registry[NetworkInfo] = Registry("network", "striate.networks")


def count_parameters(network: nn.Module) -> int:
    """Number of trainable and frozen parameters."""
    return sum(parameter.numel() for parameter in network.parameters())
