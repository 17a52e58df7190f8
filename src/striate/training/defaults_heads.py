"""What the head on a network's maps needs to know of the data."""

from __future__ import annotations

import math

import numpy as np

from striate.data import Dataset
from striate.data.framing import Preparation
from striate.errors import RecipeError
from striate.images import choose_channels
from striate.networks.heads import find_head
from striate.tasks import Task
from striate.tasks.base import ObjectFacts
from striate.training.defaults import Chooser

QUANTILES = (0.1, 0.5, 0.9)


def choose_for_head(chooser: Chooser, data: Dataset, task: Task, objects: ObjectFacts | None) -> None:
    """The head, and sizes of objects where it has anchors; between choosing the input and building the network.

    Args:
        chooser: Gets the choices.
        data: The data set.
        task: Its task.
        objects: Sides of the training pictures' objects; `None` where the task knows of none.

    Raises:
        UnknownNameError: No such head for this task.
        RecipeError: Weights of classes for a head that has none.
    """
    if not task.default_head:
        return
    recipe = chooser.recipe
    chooser.fill("network.head", *task.suitable_head(objects))
    info = find_head(str(recipe.network.head), task.name)
    if not info.weighs_classes:
        if recipe.optimisation.class_balance:
            raise RecipeError(
                f"the loss of the head {info.name} cannot weigh classes.",
                where="optimisation.class_balance",
                fix=f"Leave it out, or use --set network.head={task.default_head}.",
            )
        chooser.fill("optimisation.class_balance", False, f"the loss of {info.name} cannot weigh classes")
    if info.needs_sides and objects is not None and len(objects.sides):
        sides = sides_in_frame(chooser, data, objects)
        chooser.fill("network.object_sides", sides, "one in ten objects is smaller, half are, nine in ten are")


def sides_in_frame(chooser: Chooser, data: Dataset, objects: ObjectFacts) -> tuple[float, ...]:
    """Sides of small, middling and large training objects in pixels of the network's input.

    Args:
        chooser: Its recipe says how pictures come into the frame.
        data: The data set.
        objects: Sides of the training pictures' objects, at least one.
    """
    recipe = chooser.recipe
    preparation = Preparation.of(recipe.input, choose_channels(recipe.data.channels, data.channel_names))
    scales = {
        size_hw: math.sqrt(math.prod(preparation.place(size_hw)[0].scale_yx)) for size_hw in set(objects.sizes_hw)
    }
    sides = objects.sides * np.array([scales[objects.sizes_hw[picture]] for picture in objects.pictures.tolist()])
    return tuple(round(float(side), 1) for side in np.quantile(sides, QUANTILES))
