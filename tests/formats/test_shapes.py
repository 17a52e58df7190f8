"""Drawn shapes and the boxes and masks that they mean, computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from faster_coco_eval.core import mask as coco_mask

from striate.formats.drawn.shapes import (
    DrawnObject,
    Outline,
    Painted,
    build_boxes,
    build_instances,
    ellipse,
    finite_numbers,
    rectangle,
)
from striate.structures import Instances

POSITION = {"cell": 0, "leaf": 1}


def filled(area: Outline | Painted, size_hw: tuple[int, int]) -> list[list[int]]:
    return coco_mask.decode({"size": list(size_hw), "counts": area.run_lengths(size_hw)}).astype(int).tolist()  # type: ignore[no-any-return]


def test_a_rectangle_fills_whole_pixels() -> None:
    area = rectangle(3, 2, 1, 0)
    assert area.extent() == (1, 0, 3, 2)
    assert filled(area, (3, 4)) == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


def test_an_outline_far_outside_is_cut() -> None:
    area = rectangle(-1e8, -1e8, 1e8, 1)
    assert area.extent() == (-1e8, -1e8, 1e8, 1)
    assert filled(area, (2, 3)) == [[1, 1, 1], [0, 0, 0]]


def test_a_circle_has_its_area_and_its_box() -> None:
    area = ellipse(50, 40, 30, 30)
    assert area.extent() == pytest.approx((20, 10, 80, 70))
    assert np.sum(filled(area, (100, 100))) == pytest.approx(math.pi * 900, rel=0.01)
    radii = np.hypot(*(area.points - (50, 40)).T)
    edges = (area.points + np.roll(area.points, 1, 0)) / 2 - (50, 40)
    assert np.allclose(radii, 30)
    assert np.hypot(*edges.T).min() > 29.99


def test_a_turned_ellipse() -> None:
    quarter = ellipse(10, 20, 6, 2, math.pi / 2)
    assert quarter.extent() == pytest.approx((8, 14, 12, 26))
    # Half width of an ellipse turned by 45 degrees: the root of (6^2 + 2^2) / 2.
    left, top, right, bottom = ellipse(10, 20, 6, 2, math.pi / 4).extent()
    assert (right - left, bottom - top) == pytest.approx((2 * math.sqrt(20),) * 2, rel=0.01)


@pytest.mark.parametrize(
    ("left", "top", "pixels"),
    [
        (1, 1, [[0, 0, 0], [0, 1, 0], [0, 1, 1]]),
        (-1, 0, [[0, 0, 0], [1, 0, 0], [0, 0, 0]]),
        (2, 2, [[0, 0, 0], [0, 0, 0], [0, 0, 1]]),
        (9, 9, [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
        (-9, -9, [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
    ],
)
def test_a_painted_piece_lies_where_its_corner_is(left: int, top: int, pixels: list[list[int]]) -> None:
    assert filled(Painted(np.array([[1, 0], [1, 1]], bool), left, top), (3, 3)) == pixels


def test_the_box_of_a_painted_piece_is_the_one_of_its_pixels() -> None:
    pixels = np.zeros((4, 6), bool)
    pixels[1:3, 2] = True
    assert Painted(pixels, 10, 20).extent() == (12, 21, 13, 23)
    assert Painted(np.zeros((2, 2), bool), 3, 4).extent() == (3, 4, 3, 4)


def test_parts_of_an_object_are_one() -> None:
    objects = [
        DrawnObject("leaf", [rectangle(0, 0, 1, 1), rectangle(3, 2, 4, 3)], ignore=True),
        DrawnObject("cell", [rectangle(1, 1, 2, 3)], iscrowd=True),
    ]
    boxes = build_boxes(objects, POSITION)
    assert boxes.boxes_xyxy.tolist() == [[0, 0, 4, 3], [1, 1, 2, 3]]
    assert boxes.classes.tolist() == [1, 0]
    assert boxes.iscrowd.tolist() == [False, True]
    assert boxes.ignore.tolist() == [True, False]
    instances = build_instances(objects, POSITION, (3, 4))
    assert instances.boxes() == boxes
    assert instances.dense()[0].astype(int).tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert instances.areas().tolist() == [2, 2]


def test_no_objects() -> None:
    assert len(build_boxes([], POSITION)) == 0
    assert build_instances([], POSITION, (3, 4)) == Instances.from_dense(np.zeros((0, 3, 4), bool), np.zeros(0, int))


@pytest.mark.parametrize("values", [None, "12", [1, None], [1, "2"], [True], [math.nan], [math.inf], [1e12], {"x": 1}])
def test_what_is_no_list_of_finite_numbers(values: object) -> None:
    assert finite_numbers(values) is None
