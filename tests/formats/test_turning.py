"""Annotation made on stored pixels is turned as those pixels are."""

from __future__ import annotations

import numpy as np
import pytest

from striate.formats.turning import find_orientations, turn_boxes, turn_upright
from striate.images import Header
from striate.images.orientation import apply_orientation, upright_size_hw
from striate.structures import Boxes, Instances, Mask

STORED_HW = (6, 10)


def header(upright_hw: tuple[int, int], orientation: int) -> Header:
    return Header(upright_hw, ("gray",), "uint8", "jpeg", orientation=orientation)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_and_masks_follow_the_pixels(orientation: int) -> None:
    plane = np.zeros((2, *STORED_HW), np.bool_)
    plane[0, 1:4, 2:9] = True
    plane[0, 2, 5] = False
    plane[1, 5, 0] = True
    stored = Instances.from_dense(plane, np.array([1, 0]), np.array([False, True]), np.array([True, False]))
    upright = Instances.from_dense(apply_orientation(plane, orientation), stored.classes, stored.iscrowd, stored.ignore)
    assert turn_upright(stored, STORED_HW, orientation) == upright
    assert turn_upright(stored.boxes(), STORED_HW, orientation) == upright.boxes()
    assert np.array_equal(turn_boxes(stored.boxes_xyxy, STORED_HW, orientation), upright.boxes_xyxy)
    mask = Mask(plane[0].astype(np.uint8))
    assert turn_upright(mask, STORED_HW, orientation) == Mask(upright.dense()[0].astype(np.uint8))
    assert upright.size_hw == upright_size_hw(STORED_HW, orientation)


def test_a_box_of_known_corners() -> None:
    # A picture 10 wide and 6 high, to be turned 90 degrees clockwise: the upper left corner becomes the upper right.
    assert turn_boxes(np.array([[0, 0, 2, 1]], np.float32), STORED_HW, 6).tolist() == [[5, 0, 6, 2]]
    assert turn_boxes(np.array([[0, 0, 2, 1]], np.float32), STORED_HW, 8).tolist() == [[0, 8, 1, 10]]
    empty = turn_upright(Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64)), STORED_HW, 6)
    assert len(empty) == 0
    nothing = turn_upright(Instances.from_dense(np.zeros((0, 6, 10), np.bool_), np.zeros(0, np.int64)), STORED_HW, 6)
    assert nothing.size_hw == (10, 6)


def test_the_size_tells_what_was_annotated() -> None:
    turned = header((10, 6), 6)
    assert find_orientations([((6, 10), turned)]) == [6]
    assert find_orientations([((10, 6), turned)]) == [1]
    assert find_orientations([((7, 7), turned)]) == [1]
    assert find_orientations([(None, turned)]) == [1]
    assert find_orientations([((6, 10), None)]) == [1]
    assert find_orientations([((6, 10), header((10, 6), 1))]) == [1]


def test_pictures_whose_size_does_not_tell_follow_the_others() -> None:
    turned, upside_down, square = header((10, 6), 8), header((6, 10), 3), header((5, 5), 6)
    others = [((6, 10), upside_down), ((5, 5), square), (None, square), ((3, 3), square), ((6, 10), header((6, 10), 1))]
    assert find_orientations([((6, 10), turned), *others]) == [8, 3, 6, 6, 1, 1]
    assert find_orientations(others) == [1, 1, 1, 1, 1]
    # Where the sizes contradict one another, each of them decides for its own picture only.
    assert find_orientations([((6, 10), turned), ((10, 6), turned), *others]) == [8, 1, 1, 1, 1, 1, 1]
