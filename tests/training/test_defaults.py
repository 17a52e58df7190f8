"""What is chosen for the user, and that what the user chose is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from striate.data import Dataset
from striate.recipe import Recipe
from striate.training.defaults import (
    EMBEDDED,
    Chooser,
    choose_augmentation,
    choose_input,
    choose_optimisation,
    class_imbalance,
    most_epochs,
)

CPU = torch.device("cpu")


def chosen(data: Dataset, **values: object) -> Chooser:
    chooser = Chooser(Recipe().with_values(values))
    choose_input(chooser, data, CPU)
    choose_augmentation(chooser, data)
    return chooser


@pytest.fixture
def photographs(digits: Dataset) -> Dataset:
    return replace(
        digits,
        channels=3,
        channel_names=("red", "green", "blue"),
        median_size_hw=(480, 640),
        sizes_hw={(480, 640): 500},
    )


def test_small_grey_pictures_get_a_small_fresh_network_and_no_mirror(digits: Dataset) -> None:
    recipe = chosen(digits).recipe
    assert recipe.network.name == "resnet20"
    assert recipe.network.weights == "none"
    assert recipe.augmentation.mirror == 0.0
    assert recipe.augmentation.shift
    assert recipe.data.channels == 1


@pytest.mark.parametrize(("side", "expected"), [(8, 32), (16, 32), (28, 28), (32, 32)])
def test_tiny_pictures_are_enlarged_by_whole_numbers(side: int, expected: int, digits: Dataset) -> None:
    assert chosen(replace(digits, median_size_hw=(side, side))).recipe.input.size_hw == (expected, expected)


def test_photographs_get_pretrained_features_and_are_mirrored(photographs: Dataset) -> None:
    recipe = chosen(photographs).recipe
    assert recipe.network.name == EMBEDDED
    assert recipe.network.weights == "auto"
    assert recipe.input.size_hw == (256, 256)
    assert recipe.augmentation.mirror == 0.5


def test_what_the_user_chose_is_never_touched(photographs: Dataset) -> None:
    chooser = chosen(photographs, **{"network.name": "lenet5", "input.size_hw": [64, 48], "mirror": 0.0})
    assert chooser.recipe.network.name == "lenet5"
    assert chooser.recipe.input.size_hw == (64, 48)
    assert chooser.recipe.augmentation.mirror == 0.0
    assert not {"network.name", "input.size_hw", "augmentation.mirror"} & {choice.field for choice in chooser.choices}


def test_alpha_is_not_a_channel_of_the_network(photographs: Dataset) -> None:
    with_alpha = replace(photographs, channels=4, channel_names=("red", "green", "blue", "alpha"))
    assert chosen(with_alpha).recipe.data.channels == 3


def test_a_frozen_network_sees_pictures_as_they_are(photographs: Dataset) -> None:
    augmentation = chosen(photographs, frozen=True).recipe.augmentation
    assert augmentation.crop_area == 1.0
    assert not any(value for name, value in augmentation.model_dump().items() if name != "crop_area")


def test_pretrained_layers_learn_slower_the_fewer_pictures_there_are(photographs: Dataset) -> None:
    rates = []
    for pictures in (300, 5000):
        chooser = chosen(photographs)
        choose_optimisation(chooser, nn.BatchNorm2d(3), pretrained=True, pictures=pictures, imbalance=1.0)
        recipe = chooser.recipe.optimisation
        rates.append(float(recipe.learning_rate or 0) * float(recipe.backbone_rate or 0))
        assert chooser.recipe.network.keep_statistics
    assert rates[0] < rates[1]


def test_networks_without_normalisation_are_clipped_and_rare_classes_weighted(digits: Dataset) -> None:
    chooser = chosen(digits)
    choose_optimisation(chooser, nn.Linear(2, 2), pretrained=False, pictures=500, imbalance=50.0)
    assert chooser.recipe.optimisation.clip == 1.0
    assert chooser.recipe.optimisation.class_balance


def test_deep_stacks_without_skip_connections_learn_at_half_the_rate(digits: Dataset) -> None:
    rates = {}
    for name in ("resnet18", "vgg11_bn"):
        chooser = chosen(digits, name=name)
        choose_optimisation(chooser, nn.BatchNorm2d(3), pretrained=False, pictures=2000, imbalance=1.0)
        rates[name] = float(chooser.recipe.optimisation.learning_rate or 0)
    assert rates["vgg11_bn"] == rates["resnet18"] / 2


def test_every_choice_has_a_reason_and_the_summary_fits_a_terminal(digits: Dataset) -> None:
    chooser = chosen(digits)
    assert all(choice.why for choice in chooser.choices)
    assert all(len(line) <= 80 for line in chooser.summary())


def test_imbalance_counts_classes_that_occur() -> None:
    assert class_imbalance(np.array([0, 10, 40])) == 4.0
    assert class_imbalance(np.array([0, 0])) == 1.0


def test_more_pictures_need_fewer_passes() -> None:
    for pretrained in (True, False):
        passes = [most_epochs(count, pretrained=pretrained, frozen=False) for count in (100, 5_000, 100_000)]
        assert passes == sorted(passes, reverse=True)
        assert passes[-1] >= 10
