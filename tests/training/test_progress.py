"""The live line of an epoch."""

from __future__ import annotations

from dataclasses import replace

from striate.evaluation import EpochRecord
from striate.training.progress import epoch_line

RECORD = EpochRecord(3, 30, 12.0, 0.01, 0.5, train=0.8123, validation=0.7901)


def test_training_and_validation_stand_side_by_side() -> None:
    line = epoch_line(RECORD, 20, "still learning", 75.2)
    assert line == "epoch  3/20  loss 0.500  train 0.812  validation 0.790  still learning  1:15 left"


def test_approximations_are_marked() -> None:
    assert "train ~0.812  validation ~0.790" in epoch_line(replace(RECORD, exact=False), 20, "", None)
