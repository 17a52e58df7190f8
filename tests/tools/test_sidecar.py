"""Artefacts that are not what their sidecar says, sidecars that are damaged, and networks from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from striate.cli import main
from striate.errors import CheckpointError, ExportError, RequestError
from striate.runs.run import Run
from striate.structures import ClassScores
from striate.tools import TOOLS, Exported, export
from striate.tools.sidecar import SIDECAR

QuickRun = Callable[[str, str, dict[str, object]], Run]


def change(folder: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    path = folder / SIDECAR
    document = json.loads(path.read_text(encoding="utf-8"))
    edit(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    return folder / str(document.get("file", "model.onnx"))


def digit(folder: Path) -> Path:
    path = folder / "digit.png"
    Image.fromarray(np.arange(784, dtype=np.uint8).reshape(28, 28)).save(path)
    return path


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda found: found["input"].pop("shape"), r"`input.shape` is missing; expected \[\"batch\", channels"),
        (lambda found: found["input"].update(shape=["batch", 1, 0, 32]), r"`input.shape` is \['batch', 1, 0, 32\]"),
        (lambda found: found["input"].update(dtype="float99"), r"`input.dtype` is 'float99'; expected one of uint8"),
        (lambda found: found.pop("classes"), r"`classes` is missing; expected a list of names"),
        (lambda found: found.update(tool="onxx"), r"`tool` is 'onxx'; expected one of"),
        (lambda found: found.update(task="dreams"), r"`task` is 'dreams'; expected one of"),
        (lambda found: found.pop("file"), r"`file` is missing"),
        (lambda found: found.pop("input"), r"`input` is missing; expected an object"),
        (lambda found: found.update(version=99), r"no sidecar that this Striate can read"),
        (
            lambda found: found.update(outputs=["a", "b"]) or found.pop("run"),
            r"`outputs` is .* where there is no `run`",
        ),
    ],
)
def test_a_damaged_sidecar_names_its_field(
    quick_run: QuickRun, tmp_path: Path, edit: Callable[[dict[str, Any]], None], words: str
) -> None:
    done = export(quick_run("plain", "classification", {}), "torch", tmp_path / "out")
    file = done.file
    change(done.folder, edit)
    with pytest.raises(CheckpointError, match=words):
        Exported(file)


@pytest.mark.slow
def test_what_does_not_fit_together_is_said(
    quick_run: QuickRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = quick_run("plain", "classification", {})
    picture = digit(tmp_path)
    for tool in ("torch", "onnx", "openvino"):
        done = export(run, tool, tmp_path / tool)
        # As if the sidecar of another network lay there.
        entry = {"shape": ["batch", 2, 40, 40]}

        def other(document: dict[str, Any], entry: dict[str, Any] = entry) -> None:
            document["input"] |= entry
            document["run"]["options"] |= {"channels": 2, "size_hw": [40, 40]}

        file = change(done.folder, other)
        with pytest.raises(ExportError, match=r"does not take 1 x 2 x 40 x 40 uint8 values \(pictures"):
            Exported(file).predict(picture)
    file = change(done.folder, lambda document: document["run"]["options"].update(channels=1))
    with pytest.raises(CheckpointError, match=r"`input.shape` and `classes` are \[2, 40, 40\] .* `run` says \[1, 40"):
        Exported(file).predict(picture)
    (done.folder / SIDECAR).write_text('{"version": 1, ')
    assert main(["predict", str(done.folder), str(picture)]) == 1
    assert SIDECAR in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("tool", [one.name for one in TOOLS if not one.missing and one.extra != "keras"])
def test_files_that_are_cut_short_are_refused(quick_run: QuickRun, tool: str, tmp_path: Path) -> None:
    done = export(quick_run("plain", "classification", {}), tool, tmp_path / "out")
    content = done.file.read_bytes()
    done.file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ExportError, match=r"cannot read this file"):
        Exported(done.file).predict(digit(tmp_path))


def test_weights_that_are_gone_are_refused(quick_run: QuickRun, tmp_path: Path) -> None:
    done = export(quick_run("plain", "classification", {}), "openvino", tmp_path / "out")
    weights = done.file.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ExportError, match=r"OpenVINO cannot read this file"):
        Exported(done.file).predict(digit(tmp_path))
    weights.unlink()
    with pytest.raises(ExportError, match=r"OpenVINO cannot read this file"):
        Exported(done.file).predict(digit(tmp_path))


def test_a_network_from_elsewhere_says_what_can_be_done_and_can_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mean brightness of red against that of blue, wants pixels that are normalised."""

    class Foreign(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            means = given.mean((2, 3))
            return means[:, [0, 2]] * 10

    file = tmp_path / "foreign.onnx"
    torch.onnx.export(
        Foreign().eval(),
        (torch.zeros(1, 3, 8, 8),),
        file,
        dynamo=True,
        verbose=False,
        input_names=["x"],
        output_names=["y"],
    )
    picture = tmp_path / "blue.png"
    Image.new("RGB", (20, 20), (10, 20, 220)).save(picture)
    with pytest.raises(RequestError) as seen:
        Exported(file)
    assert (
        "it takes x tensor(float) [1, 3, 8, 8] and gives y tensor(float) [1, 2]. Write striate.json" in seen.value.fix
    )
    document = {
        "version": 1,
        "tool": "onnx",
        "file": "foreign.onnx",
        "task": "classification",
        "classes": ["red", "blue"],
        "outputs": ["scores"],
        "input": {
            "shape": [1, 3, 8, 8],
            "dtype": "uint8",
            "channels": ["red", "green", "blue"],
            "normalisation": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "scale": 255},
        },
    }
    (tmp_path / SIDECAR).write_text(json.dumps(document))
    _, answer = Exported(file).predict([picture, picture])
    assert isinstance(answer.prediction, ClassScores)
    assert answer.prediction.label == "blue"
    expected = torch.softmax(10 * (torch.tensor([10, 220]) / 255 - 0.5) / 0.25, 0)
    assert answer.prediction.scores == pytest.approx(expected.numpy(), abs=1e-5)
    assert main(["predict", str(tmp_path), str(picture), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["labels"][0]["class"] == "blue"
    change(tmp_path, lambda found: found["input"].update(normalisation={"mean": [0.5], "std": [1.0], "scale": 255}))
    with pytest.raises(CheckpointError, match=r"`input.normalisation` is .*one value a channel"):
        Exported(file)
    change(tmp_path, lambda found: found.update(task="detection"))
    with pytest.raises(CheckpointError, match=r"`task` is 'detection'; expected one of classification, multilabel"):
        Exported(file)
