"""The training loop: steps, evaluations, checkpoints, until the plan is done."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from striate.data.augmentation import Augmentation, Mixing
from striate.data.batches import Batch, TrainingBatches, step_seed
from striate.data.pixels import normalise
from striate.errors import TrainingError
from striate.evaluation import EpochRecord
from striate.networks.spatial import backbone_of
from striate.recipe import Recipe
from striate.tasks import LossSettings, Task
from striate.tasks.truth import TruthStore
from striate.training.distribution import World, sum_gradients, sum_numbers
from striate.training.machine import Setting, computing, seed_device, to_device
from striate.training.optimizer import MovingAverage, Optimizer, set_rate
from striate.training.schedule import Plan, rate_factor


@dataclass(slots=True)
class Trainee:
    """What changes while training: the content of a checkpoint.

    Attributes:
        network: In training.
        optimizer: Its optimizer.
        average: Moving average of the weights, or `None`.
        plan: Steps done and planned.
        history: Epochs so far.
        batch_losses: Losses of the batches of an epoch that is not finished, its evaluation counted in.
        rate: Learning rate of the latest step.
        best: Best validation headline so far.
        best_epoch: Its epoch.
        stopping: Whether some process was asked to stop.
    """

    network: nn.Module
    optimizer: Optimizer
    average: MovingAverage | None
    plan: Plan
    history: list[EpochRecord] = field(default_factory=list)
    batch_losses: list[float] = field(default_factory=list)
    rate: float = 0.0
    best: float = -math.inf
    best_epoch: int = 0
    stopping: bool = False

    @property
    def at_epoch_end(self) -> bool:
        """Whether the steps of an epoch are made, and it is not finished yet."""
        whole = self.plan.is_done or self.plan.step % self.plan.steps_per_epoch == 0
        return whole and bool(self.batch_losses)

    @property
    def answering(self) -> nn.Module:
        """The network to evaluate and keep: the average where there is one."""
        return self.network if self.average is None else self.average.average


class Engine(ABC):
    """What makes the steps of training."""

    def fill(self, recipe: Recipe) -> Recipe:
        """A recipe with what this engine cannot do turned off where nobody asked for it.

        Raises:
            RequestError: Somebody asked for it, or something that the engine needs is missing.
        """
        return recipe

    def begin(self, trainee: Trainee, work: Work) -> None:
        """Called once, before the first step of a session; the trainee is as the checkpoint left it.

        Raises:
            RequestError: It cannot train this.
        """
        del trainee, work

    @abstractmethod
    def step(self, trainee: Trainee, work: Work, batch: Batch) -> float:
        """One step at the rates that the optimizer's groups hold.

        Returns:
            The loss of the whole batch.

        Raises:
            TrainingError: The loss is not finite.
        """

    def sync(self, trainee: Trainee) -> None:
        """Brings the trainee's network, optimizer and average up to date, where the steps are made elsewhere."""
        del trainee


class TorchEngine(Engine):
    """PyTorch, in this process and the others of its world."""

    def step(self, trainee: Trainee, work: Work, batch: Batch) -> float:
        """Forward, backward, sum over processes, update."""
        # Dropout draws from the device's generator: seeded by the step, it needs no place in the checkpoint.
        seed_device(work.device, step_seed(work.recipe.optimisation.seed, f"dropout {work.world.rank}", batch.step))
        loss = batch_loss(trainee.network, work, batch)
        share = len(batch.indices) / batch.whole
        trainee.optimizer.forget_gradients()
        (loss * share).backward()  # type: ignore[no-untyped-call]
        weights = list(trainee.optimizer.weights())
        sum_gradients(weights, work.world)
        # The wish to stop travels with the loss, so that all processes stop after the same step.
        whole_loss, stops = sum_numbers([float(loss.detach()) * share, work.asked_to_stop()], work.world, work.device)
        trainee.stopping = stops > 0
        check_finite(whole_loss, work, batch)
        if work.recipe.optimisation.clip:
            torch.nn.utils.clip_grad_norm_(weights, work.recipe.optimisation.clip)
        trainee.optimizer.step()
        if trainee.average is not None:
            trainee.average.update(trainee.plan.step)
        return whole_loss


@dataclass(frozen=True, slots=True)
class Work:
    """What stays the same while training.

    Attributes:
        task: The task.
        recipe: Filled.
        batches: Training batches.
        truth: Truth of the training split, as the loss wants it.
        names: Names of the training pictures, for error texts.
        classes: Number of classes.
        augmentation: The random changes.
        loss: Smoothing and class weights.
        device: Where.
        setting: How.
        world: The processes.
        forward: What runs the network forward; compiled where the setting says so.
        asked_to_stop: Whether this process was asked to stop.
        engine: What makes the steps.
    """

    task: Task
    recipe: Recipe
    batches: TrainingBatches
    truth: TruthStore
    names: list[str]
    classes: int
    augmentation: Augmentation
    loss: LossSettings
    device: torch.device
    setting: Setting
    world: World
    forward: Callable[[nn.Module, Tensor], object] = lambda network, pixels: network(pixels)
    asked_to_stop: Callable[[], bool] = lambda: False
    engine: Engine = field(default_factory=TorchEngine)


