"""Class folders with a file a channel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from striate.data import open_dataset
from striate.formats.base import read_folder
from striate.images import write_picture
from striate.structures import Picture

Files = Callable[..., Path]


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name, count in (("dead", 12), ("live", 12)):
        (tmp_path / name).mkdir()
        for index in range(count):
            for channel in ("w1", "w2", "w3"):
                pixels = random.integers(0, 60000, (1, 12, 12)).astype(np.uint16)
                write_picture(Picture(pixels, ("gray",)), tmp_path / name / f"f{index}_{channel}.tif")
    return tmp_path


def test_a_picture_is_the_stack_of_its_files(cells: Path) -> None:
    reading = read_folder(cells)
    assert (reading.format, reading.classes) == ("folders", ("dead", "live"))
    assert len(reading.splits[""]) == 24
    sample = reading.splits[""][0]
    assert sample.name == "dead/f0"
    assert sample.read().channel_names == ("w1", "w2", "w3")
    assert "Channels lie in files of their own (w1, w2, w3): 72 files are 24 pictures." in reading.notes
    assert reading.problems == []


def test_a_missing_channel_is_a_listed_problem(cells: Path) -> None:
    (cells / "dead" / "f4_w2.tif").unlink()
    data = open_dataset(cells)
    assert (data.images, data.channels, data.bit_depth) == (23, 3, 16)
    (problem,) = [one for one in data.problems if one.kind == "missing-channel"]
    assert (problem.path, problem.severity) == ("dead/f4", "dropped")
    assert problem.detail == "there is no file for w2, where other pictures have w1, w2, w3."


def test_a_damaged_channel_drops_its_picture(cells: Path) -> None:
    (cells / "live" / "f0_w1.tif").write_bytes(b"no picture")
    data = open_dataset(cells)
    assert data.images == 23
    assert [one.path for one in data.problems if one.severity == "dropped"] == ["live/f0"]
