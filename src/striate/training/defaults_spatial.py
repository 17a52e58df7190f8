"""What is chosen differently where the answer says where something is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.data import Dataset
from striate.data.framing import OVERLAP
from striate.errors import RecipeError
from striate.recipe import InputRecipe
from striate.tasks.base import ObjectFacts
from striate.training.defaults import Chooser, are_photographs

LARGEST_AREA = 320 * 320
"""Pixels of the network's input, at most: beyond it a laptop learns too few pictures in the time people give."""

MULTIPLE = 32
"""Sides are multiples of the coarsest usual stride, so that every map halves evenly."""

BATCH = 8

RATE = 2e-3
"""Highest rate of AdamW for a fresh head on a pretrained backbone, half of it where all layers start fresh.

Measured with `WARMUP` beside 1e-3 and 0.15, two seeds each, on made scenes: boxes 62 instead of 36 % mAP50 after four
passes and 90.3 instead of 88.9 % after twelve; objects from masks 64 and 59 %, classes of pixels 31 and 27 % mean IoU
after four; on blood cells 90.8 and 89.6 % after eight. With 0.05 of warm-up boxes came to 25 %.
"""

WARMUP = 0.3

SMALL_OBJECT = 14.0
"""Pixels of the network's input, a side: where a quarter of all objects would be smaller, shrinking costs too much."""

WANTED_OBJECT = 20.0
"""Side that small objects get in tiles, where the pictures have as many pixels for them."""

WORTH_TILES = 1.3
"""Pictures are cut into tiles where that shows small objects this many times as large."""

LEAST_SCALE = 1 / 3
"""Pictures whose pixels have classes are shrunk this far at most; larger ones are cut into tiles."""

MOST_OVERLAP = 0.5

FEW_CLASSES = 4
"""Classes of pixels, background among them, up to which their weights do more harm than good."""


def choose_for_places(chooser: Chooser, data: Dataset, objects: ObjectFacts | None) -> None:
    """Input and augmentation, before `choose_input` and `choose_augmentation` fill the rest.

    Args:
        chooser: Gets the choices.
        data: The data set.
        objects: Sides of the training pictures' objects; `None` where the task knows of none.

    Raises:
        RecipeError: A wish that only answers for whole pictures can have.
    """
    recipe = chooser.recipe
    for field, wished in (
        ("augmentation.mixup", recipe.augmentation.mixup),
        ("augmentation.cutmix", recipe.augmentation.cutmix),
        ("network.frozen", recipe.network.frozen),
        ("network.head_first", recipe.network.head_first),
    ):
        if wished:
            raise RecipeError(
                f"{field} is for answers about whole pictures, and {data.task} says where things are.",
                where=field,
                fix="Leave it out.",
            )
    _choose_framing(chooser, data, objects)
    mirror = 0.5 if are_photographs(data) else 0.0
    chooser.fill("augmentation.mirror", mirror, "a place has no left and right of its own")
    if data.task == "segmentation":
        chooser.fill("augmentation.rotate_deg", 5.0, "small turns keep the meaning")
    else:
        chooser.fill("augmentation.rotate_deg", 0.0, "the box around a turned object is larger than the object")
    chooser.fill("augmentation.zoom", 0.2, "objects appear at several sizes")
    chooser.fill("augmentation.shift", 0.1, "objects appear at several places")
    chooser.fill("augmentation.crop_area", 1.0, "zoom and shift do the same")
    chooser.fill("augmentation.brightness", 0.1, "light varies")
    chooser.fill("augmentation.contrast", 0.15, "light varies")
    chooser.fill("augmentation.erase", 0.0, "what is blanked could not be found")
    chooser.fill("network.frozen", False, "all layers learn")
    chooser.fill("network.head_first", False, "a head of several layers has no closed form")


