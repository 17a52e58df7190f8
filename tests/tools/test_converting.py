"""Networks from elsewhere, written for another tool and held against where they came from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from striate.cli import main
from striate.errors import ExportError, RequestError
from striate.tools import TOOLS, Exported
from striate.tools.adopting import adopt
from striate.tools.converting import convert
from striate.tools.onnx import OnnxTool

SIZE_HW = (16, 20)
OPTIONS = {"size_hw": SIZE_HW, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "scale": 255.0}


def network(*, shares: bool, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4, 3), *([nn.Softmax(1)] if shares else [])).eval()


def save_program(module: nn.Module, path: Path) -> Path:
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, *SIZE_HW),)), path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("labelled")
    rng = np.random.default_rng(0)
    for name in "abc":
        (root / name).mkdir()
        for number in range(5):
            pixels = rng.integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.mark.parametrize(("to", "shares"), [("onnx", True), ("openvino", False)])
def test_from_pytorch(to: str, shares: bool, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    mine = adopt(save_program(network(shares=shares), tmp_path / "a.pt2"), "abc", tmp_path / "own", **OPTIONS)
    done = convert(mine, to, tmp_path / to, data)
    assert (done.parity.passed, done.parity.origin, done.parity.tool) == (True, "PyTorch", to)
    assert done.parity.agreeing == done.parity.pictures == 15
    (output,) = done.parity.outputs
    assert output.relative < 1e-4
    picture = next(data.rglob("*.png"))
    (ours,), (theirs,) = mine.predict(picture), Exported(done.file).predict(picture)
    np.testing.assert_allclose(ours.prediction.scores, theirs.prediction.scores, atol=1e-4)
    assert json.loads((tmp_path / to / "parity.json").read_text())["origin"] == "PyTorch"
    assert "compared with PyTorch" in (tmp_path / to / "parity.html").read_text(encoding="utf-8")


def test_on_from_onnx_by_the_command(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino")
    mine = adopt(save_program(network(shares=False), tmp_path / "a.pt2"), "abc", tmp_path / "own", **OPTIONS)
    convert(mine, "onnx", tmp_path / "onnx", data)
    asked = ["export", str(tmp_path / "onnx"), "--to", "openvino", "--out", str(tmp_path / "ov")]
    assert main([*asked, "--data", str(data), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["passed"], found["origin"]) == (True, "ONNX Runtime")
    assert main(["evaluate", str(tmp_path / "ov"), str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 15
    for more, words in (
        ([], "expected --data and --out with a network from elsewhere"),
        (["--data", str(data), "--precision", "fp16"], "is written in fp32 only"),
    ):
        assert main([*asked, *more]) == 2
        assert words in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_from_keras(data: Path, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    layers = [keras.layers.Conv2D(4, 3, 2, activation="relu"), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((*SIZE_HW, 3)), *layers, keras.layers.Dense(3)])
    model.save(tmp_path / "theirs.keras")
    mine = adopt(tmp_path / "theirs.keras", "abc", tmp_path / "own", **OPTIONS)
    for to in ("tensorflow", "litert"):
        done = convert(mine, to, tmp_path / to, data)
        assert (done.parity.agreeing, done.parity.origin) == (15, "Keras, on TensorFlow, JAX or PyTorch")
        assert done.parity.outputs[0].relative < 1e-4
    assert convert(tmp_path / "tensorflow", "litert", tmp_path / "again", data).parity.passed


def test_another_network_does_not_pass(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    mine = adopt(save_program(network(shares=False), tmp_path / "a.pt2"), "abc", tmp_path / "own", **OPTIONS)
    other = save_program(network(shares=False, seed=1), tmp_path / "b.pt2")
    take = OnnxTool.take
    monkeypatch.setattr(OnnxTool, "take", lambda self, name, _, path: take(self, name, other, path))
    with pytest.raises(ExportError, match="the exported network does not pass: In the network: the output"):
        convert(mine, "onnx", tmp_path / "onnx", data)
    found = json.loads((tmp_path / "onnx" / "parity.json").read_text())
    assert found["passed"] is False
    assert found["place"] == ""


def test_what_cannot_be_is_said(data: Path, tmp_path: Path) -> None:
    mine = adopt(save_program(network(shares=False), tmp_path / "a.pt2"), "abc", tmp_path / "own", **OPTIONS)
    with pytest.raises(RequestError, match="no way leads from a network in PyTorch") as found:
        convert(mine, "litert", tmp_path / "out", data)
    assert found.value.fix == "From there to: onnx, openvino."
    with pytest.raises(RequestError, match="there is no network from elsewhere here"):
        convert(tmp_path, "onnx", tmp_path / "out", data)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(RequestError, match="this folder is not empty"):
        convert(mine, "onnx", tmp_path / "full", data)


def test_every_tool_takes_what_there_is() -> None:
    assert {name for tool in TOOLS for name in tool.takes} <= set(TOOLS.names())
