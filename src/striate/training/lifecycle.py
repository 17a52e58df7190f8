"""From a data set and a recipe to a finished run."""

from __future__ import annotations

import datetime
import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from striate import __version__
from striate.data import Dataset, open_by_recipe
from striate.errors import CheckpointError, DataError, RequestError
from striate.images import StackSource
from striate.images.volumes import SliceSource, channels_of
from striate.networks import resolve_network
from striate.networks.base import count_parameters
from striate.networks.weights import WEIGHT_CHOICES
from striate.recipe import Recipe
from striate.runs.environment import describe_environment
from striate.runs.files import remove_partial_files
from striate.runs.folder import RunFolder
from striate.runs.known_pictures import open_own_data
from striate.runs.lock import hold_run, refuse_held
from striate.runs.naming import refuse_taken
from striate.runs.run import Run
from striate.runs.structures import RunFacts
from striate.structures import Sample
from striate.training.board import Board
from striate.training.building import build_trainee
from striate.training.checkpoint import read_checkpoint
from striate.training.defaults import DEFAULT_MINUTES, choice_of
from striate.training.distribution import World, join_world, leave_world, share_object
from striate.training.engines import engine_of
from striate.training.finish import finish_run
from striate.training.interruption import Interruption
from striate.training.loop import Trainee, Watch, run_loop
from striate.training.machine import choose_device, setting_of, tune_allocator
from striate.training.planning import is_too_heavy, measure_step, plan_run
from striate.training.preparation import Prepared, prepare_run, stored_dtype
from striate.training.progress import Progress, Silent
from striate.training.schedule import Clock
from striate.training.session import Session


def train(
    data: Dataset | str | Path | None,
    recipe: Recipe | None = None,
    *,
    run: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    started_s: float | None = None,
) -> Run:
    """Trains a network, judges it, and writes the run folder with its report.

    Args:
        data: A data set or its path; may be `None` when resuming.
        recipe: What the user chose; the rest is chosen here and recorded.
        run: The run folder; a new one under `runs/` where not given.
        resume: Go on with the run in that folder, with its own recipe.
        progress: Told what goes on.
        started_s: `time.monotonic()` when the command began; the time allowed counts from there.

    Returns:
        The finished run.

    Raises:
        DataError: Nothing can be learned from the data.
        RecipeError, UnknownNameError: The recipe does not hold.
        RequestError: The run folder is taken, or another process is training that run.
        CheckpointError: The run cannot be resumed.
        StorageError: The run folder cannot be written.
        TrainingError: The loss left the numbers.
        KeyboardInterrupt: Interrupted; the state was saved.
    """
    started_s = time.monotonic() if started_s is None else started_s
    world = join_world()
    progress = progress if progress is not None and world.leads else Silent()
    try:
        tune_allocator()
        if resume and run is not None and (Path(run) / "run.json").exists():
            return _resume(RunFolder.open(run), progress, world, started_s)
        if data is None:
            raise _nothing_to_resume(run)
        return _start(data, recipe or Recipe(), run, progress, world, started_s)
    finally:
        leave_world(world)


def _start(
    data: Dataset | str | Path,
    recipe: Recipe,
    run: str | Path | None,
    progress: Progress,
    world: World,
    started_s: float,
) -> Run:
    _refuse_early(recipe, Path(run) if run is not None and world.leads else None)
    recipe = engine_of(recipe).fill(recipe)
    if recipe.optimisation.epochs is None and recipe.optimisation.minutes is None:
        recipe = recipe.with_values({"optimisation.minutes": DEFAULT_MINUTES})
        progress.say(f"no time or number of epochs given: {DEFAULT_MINUTES:g} minutes are taken (--minutes)")
    dataset = open_by_recipe(data, recipe, progress=partial(progress.part, "checking pictures"))
    _say_problems(dataset, progress)
    prepared = prepare_run(dataset, recipe, progress)
    clock = Clock(recipe.optimisation.minutes, started_s=started_s)
    trial = measure_step(prepared, progress, world)
    if is_too_heavy(prepared, trial, clock, world):
        prepared = prepare_run(dataset, recipe, progress, light=True)
        trial = measure_step(prepared, progress, world)
    most_epochs = plan_run(prepared, trial, clock, world)
    for line in prepared.chooser.summary():
        progress.say(line)
    # The leading process makes and names the folder; all must know it.
    claimed = _claim_folder(run, prepared).path if world.leads else None
    folder = RunFolder(share_object(claimed, world))
    facts = _facts(prepared)
    with _held(folder, world):
        if world.leads:
            # Two processes may both have found the named folder empty.
            refuse_taken(folder.path)
            _write_beginning(folder, facts, prepared)
            progress.say(f"run folder: {folder.path}")
        return _work_through(folder, facts, prepared, clock, most_epochs, progress, world, resume=False)


