from __future__ import annotations

import numpy as np
import pytest

from striate.structures import evenly


@pytest.mark.parametrize(("count", "most"), [(0, 5), (1, 5), (5, 5), (6, 5), (7, 3), (1000, 64), (65, 64), (9, 1)])
def test_positions_differ_ascend_and_reach_both_ends(count: int, most: int) -> None:
    picks = evenly(count, most)
    assert len(picks) == min(count, most)
    assert (np.diff(picks) > 0).all()
    if len(picks) > 1:
        assert (picks[0], picks[-1]) == (0, count - 1)


def test_gaps_differ_by_one_at_most() -> None:
    assert evenly(10, 4).tolist() == [0, 3, 6, 9]
    gaps = np.diff(evenly(1000, 64))
    assert gaps.max() - gaps.min() <= 1
