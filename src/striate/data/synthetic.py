"""Data sets that are made on the spot, without any download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from striate.errors import RequestError
from striate.formats.storing import prepare_folder, stored
from striate.images import write_picture
from striate.registry import Registry
from striate.structures import Picture


@dataclass(frozen=True, slots=True)
class MakeOptions:
    """How much is made.

    Attributes:
        images: Number of pictures; all there are, or the maker's own number, where `None`.
        scale: Factor by which pictures are enlarged.
        seed: Seed, for which pictures are taken.
    """

    images: int | None = None
    scale: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Maker:
    """Something that makes a data set.

    Attributes:
        name: Name, as typed.
        title: What it makes, a phrase.
        make: Writes the set into an empty folder.
    """

    name: str
    title: str
    make: Callable[[Path, MakeOptions], None]


MAKERS: Registry[Maker] = Registry("built-in data set")


def make_data(name: str, out: str | Path, options: MakeOptions | None = None) -> Path:
    """Makes a built-in data set in a new folder, and returns the folder.

    Raises:
        UnknownNameError: No such set.
        RequestError: The folder is not empty, or an option is out of range.
        StorageError: It cannot be written.
    """
    maker, out = MAKERS.get(name), Path(out)
    options = options or MakeOptions()
    for option, value in (("scale", options.scale), ("images", options.images)):
        if value is not None and value < 1:
            raise RequestError(f"must be 1 or more, got {value}.", where=option, fix="Leave it out for the default.")
    prepare_folder(out)
    maker.make(out, options)
    return out


def make_digits(out: str | Path, *, images: int | None = None, scale: int = 1, seed: int = 0) -> Path:
    """Writes scikit-learn's handwritten digits as one folder of PNG files for each class, and returns the folder.

    1,797 real digits by 43 writers, 8 x 8 pixels of 17 gray levels, which become 0..255 (Alpaydin and Kaynak, "Optical
    recognition of handwritten digits", UCI Machine Learning Repository, 1998; the test part of that set).

    Args:
        out: A new or empty folder.
        images: Number of pictures, drawn with equal shares of all classes; all where `None`.
        scale: Factor by which they are enlarged (bicubic).
        seed: Seed of the drawing.

    Raises:
        RequestError: The folder is not empty, or a number is out of range.
        StorageError: It cannot be written.
    """
    return make_data("digits", out, MakeOptions(images, scale, seed))


def _write_digits(out: Path, options: MakeOptions) -> None:
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    if options.images is not None and not 10 <= options.images <= len(digits.target):
        raise RequestError(
            f"there are {len(digits.target)} digits, got {options.images}.",
            where="images",
            fix=f"Ask for 10 to {len(digits.target)}.",
        )
    side = digits.images.shape[1] * options.scale
    for index in _draw(digits.target, options):
        pixels = np.rint(digits.images[index] * (255.0 / 16.0)).astype(np.uint8)
        picture = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
        enlarged = np.asarray(picture)[None]
        folder = out / str(digits.target[index])
        stored(folder, partial(folder.mkdir, exist_ok=True))
        write_picture(Picture(enlarged, ("gray",)), folder / f"digit_{index:04d}.png")


def _draw(labels: npt.NDArray[np.int64], options: MakeOptions) -> list[int]:
    """Positions of the pictures to write: class after class in turn, so that any number has equal shares."""
    if options.images is None:
        return list(range(len(labels)))
    shuffled = np.random.default_rng(options.seed).permutation(len(labels))
    turn = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        turn[members] = np.arange(len(members))
    return sorted(sorted(range(len(labels)), key=lambda index: (turn[index], labels[index]))[: options.images])


MAKERS.add("digits", Maker("digits", "1,797 real handwritten digits, 8 x 8 pixels, from scikit-learn", _write_digits))
