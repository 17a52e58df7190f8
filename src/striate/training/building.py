"""Builds what the loop needs from a prepared run."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import torch

from striate.data.augmentation import Augmentation
from striate.data.batches import TrainingBatches
from striate.tasks import LossSettings
from striate.training.distribution import World, share_batch_norms, share_weights
from striate.training.features import fit_head, freeze_backbone
from striate.training.loop import Engine, Trainee, Work
from striate.training.machine import Setting, place, setting_of
from striate.training.optimizer import MovingAverage, build_optimizer
from striate.training.preparation import Prepared
from striate.training.schedule import Plan


def build_trainee(
    prepared: Prepared,
    world: World,
    asked_to_stop: Callable[[], bool],
    *,
    fresh: bool = True,
    engine: Engine | None = None,
) -> tuple[Trainee, Work]:
    """The network on its device with optimizer, average and plan, and what the loop works with."""
    recipe = prepared.recipe
    setting = setting_of(recipe.machine)
    device = prepared.device
    place(prepared.network, device, setting.channels_last)
    if recipe.network.head_first and fresh:
        fit_head(prepared)
    share_weights(prepared.network, world)
    if recipe.network.frozen:
        freeze_backbone(prepared)
    average = copy.deepcopy(prepared.trained) if recipe.optimisation.ema else None
    network = share_batch_norms(prepared.trained, world)
    optimizer = build_optimizer(network, recipe.optimisation)
    batches = TrainingBatches(
        prepared.train.store,
        prepared.train.rows,
        recipe.optimisation.batch_size or 32,
        recipe.optimisation.seed,
        parts=recipe.optimisation.epochs_per_pass or 1,
        rank=world.rank,
        world_size=world.size,
    )
    trainee = Trainee(
        network,
        optimizer,
        None if average is None else MovingAverage(network, average, float(recipe.optimisation.ema or 0)),
        Plan((recipe.optimisation.epochs or 1) * batches.steps, batches.steps),
    )
    work = build_work(prepared, batches, setting, world)
    forward = work.forward
    if setting.compile:
        compiled = torch.compile(network)
        forward = lambda _, pixels: compiled(pixels)  # noqa: E731 - a named function would say no more
    return trainee, replace(work, forward=forward, asked_to_stop=asked_to_stop, engine=engine or work.engine)


def build_work(prepared: Prepared, batches: TrainingBatches, setting: Setting, world: World) -> Work:
    """What the loop works with."""
    recipe, data = prepared.recipe, prepared.data
    weights = None
    if recipe.optimisation.class_balance:
        usable_targets = prepared.train.targets[prepared.train.usable]
        weights = torch.from_numpy(prepared.task.class_weights(usable_targets, data.classes)).to(prepared.device)
    return Work(
        task=prepared.task,
        recipe=recipe,
        batches=batches,
        truth=prepared.train.truth,
        names=prepared.train.names,
        classes=len(data.classes),
        augmentation=Augmentation(recipe.augmentation, recipe.input.size_hw or (1, 1), recipe.optimisation.seed),
        loss=LossSettings(recipe.optimisation.label_smoothing or 0.0, weights),
        device=prepared.device,
        setting=setting,
        world=world,
    )
