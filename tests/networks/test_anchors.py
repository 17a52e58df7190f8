"""Anchors, the levels they belong to, and what ignored objects teach: nothing."""

from __future__ import annotations

import pytest
import torch

from striate.errors import UnknownNameError
from striate.networks import NetworkOptions, resolve_network
from striate.networks.heads import find_head
from striate.networks.heads.anchors import Anchors, LevelledRoIAlign, image_list, level_sides
from striate.networks.heads.truth import BoxBatch, scenes_of_boxes, share_within
from striate.tasks import TASKS, LossSettings


def test_sides_of_levels_are_spread_over_those_of_objects() -> None:
    assert level_sides(None, (8, 16, 32)) == (32.0, 64.0, 128.0)
    assert level_sides((10.0, 20.0, 80.0), (8, 16, 32)) == pytest.approx((10, 20, 80))
    assert level_sides((10.0, 20.0, 80.0), (8, 16)) == pytest.approx((10, 80))
    assert level_sides((80.0, 20.0, 10.0), (8,)) == pytest.approx((20,))
    assert level_sides((25.0,), (4, 8, 16)) == pytest.approx((25, 25, 25))


def test_anchors_stand_around_the_middle_of_every_cell() -> None:
    anchors = Anchors([[4.0]], [0.25, 1.0])
    level = torch.zeros(2, 1, 1, 2)
    first, second = anchors(image_list(level, (8, 12)), [level])
    # Cells of 6 x 8 pixels: middles at x 3 and 9, y 4. Height is a quarter of the width, the area stays.
    assert first.tolist() == [[-1, 3, 7, 5], [1, 2, 5, 6], [5, 3, 13, 5], [7, 2, 11, 6]]
    assert torch.equal(first, second)


def test_a_box_is_cut_out_of_the_level_with_anchors_of_its_size() -> None:
    pool = LevelledRoIAlign(1, strides=(4, 16), sides=(8.0, 32.0))
    levels = {"0": torch.full((1, 1, 16, 16), 1.0), "1": torch.full((1, 1, 4, 4), 2.0)}
    boxes = [torch.tensor([[8.0, 8, 16, 16], [0, 0, 15.9, 15.9], [0, 0, 16.1, 16.1], [0, 0, 60, 60]])]
    assert pool(levels, boxes, [(64, 64)]).flatten().tolist() == pytest.approx([1, 1, 2, 2])


def test_share_of_a_box_within_others() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    assert share_within(boxes, torch.tensor([[5.0, 0, 10, 10], [0, 0, 2, 10]])).tolist() == pytest.approx([0.5, 0])
    assert share_within(boxes, torch.zeros(0, 4)).tolist() == [0, 0]


def test_what_is_ignored_is_no_background_unless_an_object_is_there() -> None:
    places = torch.tensor([[[0.0, 0, 20, 20], [0, 0, 10, 10], [0, 0, 0, 0]]])
    truth = BoxBatch(places, torch.tensor([[1, 0, -1]]), torch.tensor([[True, False, False]]))
    (scene,) = scenes_of_boxes(truth)
    assert scene.boxes_xyxy.tolist() == [[0, 0, 10, 10]]
    assert scene.classes.tolist() == [0]
    asked = torch.tensor([[1.0, 1, 9, 9], [11, 11, 19, 19], [15, 15, 35, 35]])
    assert scene.is_silent(asked).tolist() == [False, True, False]


@pytest.mark.parametrize("head", ["points", "fcos", "retinanet", "faster_rcnn"])
def test_a_picture_that_is_ignored_as_a_whole_teaches_nothing(head: str) -> None:
    task, size = TASKS.get("detection"), (32, 32)
    torch.manual_seed(0)
    network = task.build_network(resolve_network("lenet5"), NetworkOptions(2, 3, size, head=head)).train()
    # Far larger than the picture, so that the anchors at its edge lie in it too.
    everything = torch.tensor([[[-500.0, -500, 532, 532]]])
    truth = BoxBatch(everything, torch.tensor([[0]]), torch.tensor([[True]]))
    loss = task.loss(network(torch.randn(1, 3, *size)), truth, LossSettings())
    loss.backward()
    assert all(weight.grad is not None for weight in network.parameters())
    if head == "points":
        # Its points are claimed by objects, at most ten each: the others are background.
        assert loss.item() > 0
    else:
        assert loss.item() == 0


def test_a_head_is_for_one_task() -> None:
    with pytest.raises(UnknownNameError, match="the head 'unet' is for segmentation, and this is detection") as seen:
        find_head("unet", "detection")
    assert "faster_rcnn" in str(seen.value)
