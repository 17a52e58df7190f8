"""Masks become polygons and the same masks again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from striate.formats.outlines import fill_outlines, trace_outline
from striate.structures import Instances


def filled(points: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    return Instances.from_run_lengths(size_hw, [fill_outlines([points], size_hw)], np.zeros(1, np.int64)).dense()[0]


def test_a_rectangle_has_its_four_corners() -> None:
    mask = np.zeros((7, 9), np.bool_)
    mask[2:5, 3:8] = True
    outline = trace_outline(mask)
    assert sorted(map(tuple, outline.tolist())) == [(3, 2), (3, 5), (8, 2), (8, 5)]
    assert np.array_equal(filled(outline, mask.shape), mask)


def test_a_hole_two_parts_and_a_pixel_at_each_corner_of_the_picture() -> None:
    mask = np.zeros((20, 24), np.bool_)
    mask[2:10, 2:10] = True
    mask[4:6, 4:6] = False
    mask[12:18, 5:20] = True
    mask[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    mask[10, 10] = True
    assert np.array_equal(filled(trace_outline(mask), mask.shape), mask)


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))).filter(np.any))
def test_every_mask_is_the_same_again(mask: np.ndarray) -> None:
    outline = trace_outline(mask)
    # The same bytes, not only the same pixels: annotations are compared by them.
    assert fill_outlines([outline], mask.shape) == Instances.from_dense(mask[None], np.zeros(1, np.int64)).masks[0]
    # As shares of the picture with twelve digits, which is how YOLO's files have them.
    height, width = mask.shape
    shares = np.array([float(f"{value:.12g}") for value in (outline / (width, height)).ravel()]).reshape(-1, 2)
    assert np.array_equal(filled(shares * (width, height), mask.shape), mask)


def test_what_lies_outside_is_cut_off() -> None:
    square = np.array([[-3, -3], [2, -3], [2, 2], [-3, 2]], np.float64)
    assert filled(square, (4, 4)).sum() == 4
    assert filled(square + 100, (4, 4)).sum() == 0
