"""Exports of every task through the gate, from the artefact alone, and by the script that needs no Striate."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from striate.cli import main
from striate.data.synthetic import MakeOptions, make_data
from striate.errors import ExportError, MissingPartError, RequestError, UnknownNameError
from striate.recipe import Recipe
from striate.runs.run import Run
from striate.structures import ClassScores, DetectedObjects
from striate.tools import TOOLS, Exported, export
from striate.tools.exported import SIDECAR, open_model, write_sidecar
from striate.tools.gate import answers_apart
from striate.tools.graph import Graph
from striate.training import train
from striate.training.progress import Silent

QUICK = {"epochs": 1, "precision": "fp32", "channels_last": False, "threads": 1, "batch_size": 8, "weights": "none"}
QUICK |= {"fit": "squash", "tile_scale": 0.25}
NETS = {"classification": "lenet5", "detection": "lenet5", "segmentation": "lenet5", "instances": "lenet5"}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tools")


def trained(folder: Path, task: str, **values: object) -> Run:
    name = f"{task}-{len(values)}"
    data = folder / task
    if not data.exists():
        make_data("digits", data, MakeOptions(images=30, task=task))
    if (folder / name / "run.json").exists():
        return Run.open(folder / name)
    recipe = Recipe().with_values(QUICK | {"network.name": NETS[task], "input.size_hw": [32, 32]} | values)
    return train(data, recipe, run=folder / name, progress=Silent())


def picture_of(run: Run) -> Path:
    return next(path for path in sorted(Path(run.facts.data).rglob("*.png")) if "mask" not in str(path))


@pytest.fixture(autouse=True)
def _narrow(narrow_heads: None) -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("task", "tool"),
    [
        *(("classification", tool) for tool in ("onnx", "openvino", "torch")),
        ("segmentation", "onnx"),
        *(
            pytest.param(*pair, marks=pytest.mark.slow)
            for pair in (
                ("classification", "keras"),
                ("classification", "tensorflow"),
                ("segmentation", "litert"),
                ("detection", "openvino"),
                ("detection", "keras"),
                ("instances", "onnx"),
            )
        ),
    ],
)
def test_an_export_answers_as_the_run_does(
    folder: Path, task: str, tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(folder, task)
    if tool == "keras" and task != "classification":
        # The other backends are a matter of Keras; one task shows that they are asked.
        monkeypatch.setattr("striate.tools.keras.KerasTool.backends", ("tensorflow",))
    done = export(run, tool, tmp_path / "out")
    assert done.parity.passed
    assert done.parity.agreeing == done.parity.pictures > 0
    assert all(one.relative < 1e-4 for one in done.parity.outputs)
    assert json.loads((done.folder / "parity.json").read_text())["passed"] is True
    assert "Passed" in done.page.read_text(encoding="utf-8")
    picture = picture_of(run)
    (expected,) = run.predict(picture)
    for place in (done.folder, done.file):
        model = open_model(place)
        assert isinstance(model, Exported)
        (found,) = model.predict(picture)
        assert answers_apart(expected.prediction, found.prediction, run.count_from) == ""
    # Where the pictures of training lay is not handed over.
    assert run.facts.data not in (done.folder / SIDECAR).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_command_the_verbs_and_the_script_say_the_same(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(folder, "classification")
    out = tmp_path / "out"
    assert main(["export", str(run.path), "--to", "onnx", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passed"] is True
    picture = picture_of(run)
    assert main(["predict", str(out / "model.onnx"), str(picture), "--json", "--top", "1"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    asked = [sys.executable, "-I", str(out / "example.py"), str(picture)]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    assert said[-2] == answer["labels"][0]["class"]
    assert float(said[-1]) == pytest.approx(answer["labels"][0]["score"], abs=1e-3)
    assert main(["evaluate", str(out), run.facts.data, "--split", "test", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(["evaluate", str(run.path), "--split", "test", "--json"]) == 0
    assert found["headline"] == json.loads(capsys.readouterr().out)["headline"]
    assert main(["evaluate", str(out)]) == 2
    assert "does not know where its data is" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("tool", list(TOOLS.names()))
def test_any_number_of_pictures_goes_in_and_the_script_is_python(tool: str, folder: Path, tmp_path: Path) -> None:
    run = trained(folder, "classification")
    graph = Graph(run.network.cpu(), run.recipe.input, run.facts.dtype).eval()
    TOOLS.get(tool).write(graph, tmp_path / TOOLS.get(tool).file)
    runner = TOOLS.get(tool).open(tmp_path / TOOLS.get(tool).file)
    pixels = torch.randint(0, 256, (5, *graph.example(1).shape[1:]), dtype=torch.uint8)
    with torch.inference_mode():
        (expected,) = graph(pixels)
    (found,) = runner(pixels.numpy())
    assert np.abs(found - expected.numpy()).max() < 1e-4
    assert len(runner(pixels[:1].numpy())[0]) == 1
    compile(TOOLS.get(tool).load, tool, "exec")


def test_a_broken_export_is_refused_with_its_place(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(folder, "segmentation")

    def crop(*asked: Any) -> None:
        path = write_sidecar(*asked)
        document = json.loads(path.read_text(encoding="utf-8"))
        document["input"]["fit"] = "crop"
        path.write_text(json.dumps(document), encoding="utf-8")

    monkeypatch.setattr("striate.tools.exporting.write_sidecar", crop)
    words = (
        r"Before the network: .* comes to the tool as other pixels .* `input.fit` in striate.json is crop, the run's "
    )
    with pytest.raises(ExportError, match=words):
        export(run, "onnx", tmp_path / "bad")
    assert json.loads((tmp_path / "bad" / "parity.json").read_text())["passed"] is False
    assert "Refused" in (tmp_path / "bad" / "parity.html").read_text(encoding="utf-8")


def test_a_network_that_computes_otherwise_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(folder, "classification")
    init = Graph.__init__

    def swapped(self: Graph, network: torch.nn.Module, recipe: object, dtype: str) -> None:
        init(self, network, recipe, dtype)  # type: ignore[arg-type]
        self.factor *= 1.05

    monkeypatch.setattr(Graph, "__init__", swapped)
    with pytest.raises(ExportError, match=r"In the network: the output scores differs by .*; first at input\."):
        export(run, "onnx", tmp_path / "bad")


def test_what_cannot_be_exported_says_why(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(folder, "classification")
    with pytest.raises(UnknownNameError, match=r"there is no tool named 'onxx'. Nearest: onnx"):
        export(run, "onxx", tmp_path / "x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(RequestError, match="not empty, and no export lies in it"):
        export(run, "onnx", tmp_path / "full")
    monkeypatch.setattr("striate.tools.base.installed_version", lambda name: "" if name == "onnx" else "1")
    with pytest.raises(MissingPartError, match=r'onnx, which is not installed. pip install "striate\[export\]"'):
        export(run, "onnx", tmp_path / "z")


@pytest.mark.slow
def test_artefacts_that_are_none_are_refused(folder: Path, tmp_path: Path) -> None:
    run = trained(folder, "classification")
    done = export(run, "onnx", tmp_path / "out")
    picture = picture_of(run)
    done.file.write_bytes(b"no network")
    with pytest.raises(ExportError, match="ONNX Runtime cannot read this file"):
        open_model(done.folder).predict(picture)
    done.file.unlink()
    with pytest.raises(ExportError, match="the artefact is missing"):
        open_model(done.folder).predict(picture)
    (tmp_path / "alone.onnx").write_bytes(b"x")
    with pytest.raises(RequestError, match=r"striate.json is missing beside this file"):
        open_model(tmp_path / "alone.onnx")


def test_answers_are_compared_as_people_would() -> None:
    one = ClassScores(np.array([0.6, 0.4], np.float32), ("a", "b"))
    assert answers_apart(one, ClassScores(np.array([0.55, 0.45], np.float32), ("a", "b")), 0.3) == ""
    assert answers_apart(one, ClassScores(np.array([0.4, 0.6], np.float32), ("a", "b")), 0.3) == (
        "PyTorch says a, the tool b"
    )

    def objects(*scores: float) -> DetectedObjects:
        boxes = np.array([[20 * index, 0, 20 * index + 10, 10] for index in range(len(scores))], np.float32)
        return DetectedObjects(
            boxes.reshape(-1, 4), np.zeros(len(scores), np.int64), np.array(scores, np.float32), ("a",)
        )

    # One that scores next to the limit may lie on either side of it.
    assert answers_apart(objects(0.9, 0.301), objects(0.9, 0.299), 0.3) == ""
    assert answers_apart(objects(0.9, 0.5), objects(0.9), 0.3) == "1 of PyTorch's objects are missing, 0 are new"


def test_the_tools_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"onnx", "openvino", "torch"} <= {row["tool"] for row in rows}
    assert all(row["versions"] or row["add"] for row in rows)
