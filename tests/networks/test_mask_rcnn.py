"""Mask R-CNN's truth from planes of numbers, and its masks back in the pixels of the picture."""

from __future__ import annotations

import pytest
import torch

from striate.networks import NetworkOptions, resolve_network
from striate.networks.heads.mask_rcnn import place_masks
from striate.networks.heads.outputs import MOST_FOUND
from striate.networks.heads.truth import UNKNOWN, InstanceBatch, scenes_of_instances
from striate.structures import Placement
from striate.tasks import TASKS


def test_objects_are_what_is_seen_of_them_and_what_is_unknown_is_no_background() -> None:
    numbers = torch.zeros(1, 20, 30, dtype=torch.int32)
    numbers[0, 2:6, 3:9], numbers[0, 10:12, 10:11], numbers[0, 10:20, 20:30] = 1, 3, UNKNOWN
    (scene,) = scenes_of_instances(InstanceBatch(numbers, torch.tensor([[4, 5, 6]])))
    assert scene.boxes_xyxy.tolist() == [[3, 2, 9, 6], [10, 10, 11, 12]]
    assert scene.classes.tolist() == [4, 6], "the second object moved out of the picture"
    assert scene.masks is not None
    assert scene.masks.sum((1, 2)).tolist() == [24, 2]
    asked = torch.tensor([[20.0, 10, 30, 20], [10, 10, 30, 20], [9, 10, 30, 20], [2, 2, 9, 6], [25, 15, 50, 50]])
    assert scene.unknown_share(asked).tolist() == pytest.approx([1, 0.5, 10 / 21, 0, 1])
    assert scene.is_silent(asked).tolist() == [True, True, False, False, True]


def test_a_picture_without_objects_is_a_scene_without_boxes() -> None:
    (scene,) = scenes_of_instances(InstanceBatch(torch.zeros(1, 8, 8, dtype=torch.int32), torch.zeros(1, 0).long()))
    assert scene.boxes_xyxy.shape == (0, 4)
    assert scene.masks is not None
    assert scene.masks.shape == (0, 8, 8)


def test_masks_come_back_at_the_size_of_the_picture() -> None:
    # The picture of 80 x 100 pixels lies at half its size in the frame, 6 pixels from the left.
    placement = Placement((80, 100), (40, 62), (0.5, 0.5), (0.0, 6.0))
    full, empty = torch.ones(1, 28, 28), torch.zeros(1, 28, 28)
    row = {
        "boxes": torch.tensor([[16.0, 10, 36, 30], [16, 10, 36, 30]]),
        "labels": torch.tensor([2, 1]),
        "scores": torch.tensor([0.75, 0.5]),
        "masks": torch.stack([full, empty]),
    }
    found = place_masks(row, placement)
    assert found["classes"].tolist() == [1], "an object without a pixel is none"
    assert found["scores"].tolist() == [0.75]
    assert found["sizes_hw"].tolist() == [[80, 100]]
    assert found["boxes_xyxy"][0].tolist() == pytest.approx([20, 20, 60, 60], abs=1.5)
    # In the border left and right of the picture, whose 50 columns of the frame begin at the sixth.
    beside = row | {"boxes": torch.tensor([[0.0, 10, 5, 30], [57, 10, 61, 30]]), "masks": torch.stack([full, full])}
    assert place_masks(beside, placement)["boxes_xyxy"].shape == (0, 4)
    nothing = place_masks({name: value[:0] for name, value in row.items()}, placement)
    assert nothing["boxes_xyxy"].shape == (0, 4)


@pytest.mark.slow
def test_pictures_are_looked_at_one_by_one_so_that_many_take_no_more_memory() -> None:
    torch.manual_seed(0)
    options = NetworkOptions(2, 3, (64, 64), head="mask_rcnn", object_sides=(8.0, 16.0, 32.0))
    network = TASKS.get("instances").build_network(resolve_network("resnet20"), options).eval()
    head = network.head
    counts: list[int] = []
    head.looking.mask_head.register_forward_pre_hook(lambda _layer, inputs: counts.append(len(inputs[0])))
    with torch.inference_mode():
        output = network(torch.randn(3, 3, 64, 64))
        rows = head.second_stage(output)
        assert len(counts) == len(rows) == 3
        assert counts == [len(row["boxes"]) for row in rows]
        assert max(counts) <= MOST_FOUND
        # What the layers were given, pictures end to end.
        assert len(head.cut_out(output)["masks"]) == sum(counts[:3])
