"""Striate: from a folder of pictures to a convolutional neural network that you can trust and hand over.

    import striate
    data = striate.open("photos/")
    run = striate.train(data, net="resnet18", minutes=5)
    run.verdict, run.metrics, run.predict("cat.jpg")

Names are imported when they are first used, so `import striate` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from striate.api import Run, compare, deidentify, look, open, train
    from striate.data import Dataset
    from striate.errors import StriateError
    from striate.glossary import explain
    from striate.recipe import Recipe
    from striate.tools.exported import open_model

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "Recipe",
    "Run",
    "StriateError",
    "compare",
    "deidentify",
    "explain",
    "look",
    "open",
    "open_model",
    "train",
]

_HOMES = {
    "Dataset": "striate.data",
    "Recipe": "striate.recipe",
    "Run": "striate.api",
    "StriateError": "striate.errors",
    "compare": "striate.api",
    "deidentify": "striate.api",
    "explain": "striate.glossary",
    "look": "striate.api",
    "open": "striate.api",
    "open_model": "striate.tools.exported",
    "train": "striate.api",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
