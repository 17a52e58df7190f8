"""What is chosen differently where the answer says where something is."""

from __future__ import annotations

import numpy as np

from striate.data import Dataset
from striate.errors import RecipeError
from striate.training.defaults import Chooser, are_photographs

LARGEST_AREA = 320 * 320
"""Pixels of the network's input, at most: beyond it a laptop learns too few pictures in the time people give."""

MULTIPLE = 32
"""Sides are multiples of the coarsest usual stride, so that every map halves evenly."""

BATCH = 8


def choose_for_places(chooser: Chooser, data: Dataset) -> None:
    """Input and augmentation, before `choose_input` and `choose_augmentation` fill the rest.

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
    chooser.fill("input.size_hw", input_size(data.median_size_hw), f"the median picture is {_words(data)}")
    shapes = {round(width / height, 1) for height, width in data.sizes_hw}
    chooser.fill(
        "input.fit",
        "squash" if len(shapes) <= 1 else "pad",
        "shapes are alike" if len(shapes) <= 1 else "nothing is squeezed out of shape, nothing is cut off",
    )
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


def choose_spatial_optimisation(chooser: Chooser, *, pretrained: bool, pictures: int, imbalance: float) -> None:
    """Batch, rates and regularisation, before `choose_optimisation` fills the rest.

    Args:
        chooser: Gets the choices.
        pretrained: Whether the backbone comes with weights.
        pictures: Number of training pictures.
        imbalance: Pixels or objects of the commonest class for one of the rarest.
    """
    chooser.fill("optimisation.batch_size", min(BATCH, max(2, pictures // 8)), "each picture has thousands of places")
    size = chooser.recipe.optimisation.batch_size or BATCH
    if chooser.recipe.optimisation.optimizer in (None, "adamw"):
        chooser.fill(
            "optimisation.learning_rate", float(f"{1e-3 * (size / BATCH) ** 0.5:.3g}"), "the usual one for a fresh head"
        )
    chooser.fill(
        "optimisation.backbone_rate",
        0.3 if pretrained else 1.0,
        "pretrained layers need small changes" if pretrained else "all layers start fresh",
    )
    chooser.fill(
        "optimisation.class_balance", imbalance > 20, f"the commonest class takes {imbalance:,.0f} times the rarest one"
    )
    chooser.fill("optimisation.label_smoothing", 0.0, "borders are uncertain enough")
    chooser.fill("optimisation.ema", 0.99, "an average of weights is steadier than the last")


def input_size(size_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the network's input: the picture's shape, not enlarged, multiples of 32."""
    height, width = size_hw
    ratio = min(1.0, (LARGEST_AREA / (height * width)) ** 0.5)
    sides = (int(np.clip(round(side * ratio / MULTIPLE), 1, None)) * MULTIPLE for side in (height, width))
    return next(sides), next(sides)


def _words(data: Dataset) -> str:
    return f"{data.median_size_hw[0]} x {data.median_size_hw[1]} pixels"
