import math

import numpy as np
import pytest
import torch

from striate.errors import DataError
from striate.structures import Label, Labels, Sample
from striate.tasks import TASKS, LossSettings

TASK = TASKS.get("multilabel")
CLASSES = ("sun", "sea", "snow")
SCORES = np.array([[0.9, 0.2, 0.1], [0.6, 0.8, 0.1], [0.4, 0.7, 0.1], [0.1, 0.3, 0.1]], dtype=np.float32)
TRUTH = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=np.uint8)


class NamedSource:
    name = "b.png"

    def read(self):
        raise AssertionError("no pixels are needed")


def test_metrics_by_hand():
    found = TASK.metrics(SCORES, TRUTH, CLASSES)
    assert next(iter(found)) == TASK.headline
    # Sun is found at ranks 1 and 3: (1/1 + 2/3) / 2. Sea at ranks 1 and 2. Snow does not occur.
    assert found["mean_average_precision"] == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    # Of twelve labels two are wrong: sun on the second picture, no sun on the third.
    assert found["label_accuracy"] == pytest.approx(10 / 12)
    assert found["exact_match"] == pytest.approx(2 / 4)
    assert found["micro_f1"] == pytest.approx(2 * 3 / (4 + 4))
    # Sun 2*1/(2+2), sea 1; snow neither occurs nor is answered.
    assert found["macro_f1"] == pytest.approx((0.5 + 1) / 2)
    assert found["auroc"] == pytest.approx((3 / 4 + 1) / 2)
    assert all(math.isfinite(value) for value in found.values())


def test_per_class_leaves_out_what_is_not_defined():
    sun, _, snow = TASK.per_class(SCORES, TRUTH, CLASSES)
    assert (sun["count"], sun["precision"], sun["recall"]) == (2, 0.5, 0.5)
    assert snow == {
        "class": "snow",
        "count": 0,
        "precision": None,
        "recall": None,
        "f1": None,
        "average_precision": None,
        "auroc": None,
    }


def test_nothing_labelled_at_all_has_no_headline():
    empty = np.zeros_like(TRUTH)
    assert math.isnan(TASK.headline_value(SCORES, empty))
    assert "mean_average_precision" not in TASK.metrics(SCORES, empty, CLASSES)


def test_baseline_reaches_the_share_of_each_class():
    scores = TASK.baseline_scores(TRUTH, TRUTH[:4], CLASSES)
    assert scores[0].tolist() == [0.5, 0.5, 0.0]
    assert TASK.headline_value(scores, TRUTH) == pytest.approx(0.5)


def test_loss_by_hand_with_weights_and_smoothing():
    output, targets = torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 0.0]])
    sigmoid = 1 / (1 + math.exp(-2.0))
    expected = (3 * math.log(2) - math.log(1 - sigmoid)) / 2
    assert float(TASK.loss(output, targets, LossSettings(class_weights=torch.tensor([3.0, 1.0])))) == pytest.approx(
        expected
    )
    smooth = (math.log(2) - 0.9 * math.log(1 - sigmoid) - 0.1 * math.log(sigmoid)) / 2
    assert float(TASK.loss(output, targets, LossSettings(label_smoothing=0.2))) == pytest.approx(smooth)


def test_class_weights_are_negatives_for_each_positive_within_limits():
    targets = np.zeros((1000, 3), dtype=np.uint8)
    targets[:250, 0] = 1
    targets[0, 1] = 1
    assert TASK.class_weights(targets, CLASSES).tolist() == pytest.approx([3.0, 100.0, 1.0])


def test_targets_take_one_label_or_several():
    samples = [
        Sample(NamedSource(), Labels((0, 2))),
        Sample(NamedSource(), Label(1)),
        Sample(NamedSource(), Labels(())),
    ]
    assert TASK.targets(samples, CLASSES).tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_a_missing_or_unknown_label_is_named():
    with pytest.raises(DataError, match=r"b\.png: multilabel needs the classes of each picture; found none"):
        TASK.targets([Sample(NamedSource())], CLASSES)
    with pytest.raises(DataError, match="class index 7 lies outside the 3 class names"):
        TASK.targets([Sample(NamedSource(), Labels((0, 7)))], CLASSES)


def test_prediction_knows_that_several_may_hold():
    answer = TASK.as_prediction(SCORES[1], CLASSES)
    assert answer.several
    assert [name for name, score in answer.ranked() if score >= answer.threshold] == ["sea", "sun"]


def test_mistakes_are_pictures_with_a_wrong_label():
    assert sorted(TASK.mistakes(SCORES, TRUTH).tolist()) == [1, 2]
