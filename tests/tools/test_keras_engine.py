"""Training by Keras: the losses of PyTorch, and a run like any other."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from striate.cli import main
from striate.data import open_dataset
from striate.data.synthetic import MakeOptions, make_data
from striate.errors import MissingPartError, RequestError
from striate.recipe import Recipe
from striate.runs.run import Run
from striate.tasks import TASKS
from striate.tools.keras_engine import KerasEngine, shares_of, training_graph
from striate.tools.translation import translate
from striate.training import train
from striate.training.building import build_trainee
from striate.training.distribution import World
from striate.training.loop import Engine, TorchEngine, Trainee, Work, train_step
from striate.training.machine import Setting, apply_setting
from striate.training.preparation import prepare_run
from striate.training.progress import Silent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (importlib.util.find_spec("keras") and importlib.util.find_spec("tensorflow")),
        reason="needs the extra keras",
    ),
]

QUICK = {"precision": "fp32", "channels_last": False, "threads": 1, "batch_size": 16, "weights": "none"}
STEPS = 10

# Sums in another order differ by about 1e-7 of a step, and every step passes that on to the next ones.
ROUNDING = 2e-4


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return make_data("digits", tmp_path_factory.mktemp("digits"), MakeOptions(images=80, task="classification"))


def steps(digits: Path, engine: Engine, values: dict[str, object]) -> tuple[list[float], Trainee, Work]:
    """Losses of the first steps of a recipe."""
    recipe = Recipe().with_values(QUICK | {"epochs": 4, "optimisation.schedule": "cosine"} | values)
    prepared = prepare_run(open_dataset(digits), engine.fill(recipe), Silent())
    prepared.recipe.machine = apply_setting(Setting("fp32", False, 1), prepared.recipe.machine, prepared.device)
    torch.manual_seed(0)
    trainee, work = build_trainee(prepared, World(), lambda: False, engine=engine)
    engine.begin(trainee, work)
    losses: list[float] = []
    epoch = 0
    while len(losses) < STEPS:
        for batch in work.batches.epoch(epoch):
            train_step(trainee, work, batch)
            losses.append(trainee.batch_losses[-1])
        epoch += 1
    engine.sync(trainee)
    return losses[:STEPS], trainee, work


@pytest.mark.parametrize(
    "values",
    [
        {"network.name": "resnet20", "input.size_hw": [16, 16], "optimizer": "sgd", "ema": 0.9, "clip": 1.0},
        {"network.name": "lenet5", "input.size_hw": [28, 28], "optimizer": "adamw"}
        | {"label_smoothing": 0.1, "class_balance": True, "mixup": 0.2},
    ],
    ids=["sgd", "adamw"],
)
def test_the_first_losses_are_those_of_pytorch(digits: Path, values: dict[str, object]) -> None:
    expected, torch_trainee, _ = steps(digits, TorchEngine(), values)
    found, trainee, _ = steps(digits, KerasEngine("tensorflow"), values)
    assert found == pytest.approx(expected, rel=ROUNDING)
    assert found[0] == pytest.approx(expected[0], rel=1e-6)
    assert len(set(found)) == STEPS
    for (name, own), other in zip(torch_trainee.network.named_parameters(), trainee.network.parameters(), strict=True):
        assert torch.allclose(own, other, atol=2e-3), name
    if trainee.average is not None:
        assert torch_trainee.average is not None
        for own, other in zip(
            torch_trainee.average.average.parameters(), trainee.average.average.parameters(), strict=True
        ):
            assert torch.allclose(own, other, atol=2e-3)


@pytest.fixture(scope="module")
def several(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of pictures with two labels each: the digit, and whether it is odd."""
    names = [one.relative_to(digits) for one in sorted(digits.rglob("*.png"))]
    rows = [f"{digits / one},{one.parent.name};{'odd' if int(one.parent.name) % 2 else 'even'}" for one in names]
    table = tmp_path_factory.mktemp("several") / "labels.csv"
    table.write_text("\n".join(["path,labels", *rows]))
    return table


