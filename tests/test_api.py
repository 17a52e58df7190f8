"""The Python API sets the same recipe fields as the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from striate.api import build_recipe
from striate.errors import RecipeError
from striate.recipe import Recipe, write_recipe


def test_fields_by_name_and_by_full_name() -> None:
    recipe = build_recipe(None, "resnet18", {"minutes": 5, "network__weights": "none", "size_hw": (32, 32)})
    assert recipe.network.name == "resnet18"
    assert recipe.network.weights == "none"
    assert recipe.optimisation.minutes == 5
    assert recipe.input.size_hw == (32, 32)


def test_a_recipe_to_start_from_is_left_alone(tmp_path: Path) -> None:
    first = Recipe().with_values({"epochs": 3})
    assert build_recipe(first, None, {"seed": 4}).optimisation.epochs == 3
    assert first.optimisation.seed == 0
    path = tmp_path / "recipe.yaml"
    write_recipe(first, path)
    assert build_recipe(path, None, {}) == build_recipe(str(path), None, {}) == first


def test_a_field_that_does_not_exist() -> None:
    with pytest.raises(RecipeError, match=r"there is no field 'minuets'\. Nearest: optimisation\.minutes"):
        build_recipe(None, None, {"minuets": 5})
