"""Heads that look at their maps twice, in other tools: several graphs, and the same boxes and masks."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from faster_coco_eval.core import mask as coco_mask

from striate.errors import CheckpointError, ExportError, RequestError
from striate.networks.heads.two_stage import TwoStageHead
from striate.runs.run import Run
from striate.structures import DetectedInstances, DetectedObjects
from striate.tools import Exported, export
from striate.tools.exported import open_model
from striate.tools.gate import answers_apart
from striate.tools.looks import file_of
from striate.tools.sidecar import SIDECAR

pytestmark = pytest.mark.slow

HEADS = {"detection": "faster_rcnn", "instances": "mask_rcnn"}

QuickRun = Callable[..., Run]


@pytest.fixture
def two_stage(quick_run: QuickRun, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Run]:
    """A run with a head of two stages that finds something, if only by chance, and not hundreds of masks."""
    monkeypatch.setattr("striate.networks.heads.two_stage.MOST_FOUND", 20)

    def trained(task: str) -> Run:
        fields = {"network.head": HEADS[task], "optimisation.epochs": 3, "optimisation.learning_rate": 0.003}
        return quick_run(f"two-stage-{task}", task, fields, images=16)

    return trained


@pytest.fixture
def exported(two_stage: Callable[[str], Run], runs_folder: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    """A copy of a run's export, which is made once for all tests of a process."""

    def copied(task: str, tool: str) -> Path:
        kept = runs_folder / f"exported-{task}-{tool}"
        if not kept.exists():
            export(two_stage(task), tool, kept)
        return shutil.copytree(kept, tmp_path / "copy")

    return copied


def areas_of(found: DetectedInstances) -> list[int]:
    """Pixels of each mask."""
    masks = [
        {"counts": counts, "size": size} for counts, size in zip(found.masks, found.sizes_hw.tolist(), strict=True)
    ]
    return [int(area) for area in coco_mask.area(masks)]


def pictures_of(run: Run, most: int = 4) -> list[Path]:
    return [path for path in sorted(Path(run.facts.data).rglob("*.png")) if "mask" not in str(path)][:most]


@pytest.mark.parametrize(
    ("task", "tool"),
    [
        ("detection", "torch"),
        ("detection", "onnx"),
        ("instances", "onnx"),
        ("instances", "openvino"),
        ("instances", "litert"),
    ],
)
def test_both_stages_answer_as_the_run_does(
    two_stage: Callable[[str], Run], exported: Callable[[str, str], Path], task: str, tool: str
) -> None:
    folder, run = exported(task, tool), two_stage(task)
    parity = json.loads((folder / "parity.json").read_text(encoding="utf-8"))
    assert parity["passed"]
    assert parity["agreeing"] == parity["pictures"] > 0
    names = {one["output"] for one in parity["outputs"]}
    assert {"levels.0", "objectness.2", "edges.1", "boxes.scores", "boxes.edges"} <= names
    assert ("masks.scores" in names) == (task == "instances")
    assert all(one["relative"] < 1e-4 for one in parity["outputs"])
    found = 0
    model = open_model(folder)
    for one, other in zip(run.predict(pictures_of(run)), model.predict(pictures_of(run)), strict=True):
        assert isinstance(one.prediction, DetectedObjects)
        assert isinstance(other.prediction, DetectedObjects)
        assert len(one.prediction) == len(other.prediction)
        assert answers_apart(one.prediction, other.prediction, 0.05) == ""
        found += len(one.prediction)
        if isinstance(one.prediction, DetectedInstances):
            assert isinstance(other.prediction, DetectedInstances)
            assert areas_of(one.prediction) == pytest.approx(areas_of(other.prediction), rel=0.01, abs=1)
    assert found, "nothing was found that could be compared"
    # Nothing found in a picture is an answer, too.
    blank = np.zeros((1, *run.facts.options.size_hw), np.float32)
    assert len(model.network(torch.from_numpy(np.stack([blank] * 2)))) == 2


