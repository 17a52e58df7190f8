import json

import numpy as np
import pytest

from striate.evaluation import Estimate, Evaluation, compare_scores, evaluate
from striate.tasks import TASKS

TASK = TASKS.get("classification")
CLASSES = ("cat", "dog", "owl")


def answered(truth, right, seed=0, classes=3):
    """Scores that are right with a given chance."""
    generator = np.random.default_rng(seed)
    scores = generator.dirichlet(np.ones(classes), len(truth))
    hit = generator.random(len(truth)) < right
    scores[hit, truth[hit]] += 2
    missed = np.flatnonzero(~hit)
    scores[missed, (truth[missed] + 1) % classes] += 2
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def truth():
    return np.random.default_rng(1).integers(0, 3, 150)


def test_headline_baseline_and_metrics(truth):
    found = evaluate(TASK, answered(truth, 0.9), truth, CLASSES, split="test", train_targets=np.array([1, 1, 0, 2]))
    assert found.images == 150
    assert found.headline == found.metrics[0]
    assert found.headline.value == pytest.approx(0.9, abs=0.07)
    assert found.baseline.value == pytest.approx((truth == 1).mean())
    assert len(found.per_class) == 3
    assert not any("says nothing" in warning for warning in found.warnings)


def test_it_is_json_and_reads_back(truth):
    found = evaluate(TASK, answered(truth, 0.8), truth, CLASSES, split="test", train_targets=truth)
    text = json.dumps(found.as_dict(), allow_nan=False)
    assert Evaluation.from_dict(json.loads(text)) == found


def test_accuracy_that_a_constant_answer_reaches_is_called_out():
    truth = np.array([0] * 98 + [1] * 2)
    scores = np.tile(np.array([0.9, 0.1], dtype=np.float32), (100, 1))
    found = evaluate(TASK, scores, truth, ("empty", "person"), split="test", train_targets=truth)
    (said,) = [warning for warning in found.warnings if warning.startswith("Accuracy")]
    assert said.startswith("Accuracy of 98.0 % (")
    # Balanced accuracy, F1 and AUROC are no better: one sentence for all, in the order of the figures.
    reached = "98.0 %, 50.0 %, 49.5 % and 50.0 %, in that order."
    assert said.endswith(f"say nothing here: an answer that never looks at the picture reaches {reached}")
    assert any("Never answered, although the split shows them: 'person' (2 pictures)." in one for one in found.warnings)


def test_accuracy_above_a_constant_answer_is_not_called_out_where_others_are():
    # Twelve of twenty rare pictures found, at the price of as many false alarms: accuracy equals the constant answer's.
    truth = np.array([0] * 180 + [1] * 20)
    predicted = truth.copy()
    predicted[180:188], predicted[:12] = 0, 1
    scores = np.where(predicted[:, None] == [0, 1], 0.8, 0.2).astype(np.float32)
    found = evaluate(TASK, scores, truth, ("empty", "person"), split="test", train_targets=truth)
    called = [warning.split(" of ")[0] for warning in found.warnings if "says nothing" in warning]
    assert called == ["Accuracy"]


def test_rare_and_absent_classes_are_named(truth):
    few = np.concatenate([truth[truth < 2], [1] * 3])
    few[few == 1] = np.where(np.arange((few == 1).sum()) < 4, 1, 0)
    found = evaluate(TASK, answered(few, 0.9), few, CLASSES, split="test", train_targets=few)
    said = " ".join(found.warnings)
    assert "The test split shows no picture of 'owl'" in said
    assert "Too few pictures to tell how well these classes do (under 10): 'dog' (4)" in said


def test_validation_and_training_figures_are_not_what_to_expect(truth):
    scores = answered(truth, 0.9)
    validation = evaluate(TASK, scores, truth, CLASSES, split="validation", train_targets=truth)
    assert validation.warnings[0].startswith("These pictures chose the weights that were kept")
    train = evaluate(TASK, scores, truth, CLASSES, split="train", train_targets=truth)
    assert train.warnings[0].startswith("These are the training pictures")


def test_a_test_figure_far_below_validation_is_noticed(truth):
    arguments = {"split": "test", "train_targets": truth, "resamples": 200}
    high = Estimate("accuracy", 0.97, 0.95, 0.99)
    low = evaluate(TASK, answered(truth, 0.8), truth, CLASSES, validation=high, **arguments)
    assert any("probably of another kind" in warning for warning in low.warnings)
    same = evaluate(TASK, answered(truth, 0.97), truth, CLASSES, validation=high, **arguments)
    assert not any("probably of another kind" in warning for warning in same.warnings)


def test_what_was_seen_of_a_shift_is_passed_on(truth):
    found = evaluate(
        TASK, answered(truth, 0.9), truth, CLASSES, split="test", train_targets=truth, shift=["they are darker."]
    )
    assert "They are darker." in found.warnings


@pytest.mark.parametrize("count", [0, 3])
def test_scores_and_targets_must_match(truth, count):
    with pytest.raises(ValueError, match="as many scores as targets and at least one"):
        evaluate(TASK, answered(truth, 0.9)[:count], truth[:0], CLASSES, split="test", train_targets=truth)


def test_paired_difference_is_narrower_than_the_two_intervals(truth):
    first = answered(truth, 0.7)
    second = first.copy()
    wrong = np.flatnonzero(first.argmax(axis=1) != truth)[:15]
    second[wrong] = np.eye(3)[truth[wrong]]
    found = compare_scores(TASK, first, second, truth)
    assert found.value == pytest.approx(15 / 150)
    # Every changed picture got better, so the difference is certain, though the single intervals overlap.
    assert found.low > 0
    assert compare_scores(TASK, second, first, truth).value == pytest.approx(-0.1)
    assert compare_scores(TASK, first, first, truth) == Estimate("accuracy", 0.0, 0.0, 0.0)


def test_comparison_needs_the_same_pictures(truth):
    with pytest.raises(ValueError, match="the same pictures are needed"):
        compare_scores(TASK, answered(truth, 0.7)[:5], answered(truth, 0.7), truth)
