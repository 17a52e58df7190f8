"""What run and contender say to each other. Standard library only: every contender's environment has it.

A contender is a script. Called plainly it does its work once and prints one JSON line on standard output. Called with
`--wait` it warms up, prints {"ready": ...}, and then does its work once for every line it reads on standard input, so
that a run is never measured on a cold process. The line is a JSON object of what differs from the command line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Work:
    """What every contender is asked to do.

    Attributes:
        data: Folder with train/CLASS/PICTURE, and validation or test beside train; for boxes COCO's files, for masks
            images/ and masks/.
        net: Name of the network; "lenet5" and "resnet18" are known to all that classify.
        size: Side of the network's input, in pixels.
        batch: Pictures in one step.
        epochs: Passes over the training pictures.
        rate: Highest learning rate.
        target: Test accuracy to reach, 0..1; 0 measures speed alone.
        workers: Loader processes, for contenders that have them.
        variant: A contender's own alternative.
        seed: First weights, order and augmentation.
    """

    data: Path
    net: str
    size: int
    batch: int
    epochs: int
    rate: float
    target: float
    workers: int
    variant: str
    seed: int


@dataclass(slots=True)
class Timing:
    """What one run took.

    Attributes:
        images: Pictures that went through training steps.
        read_s: Seconds before the first epoch that belong to the data: finding, opening and decoding.
        epoch_s: Seconds of each epoch's training, evaluation left out.
        setup_s: Seconds that are not counted: building, compiling, trial steps.
        accuracies: Test accuracy after each epoch, or after the last one.
        parameters: Trained parameters of the network.
        detail: What was chosen or used.
        cpu_s: Processor time of the process and the loaders that it ended, where it was taken.
    """

    images: int
    read_s: float
    epoch_s: list[float]
    setup_s: float = 0.0
    accuracies: list[float] = field(default_factory=list)
    parameters: int = 0
    detail: str = ""
    cpu_s: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of the whole work, from the first look at the folder to the last step."""
        return self.read_s + sum(self.epoch_s)

    def as_dict(self, target: float) -> dict[str, Any]:
        """Plain data, with the seconds to the target where it was reached."""
        reached = None
        if target and self.accuracies:
            skipped = len(self.epoch_s) - len(self.accuracies)
            for index, accuracy in enumerate(self.accuracies):
                if accuracy >= target:
                    reached = self.read_s + sum(self.epoch_s[: skipped + index + 1])
                    break
        return asdict(self) | {"seconds": self.seconds, "reached_s": reached}


class EpochClock:
    """Stops the time of each epoch; what happens between `stop` and `start` is not counted."""

    def __init__(self) -> None:
        self.epoch_s: list[float] = []
        self._began = 0.0

    def start(self) -> None:
        """An epoch begins."""
        self._began = time.perf_counter()

    def stop(self) -> None:
        """It ends."""
        self.epoch_s.append(time.perf_counter() - self._began)


class Answer(Protocol):
    """What a run gives back."""

    def as_dict(self, target: float, /) -> dict[str, Any]:
        """Plain data."""


def serve(name: str, prepare: Callable[[Work], None], run: Callable[[Work], Answer], versions: dict[str, str]) -> None:
    """Reads the command line and works, once or as often as asked.

    Args:
        name: Name of the contender.
        prepare: Warms the process up.
        run: Does the whole work from the files, with a fresh network.
        versions: Packages and their versions.
    """
    arguments = _parse()
    work = Work(**{name: value for name, value in vars(arguments).items() if name != "wait"})
    answers = _keep_standard_output()
    prepare(work)
    if not arguments.wait:
        _answer(answers, {"contender": name, "versions": versions} | run(work).as_dict(work.target))
        return
    _answer(answers, {"ready": name, "versions": versions})
    for line in sys.stdin:
        _answer(answers, run(replace(work, **json.loads(line))).as_dict(work.target))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="One contender; prints one JSON line.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--net", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--target", type=float, default=0.0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--variant", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wait", action="store_true")
    return parser.parse_args()


def _keep_standard_output() -> int:
    """Keeps standard output for answers: libraries print there, and their lines must not look like one."""
    answers = os.dup(1)
    os.dup2(2, 1)
    return answers


def _answer(descriptor: int, content: dict[str, Any]) -> None:
    os.write(descriptor, (json.dumps(content) + "\n").encode())
