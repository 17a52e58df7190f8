"""One neuron's arithmetic is what the network computed, in every family and in heads of every task."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.errors import RequestError
from striate.inside.neuron import neuron_sum
from striate.inside.recording import Recording, record
from striate.networks import NetworkOptions, build_network

NETWORKS = (
    "lenet5_1998",
    "lenet5",
    "alexnet",
    "vgg11_bn",
    "googlenet",
    "resnet18",
    "resnet20",
    "timm/tf_efficientnet_lite0",
)


def recorded(name: str, size_hw: tuple[int, int] = (64, 72), **values: object) -> Recording:
    torch.manual_seed(0)
    options = NetworkOptions(classes=10, channels=3, size_hw=size_hw, **values)
    network = build_network(name, options)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return record(network, torch.randn(1, 3, *size_hw))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_arithmetic_is_the_networks_own(name: str) -> None:
    recording = recorded(name)
    layers = recording.of_kind("convolution", "linear")
    random = np.random.default_rng(3)
    touched = 0
    for _ in range(130):
        call = layers[random.integers(len(layers))]
        place = tuple(int(random.integers(side)) for side in call.map_hw)
        shown = neuron_sum(recording, call.name, int(random.integers(call.units)), place)
        assert shown.total == pytest.approx(shown.computed, rel=1e-9, abs=1e-12)
        for step in shown.steps:
            assert step.value == pytest.approx(step.computed, rel=1e-9, abs=1e-12)
        touched += bool(shown.padded.any())
        assert not shown.window[:, shown.padded].any()
    assert touched or name.startswith("lenet5")


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[[[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]]]))
            self.conv.bias.fill_(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x))


def test_a_sum_by_hand_with_its_padding() -> None:
    recording = record(Tiny(), torch.arange(9.0).reshape(1, 1, 3, 3))
    corner = neuron_sum(recording, "conv", 0, (0, 0))
    # Neighbours 1 and 3, four times the middle 0, bias 0.5.
    assert (corner.total, corner.result) == (4.5, 4.5)
    assert corner.padded.tolist() == [[True, True, True], [True, False, False], [True, False, False]]
    last = neuron_sum(recording, "conv", 0, (2, 2))
    # Neighbours 5 and 7, four times 8, bias 0.5; ReLU in place does not change what the convolution gave.
    assert (last.total, last.computed, last.result) == (-19.5, -19.5, 0.0)
    assert [step.kind for step in last.steps] == ["activation"]
    assert last.formula(2) == "4*0 + 5*1 + ... (7 more) + 0.5 = -19.5"


def test_without_a_place_the_strongest_is_taken() -> None:
    recording = record(Tiny(), torch.arange(9.0).reshape(1, 1, 3, 3))
    assert neuron_sum(recording, "conv", 0).at_yx == (0, 0)


def test_what_does_not_exist_is_refused_with_what_does() -> None:
    recording = recorded("lenet5", (32, 32))
    with pytest.raises(RequestError, match=r"has no layer 'c7'. Nearest: c5"):
        neuron_sum(recording, "c7", 0)
    with pytest.raises(RequestError, match=r"s2 is a layer of kind MaxPool2d, which has no kernel. Layers .*: c1, c3"):
        neuron_sum(recording, "s2", 0)
    with pytest.raises(RequestError, match=r"c1 has 6 units, and 6 is none of them. .* use 0 to 5"):
        neuron_sum(recording, "c1", 6)
    with pytest.raises(RequestError, match=r"28 wide and 28 high, and x = 28, y = 3 lies outside.*x up to 27"):
        neuron_sum(recording, "c1", 0, (3, 28))
