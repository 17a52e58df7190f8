from collections.abc import Callable

import numpy as np
import pytest

from striate.data.facts import PictureFacts
from striate.data.scan import scan_pictures
from striate.data.shift import Shift, _auc_error, split_shift
from striate.structures import Sample

Make = Callable[..., np.ndarray]


def facts_of(pictures: list[np.ndarray], sample: Callable[..., Sample]) -> list[PictureFacts]:
    return scan_pictures([sample(f"{i}", pixels) for i, pixels in enumerate(pictures)])


def test_pictures_of_one_source_are_no_shift(photo: Make, sample: Callable[..., Sample]) -> None:
    facts = facts_of([photo(seed, 20, 20, 1) for seed in range(240)], sample)
    shift = split_shift(facts[:120], facts[120:])
    assert shift is not None
    assert shift.low < 0.5 < shift.high
    assert not shift.clear
    assert shift.images == 120


def test_pictures_of_another_device_are_a_shift(photo: Make, sample: Callable[..., Sample]) -> None:
    near = facts_of([photo(seed, 20, 20, 1) for seed in range(80)], sample)
    dark = facts_of([photo(seed, 20, 20, 1) // 2 for seed in range(100, 180)], sample)
    shift = split_shift(near, dark)
    assert shift is not None
    assert shift.auc > 0.95
    assert shift.clear
    assert shift == split_shift(near, dark), "the same twice"


def test_other_shares_of_the_classes_alone_are_no_shift(photo: Make, sample: Callable[..., Sample]) -> None:
    # Class 1 is dark; the first side has 90 % of class 0, the second 90 % of class 1.
    labels = [0] * 180 + [1] * 20 + [0] * 20 + [1] * 180
    pictures = [photo(seed, 16, 16, 1) // (1 + label) for seed, label in enumerate(labels)]
    facts = facts_of(pictures, sample)
    blind = split_shift(facts[:200], facts[200:])
    fair = split_shift(facts[:200], facts[200:], labels[:200], labels[200:])
    assert blind is not None
    assert fair is not None
    assert blind.clear
    assert not fair.clear
    assert fair.images == 40


def test_few_pictures_tell_nothing(photo: Make, sample: Callable[..., Sample]) -> None:
    facts = facts_of([photo(seed, 16, 16, 1) for seed in range(30)], sample)
    assert split_shift(facts[:15], facts[15:]) is None
    assert split_shift(facts, []) is None


@pytest.mark.parametrize(
    ("shift", "clear"),
    [
        (Shift(0.7, 0.65, 0.75, 100), True),
        (Shift(0.55, 0.53, 0.57, 1500), False),
        (Shift(0.65, 0.49, 0.81, 20), False),
    ],
)
def test_a_shift_is_clear_beyond_chance_and_large_enough(shift: Shift, clear: bool) -> None:
    assert shift.clear == clear


@pytest.mark.parametrize(("positives", "negatives"), [(10, 10), (50, 20)])
def test_the_error_of_a_useless_score_is_that_of_the_rank_sum(positives: int, negatives: int) -> None:
    # Mann and Whitney (1947): without any difference the variance of U / (m n) is (m + n + 1) / (12 m n).
    expected = ((positives + negatives + 1) / (12 * positives * negatives)) ** 0.5
    assert _auc_error(0.5, positives, negatives) == pytest.approx(expected)
