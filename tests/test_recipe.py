from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import RecipeError
from striate.recipe import Recipe, find_field, parse_recipe, read_recipe, recipe_fields, write_recipe


def test_a_written_recipe_reads_back_as_it_was(tmp_path: Path) -> None:
    recipe = Recipe().with_values(
        {
            "network.name": "resnet18",
            "input.size_hw": (64, 48),
            "input.mean": (0.25, 0.5, 0.125),
            "optimisation.learning_rate": 0.03,
            "machine.tensorboard": True,
            "data.format": "no: this is # text",
        }
    )
    path = tmp_path / "recipe.yaml"
    write_recipe(recipe, path)
    assert read_recipe(path) == recipe


def test_every_field_is_written_with_its_meaning(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    write_recipe(Recipe(), path)
    lines = path.read_text(encoding="utf-8").splitlines()
    for name, _, _, meaning in recipe_fields():
        assert any(line.startswith(f"  {name.split('.')[1]}:") and line.endswith(f"# {meaning}") for line in lines), (
            name
        )


@given(st.floats(min_value=1e-6, max_value=10), st.integers(min_value=1, max_value=4096), st.booleans())
def test_values_survive_yaml(rate: float, batch: int, balance: bool) -> None:
    recipe = Recipe().with_values({"learning_rate": rate, "batch_size": batch, "class_balance": balance})
    assert parse_recipe(yaml.safe_load(yaml.safe_dump(recipe.model_dump(mode="json"))), where="here") == recipe


def test_setting_a_value_leaves_the_recipe_it_came_from_alone() -> None:
    first = Recipe()
    second = first.with_values({"optimisation.epochs": 3})
    assert first.optimisation.epochs is None
    assert second.optimisation.epochs == 3


def test_text_from_the_command_line_becomes_a_value() -> None:
    recipe = Recipe().with_values({"epochs": "3", "size_hw": "[32, 48]", "class_balance": "true", "device": "cuda:1"})
    assert recipe.optimisation.epochs == 3
    assert recipe.input.size_hw == (32, 48)
    assert recipe.optimisation.class_balance is True
    assert recipe.machine.device == "cuda:1"


@pytest.mark.parametrize("text", ["no", "18", "a: b", "x # y", "["])
def test_text_stays_as_it_was_typed(text: str) -> None:
    assert Recipe().with_values({"network.weights": text}).network.weights == text


def test_null_gives_the_choice_back() -> None:
    recipe = Recipe().with_values({"network.weights": "none", "epochs": 3})
    assert recipe.with_values({"network.weights": "null", "epochs": "null"}) == Recipe()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"optimisation.minutes": -1}, r"optimisation\.minutes: it has to be greater than 0; found -1"),
        ({"optimisation.minutes": "inf"}, r"optimisation\.minutes: it has to be a finite number"),
        ({"optimisation.epochs": 0}, r"optimisation\.epochs: .* greater than or equal to 1; found 0"),
        ({"optimisation.learning_rate": float("nan")}, r"optimisation\.learning_rate: .*found nan"),
        ({"machine.precision": "fp8"}, r"machine\.precision: it has to be 'fp32', 'bf16' or 'fp16'; found 'fp8'"),
        ({"input.size_hw": "64"}, r"input\.size_hw: .*found 64"),
        ({"input.size_hw": "["}, r"input\.size_hw: .*found '\['"),
        ({"optimisation.epoch": 3}, r"there is no field 'optimisation\.epoch'.*Nearest: optimisation\.epochs"),
        ({"learning_rat": 3}, r"there is no field 'learning_rat'.*optimisation\.learning_rate"),
        ({"nothing_like_it": 3}, r"there is no field .nothing_like_it.. docs/recipe.md lists all fields"),
    ],
)
def test_values_that_do_not_hold(values: dict[str, object], text: str) -> None:
    with pytest.raises(RecipeError, match=text):
        Recipe().with_values(values)


def test_a_bare_name_means_the_only_field_of_that_name() -> None:
    assert find_field("epochs") == ("optimisation", "epochs")
    assert find_field("network.name") == ("network", "name")


def test_files_that_are_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="the recipe cannot be read"):
        read_recipe(tmp_path / "missing.yaml")
    cases = {
        "a: [": "this is not YAML",
        "- 1\n- 2\n": "expected fields, found list",
        "version: 2\n": r"version 2 is newer than this Striate knows \(1\)\. Update Striate",
        "optimisation:\n  epochs: many\n": r"optimisation\.epochs: .*found 'many'",
        "optimisation:\n  epoch: 3\n": r"there is no field 'optimisation\.epoch'",
    }
    for text, message in cases.items():
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(RecipeError, match=message):
            read_recipe(path)


def test_an_empty_file_is_the_recipe_that_chooses_everything(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("", encoding="utf-8")
    assert read_recipe(path) == Recipe()


def test_every_field_has_a_meaning_and_a_type_in_words() -> None:
    for name, kind, _, meaning in recipe_fields():
        assert meaning.endswith("."), name
        assert "[" not in kind, f"{name} has the type {kind!r}, which is code"
        assert "typing" not in kind
