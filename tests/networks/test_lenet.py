"""LeNet-5 as published: counts, connections, subsampling and output units, by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from striate.networks import NetworkOptions, build_network
from striate.networks.lenet import (
    CONNECTIONS,
    ConnectedConvolution,
    LeNet5,
    RadialBasisOutput,
    Subsampling,
    build_codes,
)

DIGITS = NetworkOptions(classes=10, channels=1, size_hw=(32, 32))


def parameters(network: torch.nn.Module) -> dict[str, int]:
    return {name: sum(p.numel() for p in child.parameters()) for name, child in network.named_children()}


def test_published_parameters_layer_by_layer() -> None:
    counted = parameters(build_network("lenet5_1998", DIGITS))
    layers = {name: count for name, count in counted.items() if count}
    assert layers == {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48120, "f6": 10164}
    assert sum(layers.values()) == 60_000


def test_modern_parameters() -> None:
    assert sum(parameters(build_network("lenet5", DIGITS)).values()) == 61_706


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998"])
def test_c5_says_and_learns_the_same_as_a_linear_layer(name: str) -> None:
    torch.manual_seed(0)
    c5 = build_network(name, DIGITS).c5
    maps = torch.randn(3, 16, 5, 5, dtype=torch.float64)
    told = []
    for mode in (True, False):
        c5.double().train(mode).zero_grad()
        given = maps.clone().requires_grad_()
        said = c5(given)
        said.square().sum().backward()
        told.append([said, given.grad, c5.weight.grad.clone(), c5.bias.grad.clone()])
    assert told[0][0].shape == (3, 120, 1, 1)
    for one, other in zip(*told, strict=True):
        torch.testing.assert_close(one, other)


def test_connections_are_those_of_table_one() -> None:
    assert [len(sources) for sources in CONNECTIONS] == [3] * 6 + [4] * 9 + [6]
    # Each row of the table: the maps of C3 that one map of S2 feeds; ten crosses in every row.
    assert [sum(source in sources for sources in CONNECTIONS) for source in range(6)] == [10] * 6
    assert [maps for maps, sources in enumerate(CONNECTIONS) if 0 in sources] == [0, 4, 5, 6, 9, 10, 11, 12, 14, 15]


def test_connected_convolution_is_a_dense_one_with_zeros() -> None:
    torch.manual_seed(0)
    layer = ConnectedConvolution(CONNECTIONS, 6, 5, 1)
    layer.reset_parameters(1.0)
    dense = torch.zeros(16, 6, 5, 5)
    row = 0
    for maps, sources in enumerate(CONNECTIONS):
        for source in sources:
            dense[maps, source] = layer.weight[row, 0].detach()
            row += 1
    x = torch.randn(2, 6, 14, 14)
    assert row == 60
    assert torch.allclose(layer(x), F.conv2d(x, dense, layer.bias), atol=1e-6)


def test_unconnected_maps_do_not_matter() -> None:
    layer = ConnectedConvolution(CONNECTIONS, 6, 5, 1)
    layer.reset_parameters(1.0)
    x = torch.randn(1, 6, 14, 14)
    changed = x.clone()
    changed[:, 0] += 1.0
    same = (layer(x) == layer(changed)).flatten(2).all(-1)[0]
    assert [maps for maps in range(16) if same[maps]] == [maps for maps in range(16) if 0 not in CONNECTIONS[maps]]


def test_subsampling_is_coefficient_times_sum_plus_bias() -> None:
    layer = Subsampling(2)
    with torch.no_grad():
        layer.coefficient.copy_(torch.tensor([0.5, -1.0]))
        layer.bias.copy_(torch.tensor([10.0, 0.25]))
    x = torch.tensor([[1.0, 2.0, 0.0, 0.0], [3.0, 4.0, 0.0, 8.0]]).expand(1, 2, 2, 4)
    expected = torch.tensor([[[[15.0, 14.0]], [[-9.75, -7.75]]]])
    assert torch.equal(layer(x), expected)


def test_output_is_minus_the_squared_distance_to_the_code() -> None:
    layer = RadialBasisOutput(10)
    scores = layer(layer.codes)
    different = (layer.codes[:, None] != layer.codes[None]).sum(-1)
    assert torch.equal(scores, -4.0 * different)
    assert torch.equal(scores.argmax(1), torch.arange(10))
    assert [name for name, _ in layer.named_parameters()] == []


@pytest.mark.parametrize("classes", [2, 10, 26, 1000])
def test_codes_are_signs_and_far_apart(classes: int) -> None:
    codes = build_codes(classes)
    assert codes.shape == (classes, 84)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(codes, build_codes(classes))
    apart = (84 - codes @ codes.T) / 2 + 84 * torch.eye(classes)
    assert apart.min() >= (11 if classes == 10 else 20)


def test_scaled_tanh_squashes_as_in_appendix_a() -> None:
    squash = build_network("lenet5_1998", DIGITS).get_submodule("c1_act")
    values = squash(torch.tensor([-1.0, 0.0, 1.0, 100.0]))
    assert torch.allclose(values, torch.tensor([-1.0, 0.0, 1.0, 1.7159]), atol=1e-4)


def test_pictures_of_28_sit_in_a_field_of_32() -> None:
    torch.manual_seed(0)
    published = build_network("lenet5_1998", DIGITS).eval()
    bordered = build_network("lenet5_1998", NetworkOptions(classes=10, channels=1, size_hw=(28, 28))).eval()
    bordered.load_state_dict(published.state_dict())
    x = torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        assert torch.allclose(bordered(x), published(F.pad(x, (2, 2, 2, 2))), rtol=1e-5)


def test_first_loss_is_that_of_a_guess() -> None:
    torch.manual_seed(0)
    for name in ("lenet5", "lenet5_1998"):
        network = build_network(name, DIGITS)
        x = torch.randn(64, 1, 32, 32)
        loss = F.cross_entropy(network(x), torch.arange(64) % 10).item()
        # The published output units are distances, so that even the first scores differ by some.
        assert loss < (2.5 if name == "lenet5" else 30), name
        assert loss > math.log(10) - 0.2


def test_the_grid_averages_and_passes_on_what_needs_no_averaging() -> None:
    grid = LeNet5(DIGITS, published=False).grid
    maps = torch.randn(2, 16, 10, 15)
    assert torch.equal(grid(maps), F.adaptive_avg_pool2d(maps, (5, 5)))
    assert torch.equal(grid(maps[..., :5, :5]), F.adaptive_avg_pool2d(maps[..., :5, :5], (5, 5)))


def test_other_pooling_replaces_the_trainable_one() -> None:
    network = build_network("lenet5_1998", NetworkOptions(classes=10, channels=1, size_hw=(32, 32), pooling="max"))
    assert isinstance(network, LeNet5)
    assert not any(isinstance(module, Subsampling) for module in network.modules())
