"""Everything between the request and the first step: the recipe is filled, the network built, the pixels read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.data import Dataset
from striate.data.framing import Preparation
from striate.data.pixels import ArrayStore, PixelStore, channel_statistics, store_pixels
from striate.errors import DataError
from striate.images import natural_channel_names
from striate.images.windows import parse_window
from striate.networks import NetworkInfo, NetworkOptions, WeightsUsed, build_network, resolve_network
from striate.networks.weights import load_weights
from striate.recipe import Recipe
from striate.structures import Frames, Problem, Sample, evenly
from striate.tasks import TASKS, Task
from striate.tasks.base import ObjectFacts, Targets, View
from striate.tasks.truth import TruthStore
from striate.training.defaults import (
    Chooser,
    choice_of,
    choose_augmentation,
    choose_cache,
    choose_input,
    choose_optimisation,
    class_imbalance,
)
from striate.training.defaults_heads import choose_for_head
from striate.training.defaults_scans import choose_for_scans
from striate.training.defaults_spatial import FEW_CLASSES, choose_for_places, choose_spatial_optimisation
from striate.training.machine import choose_device
from striate.training.progress import Progress

FEWEST_LOOKED_AT = 256
FEWEST_LOOKED_AT_WITH_PLACES = 48
MOST_LOOKED_AT = 1000
"""Training pictures on which the training metric is measured in each evaluation, at least and at most."""


@dataclass(slots=True)
class SplitPixels:
    """The pictures of one split, ready. A row of `store` and `truth` is a frame: a picture, or a tile of a large one.

    Attributes:
        store: Prepared pixels.
        usable: Positions of pictures that could be read.
        targets: Truth of all pictures, as figures are measured by it.
        truth: The same as the loss wants it, in the frames that the pixels are kept in.
        samples: All pictures.
        frames: Which picture each frame shows, and how it lies there.
    """

    store: PixelStore
    usable: npt.NDArray[np.int64]
    targets: Targets
    truth: TruthStore
    samples: tuple[Sample, ...]
    frames: Frames

    @property
    def names(self) -> list[str]:
        """Name of the picture of each frame."""
        return [self.samples[picture].name for picture in self.frames.pictures.tolist()]

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Frames of all usable pictures."""
        return self.frames.positions_of(self.usable)

    def view(self, rows: npt.NDArray[np.int64], *, exact: bool) -> View:
        """What is known of some frames while the answers to them are measured; see `View`."""
        chosen = rows.tolist()
        return View(
            [self.samples[self.frames.pictures[index]] for index in chosen],
            [self.frames.placements[index] for index in chosen] if self.frames.placements else [],
            None if exact else self.truth.rows(rows),
            exact,
        )


@dataclass(slots=True)
class Prepared:
    """A run that is ready for its first step.

    Attributes:
        data: The data set.
        task: Its task.
        chooser: The recipe, filled but for the machine and the number of epochs, and what was chosen.
        network: Built, weights loaded.
        trained: The part of it that is trained: all of it, or its head.
        info: Its row in the table of networks.
        options: What it was built with.
        weights: What it started from; `None` for fresh weights.
        device: Where it will be trained.
        train: Training pictures, as augmentation wants them.
        looked_at: Training pictures as evaluation sees them; a part of them where there are many.
        validation: Validation pictures; `None` without such a split.
        problems: Pictures that could not be read.
    """

    data: Dataset
    task: Task
    chooser: Chooser
    network: nn.Module
    trained: nn.Module
    info: NetworkInfo
    options: NetworkOptions
    weights: WeightsUsed | None
    device: torch.device
    train: SplitPixels
    looked_at: SplitPixels
    validation: SplitPixels | None
    problems: list[Problem] = field(default_factory=list)

    @property
    def recipe(self) -> Recipe:
        """The recipe as filled so far."""
        return self.chooser.recipe

    def whole_state(self, trained: nn.Module) -> dict[str, Tensor]:
        """State dict of the whole network with the given trained part in its place."""
        if self.trained is self.network:
            return dict(trained.state_dict())
        head = {id(own): other for own, other in zip(self.trained.parameters(), trained.parameters(), strict=True)}
        whole = self.network.state_dict(keep_vars=True)
        return {name: head.get(id(tensor), tensor).detach() for name, tensor in whole.items()}


