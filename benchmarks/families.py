"""Every family of networks as backbone for every task: one epoch on made digits, and whether the loss falls."""

from __future__ import annotations

import copy
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.tables import write_table
from striate.data import Dataset, open_dataset
from striate.data.batches import Batch
from striate.data.synthetic import MakeOptions, make_data
from striate.networks.heads import HEADS
from striate.recipe import Recipe
from striate.tasks import TASKS
from striate.training.building import build_trainee
from striate.training.distribution import World
from striate.training.loop import Trainee, Work, batch_loss, train_step
from striate.training.machine import Setting, apply_setting, processor_threads, seed_device
from striate.training.preparation import prepare_run
from striate.training.progress import Silent

FAMILIES = ("lenet5", "alexnet", "vgg11_bn", "googlenet", "resnet18")
LEVELS = ("classification", "detection", "segmentation", "instances")
BATCH = 8
PICTURES, QUICK_PICTURES = 96, 48
"""Pictures that are made for each task; 70 % of them are trained on."""

LARGER = {"classification": 10}
"""So many times as many pictures for a task: with one answer a picture, forty steps teach VGG nothing and eighty do."""

SIZE = 64
"""Side of the networks' input, in pixels."""

HELD = 6
"""Batches on which the loss is measured before and after the epoch."""


@dataclass(frozen=True, slots=True)
class Course:
    """What one epoch did.

    Attributes:
        before: Loss of `HELD` batches of training pictures with the first weights.
        after: Loss of the same batches after the epoch; pictures, order and augmentation are the same.
        head: What stands on the network; empty for classification.
    """

    before: float
    after: float
    head: str

    @property
    def falls(self) -> bool:
        """Whether the loss fell."""
        return self.after < self.before


def measure_families(quick: bool) -> dict[str, Any]:
    """Trains every family for every task, one after another."""
    rows: dict[str, dict[str, Course]] = {net: {} for net in FAMILIES}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STRIATE_CACHE"] = str(Path(folder) / "cache")
        for task in LEVELS:
            pictures = (QUICK_PICTURES if quick else PICTURES) * LARGER.get(task, 1)
            options = MakeOptions(images=pictures, task=task)
            data = open_dataset(make_data("digits", Path(folder) / task, options))
            for net in FAMILIES:
                course = rows[net][task] = train_epoch(data, net)
                print(f"  {task}, {net}: {course.before:.3g} > {course.after:.3g}", file=sys.stderr, flush=True)
    courses = [course for row in rows.values() for course in row.values()]
    return {
        "pictures": QUICK_PICTURES if quick else PICTURES,
        "rows": {net: {task: _as_dict(course) for task, course in row.items()} for net, row in rows.items()},
        "fail": [f"{net}, {task}" for net, row in rows.items() for task, course in row.items() if not course.falls],
        "falling": sum(course.falls for course in courses),
    }


def build_recipe(net: str) -> Recipe:
    """Fresh weights and one epoch; head, loss, augmentation and optimizer are Striate's own choice."""
    return Recipe().with_values(
        {
            "network.name": net,
            "network.weights": "none",
            "input.size_hw": [SIZE, SIZE],
            "optimisation.batch_size": BATCH,
            "optimisation.epochs": 1,
            "optimisation.ema": 0.0,
            "machine.device": "cpu",
        }
    )


def train_epoch(data: Dataset, net: str) -> Course:
    """One epoch of Striate's own training steps."""
    prepared = prepare_run(data, build_recipe(net), Silent())
    setting = Setting("fp32", True, processor_threads())
    prepared.recipe.machine = apply_setting(setting, prepared.recipe.machine, prepared.device)
    torch.manual_seed(0)
    trainee, work = build_trainee(prepared, World(), lambda: False)
    batches = list(work.batches.epoch(0))
    held = batches[:HELD]
    before = _measure(trainee, work, held)
    for batch in batches:
        train_step(trainee, work, batch)
    head = prepared.recipe.network.head if TASKS.get(data.task).spatial else None
    return Course(before, _measure(trainee, work, held), str(head or ""))


@torch.no_grad()
def _measure(trainee: Trainee, work: Work, held: list[Batch]) -> float:
    """Mean loss as in training; on a copy, since batch normalisation counts what it sees."""
    network = copy.deepcopy(trainee.network)
    return sum(_loss(network, work, batch) for batch in held) / len(held)


def _loss(network: torch.nn.Module, work: Work, batch: Batch) -> float:
    # The same units drop out before and after.
    seed_device(work.device, 0)
    return float(batch_loss(network, work, batch))


def _as_dict(course: Course) -> dict[str, Any]:
    return {"before": course.before, "after": course.after, "falls": course.falls, "head": course.head}


def _heads(result: dict[str, Any]) -> Iterator[str]:
    for task in LEVELS[1:]:
        name = result["rows"][FAMILIES[0]][task]["head"]
        yield f"{task} by the head `{name}`" if name in HEADS else task


def write_families(result: dict[str, Any]) -> str:
    """The table: loss before and after the epoch."""
    cells = []
    for net, row in result["rows"].items():
        words = [f"{row[task]['before']:.3g} > {row[task]['after']:.3g}{_mark(row[task])}" for task in LEVELS]
        cells.append([net, *words])
    notes = [
        f"{result['pictures']} scenes of digits for each task, {LARGER['classification']} times as many single digits, "
        f"{SIZE} x {SIZE} pixels, fresh weights,",
        f"batches of {BATCH}; {', '.join(_heads(result))}. Loss of the same {HELD * BATCH} training pictures",
        f"before and after the epoch. It falls in {result['falling']} of {len(FAMILIES) * len(LEVELS)}.",
    ]
    if result["fail"]:
        notes.append(f"IT DOES NOT FALL: {'; '.join(result['fail'])}.")
    return write_table("Every family for every task: loss over one epoch", ["", *LEVELS], cells, notes)


def _mark(course: dict[str, Any]) -> str:
    return "" if course["falls"] else " !"
