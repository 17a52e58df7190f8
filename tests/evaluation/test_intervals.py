import math

import numpy as np
import pytest

from striate.evaluation.intervals import affordable_resamples, estimate, headline_estimate, metric_estimates, resample
from striate.tasks import TASKS

TASK = TASKS.get("classification")


def scores_with(right: int, wrong: int):
    truth = np.zeros(right + wrong, dtype=np.int64)
    scores = np.tile(np.array([0.8, 0.2], dtype=np.float32), (right + wrong, 1))
    scores[right:] = [0.3, 0.7]
    return scores, truth


def test_interval_of_accuracy_is_that_of_a_proportion():
    scores, truth = scores_with(80, 20)
    found = headline_estimate(TASK, scores, truth)
    spread = 1.96 * math.sqrt(0.8 * 0.2 / 100)
    assert found.value == 0.8
    assert found.low == pytest.approx(0.8 - spread, abs=0.015)
    assert found.high == pytest.approx(0.8 + spread, abs=0.015)


def test_interval_narrows_with_the_root_of_the_number_of_pictures():
    few, many = (headline_estimate(TASK, *scores_with(8 * n, 2 * n)) for n in (10, 160))
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(4, rel=0.15)


def test_the_same_seed_gives_the_same_interval_and_another_a_slightly_different_one():
    scores, truth = scores_with(33, 14)
    first, again, other = (headline_estimate(TASK, scores, truth, seed=seed, resamples=99) for seed in (1, 1, 2))
    assert first == again
    assert (first.low, first.high) != (other.low, other.high)


def test_all_right_leaves_the_exact_binomial_doubt():
    found = headline_estimate(TASK, *scores_with(10, 0))
    # Clopper and Pearson for 10 of 10: 0.025 ** (1 / 10).
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.6915, abs=1e-4)


def test_all_wrong_likewise():
    found = headline_estimate(TASK, *scores_with(0, 10))
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(1 - 0.6915, abs=1e-4)


def test_one_picture_says_almost_nothing():
    found = headline_estimate(TASK, *scores_with(1, 0))
    assert found.low == pytest.approx(0.025)
    assert found.high == 1.0


def test_sensitivity_that_rests_on_few_pictures_is_doubtful():
    scores = np.tile(np.array([0.9, 0.1], dtype=np.float32), (103, 1))
    truth = np.zeros(103, dtype=np.int64)
    truth[:3], scores[:3] = 1, [0.1, 0.9]
    found = {one.name: one for one in metric_estimates(TASK, scores, truth, ("well", "ill"), resamples=50)}
    assert found["sensitivity"].low == pytest.approx(0.025 ** (1 / 3), abs=1e-6)
    assert found["accuracy"].low == pytest.approx(0.025 ** (1 / 103), abs=1e-6)


def test_log_loss_of_equal_pictures_has_no_binomial_bound():
    found = {one.name: one for one in metric_estimates(TASK, *scores_with(10, 0), ("a", "b"), resamples=50)}
    assert found["log_loss"].low == pytest.approx(-math.log(0.8), rel=1e-6)
    assert found["log_loss"].high == pytest.approx(-math.log(0.8), rel=1e-6)


def test_value_lies_inside_its_interval_for_every_metric():
    generator = np.random.default_rng(0)
    scores = generator.dirichlet(np.ones(5), 60).astype(np.float32)
    for one in metric_estimates(TASK, scores, generator.integers(0, 5, 60), tuple("abcde"), resamples=100):
        assert one.low <= one.value <= one.high
        assert math.isfinite(one.low)
        assert math.isfinite(one.high)


def test_resamples_of_a_metric_not_defined_in_some_are_left_out():
    # One positive among five: a third of the resamples hold none of it.
    scores = np.array([[0.2, 0.8]] + [[0.9, 0.1]] * 4, dtype=np.float32)
    draws = resample(TASK, scores, np.array([1, 0, 0, 0, 0]), ("auroc",), resamples=200)["auroc"]
    assert 30 < np.isnan(draws).sum() < 120
    assert estimate("auroc", 1.0, draws, support=5).low == pytest.approx(0.025 ** (1 / 5))


def test_draws_do_not_depend_on_how_many_are_made_at_once(monkeypatch):
    scores, truth = scores_with(20, 10)
    whole = resample(TASK, scores, truth, ("accuracy",), resamples=40)["accuracy"]
    monkeypatch.setattr("striate.evaluation.intervals._CELLS_AT_ONCE", 90)
    parts = resample(TASK, scores, truth, ("accuracy",), resamples=40)["accuracy"]
    assert whole.tolist() == parts.tolist()


def test_large_splits_get_fewer_resamples_never_under_200():
    assert affordable_resamples(300, 10) == 1000
    assert affordable_resamples(60_000, 10) == 200
    assert 200 < affordable_resamples(8_000, 10) < 1000
