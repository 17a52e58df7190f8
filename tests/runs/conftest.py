"""A finished run of an untrained LeNet-5 on made pictures, complete on disk."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from striate.data import Dataset
from striate.evaluation import EpochRecord, FitContext, evaluate, headline_estimate, judge_fit
from striate.images import FileSource
from striate.networks import NetworkOptions, resolve_network
from striate.recipe import Recipe
from striate.runs import RunFacts, RunFolder, SplitScores
from striate.structures import Label, Problem, Sample
from striate.tasks import TASKS

CLASSES = ("circle", "cross")


def draw(path: Path, label: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 40, (24, 20), dtype=np.uint8)
    if label:
        pixels[11:13] = pixels[:, 9:11] = 230
    else:
        y, x = np.mgrid[:24, :20]
        pixels[np.abs(np.hypot(y - 12, x - 10) - 7) < 1.2] = 230
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Class folders with given splits."""
    root = tmp_path / "shapes"
    for split, count in (("train", 8), ("validation", 6), ("test", 12)):
        for index in range(count):
            label = index % 2
            draw(root / split / CLASSES[label] / f"{index}.png", label, seed=100 * count + index)
    return root


def samples(root: Path, split: str) -> tuple[Sample, ...]:
    return tuple(
        Sample(FileSource(path, path.relative_to(root).as_posix()), Label(CLASSES.index(path.parent.name)))
        for path in sorted((root / split).rglob("*.png"))
    )


@pytest.fixture
def data(pictures: Path) -> Dataset:
    return Dataset(
        pictures,
        "classification",
        "folders",
        CLASSES,
        {split: samples(pictures, split) for split in ("train", "validation", "test")},
        given=("train", "validation", "test"),
        channels=1,
        channel_names=("gray",),
        median_size_hw=(24, 20),
        problems=(Problem("truncated", "train/cross/<9>.png", "the file ends early.", "It is left out.", "dropped"),),
        notes=("One folder for each class.",),
    )


@pytest.fixture
def filled_recipe() -> Recipe:
    return Recipe().with_values(
        {
            "network.name": "lenet5",
            "input.size_hw": [32, 32],
            "input.fit": "squash",
            "input.scale": 255.0,
            "input.mean": [0.2],
            "input.std": [0.3],
            "data.channels": 1,
        }
    )


@pytest.fixture
def history() -> list[EpochRecord]:
    rows = zip(
        [0.5, 0.8, 0.95, 0.97], [0.5, 0.75, 0.94, 0.95], [0.7, 0.4, 0.2, 0.1], [0.7, 0.5, 0.25, 0.2], strict=True
    )
    return [EpochRecord(at, 5 * at, 1.5 * at, 0.01 / at, 0.9 / at, *row) for at, row in enumerate(rows, start=1)]


@pytest.fixture
def finished(tmp_path: Path, data: Dataset, filled_recipe: Recipe, history: list[EpochRecord]) -> SimpleNamespace:
    """The folder, the network whose weights are in it, and the data."""
    task = TASKS.get("classification")
    options = NetworkOptions(classes=2, channels=1, size_hw=(32, 32))
    torch.manual_seed(3)
    network = task.build_network(resolve_network("lenet5"), options).eval()
    folder = RunFolder.create(tmp_path / "runs", data=str(data.root), net="lenet5")
    folder.write_recipe(filled_recipe)
    folder.write_data(data)
    folder.write_history(history)
    folder.write_weights("best", network.state_dict())
    folder.write_weights("last", network.state_dict())
    folder.write_choices([{"field": "network.name", "value": "lenet5", "why": "the pictures are small"}])
    folder.write_environment({"platform": "Linux", "python": "3.11", "device": "cpu", "threads": 1})
    train_targets = task.targets(data["train"], CLASSES)
    folder.write_train_targets(train_targets)
    targets = task.targets(data["test"], CLASSES)
    scores = np.where(targets[:, None] == [0, 1], 0.9, 0.1).astype(np.float32)
    scores[[0, 7]] = scores[[0, 7]][:, ::-1]
    names = tuple(sample.name for sample in data["test"])
    folder.write_scores("test", SplitScores(names, scores, targets))
    evaluation = evaluate(task, scores, targets, CLASSES, split="test", train_targets=train_targets, resamples=100)
    folder.write_evaluation(evaluation)
    estimate = headline_estimate(task, scores, targets, resamples=100)
    verdict = judge_fit(task, history, estimate, estimate, evaluation.baseline, context=FitContext(images=8, classes=2))
    folder.write_verdict(verdict)
    folder.write_facts(
        RunFacts(
            task="classification",
            classes=CLASSES,
            net="lenet5",
            options=options,
            data=str(data.root),
            data_format="folders",
            channel_names=("gray",),
            status="done",
            created="2026-11-23T12:00:00+00:00",
            striate="0.1.0",
            seconds=75.0,
            epochs=4,
            epochs_planned=4,
            best_epoch=4,
            headline=evaluation.headline,
            split="test",
        )
    )
    return SimpleNamespace(folder=folder, network=network, data=data, evaluation=evaluation, verdict=verdict)
