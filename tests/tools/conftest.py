"""A small network that has learned something, for tests of what exports cost and how runtimes are chosen."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from striate.data.synthetic import MakeOptions, make_data
from striate.recipe import Recipe
from striate.runs.run import Run
from striate.tools import export
from striate.training import train
from striate.training.progress import Silent


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
