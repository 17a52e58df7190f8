"""Pictures of five bands of floats, of which one alone tells the classes apart; the others vary as much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from striate.images.kinds import numbered_channel_names
from striate.structures import Label, Picture, Sample

BANDS = 5
TELLING = 3
"""The band, counted from 0, that carries the class."""

CLASSES = ("dry", "wet")
SIDE = 32
PICTURES = 400

_WAVES = 3
_PATCH_SIDES = (8, 15)
_DEPTH = 0.22
_GRAIN = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class BandPicture:
    """One of the pictures, as a source."""

    name: str
    pixels: npt.NDArray[np.float32]

    def read(self) -> Picture:
        """The picture."""
        return Picture(self.pixels, numbered_channel_names(BANDS), source=self.name)


def compose_bands(count: int, scale: int, seed: int) -> list[Sample]:
    """Pictures with their labels, both classes alike often; the same for the same arguments.

    Every band is a smooth ground with a patch at a place of its own. In each band the patch is lighter or darker than
    its ground by chance; in the telling one it is lighter where the class is `wet` and darker where it is `dry`.

    Args:
        count: Number of pictures.
        scale: Height and width of a picture in units of `SIDE` pixels.
        seed: Seed of everything.

    Returns:
        Samples whose pixels `(5, H, W)` are float32 in 0..1, as shares of light that comes back.
    """
    samples = []
    for index in range(count):
        random = np.random.default_rng([seed, index])
        label = index % len(CLASSES)
        lighter = random.integers(0, 2, BANDS)
        lighter[TELLING] = label
        pixels = np.stack([_band(random, scale, 1 if light else -1) for light in lighter])
        samples.append(Sample(BandPicture(f"field_{index:04d}", pixels.astype(np.float32)), Label(label)))
    return samples


def _band(random: np.random.Generator, scale: int, sign: int) -> npt.NDArray[np.float64]:
    side = SIDE * scale
    y, x = np.mgrid[:side, :side] / side
    ground = np.full((side, side), random.uniform(0.4, 0.6))
    for wave in range(1, _WAVES + 1):
        angle, phase = random.uniform(0, 2 * np.pi, 2)
        ground += 0.04 / wave * np.cos(2 * np.pi * wave * (x * np.cos(angle) + y * np.sin(angle)) + phase)
    height, width = (scale * random.integers(*_PATCH_SIDES, endpoint=True) for _ in range(2))
    top, left = random.integers(0, side - height), random.integers(0, side - width)
    ground[top : top + height, left : left + width] += sign * _DEPTH
    return np.clip(ground + random.normal(0, _GRAIN, ground.shape), 0, 1)
