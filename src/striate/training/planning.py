"""Measures the machine on the real network and pictures, and fits the number of epochs to the time allowed."""

from __future__ import annotations

import math
import time

import numpy as np
import numpy.typing as npt
from torch import nn

from striate.data.batches import Batch, TrainingBatches, in_order
from striate.evaluation.scoring import measure_batches
from striate.training.building import build_work
from striate.training.defaults import LEAST_HALVED, USUAL_SMALL
from striate.training.defaults import most_epochs as sensible_epochs
from striate.training.distribution import World, share_object
from striate.training.loop import batch_loss
from striate.training.machine import (
    Setting,
    Trial,
    apply_setting,
    measure_settings,
    settings_to_try,
)
from striate.training.preparation import Prepared
from striate.training.progress import Progress
from striate.training.schedule import Clock, epochs_that_fit, reserve_s
from striate.training.session import evaluate_every

FEWEST_EPOCHS = 8
"""Fewer evaluations than this give the verdict no slope to judge."""


ANSWERED = 4
"""Pictures by which it is measured how long answering takes."""

FEWEST_STEPS = 100
"""Fewer steps teach a fresh network little: 80 steps of a ResNet-20 came to 95 % on scanned digits, 40 to chance."""


def measure_step(prepared: Prepared, progress: Progress, world: World) -> Trial:
    """The fastest way to take a step here, and how long it takes; fills the machine settings of the recipe."""
    trial: Trial = share_object(
        _choose_setting(prepared, prepared.recipe.optimisation.batch_size or 32, progress), world
    )
    prepared.recipe.machine = apply_setting(trial.setting, prepared.recipe.machine, prepared.device)
    return trial


def is_too_heavy(prepared: Prepared, trial: Trial, clock: Clock, world: World) -> bool:
    """Whether too few steps of a fresh network fit into the time allowed, and a lighter choice could be made."""
    chosen = {choice.field: choice.value for choice in prepared.chooser.choices}
    fresh = prepared.weights is None or prepared.weights.name == "none"
    could = chosen.get("network.name") == USUAL_SMALL or min(chosen.get("input.size_hw", (0,))) >= 2 * LEAST_HALVED
    if not (could and fresh) or prepared.task.spatial or prepared.chooser.asked_epochs is not None:
        return False
    left_s = clock.left_s(reserve_s(prepared.recipe.optimisation.minutes, _evaluation_s(prepared, trial, world)))
    return bool(share_object(left_s, world) < FEWEST_STEPS * trial.step_s / world.size)


def _evaluation_s(prepared: Prepared, trial: Trial, world: World) -> float:
    """Seconds of an evaluation; a forward pass is about a third of a training step.

    Heads that find objects have more to do when they answer: they look at far more places than they learn from.
    """
    looked_at = len(prepared.looked_at.rows) + (0 if prepared.validation is None else len(prepared.validation.rows))
    picture_s = trial.step_s / (prepared.recipe.optimisation.batch_size or 32) / 3
    if prepared.task.spatial:
        picture_s = max(picture_s, share_object(_answering_s(prepared, trial.setting), world))
    return picture_s * looked_at / world.size


def _answering_s(prepared: Prepared, setting: Setting) -> float:
    """Seconds in which the network, as it is before training, answers one picture; the first few are asked about."""
    split = prepared.validation if prepared.validation is not None else prepared.looked_at

    def answer(rows: npt.NDArray[np.int64]) -> float:
        began = time.monotonic()
        measure_batches(
            prepared.network,
            in_order(split.store, rows, len(rows)),
            prepared.task,
            prepared.recipe.input,
            lambda place: split.view(rows[place], exact=False),
            device=prepared.device,
            precision=setting.precision,
            channels_last=setting.channels_last,
        )
        return (time.monotonic() - began) / len(rows)

    # What is done once, whatever the number of pictures, is done with the first.
    answer(split.rows[:1])
    return answer(split.rows[:ANSWERED])


