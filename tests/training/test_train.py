"""Whole runs: what they leave behind, how they go on after a stop, and how they fail."""

from __future__ import annotations

import itertools
import math
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
import torch
from safetensors.torch import load_file

from striate.data import Dataset
from striate.errors import CheckpointError, RequestError, TrainingError
from striate.evaluation import EpochRecord
from striate.recipe import Recipe, read_recipe
from striate.runs.lock import hold_run
from striate.runs.run import Run
from striate.tasks.classification import Classification
from striate.training import train
from striate.training.interruption import Interruption
from striate.training.progress import Silent


class Crash(Exception):
    pass


def _crash(*_: object) -> None:
    raise Crash


class CrashAfter(Silent):
    def __init__(self, epoch: int) -> None:
        self.at = epoch

    def epoch(self, record: EpochRecord, epochs: int, verdict: str, left_s: float | None) -> None:
        if record.epoch == self.at:
            raise Crash


@pytest.fixture
def digits(all_digits: Dataset) -> Dataset:
    """Fewer of them: what counts here is what a run leaves behind, not how well it learned."""
    sizes = {"train": 96, "validation": 40, "test": 40}
    return replace(all_digits, splits={name: all_digits[name][:size] for name, size in sizes.items()})


@pytest.fixture(autouse=True)
def _same_data(monkeypatch: pytest.MonkeyPatch, digits: Dataset) -> None:
    # A resumed run opens its data again by path; here that is the set in memory.
    monkeypatch.setattr("striate.runs.known_pictures.open_by_recipe", lambda *_, **__: digits)


def hearing(patch: pytest.MonkeyPatch) -> list[Interruption]:
    """Where trainings find out whether they were asked to stop, the latest last; no signal is needed to ask."""
    heard: list[Interruption] = []

    class Heard(Interruption):
        def __enter__(self) -> Self:
            # A real signal would end a test process whose main thread waits elsewhere.
            heard.append(self)
            return self

    patch.setattr("striate.training.lifecycle.Interruption", Heard)
    return heard


def weights(run: Path, which: str = "last") -> dict[str, torch.Tensor]:
    return load_file(run / "weights" / f"{which}.safetensors")


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_run_learns_and_leaves_everything_in_its_folder(all_digits: Dataset, quick: Recipe, tmp_path: Path) -> None:
    run = train(all_digits, quick.with_values({"network.name": "lenet5", "epochs": 12}), run=tmp_path / "run")
    assert run.metrics.split == "test"
    assert run.metrics.headline.value > 0.6 > run.metrics.baseline.value
    assert run.verdict is not None
    # Nobody published weights for the network of this run.
    assert not any(": --weights auto" in advice for advice in run.verdict.advice)
    names = {path.name for path in (tmp_path / "run").rglob("*") if path.is_file()}
    expected = "recipe.yaml run.json choices.json metrics.jsonl splits.json best.safetensors last.safetensors"
    assert set(expected.split()) | {"report.html", "evaluation.json", "verdict.json"} <= names
    assert "checkpoint.pt" not in names
    assert [record.epoch for record in run.history] == list(range(1, 13))


@pytest.mark.slow
def test_nothing_is_left_open_in_the_recipe_and_it_repeats_the_run(
    digits: Dataset, quick: Recipe, tmp_path: Path
) -> None:
    first = train(digits, quick, run=tmp_path / "first")
    recipe = read_recipe(first.path / "recipe.yaml")
    again = train(digits, recipe, run=tmp_path / "again")
    assert equal(weights(first.path), weights(again.path))
    other = train(digits, quick.with_values({"seed": 1}), run=tmp_path / "other")
    assert not equal(weights(first.path), weights(other.path))


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_crashed_run_resumed_equals_the_uninterrupted_one_bit_for_bit(
    epoch: int, digits: Dataset, quick: Recipe, tmp_path: Path
) -> None:
    # Mixing, dropout-like noise and the average all draw random numbers that must not depend on the crash.
    recipe = quick.with_values({"mixup": 0.2, "ema": 0.9, "checkpoint_s": 0.0})
    whole = train(digits, recipe, run=tmp_path / "whole")
    with pytest.raises(Crash):
        train(digits, recipe, run=tmp_path / "cut", progress=CrashAfter(epoch))
    resumed = train(None, run=tmp_path / "cut", resume=True)
    assert equal(weights(whole.path), weights(resumed.path))
    assert equal(weights(whole.path, "best"), weights(resumed.path, "best"))
    assert [replace(one, seconds=0) for one in whole.history] == [replace(one, seconds=0) for one in resumed.history]
    assert whole.metrics == resumed.metrics


def test_a_finished_run_is_not_trained_again(digits: Dataset, quick: Recipe, tmp_path: Path) -> None:
    run = train(digits, quick.with_values({"epochs": 1}), run=tmp_path / "run")
    before = weights(run.path)
    again = train(None, run=run.path, resume=True)
    assert equal(before, weights(again.path))
    assert len(again.history) == 1


