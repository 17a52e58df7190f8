"""A trained network that can be asked about pictures, wherever its weights lie and whatever computes with them."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from striate.data import slicing_of
from striate.errors import PictureError, RequestError
from striate.evaluation import Estimate, Evaluation
from striate.evaluation.cases import pooled, with_cases
from striate.recipe import Recipe
from striate.runs.answering import BATCH, Answering
from striate.runs.asked import find_pictures
from striate.runs.structures import PicturePrediction, RunFacts, SplitScores
from striate.structures import SHOWN_FROM, ClassScores, Prediction, Problem, Sample
from striate.tasks import TASKS, Task
from striate.tasks.base import Scores, Targets

if TYPE_CHECKING:
    import torch
    from torch import nn


class Model(ABC):
    """Base of runs and of exported networks."""

    @property
    @abstractmethod
    def facts(self) -> RunFacts:
        """What it is: task, classes, network, input."""

    @property
    @abstractmethod
    def recipe(self) -> Recipe:
        """How pictures come to it."""

    @property
    @abstractmethod
    def network(self) -> nn.Module:
        """What turns pixels into the outputs of the task's head, in evaluation mode."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the network is."""

    @property
    @abstractmethod
    def path(self) -> Path:
        """Folder where it is, and where pages about it go."""

    @property
    def task(self) -> Task:
        """The task."""
        return TASKS.get(self.facts.task)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the scores."""
        return self.facts.classes

    @property
    def count_from(self) -> float:
        """Score from which found objects are counted and drawn, chosen on validation pictures."""
        return SHOWN_FROM if self.facts.count_from is None else self.facts.count_from

    @cached_property
    def answering(self) -> Answering:
        """The network, ready to be shown pictures."""
        facts = self.facts
        return Answering(
            self.network,
            self.task,
            self.recipe,
            choice=facts.choice(self.recipe),
            dtype=facts.dtype,
            device=self.device,
        )

    def predict(self, paths: str | Path | Sequence[str | Path], *, batch_size: int = BATCH) -> list[PicturePrediction]:
        """Answers for pictures.

        Unreadable pictures among several are warned of and left out.

        Args:
            paths: A picture, a folder of pictures, or several of these.
            batch_size: Pictures in one pass through the network.

        Raises:
            RequestError: Nothing is at a path.
            PictureError: Not one picture could be read.
        """
        problems: list[Problem] = []
        answers = list(self.predict_each(paths, problems, batch_size=batch_size))
        tell_unread(problems, len(answers), lambda told: warnings.warn(told, stacklevel=4))
        return answers

    def predict_each(
        self, paths: str | Path | Sequence[str | Path], problems: list[Problem], *, batch_size: int = BATCH
    ) -> Iterator[PicturePrediction]:
        """The same, one by one as they are ready, in constant memory.

        Args:
            paths: A picture, a folder of pictures, or several of these.
            problems: Gets one entry for each picture that cannot be read and each link that leads nowhere, one for each
                folder of answers that `striate predict` drew (folders of pictures may hold those), and a note for each
                way in which pictures are unlike those that the network learned from, with the first such picture.
            batch_size: Pictures in one pass through the network.

        Raises:
            RequestError: Nothing is at a path.
        """
        found = find_pictures(
            paths, problems, slicing_of(self.recipe), self.facts.channels_in_files, self.facts.volume_channels
        )
        answers = self.answering.predict(found, self.classes, problems, batch_size=batch_size)
        for _, rows in groupby(answers, lambda row: row[0].case or row[0].name):
            yield from _of_one_thing(rows)

    def measure(
        self,
        samples: list[Sample],
        split: str,
        *,
        train_targets: Targets | None = None,
        validation: Estimate | None = None,
        seed: int = 0,
        problems: list[Problem] | None = None,
    ) -> tuple[Evaluation, SplitScores]:
        """Measures the network on pictures; of volumes with one class each, on the volumes.

        Args:
            samples: The pictures, with class indices of this network.
            split: What to call them.
            train_targets: Truth of the training pictures, for the baseline; that of the pictures themselves where not
                given.
            validation: Headline on the validation split, to notice pictures of another kind.
            seed: Fixes the resamples of the intervals.
            problems: Gets one entry for each picture that cannot be read.

        Raises:
            RequestError: Not one can be read.
        """
        read, scores, targets = self.scores_of(samples, split, [] if problems is None else problems)
        what = pooled(self.task, scores, targets, read)
        found = what.evaluate(
            self.task,
            self.classes,
            split=split,
            train_targets=what.targets if train_targets is None else train_targets,
            validation=validation,
            seed=seed,
            threshold=self.facts.threshold,
        )
        answers = ((sample, answer) for sample, _, answer in self.answering.predict(read, self.classes, []))
        measured = with_cases(found, self.task, read, answers, self.classes)
        return measured, SplitScores(tuple(sample.name for sample in read), scores, targets)

    def scores_of(
        self, samples: list[Sample], split: str, problems: list[Problem]
    ) -> tuple[list[Sample], Scores, Targets]:
        """The pictures that can be read, what is kept of the answers to them, and their truth.

        Args:
            samples: The pictures, with class indices of this network.
            split: What to call them.
            problems: Gets one entry for each picture that cannot be read.

        Raises:
            RequestError: Not one can be read.
        """
        found = self.answering.measure(samples, self.classes, problems)
        if not found[0]:
            raise RequestError(
                f"not one picture of the {split} split can be read.", where=split, fix="See `striate look`."
            )
        return found


def tell_unread(problems: Sequence[Problem], answered: int, say: Callable[[str], None]) -> None:
    """Says of every picture that could not be read why it is left out.

    Args:
        problems: Of pictures that were asked about.
        answered: How many have an answer.
        say: Takes a sentence.

    Raises:
        PictureError: Not one has; it is about the last of them.
    """
    last = problems[-1] if problems and not answered else None
    for problem in problems[: -1 if last else None]:
        say(problem.told)
    if last:
        raise PictureError(last.detail, where=last.path, fix="Give a picture that can be read.", kind=last.kind)


def _of_one_thing(rows: Iterator[tuple[Sample, tuple[int, int], Prediction]]) -> Iterator[PicturePrediction]:
    """Answers for the slices of a volume, or for one picture; of classes of a whole volume, their mean."""
    scores = []
    for sample, size_hw, answer in rows:
        if sample.case is None or not isinstance(answer, ClassScores):
            yield PicturePrediction(sample.name, size_hw, answer, sample.source)
            continue
        scores.append(answer.scores)
        last = sample.case, size_hw, answer
    if scores:
        mean = np.asarray(np.mean(scores, axis=0, dtype=np.float64), np.float32)
        yield PicturePrediction(last[0], last[1], replace(last[2], scores=mean))
