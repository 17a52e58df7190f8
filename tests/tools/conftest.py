"""Small runs to be exported, and one that has learned something, trained once for all tests of a process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from striate.data.synthetic import MakeOptions, make_data
from striate.recipe import Recipe
from striate.runs.run import Run
from striate.tools import export
from striate.training import train
from striate.training.progress import Silent

QUICK = {"epochs": 1, "precision": "fp32", "channels_last": False, "threads": 1, "batch_size": 8, "weights": "none"}
QUICK |= {"fit": "squash", "tile_scale": 0.25}


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs lie that several tests use."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def quick_run(runs_folder: Path, narrow_heads: None) -> Callable[..., Run]:
    """A function from a task and recipe fields to a run on made scenes, one for each name."""
    del narrow_heads
    torch.set_num_threads(1)

    def trained(name: str, task: str, fields: dict[str, object], images: int = 30) -> Run:
        data, place = runs_folder / f"{task}-{images}", runs_folder / name
        if not data.exists():
            make_data("digits", data, MakeOptions(images=images, task=task))
        if (place / "run.json").exists():
            return Run.open(place)
        recipe = Recipe().with_values(QUICK | {"network.name": "lenet5", "input.size_hw": [32, 32]} | fields)
        return train(data, recipe, run=place, progress=Silent())

    return trained


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """LeNet-5 on digits, right in most of them."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("learned")
    values = {"epochs": 8, "precision": "fp32", "channels_last": False, "threads": 1, "batch_size": 16}
    values |= {"weights": "none", "network.name": "lenet5", "input.size_hw": [32, 32], "input.fit": "squash"}
    data = make_data("digits", folder / "data", MakeOptions(images=300))
    return train(data, Recipe().with_values(values), run=folder / "run", progress=Silent())


@pytest.fixture
def own(learned: Run, tmp_path: Path) -> Run:
    """A copy of that run, for exports into its folder."""
    return Run.open(shutil.copytree(learned.path, tmp_path / "run"), "cpu")


@pytest.fixture(scope="session")
def twice_exported(learned: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy of that run with exports for ONNX Runtime and OpenVINO in fp32; not to be changed."""
    run = Run.open(shutil.copytree(learned.path, tmp_path_factory.mktemp("exported") / "run"), "cpu")
    for tool in ("onnx", "openvino"):
        export(run, tool)
    return run
