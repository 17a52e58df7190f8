from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from striate.tasks.surfaces import hausdorff_mm


def test_two_cubes_apart() -> None:
    first, second = np.zeros((12, 12, 12), np.bool_), np.zeros((12, 12, 12), np.bool_)
    first[1:4, 1:4, 1:4] = True
    second[1:4, 1:4, 6:9] = True
    # Five voxels of 0.5 mm along the last axis.
    assert hausdorff_mm(first, second, (3.0, 2.0, 0.5))[0] == pytest.approx(2.5)
    assert hausdorff_mm(first, first, (3.0, 2.0, 0.5)) == (0.0, 0.0)


def test_empty_sets() -> None:
    none, some = np.zeros((3, 3, 3), np.bool_), np.ones((3, 3, 3), np.bool_)
    assert hausdorff_mm(none, none, (1, 1, 1)) == (0.0, 0.0)
    assert hausdorff_mm(none, some, (1, 1, 1)) == (math.inf, math.inf)


def test_against_every_pair_of_surface_voxels() -> None:
    rng = np.random.default_rng(3)
    spacing = (2.0, 1.0, 0.7)
    first, second = (rng.random((6, 7, 8)) < 0.3 for _ in range(2))

    def surface(one: np.ndarray) -> np.ndarray:
        padded = np.pad(one, 1)
        found = []
        for place in np.argwhere(one):
            steps = itertools.product(range(3), (-1, 1))
            around = (tuple(place + 1 + np.eye(3, dtype=int)[axis] * step) for axis, step in steps)
            if not all(padded[other] for other in around):
                found.append(place * spacing)
        return np.array(found)

    a, b = surface(first), surface(second)
    apart = np.linalg.norm(a[:, None] - b[None], axis=2)
    ours = hausdorff_mm(first, second, spacing)
    assert ours[0] == pytest.approx(max(apart.min(0).max(), apart.min(1).max()))
    assert ours[1] == pytest.approx(max(np.percentile(apart.min(0), 95), np.percentile(apart.min(1), 95)))
