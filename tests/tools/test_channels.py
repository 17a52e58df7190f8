"""A network that sees channels by a rule sees the same everywhere: in training, afterwards, and as an export."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.data.bands import compose_bands
from striate.data.synthetic import MakeOptions, make_data
from striate.errors import CheckpointError, RequestError
from striate.images import choose_channels, read_picture, write_picture
from striate.inside.subject import open_subject
from striate.recipe import Recipe
from striate.runs.run import Run
from striate.structures import Picture, Problem
from striate.tools import Exported, export
from striate.training import train
from striate.training.progress import Silent

QUICK = {"epochs": 1, "precision": "fp32", "channels_last": False, "threads": 1, "batch_size": 8, "weights": "none"}
QUICK |= {"network.name": "lenet5", "input.size_hw": [28, 28]}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leaves, green or red, on grounds of any colour."""
    folder, random = tmp_path_factory.mktemp("colours"), np.random.default_rng(0)
    for name, hue in (("green", (40, 180, 60)), ("red", (190, 50, 40))):
        (folder / name).mkdir()
        for index in range(24):
            pixels = random.integers(0, 256, (3, 1, 1)) + random.integers(-9, 10, (3, 30, 34))
            pixels[:, 8:20, 9:22] = np.array(hue)[:, None, None]
            picture = Picture(np.clip(pixels, 0, 255).astype(np.uint8), ("red", "green", "blue"))
            write_picture(picture, folder / name / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def bands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data("bands", tmp_path_factory.mktemp("bands") / "data", MakeOptions(images=48))


def run_of(data: Path, folder: Path, rule: str, **fields: object) -> Run:
    recipe = Recipe().with_values(QUICK | fields).with_values({"data.channels": rule}, as_typed=True)
    return train(data, recipe, run=folder / "run", progress=Silent())


def shares_of(answers: list) -> list[float]:
    return [answer.score for answer in answers]


@pytest.mark.parametrize(
    ("set_name", "rule", "names", "dtype"),
    [
        ("colours", "lab", ("lightness", "green to red", "blue to yellow"), "float32"),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in (
                ("colours", "hsv", ("hue", "saturation", "value"), "float32"),
                ("colours", "b,r", ("blue", "red"), "uint8"),
                ("bands", "0-3", tuple(f"channel {index}" for index in range(4)), "float32"),
                ("bands", "3", ("channel 3",), "float32"),
            )
        ),
    ],
)
def test_an_export_answers_as_its_run(
    set_name: str, rule: str, names: tuple[str, ...], dtype: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    data: Path = request.getfixturevalue(set_name)
    run = run_of(data, tmp_path, rule)
    assert (run.facts.channel_names, run.facts.dtype) == (names, dtype)
    assert run.facts.options.channels == len(names) == len(run.recipe.input.mean)
    assert run.recipe.data.channels == rule
    pictures = sorted(data.rglob("*.*"))[:6]
    problems: list[Problem] = []
    own = list(run.predict_each(pictures, problems))
    assert problems == []
    export(run, "onnx")
    exported = Exported(Exported.find(next(run.path.rglob("striate.json")).parent))
    assert exported.input_entry["rule"] == rule
    assert shares_of(exported.predict(pictures)) == pytest.approx(shares_of(own), abs=1e-5)
    # What was measured in training is measured again, from the files.
    again = Run.open(run.path, "cpu").evaluate()
    assert again.headline.value == run.metrics.headline.value


def test_what_the_network_is_shown_is_the_rule_applied(colours: Path, tmp_path: Path) -> None:
    run = run_of(colours, tmp_path, "lab", **{"input.size_hw": [30, 34]})
    picture = read_picture(colours / "red" / "0.png")
    _, frames = run.answering.stored(picture)
    expected = choose_channels("lab", picture.channel_names).apply(picture.pixels, picture.channel_names)
    np.testing.assert_array_equal(frames[0], expected)
    assert run.recipe.input.scale == 1.0
    assert run.recipe.augmentation.brightness == 0.0


def test_a_rule_that_does_not_fit_stops_before_training(bands: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="the rule 'hsv' needs red, green and blue; the channels are channel 0, "):
        run_of(bands, tmp_path, "hsv")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_sidecar_whose_rule_was_changed_is_refused(bands: Path, tmp_path: Path) -> None:
    run = run_of(bands, tmp_path, "0-3")
    export(run, "onnx")
    sidecar = next(run.path.rglob("striate.json"))
    document = json.loads(sidecar.read_text(encoding="utf-8"))
    for rule, fault in (("1-4", "gives channel 1, channel 2, "), ("nir", "takes 'nir'"), (3, "`input.rule` is 3")):
        document["input"]["rule"] = rule
        sidecar.write_text(json.dumps(document), encoding="utf-8")
        with pytest.raises(CheckpointError, match=fault):
            _ = Exported(Exported.find(sidecar.parent)).facts


@pytest.mark.slow
def test_the_example_that_needs_no_striate_says_that_it_cannot(colours: Path, tmp_path: Path) -> None:
    run = run_of(colours, tmp_path, "b,g,r")
    export(run, "onnx")
    script = next(run.path.rglob("example.py"))
    ended = subprocess.run(
        [sys.executable, str(script), str(colours / "red" / "0.png")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "by the rule 'b,g,r': ask `striate predict`." in ended.stderr


@pytest.mark.slow
def test_one_file_a_channel_from_training_to_the_export(tmp_path: Path) -> None:
    for sample in compose_bands(48, 1, 0):
        folder = tmp_path / "data" / ("dry", "wet")[sample.annotation.index]
        folder.mkdir(parents=True, exist_ok=True)
        for index, plane in enumerate(sample.read().pixels):
            write_picture(Picture(plane[None], ("gray",)), folder / f"{sample.name}_c{index}.tif")
    run = run_of(tmp_path / "data", tmp_path, "c3,c1")
    assert run.facts.picture_channels == ("c0", "c1", "c2", "c3", "c4")
    assert run.facts.channel_names == ("c3", "c1")
    whole = run.predict(tmp_path / "data" / "dry")
    assert len(whole) == 24
    # Any one of its files names the picture.
    one = run.predict(tmp_path / "data" / "dry" / "field_0000_c4.tif")
    assert shares_of(one) == pytest.approx(shares_of(whole)[:1], abs=1e-6)
    assert one[0].path == whole[0].path == str(tmp_path / "data" / "dry" / "field_0000_c0.tif")
    export(run, "onnx")
    exported = Exported(Exported.find(next(run.path.rglob("striate.json")).parent))
    assert shares_of(exported.predict(tmp_path / "data" / "dry")) == pytest.approx(shares_of(whole), abs=1e-5)
    assert open_subject(run, tmp_path / "data" / "dry" / "field_0000_c0.tif").picture.channels == 5
    (tmp_path / "data" / "dry" / "field_0000_c2.tif").unlink()
    problems: list[Problem] = []
    assert list(run.predict_each(tmp_path / "data" / "dry" / "field_0000_c1.tif", problems)) == []
    assert problems[0].kind == "missing-channel"
    assert "there is no file for c2; the network learned from c0, c1, c2, c3, c4." in problems[0].detail
    with pytest.raises(RequestError, match="there is no file for c2"):
        open_subject(run, tmp_path / "data" / "dry" / "field_0000_c0.tif")