@pytest.mark.parametrize("task", ["detection", "instances"])
def test_the_script_finds_the_same_without_striate(
    two_stage: Callable[[str], Run], exported: Callable[[str, str], Path], task: str
) -> None:
    folder, run = exported(task, "onnx"), two_stage(task)
    sidecar = folder / SIDECAR
    document = json.loads(sidecar.read_text(encoding="utf-8"))
    # All that is found, however unsure.
    sidecar.write_text(json.dumps(document | {"count_from": 0.0}), encoding="utf-8")
    source = (folder / "example.py").read_text(encoding="utf-8")
    assert "import striate" not in source
    assert "from striate" not in source
    (picture,) = pictures_of(run, 1)
    asked = [sys.executable, "-I", str(folder / "example.py"), str(picture)]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"(\w+) ([\d.]+) at \[([^]]+)\](?: with (\d+) pixels)?", said)
    (answer,) = run.predict(picture)
    assert isinstance(answer.prediction, DetectedObjects)
    expected = answer.prediction.counted(0.0)
    assert len(rows) == len(expected) > 0
    scores = [float(row[1]) for row in rows]
    assert scores == pytest.approx(np.sort(expected.scores)[::-1].tolist(), abs=1e-3)
    assert rows[0][0] == expected.ranked(1)[0][0]
    best = expected.boxes_xyxy[expected.scores.argmax()]
    assert [float(side) for side in rows[0][2].split(",")] == pytest.approx(best.tolist(), abs=0.2)
    if task == "instances":
        assert isinstance(expected, DetectedInstances)
        assert sorted(int(row[3]) for row in rows) == pytest.approx(sorted(areas_of(expected)), rel=0.01, abs=1)


def test_what_was_cut_out_is_what_the_layers_see(two_stage: Callable[[str], Run]) -> None:
    """The looks alone, given the cut-outs, say what the second stage says."""
    run = two_stage("detection")
    pixels = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        output = run.network(pixels)
        head: TwoStageHead = output.head
        cut = head.cut_out(output)["boxes"]
        said = output.looks()["boxes"](cut)
    assert cut.shape[1:] == (32, 7, 7)
    classes = len(run.classes) + 1
    assert said.scores.shape == (len(cut), classes)
    assert said.edges.shape == (len(cut), 4 * classes)


def test_a_changed_second_look_is_refused_with_its_layer(
    two_stage: Callable[[str], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from striate.networks.heads.looks import Look
    from striate.tools.graph import Graph
    from striate.tools.torch_program import TorchTool

    write = TorchTool.write

    def broken(self: TorchTool, graph: Graph, path: Path) -> tuple[str, ...]:
        linear = [layer for layer in graph.modules() if isinstance(layer, torch.nn.Linear)]
        if not any(isinstance(layer, Look) for layer in graph.modules()):
            return write(self, graph, path)
        kept = linear[1].weight.data.clone()
        linear[1].weight.data *= 1.5
        names = write(self, graph, path)
        linear[1].weight.data = kept
        return names

    monkeypatch.setattr(TorchTool, "write", broken)
    place = r"the output boxes.scores differs by .*; first at head.looking.box_head.fc7\."
    with pytest.raises(ExportError, match=place):
        export(two_stage("detection"), "torch", tmp_path / "bad")


def test_parts_that_are_missing_or_taken_alone_are_named(
    two_stage: Callable[[str], Run], exported: Callable[[str, str], Path]
) -> None:
    folder = exported("detection", "onnx")
    file = folder / "model.onnx"
    part = folder / file_of("model.onnx", "boxes")
    (picture,) = pictures_of(two_stage("detection"), 1)
    with pytest.raises(RequestError, match=r"only the part .* looks at the maps again. Name its folder, or model.onnx"):
        Exported(part)
    content = part.read_bytes()
    part.write_bytes(content[: len(content) // 2])
    with pytest.raises(ExportError, match=r"model.boxes.onnx: ONNX Runtime cannot read this file"):
        Exported(file).predict(picture)
    part.unlink()
    with pytest.raises(ExportError, match=r"model.boxes.onnx: the artefact is missing"):
        Exported(file).predict(picture)
    sidecar = folder / SIDECAR
    document = json.loads(sidecar.read_text(encoding="utf-8"))
    del document["looks"]
    sidecar.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"`looks.boxes`"):
        Exported(file).predict(picture)
