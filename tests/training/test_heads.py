"""Heads that need to know the data: sizes of objects in the recipe, and a run that is built from it again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from striate.cli import main
from striate.data import Dataset
from striate.data.synthetic import MakeOptions, make_data
from striate.recipe import Recipe, read_recipe
from striate.structures import Instances, Sample
from striate.tasks import TASKS
from striate.tasks.base import ObjectFacts
from striate.training.defaults import Chooser
from striate.training.defaults_heads import choose_for_head

# Few anchors, and no picture cut into tiles: made scenes have 128 pixels a side at most.
QUICK = ["--net", "resnet20", "--weights", "none", "--epochs", "1", "--precision", "fp32"]
QUICK += ["--set", "size_hw=[64, 64]", "--set", "fit=squash", "--set", "tile_scale=0.5"]
QUICK += ["--set", "channels_last=false", "--set", "threads=1", "--batch-size", "4"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data("digits", tmp_path_factory.mktemp("heads") / "scenes", MakeOptions(images=12, task="detection"))


@pytest.mark.slow
@pytest.mark.usefixtures("narrow_heads")
def test_train_and_predict_with_a_head_that_has_anchors(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    request = ["train", str(scenes), "--run", str(folder), "--json", "--set", "network.head=faster_rcnn", *QUICK]
    assert main(request) == 0
    assert json.loads(capsys.readouterr().out)["task"] == "detection"
    recipe = read_recipe(folder / "recipe.yaml")
    small, middling, large = recipe.network.object_sides or ()
    assert 2 < small <= middling <= large < 64
    assert recipe.optimisation.class_balance is False
    picture = next(scenes.rglob("*.png"))
    assert main(["predict", str(folder), str(picture), "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    height, width = answer["size_hw"]
    for box in answer["boxes"]:
        assert 0 <= box["xyxy"][0] < box["xyxy"][2] <= width
        assert 0 <= box["xyxy"][1] < box["xyxy"][3] <= height
        assert 0 <= box["score"] <= 1


def test_sides_are_those_of_the_objects_in_the_network_frame() -> None:
    data = Dataset(Path("nowhere"), "detection", "coco", ("one",), {})
    # Nine objects of a picture that is halved, and one of a picture that stays.
    objects = ObjectFacts(np.array([20.0] * 9 + [40.0]), np.array([0] * 9 + [1]), [(64, 64), (32, 32)])
    chooser = Chooser(Recipe().with_values({"size_hw": "[32, 32]", "fit": "squash", "data.channels": 3}))
    choose_for_head(chooser, data, TASKS.get("detection"), objects)
    assert chooser.recipe.network.object_sides is None, "the default head looks for objects of any size"
    chooser = Chooser(chooser.recipe.with_values({"network.head": "retinanet"}))
    choose_for_head(chooser, data, TASKS.get("detection"), objects)
    assert chooser.recipe.network.object_sides == (10, 10, 13)
    assert chooser.recipe.optimisation.class_balance is False


def test_weights_of_classes_are_refused_where_a_loss_has_none(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = ["train", str(scenes), "--run", str(tmp_path / "run"), "--set", "network.head=fcos", *QUICK]
    assert main([*request, "--set", "class_balance=true"]) == 2
    assert "the loss of the head fcos cannot weigh classes." in capsys.readouterr().err


@pytest.mark.parametrize(("shift", "hidden", "head"), [(10, 0.0, "distance"), (5, 50 / 200, "mask_rcnn")])
def test_objects_that_cover_each_other_get_a_head_that_proposes_them(shift: int, hidden: float, head: str) -> None:
    masks = np.zeros((2, 20, 30), np.bool_)
    masks[0, :10, :10] = True
    masks[1, :10, shift : shift + 10] = True
    task = TASKS.get("instances")

    @dataclass(frozen=True)
    class Source:
        name: str = "two.png"

    sample = Sample(Source(), Instances.from_dense(masks, np.zeros(2, np.int64)))
    objects = task.object_facts([sample], ("one",), [(20, 30)])
    assert objects is not None
    assert objects.hidden == pytest.approx(hidden)
    data = Dataset(Path("nowhere"), "instances", "coco", ("one",), {})
    chooser = Chooser(Recipe().with_values({"size_hw": "[32, 32]", "fit": "pad", "data.channels": 3}))
    choose_for_head(chooser, data, task, objects)
    assert chooser.recipe.network.head == head
    (why,) = [choice.why for choice in chooser.choices if choice.field == "network.head"]
    assert why.startswith("25% of the objects' pixels" if hidden else "objects do not cover each other")