def choose_spatial_optimisation(
    chooser: Chooser, *, few_classes: bool, pretrained: bool, pictures: int, imbalance: float
) -> None:
    """Batch, rates and regularisation, before `choose_optimisation` fills the rest.

    Args:
        chooser: Gets the choices.
        few_classes: Whether every pixel has one of `FEW_CLASSES` classes at most: nearly every batch shows them all,
            and the loss has a part in which each counts as much.
        pretrained: Whether the backbone comes with weights.
        pictures: Number of training pictures.
        imbalance: Pixels or objects of the commonest class for one of the rarest.
    """
    chooser.fill("optimisation.batch_size", min(BATCH, max(2, pictures // 8)), "each picture has thousands of places")
    size = chooser.recipe.optimisation.batch_size or BATCH
    if chooser.recipe.optimisation.optimizer in (None, "adamw"):
        rate = RATE if pretrained else RATE / 2
        chooser.fill(
            "optimisation.learning_rate", float(f"{rate * (size / BATCH) ** 0.5:.3g}"), "the usual one for a fresh head"
        )
    chooser.fill("optimisation.warmup", WARMUP, "a fresh head's first steps are rough, and a late peak learns more")
    chooser.fill(
        "optimisation.backbone_rate",
        0.3 if pretrained else 1.0,
        "pretrained layers need small changes" if pretrained else "all layers start fresh",
    )
    if few_classes:
        # Measured on hippocampi (three classes) with weights more is found than is there, and mean IoU is two points
        # lower; on made lesions of 0.15 % (two classes) they change nothing; on rooms of a campus, where a batch shows
        # few of many classes, they gain five points.
        chooser.fill("optimisation.class_balance", False, "the Dice part of the loss counts a rare class as much")
    chooser.fill(
        "optimisation.class_balance", imbalance > 20, f"the commonest class takes {imbalance:,.0f} times the rarest one"
    )
    chooser.fill("optimisation.label_smoothing", 0.0, "borders are uncertain enough")
    chooser.fill("optimisation.ema", 0.99, "an average of weights is steadier than the last")


@dataclass(frozen=True, slots=True)
class _Framing:
    """Height and width of a frame, how pictures come into it, and why."""

    size_hw: tuple[int, int]
    fit: str
    scale: float
    why: str


def _choose_framing(chooser: Chooser, data: Dataset, objects: ObjectFacts | None) -> None:
    framing = _framing(data, chooser.recipe.input, objects)
    chooser.fill("input.size_hw", framing.size_hw, f"the median picture is {_words(data)}")
    chooser.fill("input.fit", framing.fit, framing.why)
    chooser.fill("input.tile_scale", float(f"{framing.scale:.4g}"), "the scale at which the pictures are learned")
    overlap, why = OVERLAP, "borders of tiles see too little"
    if objects is not None and len(objects.sides):
        largest = float(np.quantile(objects.sides, 0.95)) * framing.scale
        overlap = float(
            np.clip(1.2 * largest / min(chooser.recipe.input.size_hw or framing.size_hw), 0.1, MOST_OVERLAP)
        )
        why = "most objects on a seam are whole in one of the tiles"
    chooser.fill("input.tile_overlap", round(overlap, 3), why)


def _framing(data: Dataset, asked: InputRecipe, objects: ObjectFacts | None) -> _Framing:
    """Whole pictures, or tiles where these would shrink what is to be found too much."""
    size_hw = asked.size_hw or input_size(data.median_size_hw)
    scale = min(1.0, *(frame / side for frame, side in zip(size_hw, data.median_size_hw, strict=True)))
    # Whoever asked for whole pictures gets them.
    tiles = _tile_scale(size_hw, scale, objects) if asked.fit in (None, "tiles") else None
    if tiles is not None:
        tile_scale, why = tiles
        height, width = (max(1, round(side * tile_scale)) for side in data.median_size_hw)
        return _Framing(asked.size_hw or tile_size((height, width)), "tiles", tile_scale, why)
    shapes = {round(width / height, 1) for height, width in data.sizes_hw}
    if len(shapes) <= 1:
        return _Framing(size_hw, "squash", scale, "shapes are alike")
    return _Framing(size_hw, "pad", scale, "nothing is squeezed out of shape, nothing is cut off")


def _tile_scale(size_hw: tuple[int, int], scale: float, objects: ObjectFacts | None) -> tuple[float, str] | None:
    """Network pixels for one picture pixel in tiles, and why there are tiles; `None` where whole pictures do."""
    if objects is None:
        why = f"whole pictures would be shrunk to {scale:.2g} of their sides"
        return (LEAST_SCALE, why) if scale < LEAST_SCALE else None
    if not len(objects.sides):
        return None
    shrunk = np.array([min(1.0, size_hw[0] / height, size_hw[1] / width) for height, width in objects.sizes_hw])
    seen = float(np.quantile(objects.sides * shrunk[objects.pictures], 0.25))
    own = float(np.quantile(objects.sides, 0.25))
    wanted = min(1.0, WANTED_OBJECT / own)
    if seen >= SMALL_OBJECT or wanted * own <= WORTH_TILES * seen:
        return None
    why = f"in whole pictures a quarter of all objects would measure {seen:.0f} pixels or less, here {wanted * own:.0f}"
    return wanted, why


def tile_size(scaled_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of tiles for pictures of this size: no larger than these, and not too large to be learned."""
    most = LARGEST_AREA**0.5
    height, width = (int(np.clip(round(min(side, most) / MULTIPLE), 1, None)) * MULTIPLE for side in scaled_hw)
    return height, width


def input_size(size_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the network's input: the picture's shape, not enlarged, multiples of 32."""
    height, width = size_hw
    ratio = min(1.0, (LARGEST_AREA / (height * width)) ** 0.5)
    sides = (int(np.clip(round(side * ratio / MULTIPLE), 1, None)) * MULTIPLE for side in (height, width))
    return next(sides), next(sides)


def _words(data: Dataset) -> str:
    return f"{data.median_size_hw[0]} x {data.median_size_hw[1]} pixels"
