"""One session of a run: evaluates after epochs, keeps the best weights, writes checkpoints, watches the clock."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from striate.data.batches import in_order
from striate.evaluation import EpochRecord
from striate.evaluation.scoring import measure_batches
from striate.evaluation.verdict import live_verdict
from striate.runs.folder import RunFolder
from striate.tasks.base import Scores, Targets
from striate.training.board import Board
from striate.training.checkpoint import write_checkpoint
from striate.training.distribution import World, gather_objects, share_object
from striate.training.interruption import AskedToStop
from striate.training.loop import Trainee, Work
from striate.training.preparation import Prepared, SplitPixels
from striate.training.progress import Progress
from striate.training.schedule import Clock, reserve_s

REPLAN_EVERY_STEPS = 10
EVALUATION_SHARE = 0.15
"""Largest share of the time that evaluations during training may take."""
CHECKPOINT_SHARE = 0.02
"""Largest share of the time that checkpoints after epochs may take: tiny epochs of large networks share one."""


@dataclass(slots=True)
class Session:
    """What a session needs besides the trainee.

    Attributes:
        prepared: The run.
        work: What the loop works with.
        folder: Where it is written; only the leading process writes.
        clock: Time used and left.
        progress: Who is told.
        most_epochs: Epochs that the clock may plan at most.
        baseline: Headline of the answer that ignores the picture, on validation pictures.
        board: TensorBoard log, where asked for.
        interrupted: Whether it ended because someone asked it to.
        stopped_early: Whether it ended because validation no longer improved.
    """

    prepared: Prepared
    work: Work
    folder: RunFolder
    clock: Clock
    progress: Progress
    most_epochs: int
    baseline: float
    board: Board
    interrupted: bool = False
    stopped_early: bool = False
    _saved_at: float = 0.0
    _save_s: float = 0.0
    _evaluation_s: float = 0.0
    _training_began: float = 0.0
    _steps_at_begin: int = 0

    def begin(self, trainee: Trainee) -> None:
        """Called right before the first step."""
        self.work.engine.begin(trainee, self.work)
        if self.prepared.task.live_in_frame:
            self.progress.say(
                "figures of epochs are approximations (~), measured in the network's frame; at the end they are "
                "measured at the pictures' own size"
            )
        if self.prepared.recipe.network.head_first and trainee.plan.step == 0:
            # The fitted head alone may be the best there will be: with few pictures it often is.
            self._measure(trainee)
        self._saved_at = self._training_began = time.monotonic()
        self._steps_at_begin = trainee.plan.step

    def after_step(self, trainee: Trainee) -> bool:
        """Fits the plan to the clock, and writes a checkpoint now and then and when asked to stop."""
        plan = trainee.plan
        if plan.is_done or plan.step % plan.steps_per_epoch == 0:
            # The end of the epoch writes the checkpoint: one written here would lack the epoch's record.
            return True
        if trainee.stopping:
            self.interrupted = True
            self._save(trainee)
            return False
        if self.clock.budget_s is not None and plan.step % REPLAN_EVERY_STEPS == 0:
            self._replan(trainee)
        if time.monotonic() - self._saved_at > self.prepared.recipe.machine.checkpoint_s:
            self._save(trainee)
        return True

    def after_epoch(self, trainee: Trainee) -> bool:
        """Evaluates, records, keeps the best weights; writes a checkpoint where the last is no longer fresh.

        Asked to stop, it leaves the evaluation to the session that goes on.
        """
        plan = trainee.plan
        self.work.engine.sync(trainee)
        mean_loss = sum(trainee.batch_losses) / len(trainee.batch_losses)
        record = EpochRecord(plan.epoch, plan.step, round(self.clock.seconds, 3), trainee.rate, mean_loss)
        if plan.epoch % (self.prepared.recipe.optimisation.evaluate_every or 1) == 0 or plan.is_done:
            try:
                record = self._evaluate(trainee, record)
            except AskedToStop:
                self.interrupted = True
                self._save(trainee)
                return False
        trainee.batch_losses = []
        trainee.history.append(record)
        if self.clock.budget_s is not None and not plan.is_done and plan.step > self._steps_at_begin:
            self._replan(trainee)
        if self.work.world.leads:
            self.folder.append_epoch(record)
            self.board.write(record)
            left_s = plan.steps_left * self._step_s(trainee) + self._after_training_s()
            self.progress.epoch(record, plan.epochs, self._words(trainee), left_s)
        self.interrupted = trainee.stopping and not plan.is_done
        goes_on = not (self.interrupted or self.stops_early(trainee))
        if not goes_on or plan.is_done or time.monotonic() - self._saved_at >= self._save_s / CHECKPOINT_SHARE:
            self._save(trainee)
        return goes_on

    def stops_early(self, trainee: Trainee) -> bool:
        """Whether validation has not improved for as long as the recipe's patience lasts; notes it."""
        recipe = self.prepared.recipe.optimisation
        patience = (recipe.patience or 0) * (recipe.evaluate_every or 1)
        finished = trainee.history[-1].epoch if trainee.history else 0
        self.stopped_early = 0 < patience <= finished - trainee.best_epoch
        return self.stopped_early

    def score(
        self,
        network: nn.Module,
        split: SplitPixels,
        world: World | None = None,
        *,
        exact: bool = False,
        heeds: bool = False,
    ) -> tuple[Scores, Targets]:
        """Scores and truth of the usable pictures of a split, in their order.

        Args:
            network: What answers.
            split: The pictures.
            world: The processes that share the work, each of which must call this; those of the run by default.
            exact: Measure in pixels of the pictures themselves, not of the network's frame.
            heeds: Stop where this process is asked to.

        Raises:
            AskedToStop: It was asked to.
        """
        world = world or self.work.world
        mine = split.usable[world.rank :: world.size]
        rows = split.frames.positions_of(mine)
        task = self.prepared.task
        batches = in_order(split.store, rows, self._scoring_batch())
        scores = measure_batches(
            network,
            self._until_asked(batches) if heeds else batches,
            task,
            self.prepared.recipe.input,
            lambda place: split.view(rows[place], exact=exact),
            device=self.work.device,
            precision=self.work.setting.precision,
            channels_last=self.work.setting.channels_last,
        )
        scores = task.stitch(scores, split.frames.of_pictures(mine))
        if world.size > 1:
            scores = task.join(gather_objects(scores, world))
            places = np.concatenate([np.arange(rank, len(split.usable), world.size) for rank in range(world.size)])
            scores = scores[np.argsort(places)]
        return scores, split.targets[split.usable]

    def _until_asked(self, batches: Iterable[tuple[slice, Tensor]]) -> Iterator[tuple[slice, Tensor]]:
        """The same batches until this process is asked to stop; one among others does not leave them waiting."""
        for batch in batches:
            if self.work.world.size == 1 and self.work.asked_to_stop():
                raise AskedToStop
            yield batch

    def _evaluate(self, trainee: Trainee, record: EpochRecord) -> EpochRecord:
        if trainee.stopping:
            raise AskedToStop
        if time.monotonic() + self._evaluation_s - self._saved_at > self.prepared.recipe.machine.checkpoint_s:
            self._save(trainee)
        figures: dict[str, Any] = self._measure(trainee, heeds=True)
        return replace(record, **figures, exact=not self.prepared.task.live_in_frame)

    def _measure(self, trainee: Trainee, *, heeds: bool = False) -> dict[str, float]:
        """Figures of the network as it is, named as in an `EpochRecord`; keeps its weights where they are the best."""
        began = time.monotonic()
        task = self.prepared.task
        figures: dict[str, float] = {}
        splits = {"train": self.prepared.looked_at, "validation": self.prepared.validation}
        for name, split in splits.items():
            if split is None:
                continue
            scores, targets = self.score(trainee.answering, split, heeds=heeds)
            figures[name] = task.headline_value(scores, targets)
            # Tasks with places have no loss that could be measured from what is kept of their answers.
            everyone = np.ones((1, len(targets)))
            losses = {} if task.spatial else task.resampled_metrics(scores, targets, everyone, ("log_loss",))
            if "log_loss" in losses:
                figures[f"{name}_loss"] = float(losses["log_loss"][0])
        # A split without a single object has no figure; then the other one decides, or the latest weights are kept.
        known = [figures[name] for name in ("validation", "train") if math.isfinite(figures.get(name, math.nan))]
        deciding = known[0] if known else trainee.best
        # Of equal figures the later one is kept: it has seen more and the schedule has calmed down.
        if deciding >= trainee.best:
            trainee.best, trainee.best_epoch = deciding, trainee.plan.epoch
            if self.work.world.leads:
                self.folder.write_weights("best", self.prepared.whole_state(trainee.answering))
        self._evaluation_s = time.monotonic() - began
        return figures

    def _replan(self, trainee: Trainee) -> None:
        """Fits the steps to the time left; the leading process decides for all."""
        plan = trainee.plan
        left_s = self.clock.left_s(self._after_training_s())
        most = self.most_epochs * plan.steps_per_epoch - plan.step
        fits = 0 if left_s <= 0 else int(left_s / self._step_s(trainee))
        plan.replan(share_object(min(most, fits), self.work.world))

    def _after_training_s(self) -> float:
        """Seconds to keep for scoring the splits and writing the report."""
        # Volumes are answered once more, for the figures of whole ones.
        more = 2.0 if any(sample.case for sample in self.prepared.data["train"][:1]) else 1.0
        return reserve_s(float(self.clock.budget_s or 0) / 60, more * self._evaluation_s)

    def _step_s(self, trainee: Trainee) -> float:
        """Seconds a step has taken in this session, evaluations and checkpoints counted in."""
        done = trainee.plan.step - self._steps_at_begin
        return (time.monotonic() - self._training_began) / max(1, done)

    def _save(self, trainee: Trainee) -> None:
        began = time.monotonic()
        self.work.engine.sync(trainee)
        if self.work.world.leads:
            write_checkpoint(self.folder.checkpoint_path, trainee, self.clock.seconds)
        self._saved_at = time.monotonic()
        self._save_s = self._saved_at - began

    def _words(self, trainee: Trainee) -> str:
        record = trainee.history[-1]
        if record.train is None or record.validation is None or self.prepared.validation is None:
            return ""
        return live_verdict(
            trainee.history, baseline=self.baseline, validation_images=len(self.prepared.validation.usable)
        )

    def _scoring_batch(self) -> int:
        return max(32, min(256, (self.prepared.recipe.optimisation.batch_size or 32) * 2))


def evaluate_every(evaluation_s: float, epoch_s: float, epochs: int) -> int:
    """Epochs between two evaluations, so that they take little of the time but are enough for a verdict."""
    wanted = math.ceil(evaluation_s / max(1e-9, EVALUATION_SHARE * epoch_s))
    return int(np.clip(wanted, 1, max(1, epochs // 8)))
