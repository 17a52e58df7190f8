"""Scenes with several handwritten digits, whose truth is exact because they are composed.

Digits of one split never occur in another, so that a figure on the test split is about digits that nobody trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from striate.structures import VOID, Annotation, Instances, Mask, Picture, Sample

DIGITS = tuple("0123456789")
SCENE_SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
"""Share of the scenes, and of the digits that stand in them, that each split gets."""

SIZES_HW = ((96, 128), (128, 96), (112, 112), (96, 160), (80, 120))
"""Sizes of scenes, in pixels."""

DIGIT_SIDES = (14, 44)
"""A digit is at least and at most this high and wide, in pixels."""

MOST_DIGITS = 8
EMPTY_SHARE = 0.07
"""Share of the scenes without any digit."""

INK = 0.35
"""A pixel belongs to a digit where at least this share of it is ink."""

LEAST_VISIBLE = 0.5
"""A digit of which less than this share of its pixels can be seen gets no label."""

_LEAST_CONTRAST, _MOST_CONTRAST = 60.0, 140.0
_TRIES = 12

Gray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Digits on a background.

    Attributes:
        pixels: `(1, H, W)`.
        masks: `(N, H, W)`, the visible inked pixels of each digit that counts; no two overlap.
        digits: `(N,)`, which digits they are.
        unknown: `(H, W)`, inked pixels of digits that are hidden for more than half.
    """

    pixels: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.bool_]
    digits: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.bool_]

    def annotation(self, task: str) -> Annotation:
        """The truth for a task: boxes, a mask (0 is background, then the digits), or instances."""
        if task == "segmentation":
            classes = np.zeros(self.unknown.shape, np.uint8)
            for mask, digit in zip(self.masks, self.digits.tolist(), strict=True):
                classes[mask] = digit + 1
            classes[self.unknown] = VOID
            return Mask(classes)
        objects = Instances.from_dense(self.masks, self.digits)
        return objects.boxes() if task == "detection" else objects


@dataclass(frozen=True, slots=True)
class ScenePicture:
    """The picture of a scene, as a source."""

    name: str
    scene: Scene

    def read(self) -> Picture:
        """The picture."""
        return Picture(self.scene.pixels, ("gray",), source=self.name)


def scene_classes(task: str) -> tuple[str, ...]:
    """Class names of scenes for a task."""
    return ("background", *DIGITS) if task == "segmentation" else DIGITS


def compose_samples(
    images: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], task: str, count: int, scale: int, seed: int
) -> dict[str, list[Sample]]:
    """Composes scenes with their truth, by split; the same for the same arguments.

    Args:
        images: `(N, 8, 8)` digits, 0 (paper) to 1 (ink).
        labels: `(N,)` which digits they are.
        task: "detection", "segmentation" or "instances".
        count: Number of scenes, 10 or more.
        scale: Factor by which scenes are enlarged; the digits in them are resampled at that size.
        seed: Seed of everything.
    """
    samples: dict[str, list[Sample]] = {}
    counts = _divide(count)
    pools = divide_digits(labels, seed)
    number = 0
    for position, (split, size) in enumerate(counts.items()):
        random = np.random.default_rng([seed, position])
        stream = _stream(random, labels, pools[split])
        samples[split] = []
        for place in range(size):
            # The first scene of a split is never empty, so that even the smallest split holds digits.
            scene = compose_scene(random, images, labels, stream, scale, empty=place > 0)
            picture = ScenePicture(f"scene_{number:04d}", scene)
            samples[split].append(Sample(picture, scene.annotation(task)))
            number += 1
    return samples


def compose_scene(
    random: np.random.Generator,
    images: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    stream: Iterator[int],
    scale: int = 1,
    *,
    empty: bool = True,
) -> Scene:
    """Composes one scene.

    Args:
        random: Source of every choice.
        images: `(N, 8, 8)` digits, 0 (paper) to 1 (ink).
        labels: `(N,)` which digits they are.
        stream: Positions of the digits to take, one after another.
        scale: Factor by which scenes are enlarged.
        empty: Whether the scene may have no digit.
    """
    height, width = (side * scale for side in SIZES_HW[random.integers(len(SIZES_HW))])
    canvas = _background(random, height, width, scale)
    few = 0 if empty and random.random() < EMPTY_SHARE else int(random.integers(1, MOST_DIGITS + 1))
    owner = np.full((height, width), -1, np.int64)
    inked, digits = [], []
    for number in range(few):
        chosen = next(stream)
        side = round(scale * float(np.exp(random.uniform(*np.log(DIGIT_SIDES)))))
        ink = enlarge(images[chosen], side)
        where = _place(random, owner, ink >= INK, crowded=random.random() < 0.15)
        patch = canvas[where]
        canvas[where] = patch + ink * (_tone(random, float(patch.mean())) - patch)
        owner[where][ink >= INK] = number
        inked.append(int((ink >= INK).sum()))
        digits.append(int(labels[chosen]))
    masks = owner[None] == np.arange(few)[:, None, None]
    visible = masks.sum((1, 2)) / np.array(inked or [1])[:few] if few else np.zeros(0)
    counts = visible >= LEAST_VISIBLE
    pixels = np.clip(np.rint(canvas + random.normal(0, 4, canvas.shape)), 0, 255).astype(np.uint8)
    return Scene(pixels[None], masks[counts], np.array(digits, np.int64)[counts], masks[~counts].any(0))


