"""Choosing device, precision, format and threads."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from striate.errors import RequestError
from striate.recipe import MachineRecipe
from striate.training.machine import (
    Setting,
    apply_setting,
    choose_device,
    measure_settings,
    setting_of,
    settings_to_try,
    tune_allocator,
)

CPU = torch.device("cpu")


def test_an_unknown_device_is_refused_with_the_next_step() -> None:
    with pytest.raises(RequestError, match=r"the device 'toaster' cannot be used here.*striate doctor"):
        choose_device("toaster")
    assert choose_device("cpu") == CPU


def test_only_what_the_recipe_leaves_open_is_tried() -> None:
    fixed = MachineRecipe(precision="fp32", channels_last=True, threads=1)
    assert settings_to_try(fixed, CPU) == [Setting("fp32", True, 1)]
    open_format = MachineRecipe(precision="fp32", threads=2)
    assert settings_to_try(open_format, CPU) == [Setting("fp32", True, 2), Setting("fp32", False, 2)]
    everything = settings_to_try(MachineRecipe(), CPU)
    assert Setting("fp32", False, everything[0].threads) in everything
    assert len(everything) in (4, 8)


def test_the_fastest_setting_wins_and_the_network_is_untouched() -> None:
    network = nn.Linear(2, 2)
    before = network.weight.clone()
    slow, fast = Setting("bf16", True, 1), Setting("fp32", False, 1)

    def step(copy: nn.Module, setting: Setting) -> None:
        assert copy is not network
        with torch.no_grad():
            next(copy.parameters()).add_(1.0)
        time.sleep(0.02 if setting == slow else 0.002)

    trials = measure_settings(step, network, [slow, fast], CPU, budget_s=0.2)
    assert [trial.setting for trial in trials] == [fast, slow]
    assert trials[0].step_s < 0.02 <= trials[1].step_s
    assert torch.equal(network.weight, before)


def test_a_setting_survives_the_recipe() -> None:
    threads = torch.get_num_threads()
    setting = Setting("bf16", True, threads, False)
    recipe = apply_setting(setting, MachineRecipe(), CPU)
    assert recipe.device == "cpu"
    assert setting_of(recipe) == setting


def test_tuning_the_allocator_twice_does_no_harm() -> None:
    tune_allocator()
    tune_allocator()
    assert torch.ones(1000, 1000).sum().item() == 1_000_000