def test_a_run_killed_after_it_stopped_early_is_only_finished(
    digits: Dataset, quick: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse = itertools.count(0.9, -0.01)
    monkeypatch.setattr(Classification, "headline_value", lambda *_: next(worse))
    with monkeypatch.context() as killed:
        killed.setattr("striate.training.lifecycle.finish_run", _crash)
        with pytest.raises(Crash):
            train(digits, quick.with_values({"patience": 1, "epochs": 5}), run=tmp_path / "run")
    (tmp_path / "run" / ".checkpoint.pt.123.partial").write_bytes(b"half a checkpoint")
    run = train(None, run=tmp_path / "run", resume=True)
    assert run.facts.stopped_early
    assert [record.epoch for record in run.history] == [1, 2]
    assert not list((tmp_path / "run").rglob("*.partial"))


def test_who_is_asked_to_stop_while_the_last_epoch_is_measured_does_not_begin_the_report(
    digits: Dataset, quick: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Asked(Silent):
        def epoch(self, record: EpochRecord, epochs: int, verdict: str, left_s: float | None) -> None:
            heard[-1].asked = record.epoch == epochs

    with monkeypatch.context() as early:
        early.setattr("striate.training.lifecycle.finish_run", _crash)
        heard = hearing(early)
        with pytest.raises(KeyboardInterrupt):
            train(digits, quick, run=tmp_path / "run", progress=Asked())
    assert Run.open(tmp_path / "run").facts.status == "interrupted"
    assert len(train(None, run=tmp_path / "run", resume=True).history) == 3


def test_who_stops_the_measuring_after_training_is_told_how_to_go_on(
    digits: Dataset, quick: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Told(Silent):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def say(self, line: str) -> None:
            self.lines.append(line)

    def stopped(*_: object) -> None:
        # What a signal does from here on, be it the first.
        heard[-1]._hear(signal.SIGTERM, None)

    told = Told()
    with monkeypatch.context() as early:
        early.setattr("striate.training.finish.write_report", stopped)
        heard = hearing(early)
        with pytest.raises(KeyboardInterrupt):
            train(digits, quick.with_values({"epochs": 1}), run=tmp_path / "run", progress=told)
    assert told.lines[-1].endswith(f"go on with: striate train --resume {tmp_path / 'run'}")
    train(None, run=tmp_path / "run", resume=True, progress=told)
    assert told.lines[-1].endswith("run is finished already; only its report is left to write.")


@pytest.mark.parametrize("epoch", [2, 3])
def test_an_evaluation_that_was_stopped_in_the_middle_is_made_by_the_session_that_goes_on(
    epoch: int, digits: Dataset, quick: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = 0

    class Counted(Silent):
        def epoch(self, record: EpochRecord, epochs: int, verdict: str, left_s: float | None) -> None:
            nonlocal finished
            finished = record.epoch

    def answers(*arguments: Any) -> Any:
        heard[-1].asked = finished == epoch - 1
        return measured(*arguments)

    whole = train(digits, quick, run=tmp_path / "whole")
    measured = Classification.answers
    with monkeypatch.context() as early:
        early.setattr(Classification, "answers", answers)
        heard = hearing(early)
        with pytest.raises(KeyboardInterrupt):
            train(digits, quick, run=tmp_path / "cut", progress=Counted())
    cut = Run.open(tmp_path / "cut")
    assert (cut.facts.status, cut.facts.epochs, len(cut.history)) == ("interrupted", epoch, epoch - 1)
    resumed = train(None, run=cut.path, resume=True)
    for which in ("last", "best"):
        assert equal(weights(whole.path, which), weights(resumed.path, which))
    assert [replace(one, seconds=0) for one in whole.history] == [replace(one, seconds=0) for one in resumed.history]


def test_two_processes_never_train_one_run(digits: Dataset, quick: Recipe, tmp_path: Path) -> None:
    with pytest.raises(Crash):
        train(digits, quick, run=tmp_path / "run", progress=CrashAfter(1))
    sentence = r"run: another process is training this run\. Wait until it has ended, or stop it"
    with hold_run(tmp_path / "run"):
        before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
        with pytest.raises(RequestError, match=sentence):
            train(None, run=tmp_path / "run", resume=True)
        with pytest.raises(RequestError, match=sentence):
            train(digits, quick, run=tmp_path / "run")
        assert Run.open(tmp_path / "run").history
        assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before
    assert len(train(None, run=tmp_path / "run", resume=True).history) == 3


def test_a_lock_left_by_a_killed_beginning_is_no_run(digits: Dataset, quick: Recipe, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with hold_run(tmp_path / "run"):
        pass
    assert train(digits, quick.with_values({"epochs": 1}), run=tmp_path / "run").history


def test_resuming_without_a_run_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no run here to go on with.*Give the data too"):
        train(None, run=tmp_path, resume=True)
    with pytest.raises(RequestError, match="no data given"):
        train(None)


def test_a_damaged_checkpoint_names_itself_and_what_is_left(digits: Dataset, quick: Recipe, tmp_path: Path) -> None:
    with pytest.raises(Crash):
        train(digits, quick, run=tmp_path / "run", progress=CrashAfter(2))
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"PK\x03\x04 cut off")
    whole = r"checkpoint\.pt: this checkpoint is damaged \(PytorchStreamReader [^().]+\)\. The best .*best\.safetensors"
    with pytest.raises(CheckpointError, match=whole):
        train(None, run=tmp_path / "run", resume=True)
    for content, cause in ((b"", "it ends too early"), (b"hello world", "KeyError: 101")):
        (tmp_path / "run" / "checkpoint.pt").write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"this checkpoint is damaged \({cause}\)"):
            train(None, run=tmp_path / "run", resume=True)


def test_a_run_folder_in_use_is_never_overwritten(digits: Dataset, quick: Recipe, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("mine")
    with pytest.raises(RequestError, match=r"this folder holds other files"):
        train(digits, quick, run=tmp_path / "run")
    assert (tmp_path / "run" / "letter.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"network.weights": "gone.pt"}, r"gone\.pt: expected a file of weights, found nothing.*auto, none"),
        ({"network.name": "resnet17"}, r"no network named 'resnet17'.*resnet1[18]"),
        ({"device": "toaster"}, r"device 'toaster' cannot be used"),
    ],
)
def test_what_is_wrong_with_the_request_is_said_before_a_picture_is_read(
    values: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=sentence):
        train(tmp_path / "no such data", Recipe().with_values(values))


def test_weights_that_are_not_numbers_are_never_an_answer(digits: Dataset, quick: Recipe, tmp_path: Path) -> None:
    run = train(digits, quick.with_values({"epochs": 1}), run=tmp_path / "run")
    damaged = {name: tensor.double().mul(torch.nan).to(tensor.dtype) for name, tensor in weights(run.path).items()}
    run.folder.write_weights("best", damaged)
    with pytest.raises(CheckpointError, match="not finite numbers"):
        Run.open(run.path).evaluate(split="test")


def test_a_loss_that_is_not_finite_stops_and_names_the_pictures(digits: Dataset, quick: Recipe, tmp_path: Path) -> None:
    wild = quick.with_values({"learning_rate": 1e30, "optimizer": "sgd", "clip": 0, "warmup": 0})
    with pytest.raises(TrainingError, match=r"the loss became .* on the batch digit-\d+, .*last checkpoint is kept"):
        train(digits, wild, run=tmp_path / "run")


def test_the_head_alone_on_features_computed_once(digits: Dataset, quick: Recipe, tmp_path: Path) -> None:
    recipe = quick.with_values({"frozen": True, "epochs": 5})
    run = train(digits, recipe, run=tmp_path / "run")
    torch.manual_seed(0)
    from striate.networks import build_network

    fresh = build_network("resnet20", run.facts.options).state_dict()
    kept = weights(run.path)
    changed = {name for name in kept if not torch.equal(kept[name], fresh[name])}
    head = {name for name in changed if "fc" in name or "linear" in name or "head" in name or "classifier" in name}
    assert changed
    assert changed == head
    # The network that answers pictures gives the scores measured on features.
    assert run.evaluate(split="test").headline.value == pytest.approx(run.metrics.headline.value)


def test_minutes_fit_the_plan(digits: Dataset, quick: Recipe, tmp_path: Path) -> None:
    recipe = quick.with_values({"network.name": "lenet5", "epochs": None, "minutes": 0.1})
    run = train(digits, recipe, run=tmp_path / "run")
    assert 0 < run.facts.seconds < 6
    assert run.facts.epochs >= 1
    assert math.isfinite(run.history[-1].batch_loss)


@pytest.mark.slow
def test_a_fitted_head_that_no_epoch_beats_is_kept(
    digits: Dataset, quick: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The answer that never looks, and the fitted head on both splits.
    values = iter([0.2, 0.9, 0.9])
    monkeypatch.setattr(Classification, "headline_value", lambda *_: next(values, 0.1))
    run = train(digits, quick.with_values({"network.head_first": True, "epochs": 2}), run=tmp_path / "run")
    assert run.facts.best_epoch == 0
    assert len(run.history) == 2
    assert not equal(weights(tmp_path / "run", "best"), weights(tmp_path / "run", "last"))
    assert "only the last layer was fitted" in run.report.read_text(encoding="utf-8")


def test_mirrored_pictures_are_mirrored() -> None:
    from striate.data.pixels import ArrayStore
    from striate.training.features import MirroredStore

    pictures = torch.arange(24, dtype=torch.uint8).view(2, 1, 3, 4)
    mirrored = MirroredStore(ArrayStore(pictures.numpy()))
    assert len(mirrored) == 2
    assert torch.equal(mirrored.rows(torch.tensor([1]).numpy()), pictures[1:].flip(-1))
    assert mirrored.shape == (1, 3, 4)