def _divide(count: int) -> dict[str, int]:
    held = {split: max(1, round(count * share)) for split, share in SCENE_SHARES.items() if split != "train"}
    return {"train": count - sum(held.values()), **held}


def divide_digits(labels: npt.NDArray[np.int64], seed: int) -> dict[str, npt.NDArray[np.int64]]:
    """Positions of the digits of each split: each digit's pictures divided by the same shares."""
    random = np.random.default_rng([seed, len(SCENE_SHARES)])
    parts: dict[str, list[npt.NDArray[np.int64]]] = {split: [] for split in SCENE_SHARES}
    for digit in np.unique(labels):
        own = random.permutation(np.flatnonzero(labels == digit))
        ends = np.rint(np.cumsum(list(SCENE_SHARES.values())) * len(own)).astype(np.int64)
        for split, part in zip(SCENE_SHARES, np.split(own, ends[:-1]), strict=True):
            parts[split].append(part)
    return {split: np.concatenate(part) for split, part in parts.items()}


def _stream(random: np.random.Generator, labels: npt.NDArray[np.int64], pool: npt.NDArray[np.int64]) -> Iterator[int]:
    """Digits without end, all ten in each ten, in an order by chance."""
    by_digit = [pool[labels[pool] == digit] for digit in np.unique(labels)]
    while True:
        for digit in random.permutation(len(by_digit)).tolist():
            yield int(random.choice(by_digit[digit]))


def _background(random: np.random.Generator, height: int, width: int, scale: int) -> Gray:
    """Waves and stains around a middle gray."""
    y, x = np.mgrid[:height, :width] / (100.0 * scale)
    canvas = np.full((height, width), random.uniform(80, 175))
    for strength, waves in ((16, 3), (9, 8), (5, 20)):
        angle, phase = random.uniform(0, np.pi), random.uniform(0, 2 * np.pi)
        pitch = random.uniform(0.5, 1.0) * waves * 2 * np.pi
        canvas += strength * np.cos(pitch * (x * np.cos(angle) + y * np.sin(angle)) + phase)
    for _ in range(int(random.integers(0, 5))):
        centre_y, centre_x, radius = random.uniform(0, height), random.uniform(0, width), random.uniform(0.05, 0.3)
        distance = ((y - centre_y / (100.0 * scale)) ** 2 + (x - centre_x / (100.0 * scale)) ** 2) / radius**2
        canvas += random.uniform(-22, 22) * np.exp(-distance)
    return canvas


def enlarge(image: npt.NDArray[np.float64], side: int) -> Gray:
    """A digit at another size, cut to its ink.

    Args:
        image: `(8, 8)`, 0 (paper) to 1 (ink).
        side: Height and width before it is cut, in pixels.
    """
    from PIL import Image

    large = Image.fromarray(image.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
    ink = np.clip(np.asarray(large, np.float64), 0, 1)
    rows, columns = np.flatnonzero((ink >= INK).any(1)), np.flatnonzero((ink >= INK).any(0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _place(
    random: np.random.Generator, owner: npt.NDArray[np.int64], ink: npt.NDArray[np.bool_], *, crowded: bool
) -> tuple[slice, slice]:
    """Where a digit goes: a place by chance where crowded, else the one of some that hides least of the others."""
    best: tuple[int, tuple[slice, slice]] | None = None
    for _ in range(1 if crowded else _TRIES):
        top = int(random.integers(0, owner.shape[0] - ink.shape[0] + 1))
        left = int(random.integers(0, owner.shape[1] - ink.shape[1] + 1))
        where = (slice(top, top + ink.shape[0]), slice(left, left + ink.shape[1]))
        hidden = int(((owner[where] >= 0) & ink).sum())
        if best is None or hidden < best[0]:
            best = (hidden, where)
    assert best is not None
    return best[1]


def _tone(random: np.random.Generator, around: float) -> float:
    """Brightness of a digit: clearly lighter or darker than what is around it."""
    contrast = random.uniform(_LEAST_CONTRAST, _MOST_CONTRAST)
    room = {1: 255 - around, -1: around}
    sign = int(random.choice([sign for sign in (1, -1) if room[sign] >= _LEAST_CONTRAST]))
    return around + sign * min(contrast, room[sign])
