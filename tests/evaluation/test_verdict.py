"""The rule, on made curves."""

import math
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from striate.evaluation import EpochRecord, Estimate, FitContext, judge_fit, live_verdict
from striate.evaluation.words import capitalised
from striate.recipe import Recipe, find_field
from striate.tasks import TASKS

TASK = TASKS.get("classification")


def estimate(value, images):
    """As the bootstrap would give it."""
    if value in (0, 1):
        edge = 0.025 ** (1 / images)
        return Estimate("accuracy", value, *((edge, 1.0) if value else (0.0, 1 - edge)))
    spread = 1.96 * math.sqrt(value * (1 - value) / images)
    return Estimate("accuracy", value, max(0.0, value - spread), min(1.0, value + spread))


def curve(train, validation, train_loss=None, validation_loss=None):
    return [
        EpochRecord(
            at + 1,
            10 * at,
            at,
            0.01,
            1.0,
            train[at],
            validation[at],
            train_loss[at] if train_loss else None,
            validation_loss[at] if validation_loss else None,
        )
        for at in range(len(train))
    ]


def judged(history, *, images=1000, validation_images=400, baseline=0.1, kept=None, **context):
    train, validation = kept or (history[-1].train, history[-1].validation)
    context = {"classes": 10, "epochs": len(history), "epochs_planned": len(history), **context}
    return judge_fit(
        TASK,
        history,
        estimate(train, images),
        estimate(validation, validation_images),
        estimate(baseline, validation_images),
        context=FitContext(images=images, validation_images=validation_images, **context),
    )


LEARNED = curve([0.5, 0.8, 0.95, 0.98, 0.985, 0.99], [0.5, 0.79, 0.93, 0.965, 0.97, 0.972])
MEMORISED = curve([0.5, 0.8, 0.97, 1.0, 1.0, 1.0], [0.4, 0.6, 0.68, 0.7, 0.71, 0.7])
HELPLESS = curve([0.2, 0.35, 0.45, 0.5, 0.51, 0.51], [0.2, 0.34, 0.45, 0.49, 0.5, 0.5])


@pytest.mark.parametrize(
    ("history", "state"), [(LEARNED, "balanced"), (MEMORISED, "overfit"), (HELPLESS, "underfit")], ids=str
)
def test_the_plain_cases(history, state):
    assert judged(history).state == state


@pytest.mark.parametrize("epochs", [0, 1, 2])
@pytest.mark.parametrize("history", [LEARNED, MEMORISED, HELPLESS], ids=["learned", "memorised", "helpless"])
def test_too_early_after_fewer_than_three_evaluations(history, epochs):
    verdict = judged(history[:epochs], kept=(1.0, 0.5))
    assert verdict.state == "too early"
    words = ("nothing to judge by", "measured once", "measured twice")
    assert words[epochs] in verdict.evidence[0]
    assert verdict.advice[0].startswith("Train on")


