import math

import pytest

from striate.evaluation import EpochRecord
from striate.evaluation.curves import evaluated, last_part, loss_turn, trend


def record(epoch, train=None, validation=None, train_loss=None, validation_loss=None):
    return EpochRecord(epoch, epoch, epoch, 0.1, 1.0, train, validation, train_loss, validation_loss)


def losses(train, validation):
    return [record(at, 0.5, 0.5, a, b) for at, (a, b) in enumerate(zip(train, validation, strict=True), start=1)]


def test_epochs_without_both_figures_are_left_out():
    history = [record(1, 0.5, 0.4), record(2), record(3, 0.6), record(4, 0.7, math.nan), record(5, 0.8, 0.7)]
    assert [one.epoch for one in evaluated(history)] == [1, 5]


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (3, 3), (9, 3), (10, 4), (30, 10)])
def test_last_part_is_a_third_three_at_least(count, expected):
    assert len(last_part([record(at) for at in range(count)])) == expected


def test_a_straight_line_is_measured_exactly():
    found = trend([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4], noise=0.01)
    assert found.rise == pytest.approx(0.3)
    assert found.epochs == 3
    # Standard error of a slope: 0.01 / sqrt(sum of squared distances = 5); over a span of 3 epochs.
    assert found.doubt == pytest.approx(1.96 * 0.01 / math.sqrt(5) * 3)
    assert found.rises
    assert not found.falls


def test_one_odd_epoch_does_not_turn_it():
    assert trend([1, 2, 3, 4, 5], [0.5, 0.6, 0.1, 0.8, 0.9], noise=0.01).rise == pytest.approx(0.4)


def test_noise_is_not_a_rise():
    assert not trend([1, 2, 3], [0.90, 0.92, 0.91], noise=0.02).rises


def test_evaluations_far_apart_are_weighed_by_their_epochs():
    assert trend([1, 2, 10], [0.1, 0.2, 1.0], noise=0.001).rise == pytest.approx(0.9)


def test_two_points_have_no_direction():
    found = trend([1, 2], [0.1, 0.9], noise=0.0)
    assert not found.rises
    assert not found.falls


def test_validation_loss_that_turns_up_while_training_loss_falls():
    turn = loss_turn(losses([1, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1], [1, 0.8, 0.7, 0.8, 0.9, 1.0, 1.1]))
    assert turn is not None
    assert (turn.epoch, turn.lowest, turn.now) == (3, 0.7, 1.0)


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        ([1, 0.8, 0.6, 0.5, 0.4, 0.3], [1, 0.8, 0.7, 0.6, 0.5, 0.4]),  # both fall
        ([1, 0.8, 0.6, 0.8, 0.9, 1.0], [1, 0.8, 0.7, 0.9, 1.0, 1.1]),  # both rise: it diverges
        ([1, 0.8, 0.6, 0.5, 0.4, 0.3], [1, 0.8, 0.7, 0.72, 0.71, 0.73]),  # flat within 15 %
        ([0.6, 0.4, 0.3], [0.5, 0.8, 0.9]),  # too few
    ],
)
def test_no_turn(train, validation):
    assert loss_turn(losses(train, validation)) is None
