"""What a report is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from striate.evaluation import EpochRecord, Evaluation, Verdict
from striate.evaluation.cases import means_of
from striate.pages import Thumbnail
from striate.runs.structures import RunFacts, SplitScores
from striate.structures import Annotation, DetectedObjects, Picture, SegmentedPicture
from striate.tasks import Task
from striate.tasks.mistake_kinds import MistakeReport

MOST_MISTAKES = 28
"""Pictures of mistakes in a report."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a report is made from.

    Attributes:
        facts: `run.json`.
        task: The task.
        evaluation: The split that gives the answer; `None` where nothing was measured yet.
        verdict: The verdict; `None` where the run was not judged.
        history: The epochs.
        scores: Scores of the pictures of that split; `None` where they were not kept.
        pictures: Pictures of the worst mistakes that can still be read, by name.
        annotations: What they show, by name, for tasks with places.
        answers: What the network said about them, by name, for tasks with places.
        choices: What was chosen for the user.
        environment: Machine and packages.
        data: What the data set held.
        mistakes: Mistakes by kind; `None` for tasks that do not look for objects.
        kind_pictures: Pictures of the worst of each kind, by its position in `KINDS`.
    """

    facts: RunFacts
    task: Task
    evaluation: Evaluation | None
    verdict: Verdict | None
    history: list[EpochRecord]
    scores: SplitScores | None
    pictures: dict[str, Picture]
    annotations: dict[str, Annotation]
    answers: dict[str, SegmentedPicture | DetectedObjects]
    choices: list[dict[str, Any]]
    environment: dict[str, Any]
    data: dict[str, Any]
    mistakes: MistakeReport | None = None
    kind_pictures: dict[int, list[Thumbnail]] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """What figures are of, in the plural."""
        return "pictures" if self.evaluation is None else self.evaluation.unit

    @property
    def measured(self) -> SplitScores | None:
        """Scores that figures are of: those of the pictures, or of volumes with one class the means over slices."""
        scores = self.scores
        if scores is None or self.unit == "pictures":
            return scores
        names = [name.rpartition("#")[0] or name for name in scores.names]
        means, first = means_of(scores.scores, names)
        return SplitScores(tuple(names[index] for index in first), means, scores.targets[first])
