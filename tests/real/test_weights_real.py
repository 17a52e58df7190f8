"""Weights that somebody else trained and published."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from striate.networks import NetworkOptions, build_network, resolve_network
from striate.networks.weight_files import read_state_dict
from striate.networks.weights import load_weights

pytestmark = pytest.mark.real


@pytest.fixture
def resnet20(shared_data: Path) -> Path:
    path = shared_data / "weights_resnet_cifar10" / "pretrained_models" / "resnet20-12fca82f.th"
    if not path.is_file():
        pytest.skip("no weights of ResNet-20 there")
    return path


def resnet20_by_hand(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """He et al. 2016, section 4.2, straight from the file's keys."""

    def unit(x: Tensor, convolution: str, norm: str, stride: int = 1) -> Tensor:
        x = F.conv2d(x, state[f"{convolution}.weight"], stride=stride, padding=1)
        mean, var = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
        return F.batch_norm(x, mean, var, state[f"{norm}.weight"], state[f"{norm}.bias"])

    x = F.relu(unit(x, "conv1", "bn1"))
    for stage in (1, 2, 3):
        for block in range(3):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            inner = F.relu(unit(x, f"{name}.conv1", f"{name}.bn1", stride))
            inner = unit(inner, f"{name}.conv2", f"{name}.bn2")
            extra = (inner.shape[1] - x.shape[1]) // 2
            shortcut = F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, extra, extra))
            x = F.relu(inner + shortcut)
    return F.linear(x.mean((2, 3)), state["linear.weight"], state["linear.bias"])


def test_published_cifar_weights_load_and_give_the_same_scores(resnet20: Path) -> None:
    options = NetworkOptions(classes=10, size_hw=(32, 32))
    network = build_network("resnet20", options).eval()
    used = load_weights(network, resolve_network("resnet20"), str(resnet20), options)
    assert used is not None
    assert (used.name, used.note) == ("resnet20-12fca82f.th", "")
    torch.manual_seed(0)
    x = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(network(x), resnet20_by_hand(read_state_dict(resnet20), x), atol=1e-4)


def test_published_cifar_weights_for_other_classes_and_channels(resnet20: Path) -> None:
    options = NetworkOptions(classes=3, channels=1, size_hw=(28, 28))
    network = build_network("resnet20", options).eval()
    used = load_weights(network, resolve_network("resnet20"), str(resnet20), options)
    assert used is not None
    assert (
        used.note
        == "first layer adapted from 3 to 1 channels; left fresh, because the weights have none of that shape: linear"
    )
    assert network(torch.zeros(1, 1, 28, 28)).shape == (1, 3)
