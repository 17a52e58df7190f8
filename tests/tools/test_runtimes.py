"""Which runtime answers for a run: only exports that passed here, the fastest of them, else PyTorch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from striate.cli import main
from striate.errors import RequestError, UnknownNameError
from striate.runs.run import Run
from striate.tools.exported import open_model
from striate.tools.runtimes import RunThrough


@pytest.fixture
def exported(twice_exported: Run, tmp_path: Path) -> Run:
    """A copy of the run with two exports."""
    return Run.open(shutil.copytree(twice_exported.path, tmp_path / "exported"), "cpu")


def at_rates(monkeypatch: pytest.MonkeyPatch, **rates: float) -> None:
    """Instead of a measurement, which a busy machine would decide."""

    def rate(run: Run) -> float:
        return rates[run.exported.tool.label if isinstance(run, RunThrough) else "torch"]

    monkeypatch.setattr("striate.tools.runtimes._rate", rate)


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


def pictures(run: Run) -> list[Path]:
    return sorted(Path(run.facts.data).rglob("*.png"))[:5]


def test_without_exports_pytorch_answers_and_a_hint_is_given(own: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(own.path), *map(str, pictures(own)), "--runtime", "auto", "--json"]) == 0
    told = capsys.readouterr()
    assert len(json.loads(told.out)) == 5
    assert (
        f"PyTorch computes: the run has no export that can be used. Often faster: striate export {own.path}" in told.err
    )


def test_auto_takes_the_fastest_that_passed(exported: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    at_rates(monkeypatch, torch=100.0, onnx=200.0, openvino=300.0)
    said: list[str] = []
    chosen = open_model(exported.path, runtime="auto", say=said.append)
    assert isinstance(chosen, RunThrough)
    assert chosen.exported.tool.name == "openvino"
    assert said == [
        "openvino computes: 300 pictures/s (onnx 200, torch 100; in batches of 8, the network alone, measured now)."
    ]
    change(exported.path / "exports" / "openvino" / "parity.json", passed=False, reasons=["It lies."])
    said.clear()
    chosen = open_model(exported.path, runtime="auto", say=said.append)
    assert isinstance(chosen, RunThrough)
    assert chosen.exported.tool.name == "onnx"
    assert said[0] == (
        f"openvino is left out: it did not pass: It lies. Mend it: striate export {exported.path} --to openvino."
    )


def test_pytorch_is_kept_where_nothing_is_faster(exported: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    at_rates(monkeypatch, torch=100.0, onnx=90.0, openvino=102.0)
    said: list[str] = []
    chosen = open_model(exported.path, runtime="auto", say=said.append)
    assert not isinstance(chosen, RunThrough)
    assert chosen.recipe.machine.channels_last is True
    assert said[0].startswith("PyTorch computes: 100 pictures/s (onnx 90, openvino 102;")
    assert [one.label for one in chosen.predict(pictures(exported))] == [
        one.label for one in exported.predict(pictures(exported))
    ]


def test_the_measurement_itself_gives_a_line(exported: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(exported.path), "--runtime", "auto", "--json"]) == 0
    told = capsys.readouterr()
    assert " computes: " in told.err
    assert "measured now" in told.err
    assert json.loads(told.out)["headline"]["value"] == pytest.approx(exported.metrics.headline.value, abs=0.05)


def test_a_named_export_answers_and_leaves_the_run_as_it_is(exported: Run) -> None:
    before = (exported.path / "evaluation.json").read_bytes()
    chosen = open_model(exported.path, runtime="onnx")
    assert isinstance(chosen, RunThrough)
    assert chosen.evaluate().headline.value == exported.metrics.headline.value
    assert (exported.path / "evaluation.json").read_bytes() == before
    assert [one.label for one in chosen.predict(pictures(exported))] == [
        one.label for one in exported.predict(pictures(exported))
    ]
    assert type(open_model(exported.path)) is type(open_model(exported.path, runtime="torch")) is Run


def test_what_cannot_be_used_says_how_to_mend_it(exported: Run) -> None:
    with pytest.raises(UnknownNameError, match=r"there is no runtime named 'onix'. Known: auto, .*openvino-int8"):
        open_model(exported.path, runtime="onix")
    with pytest.raises(RequestError, match="not in bf16"):
        open_model(exported.path, runtime="onnx-bf16")
    expected = r"onnx-int8: the run has no such export\. Make it: striate export .* --to onnx --precision int8\."
    with pytest.raises(RequestError, match=expected):
        open_model(exported.path, runtime="onnx-int8")
    with pytest.raises(RequestError, match="this is an export already"):
        open_model(exported.path / "exports" / "onnx", runtime="auto")
    with pytest.raises(RequestError, match="exported networks run on the processor, not on cuda"):
        open_model(exported.path, "cuda", runtime="onnx")


def test_exports_of_other_weights_or_another_processor_are_not_used(exported: Run) -> None:
    change(exported.path / "exports" / "onnx" / "parity.json", machine="An abacus (WOOD)")
    with pytest.raises(RequestError, match=r"it was compared on another processor \(An abacus \(WOOD\)\)"):
        open_model(exported.path, runtime="onnx")
    exported.folder.write_weights("best", {name: 2 * value for name, value in exported.network.state_dict().items()})
    with pytest.raises(RequestError, match=r"it was made of other weights than the run has now\. Make it: striate ex"):
        open_model(exported.path, runtime="openvino")
