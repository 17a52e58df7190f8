"""The metrics of many resamples at once must be those of the repeated pictures, and both those of torchmetrics."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.tasks import TASKS, Task
from striate.tasks.resampling import area_under_roc, average_precision


def fabricated(task, images, classes, seed):
    generator = np.random.default_rng(seed)
    # Few distinct scores, so that ties are common.
    scores = generator.dirichlet(np.ones(classes), images).round(1).astype(np.float32)
    if task.name == "classification":
        return scores, generator.integers(0, classes, images)
    return scores, (generator.random((images, classes)) < 0.2).astype(np.uint8)


@pytest.mark.parametrize("name", ["classification", "multilabel"])
@settings(max_examples=12, deadline=None)
@given(images=st.integers(1, 30), classes=st.sampled_from([2, 3, 4, 20]), seed=st.integers(0, 1000))
def test_weighted_metrics_equal_those_of_repeated_pictures(name, images, classes, seed):
    task = TASKS.get(name)
    scores, targets = fabricated(task, images, classes, seed)
    weights = np.random.default_rng(seed).multinomial(images, np.ones(images) / images, size=3).astype(float)
    slow = Task.resampled_metrics(task, scores, targets, weights)
    fast = task.resampled_metrics(scores, targets, weights)
    assert set(slow) <= set(fast)
    for metric, values in slow.items():
        np.testing.assert_allclose(fast[metric], values, atol=2e-6, err_msg=metric)


@pytest.mark.parametrize("name", ["classification", "multilabel"])
def test_only_the_metrics_asked_for(name):
    task = TASKS.get(name)
    scores, targets = fabricated(task, 20, 3, 0)
    for names in ((task.headline,), ("macro_f1", "log_loss")):
        assert set(task.resampled_metrics(scores, targets, np.ones((2, 20)), names)) == set(names)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_metrics_of_classes_agree_with_torchmetrics(classes):
    from torchmetrics.functional import classification as theirs

    generator = np.random.default_rng(classes)
    scores = generator.dirichlet(np.ones(classes), 300).astype(np.float32)
    # One class occurs neither in the truth nor, mostly, in the answers.
    scores[:, -1] *= 0.1 if classes == 7 else 1
    targets = generator.integers(0, 6 if classes == 7 else classes, 300)
    found = TASKS.get("classification").metrics(scores, targets, tuple(map(str, range(classes))))
    asked = torch.from_numpy(scores), torch.from_numpy(targets)
    f1 = theirs.multiclass_f1_score(*asked, num_classes=classes, average="macro")
    error = theirs.multiclass_calibration_error(*asked, num_classes=classes, n_bins=15)
    areas = [theirs.binary_auroc(asked[0][:, k], (asked[1] == k).long()) for k in np.unique(targets).tolist()]
    assert found["macro_f1"] == pytest.approx(float(f1), abs=1e-6)
    assert found["calibration_error"] == pytest.approx(float(error), abs=1e-6)
    assert found["auroc"] == pytest.approx(float(areas[1] if classes == 2 else np.mean(areas)), abs=1e-6)


def test_ranking_metrics_agree_with_torchmetrics():
    from torchmetrics.functional.classification import multilabel_auroc, multilabel_average_precision

    generator = np.random.default_rng(3)
    scores = generator.random((200, 5)).round(2).astype(np.float32)
    positives = (generator.random((200, 5)) < 0.3).astype(np.int64)
    once = np.ones((1, 200))
    arguments = (torch.from_numpy(scores), torch.from_numpy(positives), 5)
    np.testing.assert_allclose(
        average_precision(scores, positives, once)[0], multilabel_average_precision(*arguments, average=None), atol=1e-6
    )
    np.testing.assert_allclose(
        area_under_roc(scores, positives, once)[0], multilabel_auroc(*arguments, average=None), atol=1e-6
    )


def test_constant_scores_give_one_half_and_the_share_of_positives():
    scores, positives = np.full((8, 1), 0.3), np.array([[1], [1], [0], [0], [0], [0], [0], [0]])
    once = np.ones((1, 8))
    assert area_under_roc(scores, positives, once)[0, 0] == 0.5
    assert average_precision(scores, positives, once)[0, 0] == pytest.approx(0.25)