def test_too_early_where_it_was_stopped_while_both_curves_rose():
    rising = curve([0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [0.2, 0.3, 0.39, 0.49, 0.59, 0.68])
    assert judged(rising, finished=False).state == "too early"
    assert "--resume" in judged(rising, finished=False).advice[0]


def test_too_few_steps_is_underfit_where_the_schedule_was_done():
    rising = curve([0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [0.2, 0.3, 0.39, 0.49, 0.59, 0.68])
    verdict = judged(rising)
    assert verdict.state == "underfit"
    assert "Both curves still rose over the last 2 epochs" in " ".join(verdict.evidence)
    assert verdict.advice[0].startswith("Train longer, the curves have not levelled off: --epochs 12")


def test_learned_by_heart_with_a_tiny_gap_is_balanced():
    verdict = judged(curve([0.9, 0.99, 1.0, 1.0], [0.9, 0.98, 0.989, 0.99]), images=8000, validation_images=2000)
    assert verdict.state == "balanced"
    assert "known by heart, but what was learned carries over" in " ".join(verdict.evidence)


def test_a_gap_that_few_validation_pictures_cannot_show_is_too_early_to_tell():
    verdict = judged(curve([0.5, 0.9, 1.0, 1.0], [0.5, 0.8, 0.86, 0.86]), validation_images=14)
    assert verdict.state == "too early"
    assert "too uncertain to judge by (14 validation pictures)" in " ".join(verdict.evidence)
    assert "validation_share" in verdict.advice[0]


def test_spread_over_seeds_widens_the_doubt():
    history = curve([0.6, 0.9, 0.97, 0.97], [0.5, 0.84, 0.86, 0.86])
    assert judged(history).state == "overfit"
    spread = judged(history, seed_values=(0.8, 0.86, 0.95))
    assert spread.state == "too early"
    assert "Over 3 seeds, validation accuracy lay between 80.0 % and 95.0 %." in spread.evidence


def test_validation_loss_that_turned_up_tips_a_moderate_gap():
    train, validation = [0.6, 0.8, 0.9, 0.95, 0.97, 0.98, 0.98], [0.6, 0.78, 0.87, 0.91, 0.92, 0.92, 0.92]
    falling = [1.0, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05]
    history = curve(train, validation, falling, [1.0, 0.6, 0.5, 0.6, 0.8, 0.9, 1.0])
    assert judged(history, validation_images=2000).state == "overfit"
    flat = curve(train, validation, falling, [1.0, 0.6, 0.5, 0.5, 0.5, 0.5, 0.5])
    assert judged(flat, validation_images=2000).state == "balanced"


def test_growing_too_sure_without_more_mistakes_stays_balanced_and_is_told():
    history = curve(
        [0.6, 0.9, 0.98, 1.0, 1.0, 1.0, 1.0],
        [0.6, 0.9, 0.98, 0.985, 0.99, 0.99, 0.99],
        [1.0, 0.5, 0.1, 0.05, 0.02, 0.01, 0.005],
        [1.0, 0.5, 0.10, 0.12, 0.14, 0.16, 0.18],
    )
    verdict = judged(history)
    assert verdict.state == "balanced"
    assert "too sure of its mistakes" in " ".join(verdict.evidence)


def test_a_lucky_early_epoch_does_not_hide_how_training_ended():
    history = curve([0.6, 0.85, 0.93, 0.99, 1.0, 1.0, 1.0], [0.6, 0.82, 0.9, 0.82, 0.8, 0.8, 0.8])
    verdict = judged(history, kept=(0.93, 0.9))
    assert verdict.state == "overfit"
    assert "At the end of training accuracy was 100.0 % on training and 80.0 % on validation" in " ".join(
        verdict.evidence
    )


def test_good_weights_are_not_blamed_for_what_came_after_them():
    history = curve([0.6, 0.9, 0.96, 0.98, 0.995, 1.0, 1.0], [0.6, 0.89, 0.94, 0.94, 0.935, 0.93, 0.935])
    verdict = judged(history, kept=(0.96, 0.94), baseline=0.5)
    assert verdict.state == "balanced"
    assert (
        "At the end of training accuracy was 100.0 % on training and 93.5 % on validation pictures, a gap of 6.5 "
        "points; the weights that were kept are those of an earlier epoch, from before it learned the training "
        "pictures by heart."
    ) in verdict.evidence
    # The same end is overfitting where its weights were kept.
    assert judged(history, kept=(1.0, 0.935), baseline=0.5).state == "overfit"


def test_weak_early_weights_do_not_hide_that_the_rest_was_learned_by_heart():
    history = curve([0.5, 0.72, 0.9, 0.99, 1.0, 1.0, 1.0], [0.5, 0.7, 0.69, 0.69, 0.69, 0.69, 0.69])
    verdict = judged(history, kept=(0.72, 0.7))
    assert verdict.state == "overfit"
    assert "a gap of 31.0 points" in " ".join(verdict.evidence)


def test_a_constant_answer_is_called_out_however_good_its_figure():
    history = curve([0.98] * 5, [0.98] * 5)
    verdict = judged(history, baseline=0.98, classes=2)
    assert verdict.state == "underfit"
    assert (
        "An answer that never looks at the picture reaches 98.0 % accuracy: on validation pictures the network is not "
        "clearly better than that." in verdict.evidence
    )
    assert verdict.advice[0].startswith("Nothing was learned.")


def test_more_training_error_than_gap_is_underfit():
    assert judged(curve([0.4, 0.5, 0.55, 0.56], [0.4, 0.46, 0.48, 0.48])).state == "underfit"


def test_validation_above_training_is_no_gap():
    verdict = judged(curve([0.6, 0.93, 0.95, 0.95], [0.7, 0.95, 0.97, 0.97]))
    assert verdict.state == "balanced"
    assert "no gap" in verdict.evidence[0]


def test_evidence_holds_the_numbers():
    verdict = judged(MEMORISED, images=60, validation_images=400)
    assert verdict.evidence[0] == (
        "Training accuracy 100.0 % (94.0 to 100.0), validation 70.0 % (65.5 to 74.5): "
        "a gap of 30.0 points, more than chance explains."
    )
    assert "the network covers 67 % of the way from there to perfect" in verdict.evidence[1]


def test_only_a_change_that_is_on_is_to_be_weakened():
    flat = curve([0.5, 0.6, 0.62, 0.62], [0.5, 0.6, 0.62, 0.62])
    for field in ("", "augmentation.zoom"):
        verdict = judged(flat, hardest_change=field)
        assert verdict.state == "underfit"
        assert [advice.partition("--set ")[2] for advice in verdict.advice if advice.startswith("Weaken")] == (
            [f"{field}=0 first."] if field else []
        )


def test_advice_fits_the_run():
    few = judged(MEMORISED, images=60, augmented=False)
    assert few.advice[0].startswith("Collect more training pictures: 60 pictures is 6 a class")
    assert "augmentation.shift" in few.advice[1]
    many = judged(MEMORISED, images=20_000, augmented=True, pretrained=True)
    assert not any(advice.startswith("Collect") for advice in many.advice[:-1])
    assert "mixup" in many.advice[0]
    frozen = judged(HELPLESS, frozen=True, pretrained=True, epochs=40)
    assert "network.frozen=false" in frozen.advice[0]
    assert judged(HELPLESS, minutes=3).advice[0].endswith("--minutes 6.")


@pytest.mark.parametrize("history", [HELPLESS, MEMORISED], ids=["underfit", "overfit"])
def test_pretrained_weights_are_advised_of_a_network_that_has_some(history):
    own = " ".join(judged(history, net="resnet18").advice)
    assert ": --weights auto." in own
    none = " ".join(judged(history, net="resnet20", other_net="timm/tf_efficientnet_lite0").advice)
    assert "--net timm/tf_efficientnet_lite0 --weights auto (there are none for resnet20 here)." in none
    assert ": --weights auto" not in none
    assert "--weights" not in " ".join(judged(history, pretrained=True, other_net="timm/x").advice)


def test_flat_curves_of_few_epochs_are_not_said_to_rise():
    flat = judged(curve([0.3, 0.5, 0.51, 0.51], [0.3, 0.5, 0.5, 0.51]))
    assert "Both curves are flat over the last 2 epochs." in flat.evidence
    assert flat.advice[0] == "Train longer, 4 epochs may have been too few: --epochs 8."
    assert not any("levelled off" in advice for advice in flat.advice)


def test_a_test_split_of_another_kind_is_advised_on():
    verdict = judged(LEARNED, test=estimate(0.8, 500))
    assert "Add pictures of that kind to the training split" in verdict.advice[-1]


shares = st.floats(0.0, 1.0)


@given(st.floats(0.99, 1.0), st.floats(0.0, 0.89), st.floats(0.02, 0.5), st.integers(5, 5000))
def test_perfect_on_training_and_poor_on_validation_is_never_called_balanced(train, validation, baseline, images):
    history = curve([train] * 5, [validation] * 5)
    state = judged(history, validation_images=images, baseline=baseline).state
    assert state == "overfit" or (state == "too early" and images < 200)


@given(st.floats(0.0, 0.75), st.floats(-0.02, 0.02), st.floats(0.02, 0.7), st.integers(50, 5000))
def test_poor_on_both_is_underfit(train, gap, baseline, images):
    history = curve([train] * 5, [min(1.0, max(0.0, train - gap))] * 5)
    assert judged(history, validation_images=images, baseline=baseline).state == "underfit"


@given(st.floats(0.96, 1.0), st.floats(0.0, 0.02), st.floats(0.02, 0.75), st.integers(100, 5000))
def test_good_on_both_is_balanced(train, gap, baseline, images):
    history = curve([train] * 5, [train - gap] * 5)
    assert judged(history, validation_images=images, baseline=baseline).state == "balanced"


@given(
    st.lists(st.tuples(shares, shares), max_size=12),
    shares,
    st.floats(0.0, 0.99),
    st.integers(1, 500),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_any_run_gets_sentences_and_advice_that_can_be_typed(rows, last, baseline, images, finished, rich, frozen):
    history = curve([row[0] for row in rows], [row[1] for row in rows])
    verdict = judged(
        history,
        kept=(last, rows[-1][1] if rows else 0.5),
        baseline=baseline,
        validation_images=images,
        finished=finished,
        augmented=rich,
        pretrained=rich,
        frozen=frozen,
        parameters=10_000_000 if rich else 10_000,
        minutes=2.5 if rich else None,
    )
    assert verdict.evidence
    assert all(sentence.endswith(".") for sentence in verdict.evidence)
    assert not any("nan" in sentence.split() for sentence in verdict.evidence)
    for field, value in re.findall(r"--set ([\w.]+)=([^ ),.;]+(?:\.\d+)?)", " ".join(verdict.advice)):
        find_field(field)
        if value not in ("...", "'[H"):
            Recipe().with_values({field: value})


@given(st.lists(st.tuples(shares, shares), max_size=12), st.floats(0.0, 0.9))
def test_live_verdict_is_a_word_or_two(rows, baseline):
    history = curve([row[0] for row in rows], [row[1] for row in rows])
    word = live_verdict(history, baseline=baseline, validation_images=200)
    assert len(word) <= 16
    assume(len(rows) < 3)
    assert word == "too early"


def test_live_verdict_of_the_plain_cases():
    assert live_verdict(LEARNED, baseline=0.1) == "balanced so far"
    assert live_verdict(MEMORISED, baseline=0.1) == "overfitting"
    assert live_verdict(HELPLESS, baseline=0.1) == "underfit so far"
    rising = curve([0.2, 0.3, 0.4, 0.5], [0.2, 0.3, 0.39, 0.49])
    assert live_verdict(rising, baseline=0.1) == "still learning"


def test_names_of_figures_keep_their_letters_at_the_beginning_of_a_sentence() -> None:
    assert capitalised("mAP50 of 0.0 %") == "mAP50 of 0.0 %"
    assert capitalised("accuracy of 0.0 %") == "Accuracy of 0.0 %"
