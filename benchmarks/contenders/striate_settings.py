"""Striate's training steps under every setting by hand, and the setting that Striate chooses itself.

The variant "eager" times plain fp32 steps alone, in a process whose allocator was left as it is, and "chosen" what
Striate chooses alone; "compile" adds one compiled setting to the list.
"""

from __future__ import annotations

import copy
import os
import tempfile
import time
from dataclasses import dataclass, replace
from itertools import product
from statistics import median
from typing import Any

import torch
from protocol import Work, serve
from striate_training import build_recipe

from striate import __version__
from striate.data import open_dataset
from striate.data.batches import Batch
from striate.training.building import build_trainee
from striate.training.distribution import World
from striate.training.loop import Trainee, train_step
from striate.training.loop import Work as LoopWork
from striate.training.machine import Setting, apply_setting, processor_threads, setting_of, tune_allocator
from striate.training.planning import measure_step
from striate.training.preparation import Prepared, prepare_run
from striate.training.progress import Silent

TURN_S = 0.4
"""A turn has as many steps as take about this long, and at least one."""

TURNS = 5
HOPELESS = 1.4
"""Settings that take this many times the best one's time get one turn only."""

LOST = 10.0
"""Settings whose first step takes this many times the fastest first one get no turn: bf16 without its instructions."""

_prepared: list[Prepared] = []


@dataclass(slots=True)
class StepTimes:
    """Seconds of one step under each setting.

    Attributes:
        step_s: By the setting in words.
        chosen: The setting that Striate chose.
        choice_s: Seconds that the choice took.
        compile_s: Seconds that compiling took; 0 where nothing was compiled.
    """

    step_s: dict[str, float]
    chosen: str = ""
    choice_s: float = 0.0
    compile_s: float = 0.0

    def as_dict(self, _target: float, /) -> dict[str, Any]:
        """Plain data."""
        return {"step_s": self.step_s, "chosen": self.chosen, "choice_s": self.choice_s, "compile_s": self.compile_s}


class Steps:
    """Training steps of Striate's own loop, on one batch, under one setting."""

    def __init__(self, prepared: Prepared, setting: Setting) -> None:
        network = copy.deepcopy(prepared.network)
        own = replace(prepared, network=network, trained=network, chooser=copy.deepcopy(prepared.chooser))
        own.recipe.machine = apply_setting(setting, own.recipe.machine, own.device)
        own.recipe.optimisation.epochs = 10**6
        self.setting = setting
        self.trainee: Trainee
        self.work: LoopWork
        self.trainee, self.work = build_trainee(own, World(), lambda: False)
        self.batch: Batch = next(iter(self.work.batches.epoch(0)))
        self.warming_s = 0.0
        self.times: list[float] = []

    def take(self, count: int) -> float:
        """Seconds a step takes, over `count` steps."""
        torch.set_num_threads(self.setting.threads)
        began = time.perf_counter()
        for _ in range(count):
            train_step(self.trainee, self.work, self.batch)
        return (time.perf_counter() - began) / count


def settings_by_hand(variant: str) -> list[Setting]:
    """Every combination; of compiled ones the fastest that was ever found for small networks."""
    cores = processor_threads()
    if variant == "eager":
        return [Setting("fp32", False, cores)]
    threads = [cores] if cores == 1 else [cores, 1]
    settings = [Setting(*each) for each in product(("fp32", "bf16"), (False, True), threads)]
    return [*settings, Setting("fp32", True, cores, True)] if variant == "compile" else settings


def prepare(work: Work) -> None:
    """Reads the pictures once; the allocator is tuned as `striate train` does."""
    if work.variant != "eager":
        tune_allocator()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STRIATE_CACHE"] = folder
        _prepared.append(prepare_run(open_dataset(work.data), build_recipe(work), Silent()))


def choose(prepared: Prepared) -> tuple[Setting, float]:
    """The setting that `striate train` would take, and the seconds of choosing."""
    own = replace(prepared, chooser=copy.deepcopy(prepared.chooser))
    began = time.perf_counter()
    measure_step(own, Silent(), World())
    return setting_of(own.recipe.machine), time.perf_counter() - began


def run(work: Work) -> StepTimes:
    """Chooses, then times all settings in turn."""
    prepared = _prepared[0]
    chosen, choice_s = choose(prepared) if work.variant != "eager" else (None, 0.0)
    settings = [chosen] if chosen is not None and work.variant == "chosen" else settings_by_hand(work.variant)
    entries = [Steps(prepared, setting) for setting in settings]
    with tempfile.TemporaryDirectory() as folder:
        # What an earlier run compiled would be found again otherwise.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        for entry in entries:
            entry.warming_s = entry.take(1)
    compile_s = sum(entry.warming_s for entry in entries if entry.setting.compile)
    first_s = min(entry.warming_s for entry in entries)
    for entry in entries:
        if not entry.setting.compile and entry.warming_s > LOST * first_s:
            entry.times.append(entry.warming_s)
    alive = [entry for entry in entries if not entry.times]
    for _ in range(TURNS):
        for entry in alive:
            entry.times.append(entry.take(_steps_in_a_turn(entry)))
        best = min(median(entry.times) for entry in alive)
        alive = [entry for entry in alive if median(entry.times) <= HOPELESS * best]
    times = {str(entry.setting): median(entry.times) for entry in entries}
    return StepTimes(times, str(chosen) if chosen else "", choice_s, compile_s)


def _steps_in_a_turn(entry: Steps) -> int:
    step_s = entry.times[-1] if entry.times else entry.warming_s
    return max(1, min(100, round(TURN_S / step_s)))


if __name__ == "__main__":
    serve("Striate's settings", prepare, run, {"striate": __version__, "torch": torch.__version__})
