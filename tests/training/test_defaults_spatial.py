"""Whole pictures or tiles: chosen from the sizes of pictures and of what is to be found in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from striate.data import Dataset
from striate.recipe import InputRecipe, Recipe
from striate.tasks.base import ObjectFacts
from striate.training.defaults import Chooser
from striate.training.defaults_spatial import choose_for_places


def framed(
    sizes_hw: list[tuple[int, int]], sides: list[float] | None, task: str = "detection", **wished: object
) -> tuple[InputRecipe, str]:
    """The input chosen for one object of each side in each picture, and why pictures come into it as they do."""
    counted = {size: sizes_hw.count(size) for size in dict.fromkeys(sizes_hw)}
    data = Dataset(
        Path("nowhere"),
        task,
        "coco",
        ("one",),
        {},
        median_size_hw=sorted(sizes_hw)[len(sizes_hw) // 2],
        sizes_hw=counted,
    )
    objects = None
    if sides is not None:
        pictures = np.repeat(np.arange(len(sizes_hw)), len(sides))
        objects = ObjectFacts(np.tile(np.array(sides), len(sizes_hw)), pictures, sizes_hw)
    chooser = Chooser(Recipe().with_values({f"input.{name}": value for name, value in wished.items()}))
    choose_for_places(chooser, data, objects)
    return chooser.recipe.input, next((one.why for one in chooser.choices if one.field == "input.fit"), "")


def test_large_objects_are_seen_in_whole_pictures() -> None:
    chosen, _ = framed([(480, 640)] * 4, [90.0, 100.0, 110.0])
    assert chosen.fit == "squash"
    assert chosen.size_hw == (288, 384)
    assert chosen.tile_scale == pytest.approx(0.6)


def test_small_objects_that_shrinking_would_lose_are_seen_in_tiles() -> None:
    chosen, why = framed([(1024, 1024)] * 4, [12.0, 16.0, 20.0])
    assert chosen.fit == "tiles"
    assert chosen.tile_scale == 1.0
    assert chosen.size_hw == (320, 320)
    assert "would measure 4 pixels or less, here 12" in why


def test_objects_are_not_enlarged_beyond_what_they_need() -> None:
    chosen, _ = framed([(3000, 3000)] * 4, [80.0] * 4)
    assert chosen.fit == "tiles"
    assert chosen.tile_scale == pytest.approx(20 / 80)


def test_tiles_overlap_by_more_than_most_objects_measure() -> None:
    chosen, _ = framed([(1024, 1024)] * 4, [12.0] * 10 + [60.0] * 10)
    assert chosen.tile_overlap == pytest.approx(1.2 * 60 / 320, abs=1e-3)
    chosen, _ = framed([(1024, 1024)] * 4, [12.0] * 4)
    assert chosen.tile_overlap == pytest.approx(0.1)


def test_whoever_asks_for_whole_pictures_gets_them() -> None:
    chosen, _ = framed([(1024, 1024)] * 4, [12.0, 16.0, 20.0], fit="squash")
    assert chosen.fit == "squash"
    assert chosen.tile_scale == pytest.approx(320 / 1024, abs=1e-3)


def test_masks_of_very_large_pictures_are_learned_in_tiles() -> None:
    assert framed([(640, 640)] * 4, None, "segmentation")[0].fit == "squash"
    chosen, why = framed([(2000, 3000)] * 4, None, "segmentation")
    assert chosen.fit == "tiles"
    assert chosen.tile_scale == pytest.approx(1 / 3, abs=1e-3)
    assert why == "whole pictures would be shrunk to 0.13 of their sides"