@pytest.mark.parametrize(
    ("tool", "task", "values"),
    [
        ("tensorflow", "segmentation", {"label_smoothing": 0.1, "class_balance": True}),
        ("tensorflow", "detection", {"network.head": "points"}),
        ("jax", "multilabel", {"label_smoothing": 0.1, "class_balance": True}),
        ("jax", "instances", {"network.head": "distance"}),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_so_are_those_of_other_tasks(
    several: Path, tmp_path: Path, narrow_heads: None, tool: str, task: str, values: dict[str, object]
) -> None:
    if tool == "jax":
        pytest.importorskip("jax")
    data = several if task == "multilabel" else make_data("digits", tmp_path, MakeOptions(images=40, task=task))
    recipe: dict[str, object] = {"network.name": "lenet5", "input.size_hw": [32, 32], "input.fit": "squash"}
    recipe |= {"optimizer": "sgd", "ema": 0.9, "clip": 1.0} | values
    expected, torch_trainee, work = steps(data, TorchEngine(), recipe)
    found, trainee, _ = steps(data, KerasEngine(tool), recipe)
    assert work.task.name == task
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert found == pytest.approx(expected, rel=2e-3)
    assert trainee.average is not None
    assert torch_trainee.average is not None
    pairs = zip(torch_trainee.average.average.parameters(), trainee.average.average.parameters(), strict=True)
    assert all(torch.allclose(own, other, atol=2e-3) for own, other in pairs)


def test_auxiliary_classifiers_count_as_in_pytorch(digits: Path) -> None:
    recipe = Recipe().with_values(QUICK | {"epochs": 1, "network.name": "googlenet", "input.size_hw": [32, 32]})
    prepared = prepare_run(open_dataset(digits), recipe, Silent())
    prepared.recipe.machine = apply_setting(Setting("fp32", False, 1), prepared.recipe.machine, prepared.device)
    trainee, work = build_trainee(prepared, World(), lambda: False)
    before = {key: value.clone() for key, value in trainee.network.state_dict().items()}
    program = translate(training_graph(trainee.network, work))
    assert [name for name, _ in program.outputs] == ["logits", "aux_logits2", "aux_logits1"]
    assert {weight.key for _, weight in program.carried()} == {key for key in before if "num_batches" not in key}
    assert program.layers["aux1-fc1"].kind == "Dense"
    # Looking at it changes nothing.
    assert all(torch.equal(value, before[key]) for key, value in trainee.network.state_dict().items())


def test_a_run_trained_by_keras_is_a_run_and_goes_on_where_it_stopped(digits: Path, tmp_path: Path) -> None:
    recipe = Recipe().with_values(
        QUICK | {"network.name": "lenet5", "input.size_hw": [28, 28], "epochs": 3, "machine.tool": "tensorflow"}
    )
    whole = train(digits, recipe, run=tmp_path / "whole", progress=Silent())
    assert whole.facts.status == "done"
    assert whole.recipe.machine.tool == "tensorflow"
    assert len(whole.history) == 3
    assert whole.verdict is not None

    class Stops(Silent):
        def epoch(self, *arguments: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(digits, recipe, run=tmp_path / "parted", progress=Stops())
    assert Run.open(tmp_path / "parted").facts.status != "done"
    parted = train(None, run=tmp_path / "parted", resume=True, progress=Silent())
    assert len(parted.history) == 3
    assert parted.history[-1].batch_loss == pytest.approx(whole.history[-1].batch_loss, rel=1e-3)


def test_what_keras_does_not_train_is_refused(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = QUICK | {"network.name": "lenet5_1998", "input.size_hw": [28, 28], "epochs": 1, "machine.tool": "keras"}
    with pytest.raises(RequestError, match=r"no layer that could train s2.coefficient and \d+ more weights"):
        train(digits, Recipe().with_values(small), run=tmp_path / "a", progress=Silent())
    with pytest.raises(RequestError, match=r"network.frozen is True, and Keras trains with False here"):
        train(digits, Recipe().with_values(small | {"frozen": True}), run=tmp_path / "b", progress=Silent())
    boxes = make_data("digits", tmp_path / "scenes", MakeOptions(images=12, task="detection"))
    places = small | {"network.name": "lenet5", "input.size_hw": [32, 32]}
    for head, words in (
        ("faster_rcnn", r"no layer that could train \S+ and \d+ more weights"),
        ("retinanet", "Keras cannot train this network: PyTorch cannot trace"),
    ):
        with pytest.raises(RequestError, match=words):
            train(boxes, Recipe().with_values(places | {"network.head": head}), run=tmp_path / head, progress=Silent())
    assert main(["train", str(digits), "--tool", "caffe"]) == 2
    assert "machine.tool" in capsys.readouterr().err
    monkeypatch.setattr("striate.tools.keras.KerasTool.backends", ("tensorflow",))
    with pytest.raises(MissingPartError, match=r'Keras on jax needs jax, .* pip install "striate\[jax\]"'):
        KerasEngine("jax").fill(Recipe())


def test_shares_give_the_loss_of_the_task() -> None:
    task = TASKS.get("classification")
    torch.manual_seed(0)
    scores, hard = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 1, 1])
    soft = torch.softmax(torch.randn(6, 4), 1)
    for truth in (hard, soft):
        for weights in (None, torch.tensor([0.5, 1.0, 2.0, 0.1])):
            from types import SimpleNamespace

            from striate.tasks import LossSettings

            loss = LossSettings(0.1, weights)
            work = SimpleNamespace(task=task, classes=4, loss=loss)
            found = -(shares_of(truth, work) * torch.log_softmax(scores, 1)).sum()  # type: ignore[arg-type]
            assert float(found) == pytest.approx(float(task.loss(scores, truth, loss)), rel=1e-6)


def test_a_session_names_the_backend_that_is_installed(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Asked(Exception):
        pass

    def process(backend: str, threads: int) -> None:
        asked.append(backend)
        raise Asked

    monkeypatch.setattr("striate.tools.keras_engine.KerasProcess", process)
    monkeypatch.setattr("striate.tools.keras.KerasTool.backends", ("jax",))
    values = QUICK | {"network.name": "lenet5", "input.size_hw": [28, 28], "epochs": 1, "machine.tool": "keras"}
    with pytest.raises(Asked):
        train(digits, Recipe().with_values(values), run=tmp_path / "run", progress=Silent())
    assert asked == ["jax"]
