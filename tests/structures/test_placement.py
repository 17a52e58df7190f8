"""A picture in the frame that a network sees, and back."""

from __future__ import annotations

import numpy as np
import pytest

from striate.structures import VOID, Placement

SQUASHED = Placement((40, 60), (20, 20), (0.5, 1 / 3), (0.0, 0.0))
PADDED = Placement((40, 60), (30, 30), (0.5, 0.5), (5.0, 0.0))
CROPPED = Placement((40, 60), (20, 20), (0.5, 0.5), (0.0, -5.0))


def test_boxes_in_the_frame_by_hand() -> None:
    box = np.array([[30, 10, 60, 40]], np.float32)
    assert SQUASHED.boxes_into(box).tolist() == [[10, 5, 20, 20]]
    assert PADDED.boxes_into(box).tolist() == [[15, 10, 30, 25]]
    assert CROPPED.boxes_into(box).tolist() == [[10, 5, 25, 20]]


@pytest.mark.parametrize("placement", [SQUASHED, PADDED, CROPPED])
def test_boxes_come_back(placement: Placement) -> None:
    boxes = np.array([[3, 4, 50, 39], [20, 20, 21, 21]], np.float32)
    assert placement.boxes_out_of(placement.boxes_into(boxes)) == pytest.approx(boxes, abs=1e-4)


def test_boxes_that_leave_the_picture_are_cut() -> None:
    assert PADDED.boxes_out_of(np.array([[-3, 0, 40, 30]], np.float32)).tolist() == [[0, 0, 60, 40]]


def test_planes_by_hand() -> None:
    plane = np.zeros((40, 60), np.uint8)
    plane[:, 30:] = 7
    inside = PADDED.plane_into(plane)
    assert inside.shape == (30, 30)
    assert (inside[:5] == VOID).all()
    assert (inside[25:] == VOID).all()
    assert (inside[5:25, :15] == 0).all()
    assert (inside[5:25, 15:] == 7).all()
    cropped = CROPPED.plane_into(plane)
    assert (cropped[:, :10] == 0).all()
    assert (cropped[:, 10:] == 7).all()


def test_planes_are_never_mixed() -> None:
    plane = np.random.default_rng(0).integers(0, 4, (37, 53)).astype(np.uint16) * 1000
    placement = Placement((37, 53), (64, 64), (64 / 37, 64 / 53), (0.0, 0.0))
    assert set(np.unique(placement.plane_into(plane)).tolist()) <= {0, 1000, 2000, 3000}
