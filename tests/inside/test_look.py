"""Whole pages: every family, every task, small enough and offline; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate
from striate.cli import main
from striate.data.synthetic import MakeOptions, make_data
from striate.errors import RequestError, StorageError
from striate.inside import look_inside
from striate.recipe import Recipe
from striate.runs.run import Run
from striate.training import train
from striate.training.progress import Silent

# One frame a picture, few pictures: what is looked at is the page.
QUICK = {"epochs": 1, "precision": "fp32", "channels_last": False, "threads": 1, "batch_size": 8, "weights": "none"}
QUICK |= {"fit": "squash", "tile_scale": 0.25}


def trained(folder: Path, task: str, net: str, size_hw: tuple[int, int]) -> Run:
    data = folder / f"digits-{task}"
    if not data.exists():
        make_data("digits", data, MakeOptions(images=16 if task != "classification" else 40, task=task))
    recipe = Recipe().with_values(QUICK | {"network.name": net, "input.size_hw": list(size_hw)})
    return train(data, recipe, run=folder / f"{task}-{net}", progress=Silent())


@pytest.fixture(autouse=True)
def _few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.inside.subject.MOST_PICTURES", 8)
    monkeypatch.setattr("striate.inside.excitement.ASCENT_STEPS", 4)
    monkeypatch.setattr("striate.inside.attribution.STEPS", 4)
    monkeypatch.setattr("striate.inside.sanity.STEPS", 4)
    monkeypatch.setattr("striate.inside.sanity.SHUFFLES", 1)
    monkeypatch.setattr("striate.inside.sanity.RANDOM_ORDERS", 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inside")


@pytest.fixture(scope="module")
def classifier(folder: Path) -> Run:
    return trained(folder, "classification", "lenet5", (28, 28))


def picture_of(run: Run) -> Path:
    return next(path for path in sorted(Path(run.facts.data).rglob("*.png")) if "mask" not in str(path))


@pytest.mark.slow
@pytest.mark.usefixtures("narrow_heads")
@pytest.mark.parametrize(
    ("task", "net"),
    [
        ("classification", "lenet5_1998"),
        ("classification", "resnet20"),
        ("detection", "lenet5"),
        ("segmentation", "lenet5"),
        ("instances", "lenet5"),
    ],
)
def test_a_page_for_every_task(folder: Path, task: str, net: str) -> None:
    run = trained(folder, task, net, (32, 32))
    seen = look_inside(run, picture_of(run), page=folder / f"{task}-{net}.html")
    text = seen.page.read_text(encoding="utf-8")
    assert len(text) < 15_000_000
    for title in ("The answer", "Channels", "Anatomy", "Kernels and feature maps", "What excites this unit"):
        assert f">{title}</h2>" in text
    assert (">One step of learning</h2>" in text) == (task == "classification")
    assert "pixels a side" in text, "measured receptive fields"
    assert 'src="http' not in text
    assert seen.neuron.total == pytest.approx(seen.neuron.computed, rel=1e-9, abs=1e-12)
    assert [reason.method for reason in seen.reasons] == [
        "grad-cam", "grad-cam++", "layer-cam", "integrated-gradients", "occlusion",
    ]  # fmt: skip
    assert all(reason.plane.shape == seen.reasons[0].plane.shape for reason in seen.reasons)


def test_the_command_and_the_function_show_the_same_neuron(
    classifier: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = picture_of(classifier)
    out = folder / "page.html"
    arguments = ["--layer", "c3", "--unit", "5", "--at", "2,7", "--out", str(out), "--json"]
    assert main(["inside", str(classifier.path), str(picture), *arguments]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["neuron"]["layer"], shown["neuron"]["unit"], shown["neuron"]["at"]) == ("c3", 5, [2, 7])
    assert Path(shown["page"]) == out
    assert out.exists()
    again = striate.Run.open(classifier.path).inside(picture, layer="c3", unit=5, at_xy=(2, 7), page=out)
    assert again.neuron.total == shown["neuron"]["sum"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--layer", "c9"], "has no layer 'c9'. Nearest: c5, c3, c1"),
        (["--layer", "c3", "--unit", "16"], "c3 has 16 units, and 16 is none of them. Units are counted from 0"),
        (["--layer", "c3", "--at", "99,0"], "x = 99, y = 0 lies outside"),
        (["--layer", "f6", "--at", "3,3"], "f6 is a linear layer, which has no places. Leave it out"),
        (["--at", "3"], "expected two whole numbers with a comma between them, found '3'. Type --at 10,12"),
        (["--class", "eleven"], "there is no class 'eleven'. The classes are 0, 1, 2"),
    ],
)
def test_what_does_not_exist_is_refused(
    classifier: Run, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inside", str(classifier.path), str(picture_of(classifier)), *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_pictures_that_are_none_or_of_other_channels_are_refused(classifier: Run, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="expected one picture, found nothing"):
        look_inside(classifier, tmp_path / "gone.png")
    with pytest.raises(RequestError, match="expected one picture, found a folder"):
        look_inside(classifier, tmp_path)
    import tifffile

    tifffile.imwrite(
        tmp_path / "five.tif", np.zeros((5, 32, 32), np.uint8), photometric="minisblack", planarconfig="separate"
    )
    with pytest.raises(
        RequestError, match=r"five.tif: .*the network learned from gray. Give a picture with the channels"
    ):
        look_inside(classifier, tmp_path / "five.tif")
    Image.new("L", (40, 20), 99).save(tmp_path / "wide.png")
    assert look_inside(classifier, tmp_path / "wide.png", page=tmp_path / "wide.html").page.exists()


def test_a_picture_unlike_those_of_training_is_told_and_a_place_is_checked_first(
    classifier: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tifffile

    pixels = np.full((28, 28), 0.5, np.float32)
    pixels[:7] = np.nan
    tifffile.imwrite(tmp_path / "holes.tif", pixels)
    said: list[str] = []
    seen = look_inside(classifier, tmp_path / "holes.tif", page=tmp_path / "holes.html", say=said.append)
    assert "25.0% of its values are no finite numbers. They count as 0." in said[0]
    text = seen.page.read_text(encoding="utf-8")
    assert "Unlike the pictures of training" in text
    monkeypatch.setattr("striate.inside.look.reasons_for", lambda *_: pytest.fail("worked before it looked"))
    with pytest.raises(StorageError, match="the page cannot be written"):
        look_inside(classifier, picture_of(classifier), page=tmp_path / "nowhere" / "x.html")


@pytest.mark.slow
def test_a_slow_network_is_asked_less_often(classifier: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    network = Run.open(classifier.path).network
    network.register_forward_pre_hook(lambda _module, inputs: asked.append(len(inputs[0])))
    monkeypatch.setattr(Run, "network", network)
    totals = []
    for limit in (1e9, 0.0):
        monkeypatch.setattr("striate.inside.subject.SLOW_S", limit)
        asked.clear()
        look_inside(classifier, picture_of(classifier), page=tmp_path / "page.html")
        totals.append(sum(asked))
    assert totals[1] < totals[0]