def _resume(folder: RunFolder, progress: Progress, world: World, started_s: float) -> Run:
    if folder.read_facts().status != "done":
        with _held(folder, world):
            # Read again: another process may have finished it before this one held it.
            facts = folder.read_facts()
            if facts.status != "done":
                return _go_on(folder, facts, progress, world, started_s)
    rest = "nothing is left to do" if folder.report_path.is_file() else "only its report is left to write"
    progress.say(f"{folder.path} is finished already; {rest}.")
    return Run.open(folder.path)


def _go_on(folder: RunFolder, facts: RunFacts, progress: Progress, world: World, started_s: float) -> Run:
    recipe = folder.read_recipe()
    dataset = _same_splits(open_own_data(facts, recipe, partial(progress.part, "checking pictures")), folder, facts)
    prepared = prepare_run(dataset, recipe, progress, fresh=False)
    torch.set_num_threads(setting_of(recipe.machine).threads)
    clock = Clock(recipe.optimisation.minutes, started_s=started_s)
    planned = recipe.optimisation.epochs or 1
    progress.say(f"going on with {folder.path}")
    return _work_through(folder, facts, prepared, clock, planned, progress, world, resume=True)


def _work_through(
    folder: RunFolder,
    facts: RunFacts,
    prepared: Prepared,
    clock: Clock,
    most_epochs: int,
    progress: Progress,
    world: World,
    *,
    resume: bool,
) -> Run:
    recipe = prepared.recipe
    resumed = resume and folder.checkpoint_path.exists()
    engine = engine_of(recipe)
    with Interruption() as interruption:
        trainee, work = build_trainee(prepared, world, lambda: interruption.asked, fresh=not resumed, engine=engine)
        if resumed:
            clock.used_s = read_checkpoint(folder.checkpoint_path, trainee)
        if world.leads:
            remove_partial_files(folder.path)
            folder.write_history(trainee.history)
        board = Board(folder.path / "tensorboard" if recipe.machine.tensorboard and world.leads else None)
        session = Session(prepared, work, folder, clock, progress, most_epochs, _baseline(prepared), board)
        session.begin(trainee)
        try:
            # A run that was killed after it had stopped early has only its report to finish.
            if not session.stops_early(trainee):
                run_loop(trainee, work, Watch(session.after_step, session.after_epoch))
        finally:
            board.close()
        # What is left is measuring, which may take longer than training did, and can be begun anew.
        interruption.at_once = True
        try:
            _conclude(session, trainee, facts, interruption.asked)
        except KeyboardInterrupt:
            if world.leads:
                progress.say(
                    f"stopped after step {trainee.plan.step}; go on with: striate train --resume {folder.path}"
                )
            raise
    # The others wait, so that no process ends, or reads the run, before it is finished.
    share_object(None, world)
    return Run.open(folder.path)


def _conclude(session: Session, trainee: Trainee, facts: RunFacts, asked: bool) -> None:
    """Finishes a run that is trained; notes of one that was stopped before how far it came.

    Raises:
        KeyboardInterrupt: Training, or what follows it, was asked to stop.
    """
    world = session.work.world
    facts = facts.with_values(
        seconds=round(session.clock.seconds, 1),
        epochs=trainee.plan.epoch,
        epochs_planned=trainee.plan.epochs,
        best_epoch=trainee.best_epoch,
        stopped_early=session.stopped_early,
    )
    if share_object(session.interrupted or (asked and trainee.plan.is_done), world):
        if world.leads:
            session.folder.write_facts(facts.with_values(status="interrupted"))
        raise KeyboardInterrupt
    if world.leads:
        finish_run(session, trainee, facts)


def _held(folder: RunFolder, world: World) -> AbstractContextManager[None]:
    """Keeps others from training this run; the leading process holds it for all of its world."""
    return hold_run(folder.path) if world.leads else nullcontext()


def _refuse_early(recipe: Recipe, run: Path | None) -> None:
    """Finds what is wrong with the request before any picture is read."""
    if run is not None:
        refuse_held(run)
        refuse_taken(run)
    if recipe.network.name is not None:
        resolve_network(recipe.network.name)
    weights = recipe.network.weights
    if weights not in (None, *WEIGHT_CHOICES) and not Path(str(weights)).is_file():
        found = "a folder" if Path(str(weights)).is_dir() else "nothing"
        raise RequestError(
            f"expected a file of weights, found {found}.",
            where=weights,
            fix=f"Give a file, or one of {', '.join(WEIGHT_CHOICES)}.",
        )
    choose_device(recipe.machine.device)


