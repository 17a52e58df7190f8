"""Parameters, multiplications, depth and receptive fields against papers, torchvision and sums by hand."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from striate.networks import NETWORKS, NetworkOptions, build_network, resolve_network
from striate.networks.anatomy import Anatomy, describe_network

FEW = ["alexnet", "vgg16", "googlenet", "resnet18", "resnet50"]
TORCHVISION = [
    pytest.param(info.name, marks=() if info.name in FEW else pytest.mark.slow) for info in NETWORKS if info.torchvision
]


def describe(name: str, **options: object) -> Anatomy:
    info = resolve_network(name)
    chosen = NetworkOptions(**{"size_hw": info.size_hw, **options})  # type: ignore[arg-type]
    with torch.device("meta"):
        network = build_network(name, chosen)
    return describe_network(network, chosen)


@pytest.mark.parametrize("name", TORCHVISION)
def test_parameters_and_multiplications_are_those_of_torchvisions_table(name: str) -> None:
    found = describe(name)
    meta = torchvision.models.get_model_weights(name).DEFAULT.meta
    assert found.parameters == meta["num_params"]
    assert found.macs / 1e9 == pytest.approx(meta["_ops"], abs=0.0006)


@pytest.mark.parametrize(
    ("name", "depth", "field"),
    [
        # Araujo et al. 2019, table 1; ResNet-50 there strides in the first 1 x 1 (483), here in the 3 x 3 (427).
        ("alexnet", 8, 195),
        ("vgg16", 16, 212),
        ("resnet18", 18, 435),
        ("resnet50", 50, 427),
        ("googlenet", 22, 379),
        # 3 x 3 first; then 6 layers each at strides 1, 2 and 4, the first of a stage still at the stride before:
        # 3 + 6 * 2 * 1 + (1 * 2 * 1 + 5 * 2 * 2) + (1 * 2 * 2 + 5 * 2 * 4).
        ("resnet20", 20, 81),
        # 5, then 2 x 2 at stride 1, 5 at stride 2, 2 x 2 at stride 2: 5 + 1 + 8 + 2.
        ("lenet5_1998", 7, 16),
    ],
)
def test_depth_and_receptive_field(name: str, depth: int, field: int) -> None:
    found = describe(name)
    assert found.depth == depth
    assert found.receptive_field_hw == (field, field)


def test_lenet_row_by_row() -> None:
    found = describe("lenet5", classes=10, channels=1)
    rows = {layer.name: layer for layer in found.layers}
    assert found.parameters == 61_706
    assert [(rows[name].output_shape, rows[name].macs) for name in ("c1", "c3", "c5", "f6", "output")] == [
        ((6, 28, 28), 28 * 28 * 6 * 25),
        ((16, 10, 10), 10 * 10 * 16 * 6 * 25),
        ((120, 1, 1), 120 * 16 * 25),
        ((84,), 120 * 84),
        ((10,), 84 * 10),
    ]
    assert found.macs == sum(layer.macs for layer in found.layers)
    assert [rows[name].receptive_field_hw for name in ("c1", "s2", "c3", "s4", "c5")] == [
        (5, 5),
        (6, 6),
        (14, 14),
        (16, 16),
        (32, 32),
    ]
    assert (rows["s4"].stride_hw, rows["f6"].stride_hw) == ((4, 4), None)


def test_auxiliary_classifiers_are_counted_apart() -> None:
    found = describe("googlenet")
    assert found.parameters == 6_624_904
    assert found.training_parameters == 13_004_888 - 6_624_904


def test_network_is_left_as_it_was() -> None:
    options = NetworkOptions(classes=3, size_hw=(32, 32))
    network = build_network("resnet20", options).train()
    network.layer1.eval()  # type: ignore[union-attr]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    describe_network(network, options)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_receptive_field_is_where_the_gradient_goes() -> None:
    # Weights of one, so that nothing cancels; the position in the middle of the last map, and the pixels it reaches.
    options = NetworkOptions(classes=3, channels=1, size_hw=(128, 128), activation="none", stem="small")
    network = build_network("resnet20", options).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
    picture = torch.zeros(1, 1, 128, 128, dtype=torch.float64, requires_grad=True)
    last = list(network.double().forward_features(picture).values())[-1]
    last[0, 0, 16, 16].backward()
    rows = picture.grad[0, 0].abs().sum(1).nonzero().flatten()
    field = describe_network(network, options).receptive_field_hw
    assert (int(rows[-1] - rows[0]) + 1,) * 2 == field


def test_attention_and_gates_see_the_whole_picture() -> None:
    assert describe("timm/mobilenetv3_small_050").receptive_field_hw is None
    found = describe("timm/vit_tiny_patch16_224")
    assert found.receptive_field_hw is None
    assert (found.parameters, found.training_parameters) == (5_717_416, 0)


def test_plain_data() -> None:
    tree = describe("lenet5", classes=10, channels=1).as_dict()
    assert tree["parameters"] == 61_706
    assert tree["layers"][0]["name"] == "c1"