def prepare_run(
    data: Dataset, recipe: Recipe, progress: Progress, *, fresh: bool = True, light: bool = False
) -> Prepared:
    """Fills the recipe from the data, builds the network and reads the pixels.

    Args:
        data: The data set.
        recipe: As the user gave it, or filled.
        progress: Told what goes on.
        fresh: Load pretrained weights; a resumed run has its own.
        light: Choose a light network, where the choice is ours.

    Raises:
        DataError: Nothing can be learned here.
        UnknownNameError: No such network or task.
    """
    device = choose_device(recipe.machine.device)
    chooser = Chooser(recipe)
    task = TASKS.get(data.task)
    _refuse_hopeless(data)
    choose_for_scans(chooser, data, progress.say)
    objects: ObjectFacts | None = None
    if task.spatial:
        learned = data["train"]
        sizes_hw = [size_of(sample) for sample in learned]
        objects = task.object_facts(learned, data.classes, sizes_hw)
        choose_for_places(chooser, data, objects)
    choose_input(chooser, data, device, light=light)
    choose_augmentation(chooser, data)
    choose_cache(chooser, data)
    choose_for_head(chooser, data, task, objects)
    info, options, network, weights = _build(chooser, data, load=fresh)
    if fresh:
        progress.say(_weights_line(info, weights))
    problems: list[Problem] = []
    train = read_split(data, "train", chooser.recipe, task, progress, problems, roomy=True)
    looked_at = _looked_at(data, train, chooser.recipe, task, progress)
    validation = None
    if data.splits.get("validation"):
        validation = read_split(data, "validation", chooser.recipe, task, progress, problems)
    _fill_scale(chooser, data, train.store, weights)
    pretrained = weights is not None and weights.name != "none"
    imbalance = class_imbalance(task.class_counts(train.targets[train.usable], data.classes))
    if task.spatial:
        choose_spatial_optimisation(
            chooser,
            few_classes=task.counts_overlap and len(data.classes) <= FEW_CLASSES,
            pretrained=pretrained,
            pictures=len(train.usable),
            imbalance=imbalance,
        )
    choose_optimisation(chooser, network, pretrained=pretrained, pictures=len(train.usable), imbalance=imbalance)
    return Prepared(
        data, task, chooser, network, network, info, options, weights, device, train, looked_at, validation, problems
    )


def read_split(
    data: Dataset,
    split: str,
    recipe: Recipe,
    task: Task,
    progress: Progress,
    problems: list[Problem],
    *,
    roomy: bool = False,
) -> SplitPixels:
    """Reads the pixels of one split as the recipe says.

    Args:
        data: The data set.
        split: Name of the split.
        recipe: Size, fit and channels must be filled.
        task: Gives the targets.
        progress: Told how far reading has come.
        problems: Gets what could not be read.
        roomy: Keep pictures a little larger than the network's input, for random crops to cut from.
    """
    samples = data[split]
    choice = choice_of(recipe, data)
    preparation = Preparation.of(recipe.input, choice)
    if roomy and (recipe.augmentation.crop_area or 1.0) < 1.0:
        height, width = preparation.size_hw
        preparation = replace(preparation, size_hw=(round(height * 8 / 7), round(width * 8 / 7)))
    frames = Frames.single(len(samples))
    if task.spatial:
        frames = preparation.frames(map(size_of, samples))
    store, found = store_pixels(
        samples,
        preparation,
        dtype=choice.dtype(stored_dtype(data, recipe)),
        cache=recipe.data.cache or "memory",
        frames=frames,
        progress=lambda done, total: progress.part(f"reading {split} pictures", done, total),
    )
    problems.extend(found)
    unreadable = {problem.path for problem in found}
    usable = np.array([index for index, sample in enumerate(samples) if sample.name not in unreadable], dtype=np.int64)
    if len(usable) == 0:
        first = f" The first: {found[0].detail}" if found else ""
        raise DataError(
            f"no picture of the {split} split can be read.{first}", where=data.root, fix="See `striate look`."
        )
    targets = task.targets(samples, data.classes)
    shown = [samples[picture] for picture in frames.pictures.tolist()]
    return SplitPixels(store, usable, targets, task.build_truth(shown, targets, frames.placements), samples, frames)


def size_of(sample: Sample) -> tuple[int, int]:
    """Height and width of a picture, in pixels; read where nobody looked at it yet."""
    return sample.size_hw or sample.read().size_hw


