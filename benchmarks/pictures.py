"""The pictures that are trained on: made by code, the same each time, once, as files on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

CLASSES = 10
VALIDATION_PICTURES = 20

Bytes = npt.NDArray[np.uint8]


def make_digits(folder: Path, count: int) -> Path:
    """Gray PNG files of 28 x 28: a digit in a random place on noise."""
    font = ImageFont.load_default(20)

    def draw(label: int, random: np.random.Generator) -> Image.Image:
        picture = Image.new("L", (28, 28))
        corner = random.integers(2, 12, 2).tolist()
        ImageDraw.Draw(picture).text((corner[0], corner[1] - 4), str(label), fill=255, font=font)
        noisy = np.asarray(picture, np.int16) + random.normal(0, 12, (28, 28)).astype(np.int16)
        return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))

    return _make(folder, count, ".png", None, draw)


def make_small_photographs(folder: Path, count: int) -> Path:
    """Colour PNG files of 32 x 32."""
    return _make(folder, count, ".png", None, lambda label, random: Image.fromarray(_photograph(label, 32, 32, random)))


def make_photographs(folder: Path, count: int, validation: int = VALIDATION_PICTURES) -> Path:
    """Colour JPEG files of 500 x 375, about 100 kB each, as in ImageNet."""
    return _make(
        folder,
        count,
        ".jpg",
        95,
        lambda label, random: Image.fromarray(_photograph(label, 375, 500, random)),
        validation,
    )


def make_mnist(folder: Path, source: Path) -> Path:
    """The 10,000 real digits of mnist_idx_t10k as PNG files, in the splits that Striate makes."""
    if not (folder / "complete.json").exists():
        from striate.data import open_dataset
        from striate.formats import FORMATS

        shutil.rmtree(folder, ignore_errors=True)
        data = open_dataset(source)
        FORMATS.get("folders").write(dict(data.splits), data.classes, folder)
        (folder / "complete.json").write_text(json.dumps({split: len(each) for split, each in data.splits.items()}))
    return folder


def _photograph(label: int, height: int, width: int, random: np.random.Generator) -> Bytes:
    """A texture with the spectrum of a photograph: noise of every scale, coarser ones stronger, under a gradient."""
    pixels = np.zeros((height, width, 3), np.float32)
    scale = 1
    while scale <= height // 4:
        rows, columns = -(-height // scale), -(-width // scale)
        grid = random.normal(0, 1, (rows, columns, 3)).astype(np.float32)
        coarse = [Image.fromarray(grid[..., channel]).resize((width, height)) for channel in range(3)]
        pixels += np.stack([np.asarray(one) for one in coarse], axis=-1) * (4 * scale**0.5)
        scale *= 2
    ramp = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    angle = 2 * np.pi * label / CLASSES
    pixels += 110 + 50 * ramp * np.cos(angle + np.arange(3)) + 25 * np.sin(angle + np.arange(3))
    return pixels.clip(0, 255).astype(np.uint8)


def _make(
    folder: Path,
    count: int,
    suffix: str,
    quality: int | None,
    draw: Callable[[int, np.random.Generator], Image.Image],
    validation: int = VALIDATION_PICTURES,
) -> Path:
    """Writes train/ and a small validation/; leaves a complete folder of the same number of pictures as it is."""
    done = folder / "complete.json"
    facts = {"train": count, "validation": validation}
    if done.exists() and json.loads(done.read_text()) == facts:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    random = np.random.default_rng(1998)
    for split, pictures in facts.items():
        for index in range(pictures):
            label = index % CLASSES
            path = folder / split / f"class{label}" / f"{index:05d}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = draw(label, random)
            if quality is None:
                picture.save(path)
            else:
                picture.save(path, quality=quality)
    done.write_text(json.dumps(facts))
    return folder
