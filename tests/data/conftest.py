"""Small pictures made in code, and a cache folder that every test has to itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from striate.images import write_picture
from striate.images.kinds import natural_channel_names
from striate.structures import Label, Picture, Sample

Pixels = npt.NDArray[np.uint8]


class ArrayPicture:
    """A picture in memory, as a source."""

    def __init__(self, name: str, pixels: npt.NDArray[np.generic]) -> None:
        self.name, self.pixels = name, pixels

    def read(self) -> Picture:
        return Picture(self.pixels, natural_channel_names(len(self.pixels)), source=self.name)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def photo() -> Callable[..., Pixels]:
    """Makes smooth pictures with some detail, another one for each seed, `(C, H, W)` with values 40..215."""

    def make(seed: int, height: int = 60, width: int = 80, channels: int = 3) -> Pixels:
        random = np.random.default_rng(seed)
        y, x = np.mgrid[:height, :width] / max(height, width)
        planes = []
        for _ in range(channels):
            plane = np.zeros((height, width))
            for strength in (1.0, 0.8, 0.6, 0.5, 0.4, 0.3):
                u, v, phase = random.uniform(-18, 18), random.uniform(-18, 18), random.uniform(0, 6.3)
                plane += strength * np.cos(u * x + v * y + phase)
            planes.append(plane)
        stack = np.stack(planes)
        return np.rint(40 + 175 * (stack - stack.min()) / np.ptp(stack)).astype(np.uint8)

    return make


@pytest.fixture
def sample() -> Callable[..., Sample]:
    """Makes a sample of a picture in memory."""

    def make(name: str, pixels: npt.NDArray[np.generic], label: int = 0, group: str | None = None) -> Sample:
        return Sample(ArrayPicture(name, pixels), Label(label), group)

    return make


@pytest.fixture
def class_folders(tmp_path: Path, photo: Callable[..., Pixels]) -> Callable[..., Path]:
    """Writes class folders of different small PNG pictures; a key `split/class` makes splits."""

    def make(counts: dict[str, int], name: str = "photos", **shape: int) -> Path:
        root = tmp_path / name
        seed = 0
        for folder, count in counts.items():
            (root / folder).mkdir(parents=True)
            for number in range(count):
                seed += 1
                pixels = photo(seed, **({"height": 36, "width": 40} | shape))
                write_picture(Picture(pixels, natural_channel_names(len(pixels))), root / folder / f"{number:03d}.png")
        return root

    return make
