"""Figures of whole volumes: what was answered slice by slice, put together again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.evaluation.evaluate import evaluate
from striate.evaluation.intervals import Groups, group_numbers
from striate.evaluation.operating import operating_point, roc_curve, tells_two_apart
from striate.evaluation.structures import Estimate, Evaluation
from striate.images.volumes import SliceSource, put_slice, shared_volume
from striate.structures import VOID, Mask, Prediction, Sample, SegmentedPicture
from striate.tasks import Task
from striate.tasks.base import Scores, Targets
from striate.tasks.surfaces import hausdorff_mm


@dataclass(frozen=True, slots=True)
class Measured:
    """What figures are of.

    Attributes:
        scores: First axis the picture, or the volume.
        targets: Their truth.
        groups: Which of them belong to one patient.
        notes: How they were answered, a sentence, where they are not the pictures.
        unit: What they are, in the plural.
    """

    scores: Scores
    targets: Targets
    groups: Groups
    notes: tuple[str, ...] = ()
    unit: str = "pictures"

    def evaluate(
        self,
        task: Task,
        classes: tuple[str, ...],
        *,
        split: str,
        train_targets: Targets,
        validation: Estimate | None = None,
        shift: Sequence[str] = (),
        seed: int = 0,
        threshold: float | None = None,
    ) -> Evaluation:
        """All figures of a split.

        Args:
            task: The task.
            classes: Class names.
            split: Name of the split.
            train_targets: Truth of the training split, from which the baseline takes its constant answer.
            validation: Headline on the validation split, to notice that a test split is another kind of pictures.
            shift: Sentences on how the split's pictures differ from the training pictures.
            seed: Fixes the resamples.
            threshold: From which score of the second of two classes that one is answered, where one was chosen.
        """
        found = evaluate(
            task,
            self.scores,
            self.targets,
            classes,
            split=split,
            train_targets=train_targets,
            validation=validation,
            shift=[*self.notes, *shift],
            seed=seed,
            groups=self.groups,
            unit=self.unit,
        )
        if not tells_two_apart(task, classes):
            return found
        roc = roc_curve(self.scores[:, 1], self.targets, seed=seed, groups=self.groups)
        found = found if roc is None else replace(found, roc=roc.as_dict())
        if threshold is None:
            return found
        point = operating_point(self.scores[:, 1], self.targets, threshold, seed=seed, groups=self.groups)
        return replace(found, point=point.as_dict())


def pooled(task: Task, scores: Scores, targets: Targets, samples: Sequence[Sample]) -> Measured:
    """What is measured: the pictures, or of volumes with one class each the volumes.

    Args:
        task: The task.
        scores: Of the pictures.
        targets: Their truth.
        samples: The pictures.
    """
    groups = [sample.group for sample in samples]
    cases = [sample.case for sample in samples]
    if task.spatial or not any(cases):
        return Measured(scores, targets, group_numbers(groups))
    names = [sample.name if case is None else case for sample, case in zip(samples, cases, strict=True)]
    mean, first = means_of(scores, names)
    note = f"these are figures of {len(first)} whole volumes, each answered by the mean over its slices."
    numbers = group_numbers([groups[index] for index in first])
    return Measured(mean, targets[first], numbers, (note,), "volumes")


def means_of(scores: npt.NDArray[Any], names: Sequence[str]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Mean scores of each name, and the first position of each; names in alphabetical order.

    Args:
        scores: `(N, ...)`.
        names: Name of the volume that each is a slice of.
    """
    _, first, place = np.unique(names, return_index=True, return_inverse=True)
    total = np.zeros((len(first), *scores.shape[1:]))
    np.add.at(total, place, scores)
    mean = total / np.bincount(place).reshape(-1, *[1] * (scores.ndim - 1))
    return mean.astype(scores.dtype), first


@dataclass(slots=True)
class AnsweredVolume:
    """A volume whose slices were all answered.

    Attributes:
        source: One of its slices.
        labels: `(S, H, W)` uint8, the class of each voxel, upright.
        true: The same of the truth; `None` where nobody knows it.
    """

    source: SliceSource
    labels: npt.NDArray[np.uint8]
    true: npt.NDArray[np.uint8] | None


