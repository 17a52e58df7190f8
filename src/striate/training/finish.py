"""What follows the last step: scores of every split, the verdict, the report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.data.batches import in_order
from striate.evaluation import Estimate, Evaluation, judge_fit
from striate.evaluation.advice import FitContext
from striate.evaluation.cases import pooled, with_cases
from striate.evaluation.operating import choose_threshold, tells_two_apart
from striate.evaluation.scoring import predict_pictures, run_network
from striate.networks.weights import has_published_weights
from striate.runs.report import write_report
from striate.runs.report_content import MOST_MISTAKES
from striate.runs.structures import RunFacts, SplitScores
from striate.structures import Prediction, Problem, Sample
from striate.training.defaults import EMBEDDED
from striate.training.distribution import World
from striate.training.features import features_of
from striate.training.loop import Trainee
from striate.training.preparation import SplitPixels, read_split
from striate.training.session import Session

_NO_TEST_FIGURES = (
    "The test split shows nothing that could be found, so nothing was measured on it; these are the figures of the {} "
    "split."
)


def finish_run(session: Session, trainee: Trainee, facts: RunFacts) -> None:
    """Measures the best weights on every split, judges the fit, and writes the report.

    Args:
        session: The session that ended.
        trainee: What it trained.
        facts: What `run.json` says so far.
    """
    folder, prepared = session.folder, session.prepared
    folder.write_weights("last", prepared.whole_state(trainee.answering))
    network = prepared.network
    network.load_state_dict(folder.read_weights("best"))
    evaluations, chosen = _measure_splits(session)
    deciding = next(evaluations[name] for name in ("test", "validation", "train") if name in evaluations)
    if prepared.data.splits.get("test") and deciding.split != "test":
        deciding = replace(deciding, warnings=(_NO_TEST_FIGURES.format(deciding.split), *deciding.warnings))
        folder.write_evaluation(deciding)
    _judge(session, trainee, facts, evaluations)
    folder.write_facts(
        facts.with_values(
            status="done",
            headline=deciding.headline,
            split=deciding.split,
            seconds=round(session.clock.seconds, 1),
            count_from=chosen.count_from,
            threshold=chosen.threshold,
        )
    )
    folder.checkpoint_path.unlink(missing_ok=True)
    budget_s = session.clock.budget_s
    if budget_s is not None and session.clock.seconds > budget_s:
        session.progress.say(
            f"this took {session.clock.seconds:.0f} s of {budget_s:.0f} s allowed: the least there is to do needs more"
        )
    session.progress.say("writing the report")
    write_report(folder, prepared.data)


@dataclass(slots=True)
class _Chosen:
    """Scores chosen on validation pictures: from which objects are counted, and a second class is answered."""

    count_from: float | None = None
    threshold: float | None = None


def _measure_splits(session: Session) -> tuple[dict[str, Evaluation], _Chosen]:
    """What was measured on each split, and the scores chosen on the way."""
    folder, prepared = session.folder, session.prepared
    evaluations: dict[str, Evaluation] = {}
    chosen = _Chosen()
    splits = _splits(session)
    for name, split in splits.items():
        session.progress.say(f"measuring the {name} split")
        scores, targets = session.score(prepared.trained, split, World(), exact=True)
        if not math.isfinite(prepared.task.headline_value(scores, targets)):
            session.progress.say(f"the {name} split shows nothing that could be found: no figure can be measured on it")
            continue
        if name != "test":
            # By validation pictures, which come second, where there are some: nothing is chosen by test pictures.
            score = prepared.task.counting_score(scores, targets)
            chosen.count_from = chosen.count_from if score is None else round(score, 3)
        usable = [split.samples[index] for index in split.usable.tolist()]
        folder.write_scores(name, SplitScores(tuple(sample.name for sample in usable), scores, targets))
        measured = pooled(prepared.task, scores, targets, usable)
        if name != "test" and tells_two_apart(prepared.task, prepared.data.classes):
            threshold = choose_threshold(measured.scores[:, 1], measured.targets)
            chosen.threshold = chosen.threshold if threshold is None else threshold
        validation = evaluations.get("validation")
        found = measured.evaluate(
            prepared.task,
            prepared.data.classes,
            split=name,
            train_targets=prepared.train.targets[prepared.train.usable],
            validation=validation.headline if validation is not None else None,
            shift=_shift_sentences(session, name),
            seed=prepared.recipe.optimisation.seed,
            threshold=chosen.threshold,
        )
        if name == list(splits)[-1]:
            answers = _answers(session, split, split.usable)
            found = with_cases(found, prepared.task, usable, answers, prepared.data.classes)
        evaluations[name] = found
        folder.write_evaluation(found)
        if prepared.task.spatial:
            # The last split measured is the one that the report is about.
            folder.write_worst(_worst_answers(session, split, prepared.task.mistakes(scores, targets)))
    return evaluations, chosen


def _worst_answers(session: Session, split: SplitPixels, worst: npt.NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    """Plain data of the answers to the pictures with the worst mistakes, which the report draws."""
    for sample, answer in _answers(session, split, split.usable[worst[:MOST_MISTAKES]]):
        yield {"path": sample.name, **answer.as_document()}


def _answers(
    session: Session, split: SplitPixels, chosen: npt.NDArray[np.int64]
) -> Iterator[tuple[Sample, Prediction]]:
    """Pictures of a split by their positions, and what the network says about each."""
    prepared = session.prepared
    outputs = run_network(
        prepared.trained,
        in_order(split.store, split.frames.positions_of(chosen), 8),
        prepared.recipe.input,
        device=prepared.device,
    )
    answers = predict_pictures(outputs, split.frames.of_pictures(chosen), prepared.task, prepared.data.classes)
    for index, answer in zip(chosen.tolist(), answers, strict=True):
        yield split.samples[index], answer


def _splits(session: Session) -> dict[str, SplitPixels]:
    """The splits to measure; test pictures are read only now, so that nothing before could have used them."""
    prepared = session.prepared
    splits = {"train": prepared.looked_at}
    if prepared.validation is not None:
        splits["validation"] = prepared.validation
    if prepared.data.splits.get("test"):
        problems: list[Problem] = []
        splits["test"] = read_split(prepared.data, "test", prepared.recipe, prepared.task, session.progress, problems)
        prepared.problems.extend(problems)
        if prepared.trained is not prepared.network:
            splits["test"] = features_of(prepared, splits["test"])
    return splits


def _judge(session: Session, trainee: Trainee, facts: RunFacts, evaluations: dict[str, Evaluation]) -> None:
    prepared = session.prepared
    recipe = prepared.recipe
    train = evaluations["train"]
    validation = evaluations.get("validation", train)
    test: Estimate | None = evaluations["test"].headline if "test" in evaluations else None
    context = FitContext(
        images=len(prepared.train.usable),
        validation_images=validation.images,
        classes=len(prepared.data.classes),
        parameters=facts.parameters,
        net=facts.net,
        epochs=trainee.plan.epoch,
        epochs_planned=trainee.plan.epochs,
        finished=trainee.plan.is_done,
        stopped_early=facts.stopped_early,
        augmented=facts.augmented,
        hardest_change=_hardest_change(session) if facts.augmented else "",
        pretrained=facts.weights.get("name", "none") != "none",
        other_net=_other_net(session),
        frozen=bool(recipe.network.frozen),
        spatial=prepared.task.spatial,
        weight_decay=recipe.optimisation.weight_decay,
        minutes=recipe.optimisation.minutes,
        seconds=session.clock.seconds,
        test=test,
        trap=validation.trap,
    )
    verdict = judge_fit(
        prepared.task, trainee.history, train.headline, validation.headline, validation.baseline, context=context
    )
    session.folder.write_verdict(verdict)


def _hardest_change(session: Session) -> str:
    """The random change that is on and makes pictures hardest, as a field of the recipe; empty where none is."""
    section = session.prepared.recipe.augmentation
    by_hardness = ("mixup", "cutmix", "erase", "rotate_deg", "zoom", "shift", "contrast", "brightness")
    return next((f"augmentation.{name}" for name in by_hardness if getattr(section, name)), "")


def _other_net(session: Session) -> str:
    """The network to name for pretrained weights where this one has none, or `auto` did not get at them."""
    info, wanted = session.prepared.info, session.prepared.recipe.network.weights
    return "" if has_published_weights(info) and wanted != "auto" else EMBEDDED


def _shift_sentences(session: Session, split: str) -> list[str]:
    return [
        problem.detail
        for problem in session.prepared.data.problems
        if problem.kind == "split-shift" and split in problem.path
    ]