def plan_run(prepared: Prepared, trial: Trial, clock: Clock, world: World) -> int:
    """Fills what is left of the recipe: epochs and how often to evaluate.

    Returns:
        The most epochs that the clock may plan later on.
    """
    recipe = prepared.recipe
    batch_size = recipe.optimisation.batch_size or 32
    epoch_s = trial.step_s * math.ceil(len(prepared.train.rows) / batch_size) / world.size
    evaluation_s = _evaluation_s(prepared, trial, world)
    frozen = bool(recipe.network.frozen)
    if frozen:
        # The head alone costs next to nothing a step.
        epoch_s, evaluation_s = 0.02 + 1e-3 * len(prepared.train.rows) / batch_size, 0.01
    _fill_epochs(prepared, clock, epoch_s, evaluation_s, world)
    asked_for = prepared.chooser.asked_epochs
    pretrained = prepared.weights is not None and prepared.weights.name != "none"
    most = sensible_epochs(len(prepared.train.rows), pretrained=pretrained, frozen=frozen)
    return asked_for or most * (recipe.optimisation.epochs_per_pass or 1)


def _fill_epochs(prepared: Prepared, clock: Clock, epoch_s: float, evaluation_s: float, world: World) -> None:
    chooser, recipe = prepared.chooser, prepared.recipe
    minutes = recipe.optimisation.minutes
    left_s = share_object(clock.left_s(reserve_s(minutes, evaluation_s)), world)
    parts = 1
    if chooser.asked_epochs is None and math.isfinite(left_s):
        # Where hardly any time is left, an epoch is still worth its evaluation.
        parts = max(1, math.ceil(FEWEST_EPOCHS * epoch_s / max(left_s, FEWEST_EPOCHS * evaluation_s, 1.0)))
    chooser.fill(
        "optimisation.epochs_per_pass",
        parts,
        "a pass fits well"
        if parts == 1
        else f"a pass takes {epoch_s:.0f} s; shorter epochs show the course of learning",
    )
    parts = recipe.optimisation.epochs_per_pass or 1
    part_s = epoch_s / parts
    pretrained = prepared.weights is not None and prepared.weights.name != "none"
    most = sensible_epochs(len(prepared.train.rows), pretrained=pretrained, frozen=bool(recipe.network.frozen))
    every = evaluate_every(evaluation_s, part_s, most)
    epochs = epochs_that_fit(left_s, part_s + evaluation_s / every, most * parts)
    chooser.fill(
        "optimisation.epochs",
        epochs,
        f"what fits at {part_s:.1f} s an epoch and {evaluation_s:.1f} s an evaluation; {most} passes at most"
        if minutes
        else "the usual",
    )
    chooser.fill(
        "optimisation.evaluate_every",
        evaluate_every(evaluation_s, part_s, recipe.optimisation.epochs or epochs),
        "evaluations take little of the time",
    )


def _choose_setting(prepared: Prepared, batch_size: int, progress: Progress) -> Trial:
    recipe = prepared.recipe
    settings = settings_to_try(recipe.machine, prepared.device)
    batches = TrainingBatches(prepared.train.store, prepared.train.rows, batch_size, recipe.optimisation.seed)
    first = next(iter(batches.epoch(0)))

    def step(network: nn.Module, setting: Setting, pictures: int) -> None:
        _trial_step(network, prepared, _part_of(first, pictures), setting)

    asked = prepared.chooser.asked_epochs
    trials = measure_settings(
        step,
        prepared.network,
        settings,
        prepared.device,
        pictures=len(first.indices),
        coming=math.inf if asked is None else asked * len(prepared.train.rows),
    )
    best = trials[0]
    reason = _reason(trials)
    for name, value in (
        ("device", str(prepared.device)),
        ("precision", best.setting.precision),
        ("channels_last", best.setting.channels_last),
        ("threads", best.setting.threads),
        ("compile", best.setting.compile),
    ):
        prepared.chooser.fill(f"machine.{name}", value, reason)
    progress.say(f"machine: {prepared.device.type}, {best.setting} ({reason})")
    return best


def _part_of(batch: Batch, count: int) -> Batch:
    return Batch(batch.indices[:count], batch.pixels[:count], batch.step, slice(0, count), count)


def _trial_step(network: nn.Module, prepared: Prepared, batch: Batch, setting: Setting) -> None:
    batches = TrainingBatches(prepared.train.store, prepared.train.rows, len(batch.indices), 0)
    work = build_work(prepared, batches, setting, World())
    batch_loss(network, work, batch).backward()  # type: ignore[no-untyped-call]
    for weight in network.parameters():
        weight.grad = None


def _reason(trials: list[Trial]) -> str:
    if len(trials) == 1:
        return "as asked for"
    plain = [trial.step_s for trial in trials if trial.setting.is_plain]
    gain = f", {min(plain) / trials[0].step_s:.1f} times plain PyTorch" if plain else ""
    return f"fastest of {len(trials)} measured{gain}"
