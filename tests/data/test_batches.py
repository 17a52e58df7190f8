"""The order of training: complete, repeatable, and the same however many processes share it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.data.batches import TrainingBatches, in_order, seeded_generator
from striate.data.pixels import ArrayStore

STORE = ArrayStore(np.arange(23, dtype=np.uint8).reshape(23, 1, 1, 1))
ALL = np.arange(23)


def flat(parts: Iterable[list[int]]) -> list[int]:
    return list(chain.from_iterable(parts))


def indices(batches: TrainingBatches, epoch: int, skip: int = 0) -> list[list[int]]:
    return [batch.indices.tolist() for batch in batches.epoch(epoch, skip)]


def test_an_epoch_shows_every_picture_once_in_batches_of_near_equal_size() -> None:
    batches = TrainingBatches(STORE, ALL, batch_size=5, seed=3)
    found = indices(batches, 0)
    assert sorted(flat(found)) == list(range(23))
    assert batches.steps == len(found) == 5
    assert {len(batch) for batch in found} == {4, 5}


def test_rows_are_the_pictures_of_the_indices() -> None:
    for batch in TrainingBatches(STORE, ALL, 5, seed=3).epoch(1):
        assert batch.pixels.flatten().tolist() == batch.indices.tolist()


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    one, two = (TrainingBatches(STORE, ALL, 5, seed=3) for _ in range(2))
    assert indices(one, 4) == indices(two, 4)
    assert indices(one, 4) != indices(one, 5)
    assert indices(one, 4) != indices(TrainingBatches(STORE, ALL, 5, seed=4), 4)


def test_going_on_in_the_middle_gives_the_rest_of_the_epoch() -> None:
    batches = TrainingBatches(STORE, ALL, 5, seed=3)
    assert indices(batches, 2, skip=3) == indices(batches, 2)[3:]
    assert [batch.step for batch in batches.epoch(2, 3)] == [13, 14]


@pytest.mark.parametrize("size", [2, 3])
def test_processes_share_each_batch_without_gap_or_overlap(size: int) -> None:
    alone = indices(TrainingBatches(STORE, ALL, 6, seed=3), 0)
    shares = [indices(TrainingBatches(STORE, ALL, 6, seed=3, rank=rank, world_size=size), 0) for rank in range(size)]
    assert [flat(parts) for parts in zip(*shares, strict=True)] == alone


def test_short_epochs_go_once_through_all_pictures_in_a_pass() -> None:
    batches = TrainingBatches(STORE, ALL, 5, seed=3, parts=3)
    shown = [flat(indices(batches, epoch)) for epoch in range(3)]
    assert sorted(flat(shown)) == list(range(23))
    assert [len(indices(batches, epoch)) for epoch in range(6)] == [batches.steps] * 6


def test_pictures_left_out_are_never_drawn() -> None:
    usable = np.array([1, 5, 9, 20])
    assert sorted(flat(indices(TrainingBatches(STORE, usable, 3, seed=0), 7))) == [1, 5, 9, 20]


@pytest.mark.parametrize("at_once", [True, False])
def test_in_order_keeps_the_order_and_the_places(at_once: bool, tmp_path: Path) -> None:
    np.save(tmp_path / "pixels.npy", STORE.array)
    store = STORE if at_once else ArrayStore(np.load(tmp_path / "pixels.npy", mmap_mode="r"))
    assert store.copies_fast(2) == at_once
    parts = list(in_order(store, np.array([4, 2, 22, 0, 1]), 2))
    assert [(place.start, place.stop) for place, _ in parts] == [(0, 2), (2, 4), (4, 5)]
    assert torch.cat([rows for _, rows in parts]).flatten().tolist() == [4, 2, 22, 0, 1]
    assert list(in_order(store, np.array([], dtype=np.int64), 2)) == []


def test_large_pictures_are_read_ahead() -> None:
    photographs = ArrayStore(np.zeros((4, 3, 224, 224), np.uint8))
    assert photographs.copies_fast(1)
    assert not photographs.copies_fast(4)


def test_generators_of_different_purpose_differ() -> None:
    draws = {
        float(torch.rand((), generator=seeded_generator(*key)))
        for key in ((0, "move", 0), (0, "move", 1), (1, "move", 0), (0, "mix", 0))
    }
    assert len(draws) == 4
