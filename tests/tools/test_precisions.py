"""Lower precisions: what they keep, what they cost, and that they are refused where they cost too much."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from striate.cli import main
from striate.errors import ExportError, MissingPartError, RequestError
from striate.runs.known_pictures import pictures_of_split
from striate.runs.run import Run
from striate.tools import TOOLS, export
from striate.tools.calibration import calibration_frames
from striate.tools.exported import SIDECAR, open_model
from striate.tools.graph import Graph
from striate.tools.onnx import OnnxTool
from striate.tools.weighted import Node, first_layers, last_layers

with_nncf = pytest.mark.skipif(importlib.util.find_spec("nncf") is None, reason="nncf is not installed")
LOWER = [
    ("onnx", "fp16", 0.7),
    ("onnx", "int8", 0.6),
    ("openvino", "fp16", 0.7),
    pytest.param("openvino", "int8", 0.6, marks=with_nncf),
]


@pytest.mark.slow
@pytest.mark.parametrize(("tool", "precision", "size"), LOWER)
def test_a_lower_precision_is_smaller_and_keeps_the_labels(
    own: Run, twice_exported: Run, tool: str, precision: str, size: float
) -> None:
    exact = json.loads((twice_exported.path / "exports" / tool / "parity.json").read_text())
    done = export(own, tool, precision=precision)
    assert done.folder == own.path / "exports" / f"{tool}-{precision}"
    assert done.parity.bytes < size * exact["bytes"]
    assert done.parity.agreeing >= 0.95 * done.parity.pictures
    # It is another network: what was allowed is the metric's fall, and both metrics are told.
    assert done.parity.outputs[0].relative > exact["outputs"][0]["relative"]
    assert done.parity.metric_there >= done.parity.metric_here - 0.005
    told = json.loads((done.folder / "parity.json").read_text())
    assert (told["precision"], told["tolerance"], told["allowed_fall"]) == (precision, None, 0.005)
    assert f"In {precision} accuracy on" in done.page.read_text(encoding="utf-8")
    assert json.loads((done.folder / SIDECAR).read_text())["precision"] == precision
    samples, _ = pictures_of_split(own.folder, own.facts, own.recipe, None, "test")
    paths = [str(Path(own.facts.data) / sample.name) for sample in samples]
    here, there = own.predict(paths), open_model(done.folder).predict(paths)
    assert np.mean([one.label == other.label for one, other in zip(here, there, strict=True)]) >= 0.95


@pytest.mark.slow
def test_the_memory_format_does_not_come_into_the_file(own: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    own.folder.write_recipe(own.recipe.with_values({"machine.channels_last": True}))
    write = OnnxTool.write
    plain: list[bool] = []

    def watch(self: OnnxTool, graph: Graph, path: Path) -> tuple[str, ...]:
        plain.append(all(weights.is_contiguous() for weights in graph.parameters()))
        return write(self, graph, path)

    monkeypatch.setattr(OnnxTool, "write", watch)
    export(own, "onnx", precision="int8")
    assert plain == [True]


@pytest.mark.slow
def test_a_metric_that_falls_is_refused_and_the_fall_is_named(own: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(path: Path) -> None:
        import onnx
        from onnx import numpy_helper

        model = onnx.load(path)
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.dtype == np.float32 and values.ndim > 1:
                tensor.CopyFrom(numpy_helper.from_array(0 * values, tensor.name))
        onnx.save(model, path)

    monkeypatch.setattr("striate.tools.onnx.halve_weights", forget)
    expected = (
        r"does not pass: In fp16 the deciding metric accuracy falls by \d+\.\d points, from 0\.\d+ to 0\.\d+ on "
        r"\d+ validation pictures; 0\.5 are allowed"
    )
    with pytest.raises(ExportError, match=expected):
        export(own, "onnx", precision="fp16")
    folder = own.path / "exports" / "onnx-fp16"
    assert json.loads((folder / "parity.json").read_text())["passed"] is False
    assert "Refused" in (folder / "parity.html").read_text(encoding="utf-8")
    with pytest.raises(RequestError, match=r"onnx-fp16: it did not pass: In fp16 .* Make it: striate export"):
        open_model(own.path, runtime="onnx-fp16")


def test_precisions_that_there_are_not_say_why(own: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match=r"not in bf16\. It has fp32, fp16, int8"):
        export(own, "onnx", precision="bf16")
    with pytest.raises(RequestError, match=r"--precision: PyTorch .* has no precision 'int8' here\. It has fp32\."):
        export(own, "torch", precision="int8")
    monkeypatch.setattr("striate.tools.base.installed_version", lambda name: "" if name == "nncf" else "1")
    with pytest.raises(MissingPartError, match=r'OpenVINO needs nncf, which is not installed. pip install "striate'):
        export(own, "openvino", precision="int8")


def test_bf16_is_asked_for_when_it_is_loaded(own: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = TOOLS.get("openvino").at("bf16")
    assert '"INFERENCE_PRECISION_HINT": "bf16"' in tool.load
    assert '"INFERENCE_PRECISION_HINT": "f32"' in TOOLS.get("openvino").load
    monkeypatch.setattr(type(tool), "unable", "this processor has no instructions for bf16.")
    with pytest.raises(RequestError, match=r"--precision bf16: this processor has no instructions for bf16"):
        export(own, "openvino", precision="bf16")


def test_the_command_tells_the_metric_before_and_after(own: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(own.path), "--to", "onnx", "--precision", "fp16"]) == 0
    shown = capsys.readouterr()
    assert "with PyTorch" in shown.out
    assert "validation pictures)" in shown.out
    assert main(["export", str(own.path), "--to", "onnx", "--precision", "fp12"]) == 2
    assert "has no precision 'fp12' here. It has fp32, fp16, int8." in capsys.readouterr().err
    assert main(["tools", "--json"]) == 0
    rows = {row["tool"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["openvino"]["precisions"] == ["fp32", "fp16", "bf16", "int8"]


def test_training_pictures_calibrate(own: Run) -> None:
    samples, _ = pictures_of_split(own.folder, own.facts, own.recipe, None, "train")
    frames = calibration_frames(own, 3)
    chosen = [samples[0], samples[round((len(samples) - 1) / 2)], samples[-1]]
    for frame, sample in zip(frames, chosen, strict=True):
        assert np.array_equal(frame, own.answering.stored(sample.read())[1])


def test_first_and_last_layers_stay_as_they_are() -> None:
    # pixels - scale - conv - relu -+- conv2 - score
    #                               +- pool - conv3 - corner
    nodes = [
        Node("scale", False, ("pixels",), ("a",)),
        Node("conv", True, ("a", "w1"), ("b",)),
        Node("relu", False, ("b",), ("c",)),
        Node("pool", False, ("c",), ("d",)),
        Node("conv2", True, ("c", "w2"), ("e",)),
        Node("conv3", True, ("d", "w3"), ("f",)),
        Node("score", False, ("e",), ("g",)),
        Node("corner", False, ("f",), ("h",)),
    ]
    assert first_layers(nodes) == ["scale"]
    assert last_layers(nodes) == ["conv2", "conv3", "score", "corner"]


@pytest.mark.slow
def test_openvino_and_its_quantiser_report_nothing(tmp_path: Path) -> None:
    code = """
import sys
from striate.tools import TOOLS
from striate.tools.telemetry import without_telemetry

TOOLS.get("openvino").at("bf16").unable
with without_telemetry():
    try:
        import nncf.telemetry
    except ModuleNotFoundError as error:
        assert error.name == "nncf"
assert "openvino" in sys.modules
assert not any(name.startswith("openvino_telemetry") for name in sys.modules)
"""
    environment = os.environ | {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    # Where it reports it leaves a number for the machine.
    assert list(tmp_path.iterdir()) == []
