"""Soft suppression: scores fall by how much surer objects of the class overlap, and by nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.networks.heads.outputs import packed
from striate.structures import Instances
from striate.structures.overlaps import box_overlaps
from striate.tasks import soft_suppression
from striate.tasks.soft_suppression import suppress_softly


def row(boxes: Any, scores: Any, classes: Any = None) -> dict[str, np.ndarray]:
    kinds = np.zeros(len(scores), np.int64) if classes is None else np.array(classes, np.int64)
    return {
        "boxes_xyxy": np.array(boxes, np.float32).reshape(-1, 4),
        "classes": kinds,
        "scores": np.array(scores, np.float32),
    }


def test_a_double_is_less_sure_and_a_neighbour_is_not() -> None:
    """Two boxes that share a third of their union: exp(-(1/3)**2 / 0.5) = 0.8007."""
    found = suppress_softly(row([[0, 0, 10, 10], [5, 0, 15, 10], [20, 0, 30, 10]], [0.9, 0.8, 0.7]))
    assert found["scores"].tolist() == pytest.approx([0.9, 0.7, 0.8 * 0.8007], abs=1e-4)
    assert found["boxes_xyxy"][:, 0].tolist() == [0, 20, 5]
    assert found["scores"].dtype == np.float32


def test_another_class_takes_nothing_away() -> None:
    found = suppress_softly(row([[0, 0, 10, 10], [0, 0, 10, 10]], [0.9, 0.8], [0, 1]))
    assert found["scores"].tolist() == pytest.approx([0.9, 0.8])


def test_nothing_found_stays_nothing() -> None:
    assert len(suppress_softly(row([], []))["scores"]) == 0


def test_boxes_without_an_area_harm_nobody() -> None:
    found = suppress_softly(row([[5, 5, 5, 5], [0, 0, 10, 10], [5, 5, 5, 5]], [0.9, 0.8, 0.7]))
    assert found["scores"].tolist() == pytest.approx([0.9, 0.8, 0.7])


def test_masks_say_what_is_shared_where_there_are_some() -> None:
    """Two diagonal halves of one square have the same box and no pixel in common."""
    lower = np.tril(np.ones((8, 8), np.bool_))
    objects = Instances.from_dense(np.stack([lower, ~lower, lower]), np.zeros(3, np.int64))
    found = row(objects.boxes_xyxy, [0.9, 0.8, 0.7]) | packed(objects.masks, (8, 8))
    softened = suppress_softly(found)
    assert softened["scores"].tolist() == pytest.approx([0.9, 0.8, 0.7 * np.exp(-2)], abs=1e-6)
    assert softened["masks"].tolist() == list(objects.masks)


_SIDES = st.integers(0, 12)


@given(st.lists(st.tuples(_SIDES, _SIDES, _SIDES, _SIDES, st.integers(0, 2), st.integers(1, 99)), max_size=40))
def test_it_is_the_formula_for_every_pair(finds: list[tuple[int, ...]]) -> None:
    """The sweep over edges finds every pair that the whole table of overlaps holds, in parts of any size."""
    values = np.array(finds, np.float64).reshape(-1, 6)
    found = row(np.hstack([values[:, :2], values[:, :2] + values[:, 2:4]]), values[:, 5] / 100, values[:, 4])
    order = np.argsort(-found["scores"], kind="stable")
    ranked = {name: column[order] for name, column in found.items()}
    corners = ranked["boxes_xyxy"].astype(np.float64)
    overlap = box_overlaps(corners[:, None], corners[None])
    overlap *= ranked["classes"][:, None] == ranked["classes"][None]
    wanted = ranked["scores"] * np.exp(-(np.tril(overlap, -1) ** 2).sum(1) / 0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soft_suppression, "_MOST_PAIRS", 7)
        np.testing.assert_allclose(suppress_softly(found)["scores"], np.sort(wanted)[::-1], rtol=1e-5)


def test_a_huge_picture_needs_no_table_of_all_pairs() -> None:
    """A hundred thousand finds have ten thousand million pairs, which no machine holds."""
    random = np.random.default_rng(0)
    corners = np.floor(random.uniform(0, 20_000, (100_000, 2)) / 40) * 40
    found = suppress_softly(row(np.hstack([corners, corners + 30]), np.ones(100_000)))
    # On a grid of cells no two of which touch, every further find of a cell falls by exp(-2) more.
    cells = np.unique(corners, axis=0, return_counts=True)[1]
    wanted = np.concatenate([np.exp(-2.0 * np.arange(count)) for count in cells])
    np.testing.assert_allclose(found["scores"], np.sort(wanted)[::-1], rtol=1e-5)
