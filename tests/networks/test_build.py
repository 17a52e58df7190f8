"""From names to networks, and what is said where that does not work."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from striate.errors import RequestError, UnknownNameError
from striate.networks import NetworkOptions, build_network, resolve_network
from striate.networks.timm_networks import PointwiseHead, TimmNetwork


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnt18", "there is no network named 'resnt18'. Nearest: resnet18,"),
        ("ResNet18", "Nearest: resnet18,"),
        ("convnext_ato", "timm/convnext_atto"),
        ("timm/resnet18x", "there is no network named 'timm/resnet18x'. Nearest: timm/resnet18"),
        ("frobnicate", "Known: "),
    ],
)
def test_unknown_names_offer_the_nearest(name: str, expected: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        resolve_network(name)
    assert expected in str(caught.value)


def test_numbers_must_be_positive() -> None:
    with pytest.raises(RequestError, match="at least one class, one channel and one pixel, found classes=0"):
        build_network("lenet5", NetworkOptions(classes=0))


def test_rows_for_timm() -> None:
    info = resolve_network("timm/vit_tiny_patch16_384")
    assert (info.name, info.family, info.size_hw) == ("timm/vit_tiny_patch16_384", "timm", (384, 384))
    assert info.torchvision is None
    assert resolve_network("timm/resnet18.a1_in1k").year == 2021


@pytest.mark.parametrize(
    "name", ["timm/tf_efficientnet_lite0", "timm/convnext_atto", "timm/resnetv2_18", "timm/repvit_m1"]
)
def test_timm_networks_keep_the_contract(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, NetworkOptions(classes=4, channels=2, size_hw=(64, 96))).eval()
    x = torch.randn(2, 2, 64, 96)
    assert not any(isinstance(layer, PointwiseHead) for layer in network.modules())
    assert sum(parameter.numel() for layer in network.class_layers for parameter in layer.parameters()) > 0
    with torch.no_grad():
        maps = network.forward_features(x)
        assert torch.equal(network(x), network.get_submodule("model")(x))
        assert torch.equal(network.head(network.embed(x)), network(x))
    assert {key: (value.shape[1], 64 // value.shape[2], 96 // value.shape[3]) for key, value in maps.items()} == {
        stage.name: (stage.channels, stage.stride, stage.stride) for stage in network.feature_spec
    }
    assert all(key.startswith("model.") for key in network.state_dict())


def test_timm_forward_runs_the_backbone_once() -> None:
    network = build_network("timm/resnet18", NetworkOptions(classes=4, size_hw=(32, 32)))
    runs: list[object] = []
    network.get_submodule("model.conv1").register_forward_hook(lambda *_: runs.append(1))
    scores: Tensor = network(torch.zeros(2, 3, 32, 32))
    assert (scores.shape, len(runs)) == ((2, 4), 1)


def test_timm_options() -> None:
    network = build_network(
        "timm/resnet18", NetworkOptions(classes=4, size_hw=(32, 32), activation="tanh", dropout=0.25)
    )
    assert isinstance(network, TimmNetwork)
    assert not any(isinstance(module, nn.ReLU) for module in network.modules())
    assert network.model.drop_rate == 0.25
    fixed = build_network("timm/vit_tiny_patch16_224", NetworkOptions(classes=4, size_hw=(64, 96)))
    assert fixed(torch.zeros(1, 3, 64, 96)).shape == (1, 4)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("timm/resnet18", {"pooling": "average"}, "timm/resnet18 keeps its own pooling"),
        ("timm/resnet18", {"stem": "small"}, "timm/resnet18 keeps its own stem"),
        ("timm/deit_tiny_distilled_patch16_224", {}, "no single last layer that turns its embedding into class"),
        ("timm/beit_base_patch16_224", {"activation": "tanh"}, "cannot be built with classes=3, channels=3"),
    ],
)
def test_what_timm_networks_do_not_take(name: str, options: dict[str, object], expected: str) -> None:
    with torch.device("meta"), pytest.raises(RequestError) as caught:
        build_network(name, NetworkOptions(**{"classes": 3, "size_hw": (64, 64), **options}))  # type: ignore[arg-type]
    assert expected in str(caught.value)
