import numpy as np

from striate.evaluation import Estimate
from striate.evaluation.shift import class_share_shift, headline_shift

CLASSES = ("normal", "ill")


def labels(normal, ill):
    return np.repeat([0, 1], [normal, ill])


def test_other_class_shares_are_told_in_percent():
    (said,) = class_share_shift(labels(260, 740), labels(400, 240), CLASSES, "test")
    assert "'normal' 26 % in training, 62 % here" in said
    assert "'ill' 74 % in training, 38 % here" in said


def test_shares_that_chance_explains_are_not():
    assert class_share_shift(labels(500, 500), labels(27, 23), CLASSES, "test") == ()
    assert class_share_shift(labels(50000, 50000), labels(51000, 49000), CLASSES, "test") == ()


def test_splits_made_by_striate_are_not_compared():
    assert class_share_shift(labels(100, 900), labels(900, 100), CLASSES, "validation") == ()


def test_several_labels_are_compared_class_by_class():
    train, other = np.zeros((400, 2), dtype=np.uint8), np.zeros((400, 2), dtype=np.uint8)
    train[:200, 0] = other[:200, 0] = other[:, 1] = 1
    (said,) = class_share_shift(train, other, CLASSES, "test")
    assert "'ill'" in said
    assert "'normal'" not in said


def test_a_drop_from_validation_to_test():
    validation = Estimate("accuracy", 0.96, 0.94, 0.98)
    (said,) = headline_shift(validation, Estimate("accuracy", 0.86, 0.83, 0.89))
    assert "10.0 points below validation" in said
    assert headline_shift(validation, Estimate("accuracy", 0.94, 0.91, 0.97)) == ()
    assert headline_shift(validation, Estimate("accuracy", 0.99, 0.98, 1.0)) == ()