def assemble(answers: Iterable[tuple[Sample, Prediction]], *, truth: bool) -> Iterator[AnsweredVolume]:
    """Puts answered slices together, volume by volume; those of one volume come one after another.

    Args:
        answers: Slices and what was answered; other pictures are passed over.
        truth: Whether their masks are wanted, too.

    Raises:
        PictureError: A volume or a mask cannot be read any more.
    """
    for case, rows in groupby(answers, lambda row: row[0].case):
        if case is None:
            continue
        volume: AnsweredVolume | None = None
        for sample, answer in rows:
            source = sample.source
            if not isinstance(source, SliceSource) or not isinstance(answer, SegmentedPicture):
                continue
            if volume is None:
                size = shared_volume(source.path).size_shw
                # Slices that could not be read stay void.
                volume = AnsweredVolume(
                    source, np.full(size, VOID, np.uint8), np.full(size, VOID, np.uint8) if truth else None
                )
            put_slice(volume.labels, source.plane, source.index, answer.mask)
            annotation = sample.read_annotation() if truth else None
            if volume.true is not None and isinstance(annotation, Mask):
                put_slice(volume.true, source.plane, source.index, annotation.classes)
        if volume is not None:
            yield volume


def with_cases(
    found: Evaluation,
    task: Task,
    samples: Sequence[Sample],
    answers: Iterable[tuple[Sample, Prediction]],
    classes: tuple[str, ...],
) -> Evaluation:
    """Figures of a split with those of each volume, where its pictures are slices of some whose voxels are classified.

    Args:
        found: Figures of the slices.
        task: The task.
        samples: The slices.
        answers: Each with its answer; asked for only where there are volumes.
        classes: Class names.
    """
    if task.name != "segmentation" or not any(sample.case for sample in samples):
        return found
    return replace(found, cases=tuple(case_rows(assemble(answers, truth=True), classes)))


def case_rows(volumes: Iterable[AnsweredVolume], classes: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """One row for each volume and each class but the first: Dice, Hausdorff distances in mm, sizes in ml.

    Distances and Dice are `None` where one of truth and answer has no such voxel, and where the size of voxels is not
    known distances count voxels as 1 mm.

    Args:
        volumes: With truth.
        classes: Class names; the first is background.
    """
    for volume in volumes:
        if volume.true is None:
            continue
        spacing = shared_volume(volume.source.path).geometry.spacing_mm
        voxel_ml = math.prod(spacing) / 1000
        known = volume.true != VOID
        for index, name in enumerate(classes[1:], start=1):
            true, found = (volume.true == index) & known, (volume.labels == index) & known
            both = int(true.sum()) + int(found.sum())
            whole, most = hausdorff_mm(true, found, spacing)
            yield {
                "case": volume.source.volume,
                "class": name,
                "dice": 2 * int((true & found).sum()) / both if both else None,
                "hd95_mm": round(most, 3) if both and math.isfinite(most) else None,
                "hd_mm": round(whole, 3) if both and math.isfinite(whole) else None,
                "true_ml": round(int(true.sum()) * voxel_ml, 4),
                "found_ml": round(int(found.sum()) * voxel_ml, 4),
            }


def case_summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a class: volumes that have it or were said to, mean and least Dice, median HD95.

    Volumes in which the class was missed whole, or made up, have no distance; they are counted.
    """
    found = []
    for name in dict.fromkeys(row["class"] for row in rows):
        own = [row for row in rows if row["class"] == name and row["dice"] is not None]
        distances = [row["hd95_mm"] for row in own if row["hd95_mm"] is not None]
        dice = [row["dice"] for row in own]
        found.append(
            {
                "class": name,
                "volumes": len(own),
                "dice": float(np.mean(dice)) if dice else None,
                "least": min(dice, default=None),
                "hd95_mm": float(np.median(distances)) if distances else None,
                "missed": len(own) - len(distances),
            }
        )
    return found
