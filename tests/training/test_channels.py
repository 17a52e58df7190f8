"""Channels by a rule, before the first step: normalisation, augmentation, and pretrained first layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from striate.data import Dataset
from striate.data.bands import compose_bands
from striate.recipe import Recipe
from striate.structures import Label, Picture, Sample
from striate.training.preparation import prepare_run
from striate.training.progress import Silent

FIVE = tuple(f"channel {index}" for index in range(5))


class Scaled:
    """A picture whose channels have ranges of their own."""

    def __init__(self, sample: Sample) -> None:
        self.sample, self.name = sample, sample.name

    def read(self) -> Picture:
        pixels = self.sample.read().pixels * np.array([1, 10, 1e4, 1e-3, 0], np.float32)[:, None, None]
        return Picture(pixels.astype(np.float32), FIVE, source=self.name)


def data_of(samples: list[Sample], side: int) -> Dataset:
    splits = {"train": tuple(samples[:24]), "validation": tuple(samples[24:32])}
    size = {(side, side): 32}
    return Dataset(Path(), "classification", "made", ("dry", "wet"), splits, (), 5, FIVE, 32, (side, side), size)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_every_channel_is_normalised_by_its_own_values_however_far_their_ranges_lie_apart() -> None:
    samples = [Sample(Scaled(sample), sample.annotation) for sample in compose_bands(32, 1, 0)]
    ready = prepare_run(data_of(samples, 32), Recipe(), Silent())
    recipe = ready.recipe.input
    pixels = np.stack([sample.read().pixels for sample in samples[:24]]).astype(np.float64)
    kept = [0, 1, 2, 3]
    mean, std = (np.array(each)[kept] * recipe.scale for each in (recipe.mean, recipe.std))
    np.testing.assert_allclose(mean, pixels.mean((0, 2, 3))[kept], rtol=1e-4)
    np.testing.assert_allclose(std, pixels.std((0, 2, 3))[kept], rtol=1e-3)
    # The empty channel stays empty.
    shares = (0.0 / recipe.scale - recipe.mean[4]) / recipe.std[4]
    assert shares == 0
    assert ready.recipe.augmentation.saturation == 0.0


@pytest.mark.parametrize(("rule", "names"), [(None, FIVE), ("3", FIVE[3:4])])
def test_a_pretrained_first_layer_is_adapted_and_the_statistics_are_those_of_the_data(
    rule: str | None, names: tuple[str, ...]
) -> None:
    recipe = Recipe().with_values({"network.weights": "embedded", "network.name": "timm/tf_efficientnet_lite0"})
    recipe = recipe.with_values({"data.channels": rule, "input.size_hw": [96, 96]}, as_typed=True)
    ready = prepare_run(data_of(compose_bands(32, 3, 0), 96), recipe, Silent())
    assert ready.options.channels == len(names)
    assert ready.weights.name != "none"
    assert f"first layer adapted from 3 to {len(names)} channels" in ready.weights.note
    first = next(module for module in ready.network.modules() if isinstance(module, torch.nn.Conv2d))
    assert first.weight.shape[1] == len(names)
    values = np.stack([sample.read().pixels for sample in ready.data["train"]])
    chosen = values if rule is None else values[:, 3:4]
    np.testing.assert_allclose(
        np.array(ready.recipe.input.mean) * ready.recipe.input.scale, chosen.mean((0, 2, 3)), rtol=1e-3
    )


def test_old_recipes_with_a_number_still_hold(tmp_path: Path) -> None:
    random = np.random.default_rng(0)

    class Coloured:
        def __init__(self, index: int) -> None:
            self.name = f"{index}"

        def read(self) -> Picture:
            return Picture(random.integers(0, 256, (3, 20, 20)).astype(np.uint8), ("red", "green", "blue"))

    samples = tuple(Sample(Coloured(index), Label(index % 2)) for index in range(32))
    size = {(20, 20): 32}
    data = Dataset(tmp_path, "classification", "made", ("a", "b"), {"train": samples}, (), 3, median_size_hw=(20, 20))
    data.sizes_hw.update(size)
    for count in (1, 3):
        ready = prepare_run(data, Recipe().with_values({"data.channels": count}), Silent())
        assert ready.options.channels == count == len(ready.recipe.input.mean)
