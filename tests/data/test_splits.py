from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.splits import class_counts, class_indices, make_splits, merge_groups
from striate.structures import Label, Labels, Sample

THREE = {"train": 0.7, "validation": 0.15, "test": 0.15}


def labels_of(samples: list[Sample]) -> list[tuple[int, ...]]:
    return [class_indices(sample) for sample in samples]


class Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def read(self) -> None:
        raise AssertionError("splits never look at pixels")


def labelled(labels: list[int], groups: list[str | None] | None = None) -> list[Sample]:
    groups = groups or [None] * len(labels)
    pairs = zip(labels, groups, strict=True)
    return [Sample(Named(f"{i:05d}"), Label(label), group) for i, (label, group) in enumerate(pairs)]


def apart(samples: list[Sample]) -> list[int]:
    return list(range(len(samples)))


def counts(samples: list[Sample], split: list[int], classes: int) -> list[int]:
    return class_counts(labels_of([samples[i] for i in split]), classes).tolist()


def test_classes_keep_their_shares() -> None:
    samples = labelled([0] * 100 + [1] * 40 + [2] * 20)
    made = make_splits(samples, labels_of(samples), apart(samples), THREE, seed=0)
    assert counts(samples, made["train"], 3) == [70, 28, 14]
    assert counts(samples, made["validation"], 3) == [15, 6, 3]
    assert counts(samples, made["test"], 3) == [15, 6, 3]


def test_a_split_without_share_is_not_made() -> None:
    samples = labelled([0, 1] * 20)
    made = make_splits(
        samples, labels_of(samples), apart(samples), {"train": 0.85, "validation": 0.15, "test": 0.0}, seed=0
    )
    assert {name: len(split) for name, split in made.items()} == {"train": 34, "validation": 6}


def test_the_seed_decides_and_the_order_does_not() -> None:
    samples = labelled([0, 1, 2] * 30)
    made = make_splits(samples, labels_of(samples), apart(samples), THREE, seed=3)
    assert made == make_splits(samples, labels_of(samples), apart(samples), THREE, seed=3)
    assert made != make_splits(samples, labels_of(samples), apart(samples), THREE, seed=4)
    order = np.random.default_rng(0).permutation(len(samples)).tolist()
    shuffled = [samples[i] for i in order]
    again = make_splits(shuffled, labels_of(shuffled), apart(shuffled), THREE, seed=3)
    for name in THREE:
        assert {samples[i].name for i in made[name]} == {shuffled[i].name for i in again[name]}


def test_a_class_of_one_picture_is_in_training() -> None:
    samples = labelled([0] * 30 + [1])
    assert 30 in make_splits(samples, labels_of(samples), apart(samples), THREE, seed=0)["train"]


def test_a_class_whose_pictures_belong_together_is_in_training() -> None:
    samples = labelled([0] * 40 + [1] * 10, [None] * 40 + ["patient"] * 10)
    made = make_splits(samples, labels_of(samples), merge_groups(samples, []), THREE, seed=0)
    assert set(range(40, 50)) <= set(made["train"])


def test_no_split_stays_empty_where_that_is_possible() -> None:
    samples = labelled([0, 0, 1, 1])
    made = make_splits(samples, labels_of(samples), apart(samples), THREE, seed=0)
    assert all(made.values())
    assert counts(samples, made["train"], 2) == [1, 1]


def test_several_labels_keep_their_shares() -> None:
    random = np.random.default_rng(0)
    truth = random.random((1000, 4)) < [0.5, 0.2, 0.05, 0.02]
    samples = [Sample(Named(f"{i:04d}"), Labels(tuple(np.flatnonzero(row).tolist()))) for i, row in enumerate(truth)]
    made = make_splits(samples, labels_of(samples), apart(samples), THREE, seed=0)
    for name, share in THREE.items():
        assert abs(len(made[name]) - 1000 * share) <= 10
        np.testing.assert_allclose(counts(samples, made[name], 4), truth.sum(0) * share, atol=3)


def test_groups_and_duplicates_chain() -> None:
    samples = labelled([0] * 6, ["a", "a", None, "b", "b", None])
    # 1 and 2 are duplicates, 2 and 3 too: patient a, picture 2 and patient b belong together.
    groups = merge_groups(samples, [(1, 2), (2, 3)])
    assert groups[:5] == [0] * 5
    assert groups[5] != 0


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    patients=st.lists(st.integers(0, 12), min_size=60, max_size=60),
    pairs=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=10),
    seed=st.integers(0, 3),
)
def test_whatever_belongs_together_is_never_torn_apart(
    labels: list[int], patients: list[int], pairs: list[tuple[int, int]], seed: int
) -> None:
    groups = [f"p{patient}" if patient < 6 else None for patient in patients[: len(labels)]]
    samples = labelled(labels, groups)
    duplicates = [pair for pair in pairs if max(pair) < len(labels)]
    made = make_splits(samples, labels_of(samples), merge_groups(samples, duplicates), THREE, seed)
    home = {index: name for name, split in made.items() for index in split}
    assert sorted(home) == list(range(len(samples))), "each picture is in one split"
    for left, right in duplicates:
        assert home[left] == home[right]
    for group, _ in Counter(group for group in groups if group).items():
        assert len({home[i] for i, own in enumerate(groups) if own == group}) == 1
    assert {labels[i] for i in made["train"]} == set(labels), "every class is in training"


@pytest.mark.parametrize("classes", [2, 300])
def test_many_pictures_take_seconds_at_most(classes: int) -> None:
    samples = labelled([i % classes for i in range(12_000)])
    made = make_splits(samples, labels_of(samples), apart(samples), THREE, seed=0)
    assert abs(len(made["train"]) - 8400) <= classes