def _say_problems(data: Dataset, progress: Progress) -> None:
    """One line that counts what is wrong with the data; `striate look` tells all of it."""
    dropped = sum(problem.severity == "dropped" for problem in data.problems)
    if data.problems:
        kinds = ", ".join(
            f"{count} {kind}" for kind, count in Counter(one.kind for one in data.problems).most_common(4)
        )
        progress.say(f"data: {kinds}; {dropped} left out (striate look {data.root} tells more)")


def _same_splits(data: Dataset, folder: RunFolder, facts: RunFacts) -> Dataset:
    """The data set with exactly the splits the run began with.

    Raises:
        DataError: Pictures are missing since, or the classes are others.
    """
    if data.classes != facts.classes:
        raise DataError(
            f"the classes were {', '.join(facts.classes)} when this run began, and are {', '.join(data.classes)} now.",
            where=data.root,
            fix="Put the data back as it was, or start a new run.",
        )
    by_name: dict[str, Sample] = {sample.name: sample for sample in data.samples}
    splits = {}
    for split, names in folder.read_splits().items():
        missing = [name for name in names if name not in by_name]
        if missing:
            raise DataError(
                f"{len(missing)} pictures of this run are no longer here or no longer readable, "
                f"the first is {missing[0]}.",
                where=data.root,
                fix="Put them back, or start a new run.",
            )
        splits[split] = tuple(by_name[name] for name in names)
    return replace(data, splits=splits)


def _claim_folder(run: str | Path | None, prepared: Prepared) -> RunFolder:
    if run is None:
        return RunFolder.create(data=str(prepared.data.root), net=prepared.info.name)
    path = Path(run)
    return RunFolder.create(path.parent, path.name)


def _facts(prepared: Prepared) -> RunFacts:
    data = prepared.data
    choice = choice_of(prepared.recipe, data)
    return RunFacts(
        task=data.task,
        classes=data.classes,
        net=prepared.info.name,
        options=prepared.options,
        data=str(data.root.absolute()),
        data_format=data.format,
        scans=data.scans,
        channel_names=choice.names,
        picture_channels=data.channel_names,
        channel_files=any(isinstance(sample.source, StackSource) for sample in data["train"]),
        volume_channels=next(
            (channels_of(one.source.path) for one in data["train"] if isinstance(one.source, SliceSource)), ()
        ),
        dtype=choice.dtype(stored_dtype(data, prepared.recipe)).name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        striate=__version__,
        epochs_planned=prepared.recipe.optimisation.epochs or 0,
        parameters=count_parameters(prepared.network),
        weights={"name": "none"} if prepared.weights is None else prepared.weights.as_dict(),
        images={name: len(samples) for name, samples in data.splits.items()},
        augmented=not prepared.recipe.network.frozen
        and any(
            value not in (None, False, 0, 0.0) and not (name == "crop_area" and value == 1.0)
            for name, value in prepared.recipe.augmentation.model_dump().items()
        ),
    )


def _write_beginning(folder: RunFolder, facts: RunFacts, prepared: Prepared) -> None:
    """Writes all that a resumed session needs; `run.json`, by which a run is known, comes last."""
    machine = prepared.recipe.machine
    folder.write_environment(describe_environment(machine.device or "cpu", machine.threads))
    folder.write_choices([choice.as_dict() for choice in prepared.chooser.choices])
    folder.write_data(prepared.data)
    folder.write_train_targets(prepared.train.targets[prepared.train.usable])
    folder.write_recipe(prepared.recipe)
    folder.write_facts(facts)


def _baseline(prepared: Prepared) -> float:
    split = prepared.validation or prepared.looked_at
    targets = split.targets[split.usable]
    scores = prepared.task.baseline_scores(
        prepared.train.targets[prepared.train.usable], targets, prepared.data.classes
    )
    return prepared.task.headline_value(scores, targets)


def _nothing_to_resume(run: str | Path | None) -> RequestError | CheckpointError:
    if run is None:
        return RequestError("no data given.", where="striate train", fix="Give a folder: striate train photos/")
    return CheckpointError(
        "there is no run here to go on with.",
        where=run,
        fix="Give the data too, to start one: striate train DATA --run RUN",
    )
