"""Underfit, overfit, balanced, or too early to tell.

The rule, in the order in which it is asked:

1. Fewer than three evaluations, or stopped half-way while both curves still rise: too early.
2. The gap between training and validation figure is large (5 points, and a tenth of what there was to gain over the
   baseline), more than chance explains, and at least half as large as the training error: overfit. Half that gap is
   enough where the validation loss turned up while the training loss fell. Asked of the kept weights, which the user
   gets; and of the end of the curves, unless the kept weights answer their training pictures well (see 4) and the
   validation figure has not clearly fallen since (below their interval). So a lucky early epoch does not hide how
   training ended, and good weights are not blamed for what came after them.
3. A gap of 10 points that chance might explain, because there are few validation pictures: too early to tell.
4. The network cannot answer its own training pictures (under 80 % of what there was to gain over the baseline, or
   over 10 % wrong): underfit.
5. Else balanced. A training set known by heart with a small gap to validation is balanced.

This is bias against variance (Geman, Bienenstock and Doursat 1992) measured in the deciding metric: the training error
stands for bias, the gap for variance. The interval of the gap is that of Zou and Donner 2008 (MOVER), made from the
two bootstrap intervals.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from striate.evaluation.advice import FitContext, advise
from striate.evaluation.curves import FEWEST_EVALUATIONS, Trend, Turn, evaluated, last_part, loss_turn, trend
from striate.evaluation.structures import EpochRecord, Estimate, State, Verdict
from striate.evaluation.words import format_metric, in_words, plural, points, title_of
from striate.tasks import Task

LARGE_GAP = 0.05
LARGE_GAP_OF_SKILL = 0.10
UNCERTAIN_GAP = 0.10
LOW_SKILL = 0.80
LARGE_ERROR = 0.10


@dataclass(frozen=True, slots=True)
class Fit:
    """The measured facts a verdict rests on.

    Attributes:
        train: Headline on training pictures.
        validation: On validation pictures.
        baseline: Of the answer that ignores the picture.
        evaluations: How often both were measured.
        train_trend: Direction of the training curve at its end.
        validation_trend: Direction of the validation curve.
        turn: Where the validation loss turned up, or `None`.
        end_train: Median of the training figure over the last part of the curve.
        end_validation: Median of the validation figure over it.
        seed_spread: Standard deviation of the validation figure over seeds, 0 where not run.
    """

    train: Estimate
    validation: Estimate
    baseline: Estimate
    evaluations: int
    train_trend: Trend
    validation_trend: Trend
    turn: Turn | None
    end_train: float
    end_validation: float
    seed_spread: float = 0.0

    @property
    def gap(self) -> float:
        """Training minus validation figure."""
        return self.train.value - self.validation.value

    @property
    def end_gap(self) -> float:
        """The gap at the end of the curves."""
        return self.end_train - self.end_validation

    @property
    def doubt(self) -> float:
        """How much smaller than measured the gap may be, at 95 %."""
        return math.hypot(
            self.train.value - self.train.low, self.validation.high - self.validation.value, 1.96 * self.seed_spread
        )

    @property
    def surely(self) -> float:
        """Lower end of the 95 % interval of the gap."""
        return self.gap - self.doubt

    @property
    def room(self) -> float:
        """What there is to gain over the baseline."""
        return max(1.0 - self.baseline.value, 1e-6)

    @property
    def skill(self) -> float:
        """Share of that which the training pictures reach."""
        return (self.train.value - self.baseline.value) / self.room

    @property
    def beats_baseline(self) -> bool:
        """Whether the validation figure is above that of the constant answer."""
        return self.validation.low > self.baseline.value

    @property
    def both_rise(self) -> bool:
        """Whether both curves clearly went up to the end."""
        return self.train_trend.rises and self.validation_trend.rises


def judge_fit(
    task: Task,
    history: Sequence[EpochRecord],
    train: Estimate,
    validation: Estimate,
    baseline: Estimate,
    *,
    context: FitContext,
) -> Verdict:
    """Judges a finished or interrupted run.

    Args:
        task: The task.
        history: Its epochs.
        train: Headline of the kept weights on un-augmented training pictures, in evaluation mode.
        validation: The same on validation pictures.
        baseline: The same on validation pictures for an answer that ignores the picture.
        context: What is known about the run; makes the advice specific.
    """
    fit = measure_fit(history, train, validation, baseline, context)
    state = decide(fit, finished=context.finished or context.stopped_early)
    return Verdict(state, tuple(_evidence(task, fit, state, context)), tuple(advise(state, fit, context)))


def measure_fit(
    history: Sequence[EpochRecord], train: Estimate, validation: Estimate, baseline: Estimate, context: FitContext
) -> Fit:
    """Gathers the facts."""
    records = evaluated(history)
    part = last_part(records)
    epochs = [float(one.epoch) for one in part]
    return Fit(
        train=train,
        validation=validation,
        baseline=baseline,
        evaluations=len(records),
        train_trend=trend(epochs, [float(one.train or 0) for one in part], _noise(train)),
        validation_trend=trend(epochs, [float(one.validation or 0) for one in part], _noise(validation)),
        turn=loss_turn(records),
        end_train=_median([one.train for one in part], train.value),
        end_validation=_median([one.validation for one in part], validation.value),
        seed_spread=_spread(context.seed_values),
    )


def decide(fit: Fit, *, finished: bool) -> State:
    """The rule; see the head of this file."""
    if fit.evaluations < FEWEST_EVALUATIONS:
        return "too early"
    if is_overfit(fit):
        return "overfit"
    if not finished and fit.both_rise:
        return "too early"
    if fit.gap >= UNCERTAIN_GAP and fit.surely <= 0:
        return "too early"
    if falls_short(fit):
        return "underfit"
    return "balanced"


def is_overfit(fit: Fit) -> bool:
    """Whether the training pictures were learned in a way that does not carry over."""
    if _large(fit, fit.gap, fit.train.value):
        return True
    stands = not falls_short(fit) and fit.end_validation >= fit.validation.low
    return overfit_at_end(fit) and not stands


def falls_short(fit: Fit) -> bool:
    """Whether the network cannot answer its own training pictures."""
    return fit.skill < LOW_SKILL or 1 - fit.train.value > LARGE_ERROR


def overfit_at_end(fit: Fit) -> bool:
    """Whether that is so of the end of the curves."""
    return _large(fit, fit.end_gap, fit.end_train)


def _large(fit: Fit, gap: float, train: float) -> bool:
    factor = 0.5 if fit.turn is not None else 1.0
    return (
        gap > fit.doubt
        and gap >= factor * LARGE_GAP
        and gap >= factor * LARGE_GAP_OF_SKILL * fit.room
        and gap >= 0.5 * (1 - train)
    )


def live_verdict(history: Sequence[EpochRecord], *, baseline: float = 0.0, validation_images: int = 1000) -> str:
    """The verdict so far in a word or two, for the live line of an epoch.

    Args:
        history: Epochs so far.
        baseline: Headline of the answer that ignores the picture.
        validation_images: Number of validation pictures, from which the noise of one figure is guessed.
    """
    records = evaluated(history)
    if len(records) < FEWEST_EVALUATIONS:
        return "too early"
    last = records[-1]
    fit = measure_fit(
        records,
        _guessed(float(last.train or 0), validation_images),
        _guessed(float(last.validation or 0), validation_images),
        Estimate("", baseline, baseline, baseline),
        FitContext(),
    )
    state = decide(fit, finished=False)
    learning = fit.train_trend.rises or fit.validation_trend.rises
    words: dict[State, str] = {
        "too early": "still learning" if fit.both_rise else "too early",
        "overfit": "overfitting",
        "underfit": "still learning" if learning else "underfit so far",
        "balanced": "balanced so far",
    }
    return words[state]


def _evidence(task: Task, fit: Fit, state: State, context: FitContext) -> list[str]:
    name = title_of(task.headline)
    sentences = [_gap_sentence(fit, name), _baseline_sentence(fit, name), _training_sentence(fit, state)]
    if fit.evaluations < FEWEST_EVALUATIONS:
        sentences.insert(0, _few_sentence(fit.evaluations))
    elif not context.finished and not context.stopped_early:
        sentences.append("Training was stopped before its schedule was done.")
    sentences += [
        _end_sentence(fit, state, name),
        _trend_sentence(fit, name),
        _turn_sentence(fit, state),
        _seed_sentence(fit, context, name),
        context.trap,
    ]
    if state == "too early" and fit.gap >= UNCERTAIN_GAP and fit.surely <= 0:
        many = plural(context.validation_images, "validation picture") if context.validation_images else ""
        sentences.append(f"The validation figure is too uncertain to judge by{f' ({many})' if many else ''}.")
    return [sentence for sentence in sentences if sentence]


def _few_sentence(evaluations: int) -> str:
    if evaluations == 0:
        return "No epoch was measured on both training and validation pictures, so there is nothing to judge by."
    return f"Both figures were measured {'once' if evaluations == 1 else 'twice'}; a curve needs three points at least."


def _gap_sentence(fit: Fit, name: str) -> str:
    both = f"Training {name} {in_words(fit.train)}, validation {in_words(fit.validation)}"
    if fit.gap <= 0:
        return f"{both}: no gap."
    chance = "more than chance explains" if fit.surely > 0 else "which chance could explain"
    return f"{both}: a gap of {points(fit.gap)}, {chance}."


def _baseline_sentence(fit: Fit, name: str) -> str:
    constant = format_metric(fit.baseline.name, fit.baseline.value)
    if not fit.beats_baseline:
        return (
            f"An answer that never looks at the picture reaches {constant} {name}: "
            "on validation pictures the network is not clearly better than that."
        )
    gained = (fit.validation.value - fit.baseline.value) / fit.room
    return (
        f"An answer that never looks at the picture reaches {constant}: the network covers {100 * gained:.0f} % "
        "of the way from there to perfect."
    )


def _training_sentence(fit: Fit, state: State) -> str:
    wrong = points(1 - fit.train.value)
    if state == "underfit":
        return f"It is {wrong} short of perfect on the very pictures it was trained on."
    if state == "overfit" and fit.train.value >= 0.98:
        return "The training pictures are known by heart."
    if state == "balanced" and fit.train.value >= 0.995 and fit.gap > 0:
        return "The training pictures are known by heart, but what was learned carries over."
    return ""


def _end_sentence(fit: Fit, state: State, name: str) -> str:
    told = state == "overfit" or (state == "balanced" and overfit_at_end(fit))
    if not told or fit.end_gap <= max(fit.gap, 0) + 0.01:
        return ""
    train, validation = (format_metric(fit.train.name, value) for value in (fit.end_train, fit.end_validation))
    earlier = "" if state == "overfit" else ", from before it learned the training pictures by heart"
    return (
        f"At the end of training {name} was {train} on training and {validation} on validation pictures, a gap of "
        f"{points(fit.end_gap)}; the weights that were kept are those of an earlier epoch{earlier}."
    )


def _trend_sentence(fit: Fit, name: str) -> str:
    if fit.train_trend.epochs < 1:
        return ""
    over = f"over the last {plural(fit.train_trend.epochs, 'epoch')}"
    if fit.both_rise:
        return (
            f"Both curves still rose {over}: training {name} by {points(fit.train_trend.rise)}, "
            f"validation by {points(fit.validation_trend.rise)}."
        )
    if fit.train_trend.rises:
        return f"Training {name} still rose by {points(fit.train_trend.rise)} {over}; validation did not clearly."
    if fit.validation_trend.falls:
        return f"Validation {name} fell by {points(fit.validation_trend.rise)} {over}."
    return f"Both curves are flat {over}."


def _turn_sentence(fit: Fit, state: State) -> str:
    if fit.turn is None:
        return ""
    told = (
        f"Validation loss was lowest in epoch {fit.turn.epoch} ({fit.turn.lowest:.3f}) and then rose to "
        f"{fit.turn.now:.3f} while training loss fell"
    )
    if state == "overfit":
        return f"{told}."
    return f"{told}: the network grows too sure of its mistakes, though it does not make clearly more of them."


def _seed_sentence(fit: Fit, context: FitContext, name: str) -> str:
    if len(context.seed_values) < 2:
        return ""
    low, high = (
        format_metric(fit.validation.name, edge) for edge in (min(context.seed_values), max(context.seed_values))
    )
    return f"Over {len(context.seed_values)} seeds, validation {name} lay between {low} and {high}."


def _guessed(value: float, images: int) -> Estimate:
    """A figure with the interval of a proportion, where a bootstrap in every epoch would cost too much."""
    spread = 1.96 * math.sqrt(max(value * (1 - value), 0.25 / max(images, 1)) / max(images, 1))
    return Estimate("", value, value - spread, value + spread)


def _noise(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 3.92


def _median(values: Sequence[float | None], otherwise: float) -> float:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else otherwise


def _spread(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0
