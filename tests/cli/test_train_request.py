"""What is checked before any picture is read, and how options become a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from striate.cli import main
from striate.cli.flags import RECIPE_FLAGS
from striate.recipe import Recipe, write_recipe

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "DATA: no pictures were given. Give a folder: striate train photos/"),
        (["--minutes", "-1"], "--minutes: optimisation.minutes: it has to be greater than 0; found -1.0."),
        (["--minutes", "soon"], "Invalid value for '--minutes'"),
        (["--epochs", "0"], "--epochs: optimisation.epochs: it has to be greater than or equal to 1; found 0."),
        (["x", "--net", "resnet19"], "there is no network named 'resnet19'. Nearest: resnet18"),
        (["x", "--set", "epochs"], "--set: expected FIELD=VALUE, found 'epochs'. For example: --set"),
        (["x", "--set", "epochen=3"], "--set: there is no field 'epochen'. Nearest: optimisation.epochs"),
        (["x", "--set", "machine.precision=fp8"], "--set: machine.precision: it has to be 'fp32', 'bf16' or 'fp16'"),
        (["x", "--recipe", "no/such.yaml"], "the recipe cannot be read"),
        (["x", "--set", "validation_share=0.6"], "data.validation_share: it has to be less than or equal to 0.5"),
        (["x", "--set", "validation_share=0"], "data.validation_share: it has to be greater than 0; found 0."),
        (["x", "--set", "test_share=0.51"], "--set: data.test_share: it has to be less than or equal to 0.5"),
        (["x", "--net", ""], "--net '': expected a value, found an empty text. Give a value, or leave it out; perhaps"),
        (["x", "--run="], "--run=: expected a value, found an empty text."),
        (["--resume", " "], "--resume '': expected a value, found an empty text."),
        (["x", "--set", ""], "--set '': expected a value, found an empty text."),
        ([""], "train '': expected a value, found an empty text."),
        (["--json", ""], "--json '': expected a value, found an empty text."),
        (["--resume", "a", "--run", "b"], "--run: a resumed run stays in its folder. Leave --run out."),
        (["--resume", "a", "--epochs", "3"], "--resume: a resumed run keeps its recipe, so --epochs cannot change it."),
    ],
)
def test_wrong_requests(arguments: list[str], text: str, capsys: Capture) -> None:
    assert main(["train", *arguments]) == 2
    seen = capsys.readouterr()
    assert seen.out == "" or "--json" in arguments
    assert text in seen.err
    assert "Traceback" not in seen.err


class Asked(Exception):
    """Carries what the training function was asked for."""

    def __init__(self, data: Any, recipe: Recipe, **others: Any) -> None:
        self.data, self.recipe, self.others = data, recipe, others


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    seen: list[Asked] = []

    def train(data: Any, recipe: Recipe, **others: Any) -> None:
        seen.append(Asked(data, recipe, **others))
        raise KeyboardInterrupt

    monkeypatch.setattr("striate.training.train", train)
    return seen


def test_file_options_and_settings_in_that_order(asked: list[Asked], tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    write_recipe(Recipe().with_values({"epochs": 1, "seed": 1, "batch_size": 1}), file)
    arguments = ["train", "photos", "--recipe", str(file), "--epochs", "2", "--seed", "2", "--set", "seed=3"]
    assert main([*arguments, "--set", "network.dropout=0.5", "--lr", "0.01", "--net", "lenet5"]) == 130
    recipe = asked[0].recipe
    assert (recipe.optimisation.batch_size, recipe.optimisation.epochs, recipe.optimisation.seed) == (1, 2, 3)
    assert (recipe.network.dropout, recipe.optimisation.learning_rate, recipe.network.name) == (0.5, 0.01, "lenet5")
    assert asked[0].data == Path("photos")


def test_every_option_sets_its_field(asked: list[Asked]) -> None:
    values = {"str": "cpu", "int": "7", "float": "0.5"} | {"--precision": "bf16", "--net": "lenet5", "--tool": "jax"}
    arguments = [
        word for flag in RECIPE_FLAGS for word in (flag.option, values.get(flag.option, values[flag.kind.__name__]))
    ]
    assert main(["train", "photos", *arguments]) == 130
    assert asked[0].recipe == Recipe().with_values(
        dict(zip([f.field for f in RECIPE_FLAGS], arguments[1::2], strict=True))
    )


def test_resuming_needs_the_run_only(asked: list[Asked]) -> None:
    assert main(["train", "--resume", "runs/a"]) == 130
    assert asked[0].data is None
    assert asked[0].others["run"] == Path("runs/a")
    assert asked[0].others["resume"] is True


def test_an_interruption_is_an_error_for_programs_too(asked: list[Asked], capsys: Capture) -> None:
    assert main(["train", "photos", "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "Interrupted"