def _build(
    chooser: Chooser, data: Dataset, *, load: bool
) -> tuple[NetworkInfo, NetworkOptions, nn.Module, WeightsUsed | None]:
    recipe = chooser.recipe
    info = resolve_network(str(recipe.network.name))
    options = NetworkOptions(
        classes=len(data.classes),
        channels=choice_of(recipe, data).count,
        size_hw=recipe.input.size_hw or data.median_size_hw,
        activation=recipe.network.activation,
        pooling=recipe.network.pooling,
        stem=recipe.network.stem,
        dropout=recipe.network.dropout,
        head=recipe.network.head,
        object_sides=recipe.network.object_sides,
    )
    torch.manual_seed(recipe.optimisation.seed)
    backbone = build_network(info.name, options)
    weights = load_weights(backbone, info, recipe.network.weights or "auto", options) if load else None
    return info, options, TASKS.get(data.task).finish_network(backbone, options), weights


def _looked_at(data: Dataset, train: SplitPixels, recipe: Recipe, task: Task, progress: Progress) -> SplitPixels:
    """A part of the training pictures, evenly spread, as evaluation sees them."""
    fewest = FEWEST_LOOKED_AT_WITH_PLACES if task.spatial else FEWEST_LOOKED_AT
    count = min(len(train.usable), max(fewest, min(MOST_LOOKED_AT, len(data.splits.get("validation", ())))))
    picks = train.usable[evenly(len(train.usable), count)]
    if train.store.shape[1:] == recipe.input.size_hw:
        return replace(train, usable=picks)
    samples = tuple(data["train"][index] for index in picks)
    part = replace(data, splits={"train": samples})
    in_memory = recipe.model_copy(update={"data": recipe.data.model_copy(update={"cache": "memory"})})
    return read_split(part, "train", in_memory, task, progress, [])


def _fill_scale(chooser: Chooser, data: Dataset, store: PixelStore, weights: WeightsUsed | None) -> None:
    choice = choice_of(chooser.recipe, data)
    if choice.converts:
        chooser.fill("input.scale", 1.0, f"{choice.space} comes in 0..1")
    if parse_window(chooser.recipe.input.window) is not None:
        chooser.fill("input.scale", 1.0, "the window gives values from 0 to 1")
    scale = {8: 255.0, 16: 65535.0}.get(data.bit_depth)
    if scale != 255.0 and isinstance(store, ArrayStore):
        # 12 bits in a 16-bit file, or floats of any range: the data itself says what full scale is.
        sample = store.array[evenly(len(store), 64)]
        scale = max(float(np.quantile(np.abs(sample.astype(np.float64)), 0.999)), 1e-6)
    why = f"{data.bit_depth}-bit pictures" if scale == 255.0 else "999 of 1000 values of the training split lie below"
    chooser.fill("input.scale", scale or 1.0, why)
    normalisation = None if weights is None else weights.normalisation
    # Means of photographs say nothing about infrared or hue.
    photographic = choice.names in (natural_channel_names(1), natural_channel_names(3))
    if normalisation is not None and photographic:
        chooser.fill("input.mean", normalisation.mean, "what the pretrained weights were made with")
        chooser.fill("input.std", normalisation.std, "what the pretrained weights were made with")
        return
    mean, std = channel_statistics(store, float(chooser.recipe.input.scale or 1.0))
    chooser.fill("input.mean", mean, "mean of the training split")
    chooser.fill("input.std", std, "standard deviation of the training split")


def stored_dtype(data: Dataset, recipe: Recipe) -> np.dtype[np.generic]:
    """Type that prepared pixels are kept in: that of most pictures; signed 16 bits and windows become float32."""
    if parse_window(recipe.input.window) is not None:
        return np.dtype(np.float32)
    return np.dtype({8: np.uint8, 16: np.uint16}.get(data.bit_depth, np.float32))


def _refuse_hopeless(data: Dataset) -> None:
    if not data.splits.get("train"):
        raise DataError(
            "there are no training pictures.", where=data.root, fix="Put pictures into a folder named train."
        )
    if len(data.classes) < 2 and data.task == "classification":
        raise DataError(
            f"there is one class only ({', '.join(data.classes)}); nothing can be told apart.",
            where=data.root,
            fix="Add a second class, each in a folder of its own.",
        )


def _weights_line(info: NetworkInfo, weights: WeightsUsed | None) -> str:
    if weights is None or weights.name == "none":
        why = "" if weights is None else weights.note.removeprefix("fresh weights: ").rstrip(".")
        return f"{info.name}, fresh weights" + (f": {why}" if why else "")
    return f"{info.name}, weights {weights.name} ({weights.source})"
