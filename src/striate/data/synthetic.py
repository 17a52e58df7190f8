"""Data sets that are made on the spot, without any download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.data.bands import CLASSES, PICTURES, compose_bands
from striate.data.scenes import compose_samples, scene_classes
from striate.errors import RequestError, UnknownNameError
from striate.formats import FORMATS
from striate.formats.storing import prepare_folder
from striate.registry import Registry
from striate.structures import SPATIAL_TASKS, Instances, Label, Picture, Sample

TASK_WORDS = {
    "classify": "classification",
    "detect": "detection",
    "segment": "segmentation",
    "instance": "instances",
}
"""Other words for tasks, which are understood where somebody says what to make."""

USUAL_FORMATS = {
    "classification": "folders",
    "detection": "coco",
    "segmentation": "masks",
    "instances": "coco",
}
"""The format in which a set for a task is written where none is named."""

ONE_CLASS = "digit"
"""The class of all objects in formats that name none."""

MOST_MADE = 100_000
"""Pictures that are composed in one go, at most."""

SCENES = 500
"""Scenes that are made where no number is given."""


@dataclass(frozen=True, slots=True)
class MakeOptions:
    """What is made, and how much.

    Attributes:
        images: Number of pictures; all there are, or the maker's own number, where `None`.
        scale: Factor by which pictures are enlarged.
        seed: Seed, for which pictures are taken.
        task: What the annotation is for.
        format: Name of the format to write; the usual one of the task where `None`.
    """

    images: int | None = None
    scale: int = 1
    seed: int = 0
    task: str = "classification"
    format: str | None = None


@dataclass(frozen=True, slots=True)
class MadeSet:
    """A data set before it is written.

    Attributes:
        classes: Class names.
        splits: Samples by split; the key `""` holds those for which no split is given.
    """

    classes: tuple[str, ...]
    splits: dict[str, list[Sample]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Maker:
    """Something that makes a data set.

    Attributes:
        name: Name, as typed.
        title: What it makes, a phrase.
        make: Makes the set.
        tasks: Tasks for which it can make one.
    """

    name: str
    title: str
    make: Callable[[MakeOptions], MadeSet]
    tasks: tuple[str, ...] = ("classification",)


MAKERS: Registry[Maker] = Registry("built-in data set")


def make_data(name: str, out: str | Path, options: MakeOptions | None = None) -> Path:
    """Makes a built-in data set in a new folder, and returns the folder.

    Raises:
        UnknownNameError: No such set, task or format.
        RequestError: The folder is not empty, an option is out of range, or the format cannot hold the task.
        StorageError: It cannot be written.
    """
    maker, out = MAKERS.get(name), Path(out)
    options = options or MakeOptions()
    for option, value in (("scale", options.scale), ("images", options.images)):
        if value is not None and value < 1:
            raise RequestError(f"must be 1 or more, got {value}.", where=option, fix="Leave it out for the default.")
    task = _task_of(maker, options.task)
    target = FORMATS.get(options.format or USUAL_FORMATS[task])
    if task not in target.tasks:
        raise RequestError(
            f"the format {target.name} holds {' and '.join(target.tasks)}, and {task} was asked for.",
            where="format",
            fix="Choose " + " or ".join(fmt.name for fmt in FORMATS if task in fmt.tasks) + ".",
        )
    prepare_folder(out)
    made = maker.make(MakeOptions(options.images, options.scale, options.seed, task, target.name))
    if not target.names_classes:
        made = _of_one_class(made)
    target.write(dict(made.splits), made.classes, out)
    return out


def _of_one_class(made: MadeSet) -> MadeSet:
    """The same objects for a format that names no class: all of them are of one."""

    def merge(sample: Sample) -> Sample:
        objects = sample.read_annotation()
        assert isinstance(objects, Instances)
        return replace(sample, annotation=replace(objects, classes=np.zeros_like(objects.classes)))

    splits = {split: [merge(sample) for sample in samples] for split, samples in made.splits.items()}
    return MadeSet((ONE_CLASS,), splits)


def _task_of(maker: Maker, word: str) -> str:
    task = TASK_WORDS.get(word.lower(), word.lower())
    if task not in maker.tasks:
        raise UnknownNameError(
            f"{maker.name} cannot be made for the task {word!r}.", where="task", fix=f"Known: {', '.join(maker.tasks)}."
        )
    return task


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


@dataclass(frozen=True, slots=True, eq=False)
class DigitPicture:
    """The picture of one digit, as a source."""

    name: str
    pixels: npt.NDArray[np.uint8]

    def read(self) -> Picture:
        """The picture."""
        return Picture(self.pixels, ("gray",), source=self.name)


def _make_digits(options: MakeOptions) -> MadeSet:
    from sklearn.datasets import load_digits

    digits = load_digits()
    single = options.task not in SPATIAL_TASKS
    most = len(digits.target) if single else MOST_MADE
    if options.images is not None and not 10 <= options.images <= most:
        raise RequestError(
            f"there are {most} digits, got {options.images}."
            if single
            else f"scenes are made ten or more at a time, got {options.images}.",
            where="images",
            fix=f"Ask for 10 to {most}.",
        )
    if single:
        return _single_digits(digits, options)
    count = SCENES if options.images is None else options.images
    splits = compose_samples(digits.images / 16.0, digits.target, options.task, count, options.scale, options.seed)
    return MadeSet(scene_classes(options.task), splits)


def _single_digits(digits: Any, options: MakeOptions) -> MadeSet:
    from PIL import Image

    side = digits.images.shape[1] * options.scale
    samples = []
    for index in _draw(digits.target, options):
        pixels = np.rint(digits.images[index] * (255.0 / 16.0)).astype(np.uint8)
        picture = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
        source = DigitPicture(f"digit_{index:04d}", np.asarray(picture)[None])
        samples.append(Sample(source, Label(int(digits.target[index]))))
    return MadeSet(tuple(map(str, digits.target_names.tolist())), {"": samples})


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


_TITLE = (
    "1,797 real handwritten digits, 8 x 8 pixels, from scikit-learn; or, for boxes and masks, scenes composed of them"
)
MAKERS.add("digits", Maker("digits", _TITLE, _make_digits, ("classification", *SPATIAL_TASKS)))


def _make_bands(options: MakeOptions) -> MadeSet:
    count = PICTURES if options.images is None else options.images
    if not 10 <= count <= MOST_MADE:
        raise RequestError(
            f"they are made ten or more at a time, got {count}.", where="images", fix=f"Ask for 10 to {MOST_MADE}."
        )
    return MadeSet(CLASSES, {"": compose_bands(count, options.scale, options.seed)})


_BANDS_TITLE = "400 made pictures of five bands of floats, 32 x 32 pixels; only channel 3 tells the two classes apart"
MAKERS.add("bands", Maker("bands", _BANDS_TITLE, _make_bands))
