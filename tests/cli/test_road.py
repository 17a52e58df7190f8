"""The whole road on the command line: look, train, evaluate, predict; for people and for programs."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

import striate
from striate.cli import main

Capture = pytest.CaptureFixture[str]
TRAIN = ["--net", "lenet5", "--weights", "none", "--epochs", "4", "--batch-size", "8", "--set", "size_hw=[16, 16]"]
# Measuring the machine takes longer than training this network.
MACHINE = ["--precision", "fp32", "--set", "channels_last=false", "--set", "threads=1"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright and dark pictures of 16 x 16, told apart at a glance, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("road") / "photos"
    random = np.random.default_rng(0)
    for name, level in (("bright [1]", 170), ("dark", 20)):
        (folder / name).mkdir(parents=True)
        for number in range(40):
            pixels = random.integers(level, level + 60, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02d}.png")
    (folder / "dark" / "broken.png").write_text("no picture", encoding="utf-8")
    return folder


class Trained(NamedTuple):
    """A finished run, and what the command that made it printed."""

    folder: Path
    out: str
    err: str


@pytest.fixture(scope="module")
def trained(photos: Path) -> Trained:
    folder = photos.parent / "run"
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(["train", str(photos), "--run", str(folder), "--json", *TRAIN, *MACHINE]) == 0
    return Trained(folder, out.getvalue(), err.getvalue())


@pytest.fixture
def run(trained: Trained) -> Path:
    return trained.folder


def read_json(capsys: Capture, *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_look(photos: Path, capsys: Capture) -> None:
    seen = read_json(capsys, "look", str(photos), "--no-page")
    assert (seen["task"], seen["format"], seen["images"]) == ("classification", "folders", 80)
    assert seen["classes"] == ["bright [1]", "dark"]
    assert sum(seen["splits"].values()) == 80
    assert (seen["channels"], seen["bit_depth"], seen["page"]) == (3, 8, None)
    broken = [problem for problem in seen["problems"] if "broken.png" in problem["path"]]
    assert {"kind", "path", "detail", "fix"} <= set(broken[0])
    assert main(["look", str(photos), "--page", str(photos.parent / "look.html")]) == 0
    text = capsys.readouterr().out
    assert "bright [1]" in text
    assert max(map(len, text.splitlines()[:-1])) <= 80
    assert (photos.parent / "look.html").is_file()


def test_train_for_a_program(trained: Trained) -> None:
    done = json.loads(trained.out)
    assert (done["task"], done["net"], done["weights"], done["epochs"]) == ("classification", "lenet5", "none", 4)
    assert set(done["headline"]) == {"name", "value", "low", "high"}
    assert done["headline"]["low"] <= done["headline"]["value"] <= done["headline"]["high"]
    assert done["baseline"]["name"] == done["headline"]["name"] == "accuracy"
    assert done["verdict"]["state"] in ("underfit", "overfit", "balanced", "too early")
    assert done["verdict"]["evidence"]
    assert done["seconds"] > 0
    assert Path(done["run"]) == trained.folder
    assert Path(done["report"]).is_file()
    assert "epoch 4/4" in trained.err
    assert "broken.png" in trained.err or "left out" in trained.err


def test_a_finished_run_is_shown_again_and_never_overwritten(run: Path, photos: Path, capsys: Capture) -> None:
    assert main(["train", "--resume", str(run)]) == 0
    seen = capsys.readouterr()
    assert "accuracy" in seen.out
    assert "verdict" in seen.out
    assert "finished already" in seen.err
    assert max(len(line.rstrip()) for line in seen.out.splitlines() if str(run) not in line) <= 80
    assert main(["train", str(photos), "--run", str(run), *TRAIN, *MACHINE]) == 2


def test_evaluate(run: Path, photos: Path, capsys: Capture) -> None:
    own = read_json(capsys, "evaluate", str(run))
    assert own["split"] == "test"
    assert own["metrics"]["accuracy"]["value"] == own["headline"]["value"]
    assert [row["class"] for row in own["per_class"]] == ["bright [1]", "dark"]
    other = read_json(capsys, "evaluate", str(run), str(photos))
    assert other["images"] == 80
    assert main(["evaluate", str(run)]) == 0
    assert "accuracy" in capsys.readouterr().out
    assert main(["evaluate", str(photos)]) == 2
    assert "this is not a run folder" in capsys.readouterr().err


def test_predict(run: Path, photos: Path, capsys: Capture) -> None:
    answers = read_json(capsys, "predict", str(run), str(photos / "dark"), str(photos / "bright [1]" / "00.png"))
    assert len(answers) == 41
    assert answers[0]["path"] == str(photos / "dark" / "00.png")
    assert answers[0]["size_hw"] == [16, 16]
    assert [label["class"] for label in answers[0]["labels"]] == ["dark", "bright [1]"]
    assert sum(label["score"] for label in answers[0]["labels"]) == pytest.approx(1, abs=1e-5)
    assert answers[-1]["labels"][0]["class"] == "bright [1]"


def test_predict_writes_pictures_with_their_answers(run: Path, photos: Path, capsys: Capture, tmp_path: Path) -> None:
    pictures = [str(photos / "dark" / "00.png"), str(photos / "dark" / "broken.png")]
    assert main(["predict", str(run), *pictures, "--out", str(tmp_path / "answers"), "--top", "1"]) == 0
    seen = capsys.readouterr()
    assert "dark" in seen.out
    assert "broken.png" in seen.err
    assert [path.name for path in (tmp_path / "answers").iterdir()] == ["00.png"]


def test_predict_with_nothing_to_read(run: Path, photos: Path, capsys: Capture) -> None:
    assert main(["predict", str(run), str(photos / "dark" / "broken.png")]) == 1
    assert "broken.png" in capsys.readouterr().err
    assert main(["predict", str(run), str(photos / "nowhere.png")]) == 2
    assert main(["predict", str(photos / "no-run"), str(photos)]) == 2
    assert "there is no run here" in capsys.readouterr().err


def test_the_python_api_does_the_same(run: Path, photos: Path) -> None:
    first = striate.Run.open(run)
    assert first.predict(photos / "dark" / "00.png")[0].label == "dark"
    second = striate.train(striate.open(photos), recipe=run / "recipe.yaml", run=photos.parent / "again")
    assert second.recipe == first.recipe
    weights, same = first.network.state_dict(), second.network.state_dict()
    assert all(weights[name].equal(same[name]) for name in weights)
    assert second.metrics == first.metrics


def test_predict_writes_tables_and_json(run: Path, photos: Path, capsys: Capture, tmp_path: Path) -> None:
    asked = [
        "predict",
        str(run),
        str(photos),
        "--top",
        "1",
        "--out",
        str(tmp_path / "out"),
        "--as",
        "csv",
        "--as",
        "json",
    ]
    answers = read_json(capsys, *asked)
    assert len(answers) == 80
    assert json.loads((tmp_path / "out" / "answers.json").read_text()) == answers
    lines = (tmp_path / "out" / "answers.csv").read_text().splitlines()
    assert lines[0] == "path,class,score"
    assert len(lines) == 81
    assert main(asked) == 2
    assert "there is something here already" in capsys.readouterr().err


def test_predict_says_which_kinds_of_files_fit(run: Path, photos: Path, capsys: Capture, tmp_path: Path) -> None:
    assert main(["predict", str(run), str(photos), "--out", str(tmp_path / "out"), "--as", "coco"]) == 2
    assert "this run is for classification. Choose json, overlays or csv." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main(["predict", str(run), str(photos), "--as", "csv"]) == 2
    assert "--out" in capsys.readouterr().err


def test_answers_of_folders_lie_in_folders(run: Path, photos: Path, capsys: Capture, tmp_path: Path) -> None:
    assert main(["predict", str(run), str(photos), "--out", str(tmp_path / "out"), "--top", "1"]) == 0
    assert len(list((tmp_path / "out" / "dark").glob("*.png"))) == 40
    assert (tmp_path / "out" / "bright [1]" / "00.png").is_file()
