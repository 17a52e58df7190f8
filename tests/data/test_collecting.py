"""The garbage collector is spared old objects while a data set is opened, and is as before afterwards."""

from __future__ import annotations

import gc

import pytest

from striate.data.collecting import earlier_objects_aside


def test_old_objects_are_aside_and_come_back() -> None:
    assert gc.get_freeze_count() == 0

    @earlier_objects_aside()
    def fail() -> None:
        assert gc.get_freeze_count() > 10_000
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert gc.get_freeze_count() == 0


def test_what_somebody_else_set_aside_stays_aside() -> None:
    gc.freeze()
    try:
        with earlier_objects_aside(), earlier_objects_aside():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
