"""Where torchvision has the network, keys, shapes and sums are the same, to the last bit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch
import torchvision
from torch import Tensor, nn

from striate.networks import NETWORKS, Network, NetworkOptions, build_network, resolve_network

NAMES = [info.name for info in NETWORKS if info.torchvision]
LIGHT = ["alexnet", "vgg11_bn", "googlenet", "resnet18", "resnet50"]
HEAVY = [pytest.param(name, marks=pytest.mark.slow) for name in NAMES if name not in LIGHT]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build_both(name: str, classes: int = 1000) -> tuple[Network, nn.Module]:
    """Both on the meta device."""
    extra = {"transform_input": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        ours = build_network(name, NetworkOptions(classes=classes, stem="standard"))
        theirs = torchvision.models.get_model(name, weights=None, num_classes=classes, **extra)
    return ours, theirs


def random_state(network: nn.Module) -> dict[str, Tensor]:
    torch.manual_seed(3)
    state: dict[str, Tensor] = {}
    for key, value in network.state_dict().items():
        if not value.is_floating_point():
            state[key] = torch.zeros(value.shape, dtype=value.dtype)
        elif key.endswith("running_var"):
            state[key] = torch.rand(value.shape) + 0.5
        else:
            state[key] = torch.randn(value.shape) * (2 / max(1, value[0].numel())) ** 0.5
    return state


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_shapes(name: str) -> None:
    assert resolve_network(name).torchvision == name
    ours, theirs = build_both(name)
    shapes = [{key: value.shape for key, value in network.state_dict().items()} for network in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", [*LIGHT, *HEAVY])
def test_scores_in_evaluation_mode(name: str) -> None:
    ours, theirs = build_both(name, classes=11)
    state = random_state(ours)
    ours.load_state_dict(state, assign=True)
    theirs.load_state_dict(state, assign=True)
    x = torch.randn(2, 3, 75, 91)
    with torch.no_grad():
        expected = theirs.eval()(x)
        assert expected.std() > 0
        assert torch.equal(ours.eval()(x), expected)


@pytest.mark.parametrize(
    "name",
    [
        "googlenet",
        "resnet18",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("alexnet", "vgg11_bn", "resnet50")),
    ],
)
def test_scores_and_gradients_in_training_mode(name: str) -> None:
    results = []
    ours, theirs = build_both(name, classes=11)
    state = random_state(ours)
    x = torch.randn(3, 3, 64, 64)
    for network in (ours, theirs):
        network.load_state_dict({key: value.clone() for key, value in state.items()}, assign=True)
        network.train()
        torch.manual_seed(5)  # the same units are dropped
        scores = network(x)
        parts = [scores] if isinstance(scores, Tensor) else list(scores)
        torch.stack([part.square().sum() for part in parts]).sum().backward()
        gradients = {key: parameter.grad for key, parameter in network.named_parameters()}
        results.append((parts, gradients, {key: value.clone() for key, value in network.named_buffers()}))
    (scores, gradients, buffers), (their_scores, their_gradients, their_buffers) = results
    assert all(torch.equal(a, b) for a, b in zip(scores, their_scores, strict=True))
    assert [key for key in gradients if not torch.equal(gradients[key], their_gradients[key])] == []
    assert [key for key in buffers if not torch.equal(buffers[key], their_buffers[key])] == []


def test_googlenet_names_its_three_scores_as_torchvision_does() -> None:
    network = build_network("googlenet", NetworkOptions(classes=4, size_hw=(32, 32)))
    outputs = network.train()(torch.zeros(2, 3, 32, 32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert outputs._fields == torchvision.models.GoogLeNetOutputs._fields
    assert [tuple(scores.shape) for scores in outputs] == [(2, 4)] * 3
    assert network.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 4)


@pytest.mark.parametrize("name", NAMES)
def test_published_accuracy_is_torchvisions(name: str) -> None:
    listed = {
        row.source.split(".")[-1]: row.top1 for row in NETWORKS.get(name).published if "torchvision" in row.source
    }
    weights = torchvision.models.get_model_weights(name)
    theirs = {entry.name: entry.meta["_metrics"]["ImageNet-1K"]["acc@1"] for entry in weights}
    theirs = {key: value for key, value in theirs.items() if key.startswith("IMAGENET1K_V")}
    assert listed == theirs
