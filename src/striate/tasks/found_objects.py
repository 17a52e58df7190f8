"""What tasks share that find objects: their heads, COCO's figures, intervals and mistakes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from striate.networks import Network, NetworkOptions
from striate.networks.heads import find_head
from striate.networks.spatial import SpatialNetwork
from striate.structures import Frames, Placement, Prediction, Ragged, Sample
from striate.tasks.base import ObjectFacts, Scores, Targets, Task, View
from striate.tasks.class_scores import defined
from striate.tasks.coco_figures import coco_figures, coco_headline
from striate.tasks.matching import (
    PrecisionRecall,
    average_precisions,
    counting_score,
    match_all,
    precision_recall,
)
from striate.tasks.mistake_kinds import MistakeReport, report_mistakes
from striate.tasks.soft_suppression import suppress_softly
from striate.tasks.tiles import Row, join_tiles


class ObjectTask(Task):
    """A task whose answers and targets are objects: `Ragged` with boxes and classes, and masks where it has some.

    The figure that decides is mean average precision at an overlap of a half.
    """

    headline = "map50"
    spatial = True
    most_resamples = 200
    empty_found: Row
    """What was found where nothing was: a column for each name, with its type."""

    def finish_network(self, backbone: Network, options: NetworkOptions) -> nn.Module:
        """The backbone with the head that `options.head` names.

        Raises:
            UnknownNameError: No such head for this task.
        """
        info = find_head(options.head or self.default_head, self.name)
        return SpatialNetwork(backbone, info.build(backbone.feature_spec, options), options)

    def soften(self, targets: Any, classes: int) -> Tensor:
        """Not for boxes.

        Raises:
            ValueError: Always; mixing pictures is refused before training begins.
        """
        raise ValueError(f"boxes of {classes} classes are not mixed; got {type(targets).__name__}")

    @abstractmethod
    def decode(self, output: Any, placements: Sequence[Placement]) -> list[Row]:
        """The objects that each frame shows, in pixels of its picture."""

    @abstractmethod
    def as_prediction(self, row: Row, classes: tuple[str, ...]) -> Prediction:
        """The answer for one picture from its objects."""

    def prediction(self, parts: Sequence[Row], placements: Sequence[Placement], classes: tuple[str, ...]) -> Prediction:
        """The objects of one picture."""
        return self.as_prediction(suppress_softly(join_tiles(parts, placements)), classes)

    def answers(self, output: Any, view: View) -> Scores:
        """Objects found in each frame, in pixels of its picture: overlaps are the same in the frame, sizes are not."""
        return Ragged.of_rows(self.decode(output, view.placements), self.empty_found)

    def stitch(self, answers: Scores, frames: Frames) -> Scores:
        """Objects of each picture from those of its frames."""
        rows: Iterable[Row] = (answers.row(index) for index in range(len(answers)))
        if frames.tiled:
            bounds = np.searchsorted(frames.pictures, np.arange(int(frames.pictures.max(initial=-1)) + 2)).tolist()
            rows = (
                join_tiles([answers.row(index) for index in range(start, stop)], frames.placements[start:stop])
                for start, stop in pairwise(bounds)
            )
        return Ragged.of_rows([suppress_softly(row) for row in rows], self.empty_found)

    def join(self, parts: Sequence[Scores]) -> Scores:
        """Answers, or targets, of several batches."""
        return Ragged.join(parts) if parts else Ragged.of_rows([], self.empty_found)

    def headline_value(self, scores: Scores, targets: Targets) -> float:
        """MAP at an overlap of 0.5, by COCO's rules; NaN without a true object."""
        return coco_headline(scores, targets)

    def resampled_metrics(
        self,
        scores: Scores,
        targets: Targets,
        weights: npt.NDArray[np.float64],
        names: Collection[str] | None = None,
    ) -> dict[str, npt.NDArray[np.float64]]:
        """mAP, mAP50, mAP75 and recall of many resamples, from matches that are made once."""
        matched = match_all(scores, targets)
        found = average_precisions(matched, weights)
        return {name: values for name, values in found.items() if names is None or name in names}

    def object_facts(
        self, samples: Sequence[Sample], classes: tuple[str, ...], sizes_hw: Sequence[tuple[int, int]]
    ) -> ObjectFacts:
        """What the objects that are to be found are like."""
        return self.facts_of(self.targets(samples, classes), sizes_hw)

    def facts_of(self, targets: Targets, sizes_hw: Sequence[tuple[int, int]]) -> ObjectFacts:
        """Sides of all objects that are to be found."""
        wanted = ~(targets.values["ignore"] | targets.values["iscrowd"])
        boxes = targets.values["boxes_xyxy"][wanted].astype(np.float64)
        sides = np.sqrt(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(1))
        return ObjectFacts(sides, targets.pictures[wanted], sizes_hw)

    def class_weights(self, train_targets: Targets, classes: tuple[str, ...]) -> npt.NDArray[np.float32]:
        """Square root of the inverse share of objects, mean 1 over the classes that occur, at most 5."""
        counts = np.bincount(train_targets.values["classes"], minlength=len(classes)).astype(np.float64)
        weights = np.divide(1.0, np.sqrt(counts), out=np.ones(len(classes)), where=counts > 0)
        weights /= max(weights[counts > 0].mean(), 1e-12) if (counts > 0).any() else 1.0
        return np.asarray(np.clip(weights, 0.0, 5.0), np.float32)

    def metrics(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> dict[str, float]:
        """mAP50 first, then mAP over overlaps of 0.5 to 0.95, mAP75, by size, and recall; COCO's, by its own rules."""
        figures = coco_figures(scores, targets, len(classes))
        found = {"map50": figures.overall["map50"], **figures.overall}
        return {name: value for name, value in found.items() if np.isfinite(value)}

    def per_class(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> list[dict[str, Any]]:
        """One row a class: true objects, pictures that show it, AP, AP50 and the best recall."""
        figures = coco_figures(scores, targets, len(classes))
        counted = targets.values["classes"], targets.pictures
        return [
            {
                "class": label,
                "count": len(np.unique(counted[1][counted[0] == k])),
                "objects": int((counted[0] == k).sum()),
                **{name: defined(values[k]) for name, values in figures.by_class.items()},
            }
            for k, label in enumerate(classes)
        ]

    def class_counts(self, targets: Targets, classes: tuple[str, ...]) -> npt.NDArray[np.int64]:
        """Objects of each class."""
        return np.bincount(targets.values["classes"], minlength=len(classes)).astype(np.int64)

    def counting_score(self, scores: Scores, targets: Targets) -> float | None:
        """Where precision and recall balance best at an overlap of a half, all classes together."""
        return counting_score(match_all(scores, targets))

    def mistake_report(self, scores: Scores, targets: Targets) -> MistakeReport:
        """Mistakes by kind, and what mAP50 would gain without each kind."""
        return report_mistakes(match_all(scores, targets), scores, targets)

    def precision_recall(
        self, scores: Scores, targets: Targets, classes: tuple[str, ...]
    ) -> dict[str, PrecisionRecall]:
        """The curve of each class that has objects to find, at an overlap of a half."""
        matched = match_all(scores, targets)
        wanted = matched.objects.sum(0)
        return {label: precision_recall(matched, k) for k, label in enumerate(classes[: len(wanted)]) if wanted[k]}

    def mistake_words(self, scores: Scores, targets: Targets, index: int, classes: tuple[str, ...]) -> tuple[str, str]:
        """How many objects were missed and how many boxes hold none."""
        wanted, missed, wrong = match_all(scores, targets).counts_of(index)
        kinds = np.unique(targets.row(index)["classes"])
        shows = ", ".join(classes[k] for k in kinds) or "no object"
        return f"{missed} of {wanted} objects missed, {wrong} boxes wrong", f"shows {shows}"

    worst_first = "these have most objects missed and most boxes wrong, at an overlap of a half"

    def mistakes(self, scores: Scores, targets: Targets) -> npt.NDArray[np.int64]:
        """Pictures with missed or wrongly found objects, those with most first."""
        wrong = match_all(scores, targets).mistakes_of_each_picture()
        order = np.argsort(-wrong, kind="stable")
        found: npt.NDArray[np.int64] = order[wrong[order] > 0].astype(np.int64)
        return found
