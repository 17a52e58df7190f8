"""Overlaps of boxes, by hand and by torchvision."""

from __future__ import annotations

import numpy as np
import torch
from torchvision.ops import box_iou

from striate.structures.overlaps import box_areas, box_overlaps, shared_boxes


def test_by_hand() -> None:
    one = np.array([[0.0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 4, 4], [1, 1, 1, 1]])
    other = np.array([[2.0, 2, 6, 4], [4, 0, 8, 4], [0, 0, 4, 4], [1, 1, 1, 1]])
    assert shared_boxes(one, other)[0].tolist() == [2, 2, 4, 4]
    assert box_areas(shared_boxes(one, other)).tolist() == [4, 0, 16, 0]
    assert box_overlaps(one, other).tolist() == [4 / 20, 0, 1, 0]


def test_every_pair_as_torchvision_has_it() -> None:
    random = np.random.default_rng(0)
    corners = random.uniform(0, 20, (2, 30, 2))
    boxes = np.concatenate([corners, corners + random.uniform(0.1, 10, (2, 30, 2))], -1)
    wanted = box_iou(torch.from_numpy(boxes[0]), torch.from_numpy(boxes[1])).numpy()
    np.testing.assert_allclose(box_overlaps(boxes[0][:, None], boxes[1][None]), wanted)
