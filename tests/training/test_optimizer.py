"""Which weights get which rate and decay, and the moving average."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from striate.networks import NetworkOptions, build_network
from striate.recipe import OptimisationRecipe
from striate.training.optimizer import MovingAverage, build_optimizer, set_rate


def recipe(**values: object) -> OptimisationRecipe:
    return OptimisationRecipe(**{"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.01, **values})


def test_every_weight_is_in_one_group_and_vectors_do_not_decay() -> None:
    network = build_network("resnet20", NetworkOptions(classes=3, channels=1, size_hw=(16, 16)))
    optimizer = build_optimizer(network, recipe(backbone_rate=0.5))
    listed = list(optimizer.weights())
    assert {id(weight) for weight in listed} == {id(weight) for weight in network.parameters()}
    assert len(listed) == len(list(network.parameters()))
    for group in optimizer.groups:
        assert {weight.ndim > 1 for weight in group.weights} == {group.weight_decay > 0}
    head = {id(weight) for weight in network.head.parameters()}
    for group in optimizer.groups:
        for weight in group.weights:
            assert group.rate == pytest.approx(0.1 if id(weight) in head else 0.05)


def test_setting_the_rate_keeps_the_ratio_of_groups() -> None:
    network = build_network("lenet5", NetworkOptions(classes=3, channels=1, size_hw=(28, 28)))
    optimizer = build_optimizer(network, recipe(backbone_rate=0.25, optimizer="adamw"))
    assert set_rate(optimizer, 0.5) == pytest.approx(0.05)
    assert {round(group.rate, 6) for group in optimizer.groups} == {0.05, 0.0125}


def test_neurons_with_many_inputs_take_smaller_steps_with_adamw() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(10_000, 40), nn.Linear(40, 5))
    rates = {}
    for settings in (recipe(optimizer="adamw", sum_rate=5.0), recipe(optimizer="adamw"), recipe(sum_rate=5.0)):
        groups = build_optimizer(network, settings).groups
        rates[settings.optimizer, settings.sum_rate] = {id(w): group.rate for group in groups for w in group.weights}
    wide, biases = network[2].weight, network[2].bias
    assert rates["adamw", 5.0].pop(id(wide)) == pytest.approx(5e-4)
    assert set(rates["adamw", 5.0].values()) == {0.1}
    assert id(biases) in rates["adamw", 5.0]
    assert set(rates["adamw", None].values()) == set(rates["sgd", 5.0].values()) == {0.1}


def test_one_sgd_step_is_the_formula() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    optimizer = build_optimizer(layer, recipe(momentum=0.0))
    layer(torch.tensor([[3.0]])).sum().backward()
    optimizer.step()
    # w - lr * (gradient + decay * w)
    assert layer.weight.item() == pytest.approx(2.0 - 0.1 * (3.0 + 0.01 * 2.0))


def make_layers(channels_last: bool) -> nn.Module:
    torch.manual_seed(0)
    # No normalisation after a bias: its gradient would be rounding noise, which Adam makes as large as any other.
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(64, 5))
    return layers.to(memory_format=torch.channels_last) if channels_last else layers


def run_steps(network: nn.Module, step: Callable[[], None], count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        pixels = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(number))
        for weight in network.parameters():
            weight.grad = None
        network(pixels.contiguous(memory_format=torch.channels_last)).square().mean().backward()
        step()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_many_steps_are_those_of_torch(name: str, channels_last: bool) -> None:
    own, theirs = make_layers(channels_last), make_layers(channels_last)
    optimizer = build_optimizer(own, recipe(optimizer=name, learning_rate=0.01, weight_decay=0.05))
    groups = [
        {"params": [one for one in theirs.parameters() if one.ndim > 1], "weight_decay": 0.05},
        {"params": [one for one in theirs.parameters() if one.ndim == 1], "weight_decay": 0.0},
    ]
    reference: torch.optim.Optimizer = torch.optim.AdamW(groups, lr=0.01)
    if name == "sgd":
        reference = torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True)
    run_steps(own, optimizer.step, 30)
    run_steps(theirs, reference.step, 30)
    for mine, other in zip(own.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(mine, other, atol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_restored_optimizer_goes_on_bit_for_bit(name: str) -> None:
    settings = recipe(optimizer=name, learning_rate=0.01)
    whole = make_layers(True)
    optimizer = build_optimizer(whole, settings)
    run_steps(whole, optimizer.step, 5)
    cut = copy.deepcopy(whole)
    state = copy.deepcopy(optimizer.state_dict())
    run_steps(whole, optimizer.step, 5, start=5)
    restored = build_optimizer(cut, settings)
    restored.load_state_dict(state)
    run_steps(cut, restored.step, 5, start=5)
    for mine, other in zip(whole.parameters(), cut.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_the_state_of_another_network_is_refused() -> None:
    network = make_layers(False)
    optimizer = build_optimizer(network, recipe())
    run_steps(network, optimizer.step, 1)
    with pytest.raises(ValueError, match="belongs to another network"):
        build_optimizer(nn.Linear(2, 2), recipe()).load_state_dict(optimizer.state_dict())


def test_weights_without_a_gradient_stay() -> None:
    network = make_layers(False)
    before = [weight.clone() for weight in network.parameters()]
    optimizer = build_optimizer(network, recipe(optimizer="adamw"))
    optimizer.step()
    assert all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


def test_the_average_forgets_its_start_fast_and_then_slowly() -> None:
    network = nn.BatchNorm1d(1)
    average = MovingAverage(network, copy.deepcopy(network), decay=0.9)
    with torch.no_grad():
        network.weight.fill_(11.0)
        network.running_mean.fill_(5.0)
        network.num_batches_tracked.fill_(7)
    average.update(0)
    # decay is (1 + 0) / (10 + 0): a tenth of the old weight 1, nine tenths of 11
    assert average.average.weight.item() == pytest.approx(0.1 * 1 + 0.9 * 11)
    assert average.average.running_mean.item() == pytest.approx(4.5)
    assert average.average.num_batches_tracked.item() == 7
    before = average.average.weight.item()
    average.update(10_000)
    assert average.average.weight.item() == pytest.approx(0.9 * before + 0.1 * 11)
    assert not average.average.training
    assert not any(weight.requires_grad for weight in average.average.parameters())
