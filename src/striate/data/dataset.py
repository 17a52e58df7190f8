"""A data set: samples of one task with class names and splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from striate.recipe import Recipe
from striate.structures import Problem, Sample, Slicing

ALL = "all"
"""Name of the pictures that no split was made of, and of a measurement on every picture."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Samples of one task with class names and splits, all of them readable.

    Attributes:
        root: Where it was opened.
        task: Name of the task.
        format: Name of the format it was read from.
        classes: Class names.
        splits: Samples by split: `train`, and where there are any, `validation` and `test`; `all` where none is made.
        given: Names of the splits that the folder itself gave; the others were made.
        channels: Channels that most pictures have.
        channel_names: Their names.
        bit_depth: Bits of one value in most pictures: 8, 16 or 32.
        median_size_hw: Median height and width, in pixels.
        sizes_hw: Distinct sizes with their number of pictures, commonest first.
        problems: What is wrong with it; dropped pictures are in no split.
        notes: How it was read and split, a sentence each.
        scans: Whether its pictures are scans: DICOM, volumes, or a medical set of MedMNIST.
    """

    root: Path
    task: str
    format: str
    classes: tuple[str, ...]
    splits: dict[str, tuple[Sample, ...]]
    given: tuple[str, ...] = ()
    channels: int = 3
    channel_names: tuple[str, ...] = ("red", "green", "blue")
    bit_depth: int = 8
    median_size_hw: tuple[int, int] = (224, 224)
    sizes_hw: dict[tuple[int, int], int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    scans: bool = False

    @property
    def images(self) -> int:
        """Number of pictures in all splits."""
        return sum(len(samples) for samples in self.splits.values())

    @property
    def samples(self) -> list[Sample]:
        """Those of all splits, one split after the other."""
        return [sample for part in self.splits.values() for sample in part]

    def __getitem__(self, split: str) -> tuple[Sample, ...]:
        return self.splits[split]


def open_dataset(
    path: str | Path,
    *,
    task: str | None = None,
    format: str | None = None,
    validation_share: float = 0.15,
    test_share: float = 0.15,
    seed: int = 0,
    slicing: Slicing | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Opens a folder or file of pictures: recognises it, checks every picture, keeps or makes the splits.

    Splits that the folder gives are kept; a missing validation split is taken out of the training pictures. Where no
    split is given, all three are made: classes keep their shares, and duplicates and groups stay together.
    Pictures that cannot be read are left out and listed in `problems`.

    Args:
        path: The folder or file.
        task: Name of the task; the one that the annotation is for where `None`.
        format: Name of the format; the one that fits best where `None`.
        validation_share: Share of the pictures for validation, where that split is made.
        test_share: Share of the pictures for the test, where that split is made; 0 makes none.
        seed: Seed of the splits.
        slicing: How volumes are cut into slices; chosen by their voxels where not given.
        progress: Called with the number of pictures checked and the number of all.

    Raises:
        DataError: Nothing is there, it cannot be understood, or nothing can be learned from it.
        RequestError: A share is out of range.
        UnknownNameError: No such format or task.
    """
    from striate.data.survey import SplitWishes, survey_data

    wishes = SplitWishes(validation_share, test_share, seed)
    return survey_data(path, task=task, format=format, wishes=wishes, slicing=slicing, progress=progress).dataset


def open_unsplit(
    path: str | Path,
    *,
    task: str | None = None,
    slicing: Slicing | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Opens pictures from which nothing is to be learned: a network is shown them, or measured on them.

    Splits that the folder gives are kept, others are not made, and nothing is asked of how much there is: one picture
    of one class will do. Pictures that cannot be read are left out and listed in `problems`.

    Args:
        path: The folder or file.
        task: Name of the task; the one that the annotation is for where `None`.
        slicing: How volumes are cut into slices; chosen by their voxels where not given.
        progress: Called with the number of pictures checked and the number of all.

    Raises:
        DataError: Nothing is there, or it cannot be understood.
        UnknownNameError: No such task.
    """
    from striate.data.survey import unsplit_data

    return unsplit_data(path, task=task, slicing=slicing, progress=progress)


def open_by_recipe(
    data: Dataset | str | Path,
    recipe: Recipe,
    *,
    task: str | None = None,
    format: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Opens a path as a recipe says, with its shares and its seed; a data set is given back as it is.

    Args:
        data: A data set, or the path of one.
        recipe: The recipe of a run.
        task: Instead of the recipe's: what a run that began with an open choice has settled on.
        format: The same.
        progress: Called with the number of pictures checked and the number of all.

    Raises:
        DataError: Nothing is there, it cannot be understood, or nothing can be learned from it.
    """
    if isinstance(data, Dataset):
        return data
    return open_dataset(
        data,
        task=task or recipe.data.task,
        format=format or recipe.data.format,
        validation_share=recipe.data.validation_share,
        test_share=recipe.data.test_share,
        seed=recipe.optimisation.seed,
        slicing=slicing_of(recipe),
        progress=progress,
    )


def slicing_of(recipe: Recipe) -> Slicing:
    """How a recipe wants volumes to be cut."""
    return Slicing(recipe.data.plane, recipe.data.neighbours)
