"""Which weights get which rate and decay, and the moving average."""

from __future__ import annotations

import copy

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
    listed = [weight for group in optimizer.param_groups for weight in group["params"]]
    assert {id(weight) for weight in listed} == {id(weight) for weight in network.parameters()}
    assert len(listed) == len(list(network.parameters()))
    for group in optimizer.param_groups:
        assert {weight.ndim > 1 for weight in group["params"]} == {group["weight_decay"] > 0}
    head = {id(weight) for weight in network.head.parameters()}
    for group in optimizer.param_groups:
        for weight in group["params"]:
            assert group["lr"] == pytest.approx(0.1 if id(weight) in head else 0.05)


def test_setting_the_rate_keeps_the_ratio_of_groups() -> None:
    network = build_network("lenet5", NetworkOptions(classes=3, channels=1, size_hw=(28, 28)))
    optimizer = build_optimizer(network, recipe(backbone_rate=0.25, optimizer="adamw"))
    assert set_rate(optimizer, 0.5) == pytest.approx(0.05)
    assert {round(group["lr"], 6) for group in optimizer.param_groups} == {0.05, 0.0125}


def test_one_sgd_step_is_the_formula() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    optimizer = build_optimizer(layer, recipe(momentum=0.0))
    layer(torch.tensor([[3.0]])).sum().backward()
    optimizer.step()
    # w - lr * (gradient + decay * w)
    assert layer.weight.item() == pytest.approx(2.0 - 0.1 * (3.0 + 0.01 * 2.0))


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
