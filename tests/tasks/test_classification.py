import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from striate.errors import DataError
from striate.structures import Label, Labels, Sample
from striate.tasks import TASKS, LossSettings
from striate.tasks.classification import confusion_matrix

TASK = TASKS.get("classification")
CLASSES = ("cat", "dog", "owl")
# Answers: cat, cat, dog, owl; truth: cat, dog, dog, cat.
SCORES = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7]], dtype=np.float32)
TRUTH = np.array([0, 1, 1, 0])


class NamedSource:
    name = "a.png"

    def read(self):
        raise AssertionError("no pixels are needed")


def sample(annotation):
    return Sample(NamedSource(), annotation)


def test_metrics_of_four_pictures_by_hand():
    found = TASK.metrics(SCORES, TRUTH, CLASSES)
    assert next(iter(found)) == TASK.headline == "accuracy"
    assert found["accuracy"] == 0.5
    # Recall of cat 1/2, of dog 1/2; owl does not occur and is left out.
    assert found["balanced_accuracy"] == 0.5
    # F1: cat 2*1/(2+2), dog 2*1/(2+1), owl 0 (answered, never true).
    assert found["macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert found["log_loss"] == pytest.approx(-np.log([0.8, 0.3, 0.7, 0.1]).mean(), rel=1e-6)
    # Cat: positives 0.8 and 0.1 against 0.6 and 0.2: two of four pairs right. Dog: 0.3, 0.7 against 0.1, 0.2: all.
    assert found["auroc"] == pytest.approx((0.5 + 1.0) / 2)
    assert "sensitivity" not in found
    assert "top3_accuracy" not in found


def test_two_classes_have_sensitivity_and_specificity():
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.8, 0.2], [0.2, 0.8]], dtype=np.float32)
    found = TASK.metrics(scores, np.array([0, 0, 1, 1, 1]), ("well", "ill"))
    assert found["sensitivity"] == pytest.approx(2 / 3)
    assert found["specificity"] == pytest.approx(1 / 2)
    # Ill 0.7, 0.2, 0.8 against well 0.1, 0.6: five of six pairs right.
    assert found["auroc"] == pytest.approx(5 / 6)


@pytest.mark.parametrize(("classes", "name"), [(4, "top3_accuracy"), (19, "top3_accuracy"), (20, "top5_accuracy")])
def test_top_k_where_there_are_more_classes_than_k(classes, name):
    scores = np.tile(np.linspace(0.9, 0.1, classes, dtype=np.float32), (2, 1))
    k = int(name[3])
    found = TASK.metrics(scores, np.array([k - 1, k]), tuple(map(str, range(classes))))
    assert found[name] == 0.5


def test_one_class_only_leaves_auroc_out_and_holds_no_nan():
    found = TASK.metrics(SCORES, np.zeros(4, dtype=np.int64), CLASSES)
    assert "auroc" not in found
    assert all(math.isfinite(value) for value in found.values())
    rows = TASK.per_class(SCORES, np.zeros(4, dtype=np.int64), CLASSES)
    assert rows[1]["count"] == 0
    assert rows[1]["recall"] is None
    assert rows[0]["auroc"] is None
    assert not any(isinstance(value, float) and math.isnan(value) for row in rows for value in row.values())


def test_no_pictures_give_no_metrics():
    assert TASK.metrics(SCORES[:0], TRUTH[:0], CLASSES) == {}


def test_confusion_matrix_has_truth_in_rows():
    assert confusion_matrix(SCORES, TRUTH, 3).tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]


def test_per_class_by_hand():
    cat, dog, owl = TASK.per_class(SCORES, TRUTH, CLASSES)
    assert (cat["count"], cat["precision"], cat["recall"], cat["f1"]) == (2, 0.5, 0.5, 0.5)
    assert (dog["count"], dog["precision"], dog["recall"]) == (2, 1.0, 0.5)
    assert (owl["count"], owl["precision"], owl["recall"], owl["auroc"]) == (0, 0.0, None, None)


def test_baseline_is_the_commonest_training_class_with_its_share():
    scores = TASK.baseline_scores(np.array([1, 1, 1, 0]), np.zeros(5, np.int64), CLASSES)
    assert scores.shape == (5, 3)
    assert scores[4].tolist() == [0.25, 0.75, 0.0]
    assert TASK.headline_value(scores, np.array([1, 1, 0, 0, 2])) == pytest.approx(2 / 5)


def test_mistakes_with_the_least_score_for_the_truth_come_first():
    assert TASK.mistakes(SCORES, TRUTH).tolist() == [3, 1]


def test_one_hot_targets_give_the_loss_of_class_indices():
    torch.manual_seed(0)
    output, targets = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    for settings in (
        LossSettings(),
        LossSettings(label_smoothing=0.1),
        LossSettings(class_weights=torch.tensor([0.2, 1.0, 3.0])),
        LossSettings(0.1, torch.tensor([0.2, 1.0, 3.0])),
    ):
        hard = TASK.loss(output, targets, settings)
        soft = TASK.loss(output, TASK.soften(targets, 3), settings)
        torch.testing.assert_close(hard, soft)


def test_loss_is_linear_in_mixed_targets():
    torch.manual_seed(0)
    output, first, second = torch.randn(4, 3), torch.tensor([0, 1, 2, 0]), torch.tensor([2, 2, 0, 1])
    mixed = 0.3 * TASK.soften(first, 3) + 0.7 * TASK.soften(second, 3)
    expected = 0.3 * TASK.loss(output, first, LossSettings()) + 0.7 * TASK.loss(output, second, LossSettings())
    torch.testing.assert_close(TASK.loss(output, mixed, LossSettings()), expected)


def test_auxiliary_outputs_count_three_tenths():
    torch.manual_seed(0)
    main, aux = torch.randn(4, 3), torch.randn(4, 3)
    targets = torch.tensor([0, 1, 2, 0])
    expected = functional.cross_entropy(main, targets) + 0.3 * functional.cross_entropy(aux, targets)
    torch.testing.assert_close(TASK.loss((main, aux, None), targets, LossSettings()), expected)
    torch.testing.assert_close(TASK.scores((main, aux, None)), main.softmax(1))


def test_loss_is_computed_in_float32_whatever_the_output_is():
    output = torch.tensor([[10.0, 0.0]], dtype=torch.bfloat16)
    assert TASK.loss(output, torch.tensor([0]), LossSettings()).dtype == torch.float32
    assert TASK.scores(output).dtype == torch.float32


def test_class_weights_average_one_over_the_training_pictures():
    targets = np.array([0] * 6 + [1] * 2)
    weights = TASK.class_weights(targets, CLASSES)
    assert weights[:2].tolist() == pytest.approx([8 / 12, 8 / 4])
    assert weights[2] == 0
    assert weights[targets].mean() == pytest.approx(1)


def test_targets_of_samples():
    assert TASK.targets([sample(Label(2)), sample(Label(0))], CLASSES).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (None, "a.png: classification needs one class for each picture; found no label"),
        (Labels((0, 1)), "found Labels"),
        (Label(3), r"class index 3 lies outside the 3 class names \(0 to 2\)"),
    ],
)
def test_a_sample_that_does_not_fit_is_named(annotation, words):
    with pytest.raises(DataError, match=words):
        TASK.targets([sample(annotation)], CLASSES)
