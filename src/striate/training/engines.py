"""Who can make the steps of training, by the name that `--tool` takes."""

from __future__ import annotations

from collections.abc import Callable

from striate.recipe import Recipe
from striate.registry import Registry
from striate.training.loop import Engine, TorchEngine

ENGINES: Registry[Callable[[], Engine]] = Registry("tool that trains", "striate.tools")
"""Engines beside PyTorch; the package with the tools is looked through only where one of them is asked for."""


def engine_of(recipe: Recipe) -> Engine:
    """The engine that a recipe names.

    Raises:
        UnknownNameError: There is none of that name.
    """
    name = recipe.machine.tool
    return TorchEngine() if name == "torch" else ENGINES.get(name)()