@dataclass(frozen=True, slots=True)
class Watch:
    """What happens between steps, supplied by whoever runs the loop. Each returns whether to go on.

    Attributes:
        after_step: Called after each step; may write a checkpoint.
        after_epoch: Called after each epoch; evaluates, records, replans, and forgets its batch losses.
    """

    after_step: Callable[[Trainee], bool]
    after_epoch: Callable[[Trainee], bool]


def run_loop(trainee: Trainee, work: Work, watch: Watch) -> None:
    """Trains until the plan is done or the watch says stop.

    A session that was stopped between the last step of an epoch and its evaluation is gone on with there.

    Raises:
        TrainingError: A loss that is not finite; the pictures of the batch are named.
    """
    while trainee.at_epoch_end or not trainee.plan.is_done:
        if not trainee.at_epoch_end and not _run_steps(trainee, work, watch):
            return
        if not watch.after_epoch(trainee):
            return


def _run_steps(trainee: Trainee, work: Work, watch: Watch) -> bool:
    """Makes the steps of an epoch that are left; whether to go on."""
    epoch, done = divmod(trainee.plan.step, trainee.plan.steps_per_epoch)
    for batch in work.batches.epoch(epoch, skip=done):
        train_step(trainee, work, batch)
        if not watch.after_step(trainee):
            return False
        if trainee.plan.is_done:
            break
    return True


def train_step(trainee: Trainee, work: Work, batch: Batch) -> None:
    """One step of the schedule.

    Raises:
        TrainingError: The loss is not finite.
    """
    recipe = work.recipe.optimisation
    trainee.rate = set_rate(
        trainee.optimizer, rate_factor(trainee.plan.progress, recipe.schedule or "constant", recipe.warmup or 0.0)
    )
    trainee.batch_losses.append(work.engine.step(trainee, work, batch))
    trainee.plan.advance()


def batch_loss(network: nn.Module, work: Work, batch: Batch) -> Tensor:
    """The loss of this process's share of a batch, augmented and mixed as the recipe says."""
    pixels, truth = shown_batch(work, batch)
    set_training_mode(network, keep_statistics=bool(work.recipe.network.keep_statistics))
    with computing(work.device, work.setting.precision):
        output = work.forward(network, pixels)
    return work.task.loss(_as_float(output), truth, work.loss)


def shown_batch(work: Work, batch: Batch) -> tuple[Tensor, Any]:
    """What the network is shown of a batch, augmented and mixed as the recipe says, and the truth of it."""
    features = batch.pixels.ndim == 2
    pixels = to_device(batch.pixels, work.device, work.setting.channels_last and not features)
    truth = work.truth.rows(batch.indices).to(work.device)
    mixing: Mixing | None = None
    if not features:
        pixels = normalise(pixels, work.recipe.input)
        source_hw = (int(pixels.shape[-2]), int(pixels.shape[-1]))
        pixels = work.augmentation.move(pixels, batch.step, batch.rows, batch.whole)
        if work.task.spatial:
            truth = work.task.move(truth, work.augmentation.motion(source_hw, batch.step, batch.rows, batch.whole))
        pixels = work.augmentation.colour(pixels, batch.step, batch.rows, batch.whole)
        pixels, mixing = work.augmentation.mix(pixels, batch.step)
    if mixing is not None:
        soft = work.task.soften(truth, work.classes)
        weight = mixing.weight.view(-1, *[1] * (soft.ndim - 1))
        truth = soft * weight + soft[mixing.partner] * (1 - weight)
    return pixels, truth


def set_training_mode(network: nn.Module, *, keep_statistics: bool) -> None:
    """Training mode for all layers, batch normalisations of the backbone aside where they keep their statistics."""
    network.train()
    if keep_statistics:
        for module in backbone_of(network).modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def _as_float(output: object) -> object:
    in_float = getattr(output, "float", None)
    if in_float is not None:
        return in_float()
    if isinstance(output, tuple):
        parts = [part.float() if isinstance(part, Tensor) else part for part in output]
        return type(output)(*parts) if hasattr(output, "_fields") else tuple(parts)
    return output


def check_finite(loss: float, work: Work, batch: Batch) -> None:
    """Makes sure that a loss is a number.

    Raises:
        TrainingError: It is not; the pictures of the batch are named.
    """
    if math.isfinite(loss):
        return
    named = ", ".join(work.names[index] for index in batch.indices[:8])
    more = f" and {len(batch.indices) - 8} more" if len(batch.indices) > 8 else ""
    word = "not a number" if math.isnan(loss) else "infinite"
    raise TrainingError(
        f"the loss became {word} in step {batch.step + 1}, on the batch {named}{more}.",
        where="training",
        fix="The last checkpoint is kept. Look at these pictures, or train anew with a lower "
        "--set optimisation.learning_rate, --set optimisation.clip=1 or --set machine.precision=fp32.",
    )
