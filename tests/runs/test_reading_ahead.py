"""What a network is shown when pictures are answered: prepared by threads, large JPEG files read smaller."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from striate.images import FileSource, choose_channels
from striate.recipe import Recipe
from striate.runs.answering import Answering
from striate.structures import Label, Problem, Sample
from striate.tasks import TASKS

SIZES = {"small": (56, 88), "large": (400, 608), "odd": (401, 603)}


class Watching(nn.Module):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, pixels: Tensor) -> Tensor:
        self.seen.append(pixels.clone())
        return torch.zeros(len(pixels), 2)


def answering(network: nn.Module, **values: object) -> Answering:
    known: dict[str, object] = {"input.size_hw": [24, 32], "input.fit": "crop"}
    known |= {"input.mean": [0.0] * 3, "input.std": [1.0] * 3, "input.scale": 1.0}
    recipe = Recipe().with_values(known | values)
    task = TASKS.get("classification")
    return Answering(network, task, recipe, choice=choose_channels(3, ()), dtype="uint8", device=torch.device("cpu"))


def photograph(path: Path, height: int, width: int) -> Sample:
    """Soft stripes across and down."""
    y, x = np.mgrid[:height, :width]
    pixels = 128 + 100 * np.sin(x * 9 / width)[..., None] * np.cos(y * 7 / height + 0)[..., None] * [1, 0.5, -1]
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=95)
    return Sample(FileSource(path, path.name), Label(0))


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
def test_a_large_jpeg_is_read_smaller_and_looks_the_same(tmp_path: Path, fit: str) -> None:
    sample = photograph(tmp_path / "large.jpg", 400, 608)
    network = Watching()
    asked = answering(network, **{"input.fit": fit})
    ((found, size_hw, _),) = asked.predict([sample], ("a", "b"), [])
    assert (found, size_hw) == (sample, (400, 608))
    asked.measure([sample], ("a", "b"), [])
    smaller, full = network.seen
    assert smaller.shape == full.shape == (1, 3, 24, 32)
    # Not the same bytes, or it would have been read in full; but the same but for a step of 8 bits or two.
    assert not torch.equal(smaller, full)
    assert float((smaller - full).abs().mean()) < 1.0
    assert float((smaller - full).abs().max()) < 4.0


@pytest.mark.parametrize("name", ["small.jpg", "large.png", "odd.jpg"])
def test_everything_else_is_read_in_full(tmp_path: Path, name: str) -> None:
    sample = photograph(tmp_path / name, *SIZES[name.split(".")[0]])
    network = Watching()
    asked = answering(network)
    list(asked.predict([sample], ("a", "b"), []))
    asked.measure([sample], ("a", "b"), [])
    half = len(network.seen) // 2
    assert torch.equal(torch.cat(network.seen[:half]), torch.cat(network.seen[half:]))


def test_runtimes_are_shown_stored_pixels(tmp_path: Path) -> None:
    sample = photograph(tmp_path / "small.jpg", 60, 90)
    network = Watching()
    network.takes_stored_pixels = True
    asked = answering(network)
    list(asked.predict([sample], ("a", "b"), []))
    assert network.seen[0].dtype == torch.uint8
    assert torch.equal(network.seen[0], asked.shown(sample.read())[1])


def test_answers_come_in_order_and_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    samples = [photograph(tmp_path / f"{index:03d}.jpg", 30 + index, 40) for index in range(70)]
    (tmp_path / "033.jpg").write_text("no picture")
    problems: list[Problem] = []
    found = list(answering(Watching()).predict(samples, ("a", "b"), problems))
    assert [size_hw for _, size_hw, _ in found] == [(30 + index, 40) for index in range(70) if index != 33]
    assert [problem.path for problem in problems] == ["033.jpg"]
