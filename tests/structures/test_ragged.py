"""Rows of differing length."""

from __future__ import annotations

import numpy as np
import pytest

from striate.structures import Ragged

EMPTY = {"scores": np.zeros(0, np.float32), "boxes": np.zeros((0, 4), np.float32)}


def row(*scores: float) -> dict[str, np.ndarray]:
    return {"scores": np.array(scores, np.float32), "boxes": np.repeat(np.array(scores, np.float32)[:, None], 4, 1)}


ROWS = Ragged.of_rows([row(1, 2), row(), row(3), row(4, 5, 6)], EMPTY)


def test_rows_are_found_again() -> None:
    assert len(ROWS) == 4
    assert [ROWS.row(index)["scores"].tolist() for index in range(4)] == [[1, 2], [], [3], [4, 5, 6]]
    assert ROWS.row(3)["boxes"].shape == (3, 4)
    assert ROWS.pictures.tolist() == [0, 0, 2, 3, 3, 3]
    assert ROWS.starts.tolist() == [0, 2, 2, 3]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (np.array([3, 0, 3]), [[4, 5, 6], [1, 2], [4, 5, 6]]),
        (np.array([False, True, True, False]), [[], [3]]),
        (slice(1, 3), [[], [3]]),
        (np.array([], np.int64), []),
    ],
)
def test_pictures_are_chosen_by_positions_flags_and_slices(chosen: object, expected: list[list[float]]) -> None:
    found = ROWS[chosen]  # type: ignore[index]
    assert [found.row(index)["scores"].tolist() for index in range(len(found))] == expected
    assert found.values["boxes"].shape == (sum(map(len, expected)), 4)


def test_joining_is_undone_by_choosing() -> None:
    joined = Ragged.join([ROWS[2:], ROWS[:2]])
    back = joined[np.array([2, 3, 0, 1])]
    assert np.array_equal(back.lengths, ROWS.lengths)
    for name, values in ROWS.values.items():
        assert np.array_equal(back.values[name], values)
    with pytest.raises(ValueError, match="nothing to join"):
        Ragged.join([])


def test_no_rows_keep_their_kinds() -> None:
    none = Ragged.of_rows([], EMPTY)
    assert len(none) == 0
    assert none.values["boxes"].shape == (0, 4)
    assert none.values["boxes"].dtype == np.float32


def test_plain_arrays_and_back() -> None:
    arrays = ROWS.as_arrays("found")
    assert set(arrays) == {"found/lengths", "found/scores", "found/boxes"}
    again = Ragged.from_arrays(arrays | {"other": np.zeros(3)}, "found")
    assert [again.row(index)["scores"].tolist() for index in range(4)] == [[1, 2], [], [3], [4, 5, 6]]
    with pytest.raises(KeyError):
        Ragged.from_arrays({}, "found")


def test_arrays_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="scores has 3 entries, the lengths add up to 2"):
        Ragged(np.array([1, 1]), {"scores": np.zeros(3)})
