"""What every registered task must satisfy."""

import json
import math

import numpy as np
import pytest
import torch

from striate.networks import NetworkOptions, resolve_network
from striate.tasks import TASKS, LossSettings
from striate.tasks.metric_names import METRICS

CLASSES = ("a", "b", "c")


@pytest.fixture(params=TASKS.names())
def task(request):
    return TASKS.get(request.param)


@pytest.fixture
def answers(task):
    """Outputs of an untrained head for a dozen pictures, and some truth."""
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    output = torch.randn(12, 3)
    truth = generator.integers(0, 3, 12)
    targets = truth if task.name == "classification" else np.eye(3, dtype=np.uint8)[truth]
    return output, targets


def test_it_is_registered_under_its_own_name(task):
    assert TASKS.get(task.name) is task
    assert task.title
    assert not task.title[0].isupper()


def test_its_network_gives_one_score_a_class(task):
    network = task.build_network(resolve_network("lenet5"), NetworkOptions(3, 1, (32, 32))).eval()
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 3)


def test_scores_keep_the_picture_on_the_first_axis(task, answers):
    scores = task.scores(answers[0])
    assert len(scores) == 12
    assert scores.dtype == torch.float32
    torch.testing.assert_close(task.scores(answers[0][4:6]), scores[4:6])


def test_loss_is_a_finite_scalar_that_falls_when_followed(task, answers):
    output, targets = answers[0].clone().requires_grad_(), torch.from_numpy(answers[1])
    before = task.loss(output, targets, LossSettings())
    assert before.shape == ()
    (gradient,) = torch.autograd.grad(before, output)
    assert task.loss(output - gradient, targets, LossSettings()).item() < before.item()


def test_soft_targets_of_unmixed_pictures_give_the_same_loss(task, answers):
    output, targets = answers[0], torch.from_numpy(answers[1])
    soft = task.soften(targets, 3)
    assert soft.dtype == torch.float32
    torch.testing.assert_close(task.loss(output, soft, LossSettings()), task.loss(output, targets, LossSettings()))


def test_metrics_start_with_the_headline_are_documented_and_finite(task, answers):
    scores, targets = task.scores(answers[0]).numpy(), answers[1]
    found = task.metrics(scores, targets, CLASSES)
    assert next(iter(found)) == task.headline
    assert found[task.headline] == pytest.approx(task.headline_value(scores, targets))
    for name, value in found.items():
        assert math.isfinite(value)
        assert METRICS[name].meaning
    assert METRICS[task.headline].higher_is_better


def test_perfect_answers_reach_one_and_have_no_mistakes(task, answers):
    targets = answers[1]
    perfect = task.soften(torch.from_numpy(targets), 3).numpy()
    assert task.headline_value(perfect, targets) == 1
    assert len(task.mistakes(perfect, targets)) == 0


def test_per_class_rows_are_json_with_name_and_count(task, answers):
    rows = task.per_class(task.scores(answers[0]).numpy(), answers[1], CLASSES)
    assert [row["class"] for row in rows] == list(CLASSES)
    assert all(isinstance(row["count"], int) for row in rows)
    json.dumps(rows, allow_nan=False)


def test_baseline_ignores_the_picture(task, answers):
    scores = task.baseline_scores(answers[1], answers[1][:5], CLASSES)
    assert len(scores) == 5
    assert (scores == scores[0]).all()


def test_class_weights_are_positive_where_a_class_occurs(task, answers):
    weights = task.class_weights(answers[1], CLASSES)
    assert weights.shape == (3,)
    assert weights.dtype == np.float32
    assert (weights > 0).all()


def test_prediction_names_the_classes(task, answers):
    answer = task.prediction(task.scores(answers[0])[0].numpy(), CLASSES)
    assert {name for name, _ in answer.ranked()} == set(CLASSES)
