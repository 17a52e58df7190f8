"""Choosing device, precision, format and threads."""

from __future__ import annotations

import math
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
    assert len(everything) in (2, 4, 8)


def test_a_precision_that_the_processor_would_have_to_imitate_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = {}
    for native in (True, False):
        monkeypatch.setattr("striate.training.machine.multiplies_bf16", lambda _device, native=native: native)
        tried[native] = {setting.precision for setting in settings_to_try(MachineRecipe(), CPU)}
    assert tried == {True: {"bf16", "fp32"}, False: {"fp32"}}
    # Whoever asks for it gets it.
    assert settings_to_try(MachineRecipe(precision="bf16", threads=1), CPU)[0].precision == "bf16"


def test_the_fastest_setting_wins_and_the_network_is_untouched() -> None:
    network = nn.Linear(2, 2)
    before = network.weight.clone()
    slow, fast = Setting("bf16", True, 1), Setting("fp32", False, 1)

    def step(copy: nn.Module, setting: Setting, pictures: int) -> None:
        assert copy is not network
        with torch.no_grad():
            next(copy.parameters()).add_(1.0)
        time.sleep((0.01 if setting == slow else 0.001) * pictures)

    trials = measure_settings(step, network, [slow, fast], CPU, pictures=8)
    assert [trial.setting for trial in trials] == [fast, slow]
    assert trials[0].step_s < 0.04
    assert trials[1].step_s >= 0.08
    assert torch.equal(network.weight, before)


def test_what_wins_with_a_whole_batch_wins_though_it_loses_with_few_pictures() -> None:
    few, many = Setting("bf16", True, 1), Setting("fp32", False, 1)

    def step(_copy: nn.Module, setting: Setting, pictures: int) -> None:
        time.sleep(0.004 * pictures if setting == few else 0.008 + 0.003 * pictures)

    assert measure_settings(step, nn.Linear(2, 2), [few, many], CPU, pictures=40)[0].setting == many


def test_fewer_threads_are_tried_with_the_winner_alone() -> None:
    cores = torch.get_num_threads()
    settings = [
        Setting("bf16", True, 2),
        Setting("fp32", False, 2),
        Setting("bf16", True, 1),
        Setting("fp32", False, 1),
    ]
    seen = set()

    def step(_copy: nn.Module, setting: Setting, pictures: int) -> None:
        seen.add(setting)
        time.sleep((0.002 if setting.precision == "fp32" else 0.005) * pictures * setting.threads)

    best = measure_settings(step, nn.Linear(2, 2), settings, CPU, pictures=4)[0].setting
    torch.set_num_threads(cores)
    assert best == Setting("fp32", False, 1)
    assert Setting("bf16", True, 1) not in seen


def test_little_work_gets_few_trial_steps() -> None:
    steps = []

    def step(_copy: nn.Module, setting: Setting, pictures: int) -> None:
        steps.append(setting)
        time.sleep(1e-4 * pictures)

    settings = [Setting("bf16", True, 1), Setting("fp32", False, 1)]
    for coming in (10.0, math.inf):
        measure_settings(step, nn.Linear(2, 2), settings, CPU, pictures=4, coming=coming)
        steps.append(None)
    little = steps.index(None)
    assert 0 < little < (len(steps) - 2 - little) / 3


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
