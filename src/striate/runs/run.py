"""A finished run as an object: look at it, ask it, measure it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from striate.errors import CheckpointError, RequestError, cause_of
from striate.evaluation import EpochRecord, Evaluation, Verdict
from striate.networks import resolve_network
from striate.recipe import Recipe
from striate.runs.folder import RunFolder
from striate.runs.known_pictures import pictures_of_split
from striate.runs.model import Model
from striate.runs.structures import RunFacts
from striate.structures import Problem

if TYPE_CHECKING:
    import torch
    from torch import nn

    from striate.data import Dataset


class Run(Model):
    """A run of training.

    Example:
        >>> run = Run.open("runs/2026-11-23-flowers-resnet18")
        >>> run.metrics.headline.value
        0.987
        >>> run.predict("rose.jpg")[0].label
        'rose'

    Args:
        folder: Its folder.
        device: Where to compute: "cpu", "cuda", ...; the run's own device where that is at hand, else the CPU.
    """

    keeps_measurements = True
    """Whether what is measured on the run's own data goes to its folder."""

    def __init__(self, folder: RunFolder, device: str | None = None) -> None:
        self.folder = folder
        self.wanted_device = device

    @classmethod
    def open(cls, path: str | Path, device: str | None = None) -> Run:
        """Opens the folder of a run.

        Raises:
            RequestError: There is no run at the path.
            CheckpointError: It is damaged, or a newer Striate wrote it.
        """
        return cls(RunFolder.open(path), device)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.folder.path

    @cached_property
    def facts(self) -> RunFacts:
        """What `run.json` records."""
        return self.folder.read_facts()

    @cached_property
    def recipe(self) -> Recipe:
        """Every choice of the run."""
        return self.folder.read_recipe()

    @property
    def history(self) -> list[EpochRecord]:
        """The epochs so far."""
        return self.folder.read_history()

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """What was measured, by split."""
        return self.folder.read_evaluations()

    @property
    def metrics(self) -> Evaluation:
        """What was measured on the test split, or on the validation split where there is no other.

        Raises:
            CheckpointError: Nothing was measured yet.
        """
        found = self.evaluations
        for split in ("test", "validation", *found):
            if split in found:
                return found[split]
        raise CheckpointError(
            "nothing was measured yet.", where=self.path, fix="Finish the run with --resume, or use `striate evaluate`."
        )

    @property
    def verdict(self) -> Verdict | None:
        """Underfit, overfit, balanced or too early; `None` where the run was not judged yet."""
        return self.folder.read_verdict()

    @cached_property
    def network(self) -> nn.Module:
        """The network with its best weights, in evaluation mode, on the run's device.

        Raises:
            CheckpointError: Weights are missing, damaged, or of another network.
        """
        network = self.task.build_network(resolve_network(self.facts.net), self.facts.options)
        state = self.folder.read_weights("best")
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise CheckpointError(
                f"these weights are not of the network in run.json ({cause_of(error)}).",
                where=self.folder.weights_path("best"),
                fix="Put the run's own files back.",
            ) from error
        return network.eval().to(self.device)

    @cached_property
    def device(self) -> torch.device:
        """Where the network is."""
        import torch

        wanted = torch.device(self.wanted_device or self.recipe.machine.device or "cpu")
        usable = wanted.type == "cpu" or torch.accelerator.is_available()
        if usable:
            return wanted
        if self.wanted_device:
            raise RequestError(f"there is no device {self.wanted_device!r} here.", where="device", fix="Use cpu.")
        return torch.device("cpu")

    def evaluate(
        self,
        data: Dataset | str | Path | None = None,
        split: str | None = None,
        *,
        seed: int = 0,
        problems: list[Problem] | None = None,
    ) -> Evaluation:
        """Measures the network on one split of the run's own data, or on other data.

        Measurements of the run's own data are kept in its folder.

        Args:
            data: Other data, or a path to it; the run's own where not given.
            split: Name of the split; of the run's own data "test" where there is one, else "validation"; of other
                data "test" where the folder gave one, else all of its pictures.
            seed: Fixes the resamples of the intervals.
            problems: Gets one entry for each picture that cannot be read.

        Raises:
            DataError: The data has another task, or classes that the network does not know.
            RequestError: No such split.
            CheckpointError: Files of the run are missing or damaged.
        """
        samples, name = pictures_of_split(self.folder, self.facts, self.recipe, data, split)
        known = self.evaluations
        measured, answered = self.measure(
            samples,
            name,
            train_targets=self.folder.read_train_targets(),
            validation=known["validation"].headline if "validation" in known else None,
            seed=seed,
            problems=problems,
        )
        if data is None and self.keeps_measurements:
            self.folder.write_scores(name, answered)
            self.folder.write_evaluation(measured)
        return measured

    @property
    def report(self) -> Path:
        """The report, written from what is in the folder where it is not there yet."""
        from striate.runs.report import write_report

        path = self.folder.report_path
        return path if path.is_file() else write_report(self.folder)
