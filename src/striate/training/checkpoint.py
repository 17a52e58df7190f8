"""The state of an unfinished run on disk: all that is needed to go on as if nothing had happened."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import torch

from striate.errors import CheckpointError, cause_of
from striate.evaluation import EpochRecord
from striate.runs.files import atomic_write
from striate.training.loop import Trainee
from striate.training.schedule import Plan

VERSION = 3
"""Raised whenever an older checkpoint could not be continued exactly."""


def write_checkpoint(path: Path, trainee: Trainee, used_s: float) -> None:
    """Writes the state atomically: a kill at any moment leaves the old checkpoint or the new one.

    Raises:
        StorageError: It cannot be written; the old one is intact.
    """
    state = {
        "version": VERSION,
        "network": trainee.network.state_dict(),
        "optimizer": trainee.optimizer.state_dict(),
        "average": None if trainee.average is None else trainee.average.average.state_dict(),
        "plan": trainee.plan.state(),
        "history": [asdict(record) for record in trainee.history],
        "batch_losses": list(trainee.batch_losses),
        "rate": trainee.rate,
        "best": trainee.best,
        "best_epoch": trainee.best_epoch,
        "used_s": used_s,
    }

    def save(file: BinaryIO) -> None:
        torch.save(state, file)

    atomic_write(path, save)


def read_checkpoint(path: Path, trainee: Trainee) -> float:
    """Restores a trainee that was built from the same recipe.

    Only tensors and plain values are read, never code.

    Returns:
        Seconds the run had used.

    Raises:
        CheckpointError: Missing, damaged, of a newer version, or of another network.
    """
    state = _read(path)
    version = state.get("version", 0)
    if version > VERSION:
        raise CheckpointError(
            f"this checkpoint has version {version}, newer than this Striate knows ({VERSION}).",
            where=path,
            fix="Update Striate.",
        )
    if version < VERSION:
        raise CheckpointError(
            f"this checkpoint has version {version}, and this Striate ({VERSION}) could not go on with it exactly.",
            where=path,
            fix="Finish the run with the Striate that began it, or start a new one with its recipe.yaml and "
            "--weights weights/best.safetensors.",
        )
    try:
        trainee.network.load_state_dict(state["network"])
        trainee.optimizer.load_state_dict(state["optimizer"])
        if trainee.average is not None:
            trainee.average.average.load_state_dict(state["average"])
        trainee.plan = Plan.from_state(state["plan"])
        trainee.history = [EpochRecord(**record) for record in state["history"]]
        trainee.batch_losses = list(state["batch_losses"])
        trainee.rate = float(state["rate"])
        trainee.best = float(state["best"])
        trainee.best_epoch = int(state["best_epoch"])
        return float(state["used_s"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"this checkpoint does not fit the recipe beside it ({cause_of(error)}).",
            where=path,
            fix="Restore recipe.yaml as it was, or start a new run.",
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(
            "there is no checkpoint here.", where=path, fix="Start the run without --resume."
        ) from error
    except (RuntimeError, OSError, EOFError, KeyError, pickle.UnpicklingError, ValueError) as error:
        raise CheckpointError(
            f"this checkpoint is damaged ({cause_of(error)}).",
            where=path,
            fix="The best weights so far are in weights/best.safetensors; use them, or start a new run.",
        ) from error
    if not isinstance(state, dict):
        raise CheckpointError("this is not a checkpoint of Striate.", where=path, fix="Start a new run.")
    return state
