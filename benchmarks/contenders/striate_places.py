"""Striate's training for boxes and masks, through its public `train`: the head is the task's own."""

from __future__ import annotations

import torch
from protocol import Timing, Work, serve
from striate_training import common_values, time_training

from striate import __version__
from striate.recipe import Recipe


def build_recipe(work: Work, epochs: int) -> Recipe:
    """The same pictures, size, batch, augmentation and number of epochs as the others; the rest is left to Striate."""
    return Recipe().with_values(common_values(work, epochs) | {"augmentation.mirror": 0.5, "optimisation.clip": 1.0})


def prepare(work: Work) -> None:
    """Loads everything that the first use loads late."""
    time_training(work, build_recipe(work, 1))


def run(work: Work) -> Timing:
    """Trains from the files into a new run folder, with an empty cache."""
    return time_training(work, build_recipe(work, work.epochs))


if __name__ == "__main__":
    serve("Striate", prepare, run, {"striate": __version__, "torch": torch.__version__})
