"""The learning rate over a run, and fitting the run to the clock."""

from __future__ import annotations

import math

import pytest

from striate.training.schedule import Clock, Plan, epochs_that_fit, rate_factor, reserve_s


def test_one_cycle_rises_to_one_and_ends_at_zero() -> None:
    factors = [rate_factor(step / 100, "one-cycle", 0.2) for step in range(101)]
    assert factors[0] == pytest.approx(0.05)
    assert factors[20] == pytest.approx(1.0)
    assert factors[60] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0.0)
    assert factors[:21] == sorted(factors[:21])
    assert factors[20:] == sorted(factors[20:], reverse=True)


def test_cosine_keeps_a_hundredth_and_constant_keeps_all() -> None:
    assert rate_factor(1.0, "cosine", 0.0) == pytest.approx(0.01)
    assert [rate_factor(x, "constant", 0.1) for x in (0.1, 0.5, 1.0)] == [1.0, 1.0, 1.0]


def test_progress_is_even_where_the_plan_holds() -> None:
    plan = Plan(steps=8, steps_per_epoch=4)
    for step in range(8):
        assert plan.progress == pytest.approx(step / 8)
        plan.advance()
    assert plan.is_done
    assert plan.epoch == plan.epochs == 2


@pytest.mark.parametrize("left", [1, 3, 40])
def test_a_changed_plan_still_ends_at_the_end_of_the_schedule(left: int) -> None:
    plan = Plan(steps=100, steps_per_epoch=10)
    for _ in range(37):
        plan.advance()
    before = plan.progress
    plan.replan(left)
    values = []
    while not plan.is_done:
        values.append(plan.progress)
        plan.advance()
    assert len(values) == left
    assert values[0] == before
    assert values == sorted(values)
    assert plan.progress == 1.0


def test_an_epoch_cut_short_counts_only_at_the_end() -> None:
    plan = Plan(steps=10, steps_per_epoch=4)
    epochs = []
    while not plan.is_done:
        plan.advance()
        epochs.append(plan.epoch)
    assert epochs == [0, 0, 0, 1, 1, 1, 1, 2, 2, 3]
    assert plan.epochs == 3


def test_a_plan_survives_the_checkpoint() -> None:
    plan = Plan(steps=9, steps_per_epoch=2, step=5, progress=0.123)
    assert Plan.from_state(plan.state()) == plan


def test_the_clock_counts_earlier_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 130.0)
    clock = Clock(minutes=2, used_s=50.0, started_s=100.0)
    assert clock.seconds == 80.0
    assert clock.left_s(reserve_s=10.0) == 30.0
    assert math.isinf(Clock(None, started_s=100.0).left_s(10.0))


def test_epochs_fit_the_time_but_never_fall_below_one() -> None:
    assert epochs_that_fit(100.0, 30.0, most=50) == 3
    assert epochs_that_fit(10.0, 30.0, most=50) == 1
    assert epochs_that_fit(1e6, 30.0, most=50) == 50
    assert epochs_that_fit(math.inf, 30.0, most=50) == 50


def test_nothing_is_kept_back_without_a_limit() -> None:
    assert reserve_s(None, 5.0) == 0.0
    assert reserve_s(5.0, 1.0) < 60
