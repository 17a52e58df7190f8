"""What fits into the time allowed."""

from __future__ import annotations

from striate.data import Dataset
from striate.recipe import Recipe
from striate.training.distribution import World
from striate.training.machine import Setting, Trial
from striate.training.planning import is_too_heavy, plan_run
from striate.training.preparation import Prepared, prepare_run
from striate.training.progress import Silent
from striate.training.schedule import Clock

WORLD = World()


def prepared(data: Dataset, light: bool = False, **values: object) -> Prepared:
    return prepare_run(data, Recipe().with_values({"minutes": 1.0} | values), Silent(), light=light)


def is_heavy(ready: Prepared, step_s: float) -> bool:
    return is_too_heavy(ready, Trial(Setting(), step_s), Clock(ready.recipe.optimisation.minutes), WORLD)


def test_a_network_that_would_take_few_steps_gives_way_to_a_light_one(digits: Dataset) -> None:
    ready = prepared(digits)
    assert ready.recipe.network.name == "resnet20"
    assert not is_heavy(ready, 0.1)
    assert is_heavy(ready, 1.0)
    light = prepared(digits, light=True)
    assert light.info.name == "lenet5"
    (choice,) = (one for one in light.chooser.choices if one.field == "network.name")
    assert choice.why == "resnet20 would take too few steps here in the time allowed"
    assert not is_heavy(light, 1.0)


def test_pictures_are_halved_where_whole_ones_would_take_few_steps(digits: Dataset) -> None:
    from dataclasses import replace

    large = replace(digits, sizes_hw={(100, 100): 500}, median_size_hw=(100, 100))
    ready = prepared(large, name="resnet18")
    assert ready.recipe.input.size_hw == (96, 96)
    assert is_heavy(ready, 1.0)
    assert not is_heavy(ready, 0.1)
    light = prepared(large, name="resnet18", light=True)
    assert light.recipe.input.size_hw == (48, 48)
    # Half of that would show too little.
    assert not is_heavy(light, 1.0)


def test_what_was_asked_for_is_never_too_heavy(digits: Dataset) -> None:
    assert not is_heavy(prepared(digits, name="resnet20"), 1.0)
    assert not is_heavy(prepared(digits, epochs=3), 1.0)
    assert prepared(digits, light=True, name="resnet20").info.name == "resnet20"


def test_an_epoch_is_worth_its_evaluation_where_hardly_any_time_is_left(digits: Dataset) -> None:
    ready = prepared(digits)
    # Ten steps of 10 s a pass, and an evaluation of 10 s: nothing of that fits into a minute.
    plan_run(ready, Trial(Setting(), 10.0), Clock(1.0), WORLD)
    epochs, parts = ready.recipe.optimisation.epochs, ready.recipe.optimisation.epochs_per_pass
    assert epochs == 1
    assert parts is not None
    looked_at = 300 + 100
    assert 100 / parts >= 10.0 / 32 * looked_at / 3 / 8
