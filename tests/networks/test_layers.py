"""Shared parts: pooling by name, exact strides, stems, first weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.errors import RequestError, UnknownNameError
from striate.networks import NetworkOptions
from striate.networks.layers import (
    ACTIVATIONS,
    build_activation,
    build_pooling,
    initialise,
    pad_to_stride,
    stem_stride,
)


def test_named_activations_are_there_and_never_in_place() -> None:
    wanted = {"sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "hardswish", "none"}
    assert wanted <= set(ACTIVATIONS.names())
    x = torch.linspace(-3, 3, 7)
    before = x.clone()
    for name in ACTIVATIONS.names():
        assert build_activation(name)(x).shape == x.shape
        assert torch.equal(x, before), name


def test_unknown_activation_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"there is no activation named 'rellu'. Nearest: relu"):
        build_activation("rellu")


def test_pooling_by_name() -> None:
    x = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])
    assert build_pooling("max", 2, 2)(x).item() == 6
    assert build_pooling("average", 2, 2)(x).item() == 3
    assert torch.equal(build_pooling("stride", 2, 2)(x), x)
    with pytest.raises(RequestError, match=r"there is no pooling named 'median'. Use max, average or stride"):
        build_pooling("median", 2, 2)


def test_average_pooling_leaves_padding_out_of_the_mean() -> None:
    assert torch.equal(build_pooling("average", 3, 2, padding=1)(torch.ones(1, 1, 5, 5)), torch.ones(1, 1, 3, 3))


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(11, 4, 2), (5, 1, 2), (3, 2, 0), (3, 2, 1), (2, 2, 0)])
def test_padding_to_the_stride_gives_exactly_that_many_positions(kernel: int, stride: int, padding: int) -> None:
    layer = nn.Conv2d(1, 1, kernel, stride, padding)
    for side in (16, 32, 224):
        assert layer(pad_to_stride(torch.zeros(1, 1, side, side), kernel, stride, padding)).shape[-1] == side // stride


@pytest.mark.parametrize(
    ("size_hw", "stem", "stride"),
    [
        ((28, 28), "auto", 1),
        ((32, 200), "auto", 1),
        ((64, 64), "auto", 2),
        ((81, 81), "auto", 4),
        ((224, 224), "small", 1),
        ((32, 32), "standard", 4),
    ],
)
def test_stem_follows_the_shorter_side(size_hw: tuple[int, int], stem: str, stride: int) -> None:
    assert stem_stride(NetworkOptions(size_hw=size_hw, stem=stem)) == stride  # type: ignore[arg-type]


def test_first_weights_keep_the_signal_through_many_layers() -> None:
    torch.manual_seed(0)
    layers = [module for _ in range(12) for module in (nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())]
    network = nn.Sequential(*layers)
    initialise(network, "relu")
    x = torch.randn(4, 32, 24, 24)
    with torch.no_grad():
        ratio = (network(x).square().mean() / x.square().mean()).item()
    # Zeros at the border cost some of the signal in every layer.
    assert 0.05 < ratio < 2.0
