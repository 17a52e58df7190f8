"""A small real data set in memory: scikit-learn's handwritten digits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.data import Dataset
from striate.recipe import Recipe
from striate.structures import Label, Picture, Sample


@dataclass(frozen=True)
class DigitSource:
    index: int

    @property
    def name(self) -> str:
        return f"digit-{self.index}"

    def read(self) -> Picture:
        return Picture(_pixels()[self.index][None], ("gray",))


def _pixels() -> np.ndarray:
    from sklearn.datasets import load_digits

    if "pixels" not in _CACHE:
        found = load_digits()
        # 0..16 in 8 x 8, enlarged to 16 x 16.
        _CACHE["pixels"] = np.kron(found.images * 15, np.ones((2, 2))).astype(np.uint8)
        _CACHE["labels"] = found.target
    return _CACHE["pixels"]


_CACHE: dict[str, np.ndarray] = {}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def digits(all_digits: Dataset) -> Dataset:
    return all_digits


@pytest.fixture
def all_digits() -> Dataset:
    _pixels()
    samples = [Sample(DigitSource(index), Label(int(_CACHE["labels"][index]))) for index in range(500)]
    return Dataset(
        root=Path("digits"),
        task="classification",
        format="folders",
        classes=tuple(map(str, range(10))),
        splits={
            "train": tuple(samples[:300]),
            "validation": tuple(samples[300:400]),
            "test": tuple(samples[400:]),
        },
        channels=1,
        channel_names=("gray",),
        median_size_hw=(16, 16),
        sizes_hw={(16, 16): 500},
    )


@pytest.fixture
def quick() -> Recipe:
    """Three epochs of a small network on one thread, nothing measured."""
    return Recipe().with_values(
        {
            "network.name": "resnet20",
            "input.size_hw": [16, 16],
            "epochs": 3,
            "machine.precision": "fp32",
            "machine.channels_last": False,
            "machine.threads": 1,
            "machine.device": "cpu",
        }
    )
