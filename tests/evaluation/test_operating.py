from __future__ import annotations

import numpy as np
import pytest

from striate.evaluation.operating import OperatingPoint, RocCurve, choose_threshold, operating_point, roc_curve


def test_the_threshold_parts_the_classes_where_that_can_be_done() -> None:
    scores = np.array([0.1, 0.2, 0.35, 0.65, 0.9])
    assert choose_threshold(scores, np.array([0, 0, 0, 1, 1])) == pytest.approx(0.5)
    assert choose_threshold(scores, np.array([0, 1, 1, 1, 1])) == pytest.approx(0.15)
    assert choose_threshold(scores, np.zeros(5, np.int64)) is None


def test_of_equal_scores_none_is_parted() -> None:
    # By hand: at 0.5 and above, sensitivity 2/2 and specificity 1/3; above 0.5, 1/2 and 3/3, which is more.
    scores = np.array([0.2, 0.5, 0.5, 0.5, 0.8])
    targets = np.array([0, 0, 0, 1, 1])
    assert choose_threshold(scores, targets) == pytest.approx(0.65)


def test_a_point_is_counted_by_hand_and_comes_back_from_its_document() -> None:
    scores = np.array([0.9, 0.8, 0.3, 0.7, 0.2, 0.1])
    targets = np.array([1, 1, 1, 0, 0, 0])
    point = operating_point(scores, targets, 0.5)
    assert [one.value for one in point.figures] == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2 / 3])
    assert point.sensitivity is not None
    assert point.sensitivity.low < 2 / 3 < point.sensitivity.high
    assert OperatingPoint.from_dict(point.as_dict()) == point


def test_pictures_of_one_patient_are_no_independent_witnesses() -> None:
    rng = np.random.default_rng(1)
    patients = np.repeat(np.arange(20), 10)
    targets = np.repeat(np.arange(20) % 2, 10)
    # Each patient's ten pictures are answered alike.
    scores = np.repeat(np.clip(targets[::10] * 0.4 + 0.3 + rng.normal(0, 0.3, 20), 0, 1), 10)
    alone = operating_point(scores, targets, 0.5).sensitivity
    together = operating_point(scores, targets, 0.5, groups=patients).sensitivity
    assert together is not None
    assert alone is not None
    assert together.value == alone.value
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_what_no_picture_tells_is_left_out() -> None:
    point = operating_point(np.array([0.1, 0.2, 0.3]), np.array([0, 1, 0]), 0.9)
    assert point.positive_value is None
    assert [one.name for one in point.figures] == ["sensitivity", "specificity", "negative_value"]
    assert OperatingPoint.from_dict(point.as_dict()) == point


def test_a_curve_is_counted_by_hand_and_comes_back_from_its_document() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.7, 0.2])
    curve = roc_curve(scores, np.array([1, 0, 1, 0, 0]))
    assert curve is not None
    # Of equal scores all come at once.
    assert curve.thresholds == (1.0, 0.9, 0.8, 0.7, 0.2)
    assert curve.alarms == pytest.approx([0, 0, 1 / 3, 2 / 3, 1], abs=1e-6)
    assert curve.found == pytest.approx([0, 0.5, 0.5, 1, 1], abs=1e-6)
    assert RocCurve.from_dict(curve.as_dict()) == curve
    assert roc_curve(scores, np.zeros(5, np.int64)) is None


def test_the_band_of_a_curve_holds_it_and_is_wider_by_patient() -> None:
    rng = np.random.default_rng(3)
    patients = np.repeat(np.arange(40), 8)
    targets = np.repeat(np.arange(40) % 2, 8)
    scores = np.repeat(np.clip(targets[::8] * 0.3 + 0.35 + rng.normal(0, 0.25, 40), 0, 1), 8)
    alone, together = roc_curve(scores, targets), roc_curve(scores, targets, groups=patients)
    assert alone is not None
    assert together is not None
    grid = np.linspace(0, 1, 101)
    at = np.array(alone.found)[np.searchsorted(alone.alarms, grid + 1e-9, side="right") - 1]
    assert (np.array(alone.low) <= at + 1e-6).all()
    assert (at <= np.array(alone.high) + 1e-6).all()
    widths = [np.mean(np.subtract(one.high, one.low)) for one in (alone, together)]
    assert widths[1] > 1.5 * widths[0]


def test_a_perfect_order_has_no_width() -> None:
    curve = roc_curve(np.linspace(0, 1, 60), np.arange(60) // 30)
    assert curve is not None
    assert set(curve.low) == set(curve.high) == {1.0}
