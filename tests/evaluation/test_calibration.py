import numpy as np
import pytest

from striate.evaluation.calibration import reliability
from striate.evaluation.confusion import ConfusedPair, confused_pairs
from striate.tasks.resampling import calibration_error


def test_bins_by_hand():
    scores = np.array([[0.9, 0.1], [0.92, 0.08], [0.45, 0.55]])
    low, high = reliability(scores, np.array([0, 1, 1]))
    assert (low.count, low.right, low.score) == (1, 1.0, 0.55)
    assert (high.count, high.right) == (2, 0.5)
    assert high.score == pytest.approx(0.91)
    assert (high.low, high.high) == pytest.approx((13 / 15, 14 / 15))


def test_certain_answers_fall_into_the_last_bin():
    (only,) = reliability(np.array([[1.0, 0.0]]), np.array([0]))
    assert only.high == 1.0


def test_several_labels_count_one_by_one():
    bins = reliability(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([[1, 0], [0, 0]]))
    assert [(one.count, one.right) for one in bins] == [(2, 0.0), (2, 0.5)]


def test_bins_sum_to_the_calibration_error():
    generator = np.random.default_rng(0)
    scores, targets = generator.dirichlet(np.ones(4), 300), generator.integers(0, 4, 300)
    bins = reliability(scores, targets)
    expected = sum(one.count * abs(one.right - one.score) for one in bins) / 300
    found = calibration_error(scores.max(axis=1), scores.argmax(axis=1) == targets, np.ones((1, 300)))
    assert found[0] == pytest.approx(expected)


def test_confused_pairs_most_pictures_first():
    table = np.array([[5, 3, 0], [1, 7, 0], [0, 0, 4]])
    assert confused_pairs(table, ("a", "b", "c")) == [
        ConfusedPair("a", "b", 3, 3 / 8),
        ConfusedPair("b", "a", 1, 1 / 8),
    ]
