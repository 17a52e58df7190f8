"""What every registered task must satisfy."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from striate.networks import NetworkOptions, resolve_network
from striate.networks.heads.distance_outputs import DistanceOutputs, relative_depth
from striate.networks.heads.outputs import packed
from striate.networks.heads.point_outputs import PointOutputs
from striate.networks.heads.truth import BoxBatch, InstanceBatch
from striate.networks.spatial import SpatialNetwork
from striate.structures import SPATIAL_TASKS, VOID, Instances, Placement, Ragged
from striate.tasks import TASKS, LossSettings, Task
from striate.tasks.base import View
from striate.tasks.detection import EMPTY_TRUTH
from striate.tasks.instances import EMPTY_TRUTH as INSTANCE_TRUTH
from striate.tasks.metric_names import METRICS

CLASSES = ("a", "b", "c")
PICTURES = 12


SIZE = (48, 64)
SAME = Placement(SIZE, SIZE, (1.0, 1.0), (0.0, 0.0))


@dataclass(frozen=True)
class Case:
    """A dozen pictures as one task sees them.

    Attributes:
        task: The task.
        leaves: Tensors that an untrained network's output is made of, first axis the picture.
        perfect: Those of a perfect one.
        truth: What the loss is given.
        targets: What figures are measured by.
        build: An output from its tensors.
    """

    task: Task
    leaves: list[Tensor]
    perfect: list[Tensor]
    truth: Any
    targets: Any
    build: Callable[[list[Tensor]], Any] = lambda leaves: leaves[0]

    @property
    def output(self) -> Any:
        """What an untrained network gave."""
        return self.build(self.leaves)

    def part(self, chosen: slice) -> Any:
        """The same for some pictures."""
        return self.build([leaf[chosen] for leaf in self.leaves])

    def answers(self, leaves: list[Tensor] | None = None) -> Any:
        """What is kept of outputs to measure them."""
        view = View([], [SAME] * PICTURES, self.truth, exact=False)
        return self.task.answers(self.build(leaves or self.leaves), view)


def same_rows(rows: Any, one: int, other: int) -> bool:
    """Whether two pictures have the same answer."""
    if isinstance(rows, Ragged):
        first, second = rows.row(one), rows.row(other)
        return all(np.array_equal(first[name], second[name]) for name in first)
    return np.array_equal(rows[one], rows[other])


def same(first: Any, second: Any) -> bool:
    """Whether all answers are the same."""
    if isinstance(first, Ragged):
        return np.array_equal(first.lengths, second.lengths) and all(
            np.array_equal(first.values[name], second.values[name]) for name in first.values
        )
    return np.array_equal(first, second)


def classification() -> Case:
    truth = np.random.default_rng(0).integers(0, 3, PICTURES)
    perfect = torch.from_numpy(np.eye(3)[truth] * 200 - 100).float()
    return Case(TASKS.get("classification"), [torch.randn(PICTURES, 3)], [perfect], torch.from_numpy(truth), truth)


def multilabel() -> Case:
    truth = np.eye(3, dtype=np.uint8)[np.random.default_rng(0).integers(0, 3, PICTURES)]
    perfect = torch.from_numpy(truth * 200.0 - 100).float()
    return Case(TASKS.get("multilabel"), [torch.randn(PICTURES, 3)], [perfect], torch.from_numpy(truth), truth)


def segmentation() -> Case:
    masks = np.random.default_rng(0).integers(0, 3, (PICTURES, 6, 7)).astype(np.uint8)
    masks[:, 0, :2] = VOID
    targets = np.stack([np.bincount(mask.ravel(), minlength=256)[:3] for mask in masks])
    perfect = torch.from_numpy(np.eye(3)[np.minimum(masks, 2)] * 200 - 100).movedim(-1, 1).float()
    return Case(
        TASKS.get("segmentation"), [torch.randn(PICTURES, 3, 6, 7)], [perfect], torch.from_numpy(masks), targets
    )


def detection() -> Case:
    """Three objects in every picture, at the same places, of any class; one point in the middle of each."""
    boxes = np.array([[4, 4, 20, 20], [30, 8, 50, 30], [8, 26, 24, 44]], np.float32)
    kinds = np.random.default_rng(0).integers(0, 3, (PICTURES, 3))
    points = torch.from_numpy((boxes[:, :2] + boxes[:, 2:]) / 2)
    true = torch.from_numpy(boxes)[None].repeat(PICTURES, 1, 1)
    none = np.zeros(3, np.bool_)
    rows = [{"boxes_xyxy": boxes, "classes": own, "iscrowd": none, "ignore": none} for own in kinds]
    return Case(
        TASKS.get("detection"),
        [torch.randn(PICTURES, 3, 3), true + torch.randn(PICTURES, 3, 4)],
        [torch.from_numpy(np.eye(3)[kinds] * 200 - 100).float(), true],
        BoxBatch(true, torch.from_numpy(kinds), torch.zeros(PICTURES, 3, dtype=torch.bool)),
        Ragged.of_rows(rows, EMPTY_TRUTH),
        lambda leaves: PointOutputs(leaves[0], leaves[1], points, torch.full((3,), 8.0)),
    )


def instances() -> Case:
    """Three objects in every picture, of which two touch; classes differ from picture to picture."""
    numbers = np.zeros(SIZE, np.int32)
    numbers[4:20, 4:20], numbers[4:20, 20:36], numbers[26:44, 8:24] = 1, 2, 3
    kinds = np.random.default_rng(0).integers(0, 3, (PICTURES, 3))
    whole = Instances.from_label_image(numbers)
    rows, scores = [], torch.full((PICTURES, 4, *SIZE), -100.0)
    for index, own in enumerate(kinds):
        flags = np.zeros(3, np.bool_)
        row = {"boxes_xyxy": whole.boxes_xyxy, "classes": own, "iscrowd": flags, "ignore": flags}
        rows.append(row | packed(whole.masks, SIZE))
        shown = np.where(numbers > 0, own[np.maximum(numbers, 1) - 1] + 1, 0)
        scores[index].scatter_(0, torch.from_numpy(shown)[None].long(), 100.0)
    depth = torch.logit(torch.from_numpy(relative_depth(numbers)), 1e-6)[None].repeat(PICTURES, 1, 1)
    batch = InstanceBatch(torch.from_numpy(numbers)[None].repeat(PICTURES, 1, 1), torch.from_numpy(kinds))
    return Case(
        TASKS.get("instances"),
        [torch.randn(PICTURES, 4, *SIZE), torch.randn(PICTURES, *SIZE)],
        [scores, depth],
        batch,
        Ragged.of_rows(rows, INSTANCE_TRUTH),
        lambda leaves: DistanceOutputs(leaves[0], leaves[1]),
    )


MAKERS: dict[str, Callable[[], Case]] = {
    "classification": classification,
    "multilabel": multilabel,
    "segmentation": segmentation,
    "detection": detection,
    "instances": instances,
}


@pytest.fixture(params=TASKS.names())
def case(request: pytest.FixtureRequest) -> Case:
    torch.manual_seed(0)
    return MAKERS[request.param]()


def test_it_is_registered_under_its_own_name(case: Case) -> None:
    assert TASKS.get(case.task.name) is case.task
    assert case.task.title
    assert not case.task.title[0].isupper()


def test_its_network_gives_what_its_loss_takes(case: Case) -> None:
    options = NetworkOptions(3, 1, (32, 32))
    network = case.task.build_network(resolve_network("lenet5"), options).eval()
    assert isinstance(network, SpatialNetwork) == case.task.spatial
    assert len(case.task.scores(network(torch.zeros(2, 1, 32, 32)))) == 2


def test_scores_keep_the_picture_on_the_first_axis(case: Case) -> None:
    scores = case.task.scores(case.output)
    assert len(scores) == PICTURES
    assert scores.dtype == torch.float32
    torch.testing.assert_close(case.task.scores(case.part(slice(4, 6))), scores[4:6])


def test_answers_are_rows_that_join(case: Case) -> None:
    whole = case.answers()
    assert len(whole) == PICTURES
    assert same(case.task.join([whole[:5], whole[5:]]), whole)
    chosen = np.array([3, 0, 3])
    assert same_rows(whole[chosen], 0, 2)


def test_loss_is_a_finite_scalar_that_falls_when_followed(case: Case) -> None:
    leaves = [leaf.clone().requires_grad_() for leaf in case.leaves]
    before = case.task.loss(case.build(leaves), case.truth, LossSettings())
    assert before.shape == ()
    gradients = torch.autograd.grad(before, leaves)
    followed = [leaf - 0.5 * gradient for leaf, gradient in zip(leaves, gradients, strict=True)]
    assert case.task.loss(case.build(followed), case.truth, LossSettings()).item() < before.item()
    assert case.task.loss(case.build(case.perfect), case.truth, LossSettings()).item() < 0.1 * before.item()


def test_soft_targets_of_unmixed_pictures_give_the_same_loss(case: Case) -> None:
    if case.task.spatial:
        with pytest.raises(ValueError, match="are not mixed"):
            case.task.soften(case.truth, 3)
        return
    soft = case.task.soften(case.truth, 3)
    assert soft.dtype == torch.float32
    hard = case.task.loss(case.output, case.truth, LossSettings())
    torch.testing.assert_close(case.task.loss(case.output, soft, LossSettings()), hard)


def test_metrics_start_with_the_headline_are_documented_and_finite(case: Case) -> None:
    scores = case.answers()
    found = case.task.metrics(scores, case.targets, CLASSES)
    assert next(iter(found)) == case.task.headline
    assert found[case.task.headline] == pytest.approx(case.task.headline_value(scores, case.targets))
    for name, value in found.items():
        assert math.isfinite(value)
        assert METRICS[name].meaning
    assert METRICS[case.task.headline].higher_is_better


def test_resampled_metrics_of_every_picture_once_are_the_metrics(case: Case) -> None:
    scores = case.answers()
    found = case.task.resampled_metrics(scores, case.targets, np.ones((1, PICTURES)))
    values = case.task.metrics(scores, case.targets, CLASSES)
    assert case.task.headline in found
    for name in found.keys() & values.keys():
        assert found[name][0] == pytest.approx(values[name], abs=1e-5), name


def test_resampled_metrics_are_those_of_the_repeated_pictures(case: Case) -> None:
    scores = case.answers()
    index = np.array([0, 0, 3, 5, 5, 5, 8, 9, 10, 11, 1, 2])
    weights = np.bincount(index, minlength=PICTURES)[None].astype(np.float64)
    found = case.task.resampled_metrics(scores, case.targets, weights, (case.task.headline,))
    expected = case.task.headline_value(scores[index], case.targets[index])
    assert found[case.task.headline][0] == pytest.approx(expected)


def test_perfect_answers_reach_one_and_have_no_mistakes(case: Case) -> None:
    perfect = case.answers(case.perfect)
    assert case.task.headline_value(perfect, case.targets) == 1
    assert len(case.task.mistakes(perfect, case.targets)) == 0


def test_per_class_rows_are_json_with_name_and_count(case: Case) -> None:
    rows = case.task.per_class(case.answers(), case.targets, CLASSES)
    assert [row["class"] for row in rows] == list(CLASSES)
    assert all(isinstance(row["count"], int) for row in rows)
    json.dumps(rows, allow_nan=False)


def test_baseline_ignores_the_picture(case: Case) -> None:
    alike = case.targets[np.zeros(5, np.int64)]
    scores = case.task.baseline_scores(case.targets, alike, CLASSES)
    assert len(scores) == 5
    assert all(same_rows(scores, 0, index) for index in range(5))
    constant = case.task.baseline_scores(case.targets, case.targets, CLASSES)
    assert case.task.headline_value(constant, case.targets) < 1


def test_confusion_sums_to_what_it_counts(case: Case) -> None:
    found = case.task.confusion(case.answers(), case.targets, CLASSES)
    if found is not None:
        table, unit = found
        assert table.shape == (3, 3)
        assert unit in ("pictures", "pixels")
        assert table.sum(1).tolist() == case.task.class_counts(case.targets, CLASSES).tolist()


def test_class_weights_are_positive_where_a_class_occurs(case: Case) -> None:
    weights = case.task.class_weights(case.targets, CLASSES)
    assert weights.shape == (3,)
    assert weights.dtype == np.float32
    assert (weights > 0).all()


def test_predictions_name_the_classes_and_are_plain_data(case: Case) -> None:
    placement = Placement((96, 128), SIZE, (0.5, 0.5), (0.0, 0.0))
    parts = case.task.decode(case.output, [placement] * PICTURES)
    assert len(parts) == PICTURES
    found = [case.task.prediction([part], [placement], CLASSES) for part in parts]
    for index, answer in enumerate(found):
        caption, figures = case.task.mistake_words(case.answers(), case.targets, index, CLASSES)
        assert caption
        assert figures
        assert {name for name, _ in answer.ranked()} <= set(CLASSES)
        assert answer.label in CLASSES
        assert 0 <= answer.score <= 1
        json.dumps(answer.as_document(), allow_nan=False)


def test_the_list_of_spatial_tasks_is_that_of_the_registry() -> None:
    """Formats and data know their names only, since tasks need PyTorch."""
    assert set(SPATIAL_TASKS) == {task.name for task in TASKS if task.spatial}
