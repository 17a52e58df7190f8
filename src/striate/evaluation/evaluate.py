"""Everything that is measured on one split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striate.data import ALL
from striate.evaluation.intervals import RESAMPLES, Groups, headline_estimate, metric_estimates, resample
from striate.evaluation.mistakes import mistake_rows
from striate.evaluation.shift import class_share_shift, headline_shift
from striate.evaluation.structures import Estimate, Evaluation
from striate.evaluation.words import capitalised, format_metric, in_words, listed, plural, title_of
from striate.tasks import Task
from striate.tasks.base import Scores, Targets
from striate.tasks.metric_names import metric_info

FEW_PICTURES = 10
"""Below this many pictures of a class, one picture more or less right moves its recall by ten points or more."""

_RESAMPLES_OF_WARNINGS = 200


def evaluate(
    task: Task,
    scores: Scores,
    targets: Targets,
    classes: tuple[str, ...],
    *,
    split: str,
    train_targets: Targets,
    validation: Estimate | None = None,
    shift: Sequence[str] = (),
    seed: int = 0,
    resamples: int = RESAMPLES,
    groups: Groups = None,
    unit: str = "pictures",
) -> Evaluation:
    """Measures a split: all metrics with intervals, the baseline, each class, and what a reader must be warned of.

    Args:
        task: The task.
        scores: `(N, K)` scores of the pictures.
        targets: Their truth.
        classes: Class names.
        split: Name of the split.
        train_targets: Truth of the training split, from which the baseline takes its constant answer.
        validation: Headline on the validation split, to notice that a test split is another kind of pictures.
        shift: Sentences on how the split's pictures differ from the training pictures, where that was looked at.
        seed: Fixes the resamples.
        resamples: Number of resamples of the headline.
        groups: A number for each picture; those of one patient have the same and are drawn together.
        unit: What is measured, in the plural.

    Raises:
        ValueError: There are no pictures, or the numbers of scores and targets differ.
    """
    if len(targets) == 0 or len(scores) != len(targets):
        raise ValueError(
            f"evaluate needs as many scores as targets and at least one; got {len(scores)}, {len(targets)}"
        )
    resamples = min(resamples, task.most_resamples)
    constant = task.baseline_scores(train_targets, targets, classes)
    metrics = metric_estimates(task, scores, targets, classes, seed=seed, resamples=resamples, groups=groups)
    headline = next((one for one in metrics if one.name == task.headline), None)
    if headline is None:
        headline = headline_estimate(task, scores, targets, seed=seed, resamples=resamples, groups=groups)
    per_class = tuple(task.per_class(scores, targets, classes))
    trap = task.trap(scores, targets, classes)
    warnings = [
        *_split_warnings(split),
        *([trap[1]] if trap is not None else []),
        *_constant_warnings(task, scores, constant, targets, _without(metrics, trap), classes, groups),
        *_class_warnings(per_class, split),
        *(() if task.spatial else class_share_shift(train_targets, targets, classes, split)),
        *map(capitalised, shift),
    ]
    if validation is not None and split == "test":
        warnings += headline_shift(validation, headline)
    mistakes = task.mistake_report(scores, targets)
    return Evaluation(
        split=split,
        images=len(targets),
        headline=headline,
        baseline=headline_estimate(task, constant, targets, seed=seed, resamples=resamples, groups=groups),
        metrics=metrics,
        per_class=per_class,
        warnings=tuple(warnings),
        trap=trap[1] if trap is not None else "",
        mistakes=tuple(mistake_rows(mistakes)) if mistakes is not None else (),
        unit=unit,
    )


def compare_scores(
    task: Task,
    first: Scores,
    second: Scores,
    targets: Targets,
    *,
    name: str | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimate:
    """How much better `second` is than `first` on the same pictures, by a paired bootstrap.

    Pictures that are hard for both cancel out, so the interval is narrower than the two single ones suggest. An
    interval that holds 0 means that the difference may be chance.

    Args:
        task: The task.
        first: Scores of one network.
        second: Scores of another, the same pictures in the same order.
        targets: Their truth.
        name: The metric; the headline where not given.
        seed: Fixes the resamples.
        resamples: Number of resamples.

    Raises:
        ValueError: The numbers of pictures differ.
    """
    if not len(first) == len(second) == len(targets):
        raise ValueError(
            f"the same pictures are needed; got {len(first)}, {len(second)} scores, {len(targets)} targets"
        )
    wanted = name or task.headline
    everyone = np.ones((1, len(targets)))
    value = (
        task.resampled_metrics(second, targets, everyone, (wanted,))[wanted][0]
        - task.resampled_metrics(first, targets, everyone, (wanted,))[wanted][0]
    )
    draws = [
        resample(task, scores, targets, (wanted,), seed=seed, resamples=resamples)[wanted] for scores in (first, second)
    ]
    low, high = np.nanquantile(draws[1] - draws[0], [0.025, 0.975])
    return Estimate(wanted, float(value), float(min(low, value)), float(max(high, value)))


def _split_warnings(split: str) -> list[str]:
    if split == "validation":
        return [
            "These pictures chose the weights that were kept, so the figures are a little too good; "
            "pictures that took no part in training would tell the truth."
        ]
    if split == "train":
        return ["These are the training pictures: the figures say how well they were learned, not what to expect."]
    return []


def _without(metrics: tuple[Estimate, ...], trap: tuple[str, str] | None) -> tuple[Estimate, ...]:
    """The metrics of which nothing was said yet."""
    return tuple(one for one in metrics if trap is None or one.name != trap[0])


def _constant_warnings(
    task: Task,
    scores: Scores,
    constant: Scores,
    targets: Targets,
    metrics: tuple[Estimate, ...],
    classes: tuple[str, ...],
    groups: Groups,
) -> list[str]:
    """Metrics that an answer which ignores the picture would also reach."""
    reached = task.metrics(constant, targets, classes)
    resamples = min(_RESAMPLES_OF_WARNINGS, task.most_resamples)
    own, other = (
        resample(task, answers, targets, resamples=resamples, groups=groups) for answers in (scores, constant)
    )
    values = {one.name: one for one in metrics}
    empty = []
    for name in values:
        if not (name in reached and name in own and name in other):
            continue
        # Sensitivity and specificity each are 100 % for one of the two constant answers: together they mean something.
        if not metric_info(name).higher_is_better or name in ("sensitivity", "specificity"):
            continue
        better = own[name] - other[name]
        if values[name].value <= reached[name] or np.nanquantile(better, 0.025) <= 0:
            empty.append(name)
    figures = [f"{title_of(name)} of {in_words(values[name])}" for name in empty]
    without = [format_metric(name, reached[name]) for name in empty]
    if not empty:
        return []
    verb, order = ("says", "") if len(empty) == 1 else ("say", ", in that order")
    return [
        f"{capitalised(listed(figures, len(figures)))} {verb} nothing here: an answer that never looks at the picture "
        f"reaches {listed(without, len(without))}{order}."
    ]


def _class_warnings(per_class: tuple[dict[str, object], ...], split: str) -> list[str]:
    counts = {str(row["class"]): int(str(row["count"])) for row in per_class}
    absent = [f"'{name}'" for name, count in counts.items() if count == 0]
    few = [f"'{name}' ({count})" for name, count in counts.items() if 0 < count < FEW_PICTURES]
    never = [
        f"'{row['class']}' ({plural(counts[str(row['class'])], 'picture')})"
        for row in per_class
        if counts[str(row["class"])] and row.get("precision", 0.0) is None
    ]
    warnings = []
    if absent:
        shown = "No picture here shows" if split == ALL else f"The {split} split shows no picture of"
        warnings.append(f"{shown} {listed(absent)}: nothing is known about {'it' if len(absent) == 1 else 'them'}.")
    if few:
        warnings.append(
            f"Too few pictures to tell how well these classes do (under {FEW_PICTURES}): {listed(few)}. "
            "Their figures hang on single pictures."
        )
    if never:
        warnings.append(f"Never answered, although the split shows them: {listed(never)}.")
    return warnings
