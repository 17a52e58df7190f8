"""Striate through its public `train`, with a listener that notes when each part begins and ends."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import torch
from protocol import Timing, Work, serve

from striate import __version__
from striate.evaluation import EpochRecord
from striate.recipe import Recipe
from striate.training import train


class Stopwatch:
    """A `Progress` that keeps the times, in seconds since the call of `train`.

    What `train` says marks its parts: reading ends with the last picture read, the trial steps of the machine with the
    sentence about the machine, and an epoch's training with the `seconds` of its record, before it is evaluated.
    """

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.read_s = 0.0
        self.trials_s = 0.0
        self.machine = ""
        self.epoch_s: list[float] = []
        self._epoch_began = 0.0

    def now(self) -> float:
        """Seconds since the call."""
        return time.monotonic() - self.began

    def say(self, line: str) -> None:
        """Notes the end of the trial steps and the begin of the first epoch."""
        if line.startswith("machine: "):
            self.machine = line.removeprefix("machine: ").split(" (")[0].removeprefix("cpu, ")
            self.trials_s = self.now() - self.read_s
        elif line.startswith("run folder: "):
            self._epoch_began = self.now()

    def part(self, _what: str, done: int, total: int) -> None:
        """Notes the end of reading."""
        if not self.machine and done == total:
            self.read_s = self.now()

    def epoch(self, record: EpochRecord, *_: object) -> None:
        """Notes an epoch."""
        self.epoch_s.append(record.seconds - self._epoch_began)
        self._epoch_began = self.now()


def common_values(work: Work, epochs: int) -> dict[str, object]:
    """Recipe fields that are the same for all tasks: size, batch, epochs, plain SGD, no augmentation."""
    values: dict[str, object] = {
        "network.name": work.net,
        "network.weights": "none",
        "input.size_hw": [work.size, work.size],
        "optimisation.batch_size": work.batch,
        "optimisation.epochs": epochs,
        "optimisation.learning_rate": work.rate,
        "optimisation.evaluate_every": epochs,
        "optimisation.seed": work.seed,
        "machine.device": "cpu",
        "optimisation.optimizer": "sgd",
        "optimisation.ema": 0.0,
        "optimisation.schedule": "constant",
    }
    moves = dict.fromkeys(("mirror", "flip", "rotate_deg", "shift", "zoom", "erase", "mixup", "cutmix"), 0.0)
    moves |= {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "crop_area": 1.0}
    return values | {f"augmentation.{name}": value for name, value in moves.items()}


def build_recipe(work: Work, epochs: int | None = None) -> Recipe:
    """The same network, batch, augmentation and number of epochs as the others; the rest is left to Striate."""
    values = common_values(work, epochs or work.epochs)
    moves: dict[str, object]
    if work.size == 224:
        moves = {"crop_area": 0.08, "mirror": 0.5}
    elif work.size == 32:
        moves = {"shift": 4 / 32, "mirror": 0.5}
    else:
        moves = {"shift": (1 if work.target else 2) / 28}
    values |= {f"augmentation.{name}": value for name, value in moves.items()}
    if work.target:
        for field in ("optimisation.ema", "optimisation.schedule"):
            del values[field]
        values["optimisation.optimizer"] = "adamw"
    return Recipe().with_values(values)


def prepare(work: Work) -> None:
    """Loads everything that the first use loads late, on a small part of the work."""
    time_training(work, build_recipe(work, epochs=1))


def run(work: Work) -> Timing:
    """Trains from the files into a new run folder, with an empty cache."""
    return time_training(work, build_recipe(work))


def time_training(work: Work, recipe: Recipe) -> Timing:
    """Trains from the files into a new run folder, with an empty cache."""
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STRIATE_CACHE"] = str(Path(folder) / "cache")
        watch.began = time.monotonic()
        finished = train(work.data, recipe, run=Path(folder) / "run", progress=watch, started_s=watch.began)
        parameters, images = finished.facts.parameters, finished.facts.images["train"] * len(watch.epoch_s)
        accuracies = []
        if work.target:
            accuracies = [one.value for one in finished.evaluations["test"].metrics if one.name == "accuracy"]
    # To a target the trial steps are part of the way; to measure speed they are set-up, like a compilation.
    read_s = watch.read_s + (watch.trials_s if work.target else 0.0)
    return Timing(images, read_s, watch.epoch_s, watch.trials_s, accuracies, parameters, watch.machine)


if __name__ == "__main__":
    serve("Striate", prepare, run, {"striate": __version__, "torch": torch.__version__})
