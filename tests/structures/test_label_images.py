"""Objects as masks: what a label image says, and how fast it is read."""

from __future__ import annotations

import time

import numpy as np
import pytest

from striate.structures import Instances


def one_by_one(labels: np.ndarray) -> Instances:
    """The definition: one plane for each value but 0, ascending."""
    values = [value for value in np.unique(labels) if value != 0]
    planes = np.array([labels == value for value in values], np.bool_).reshape(len(values), *labels.shape)
    return Instances.from_dense(planes, np.zeros(len(values), np.int64))


def test_label_images_by_hand() -> None:
    labels = np.array([[7, 7, 0, 0], [7, 0, 0, 3], [0, 0, 3, 3]], np.uint16)
    found = Instances.from_label_image(labels, class_of=2)
    assert found.size_hw == (3, 4)
    assert found.classes.tolist() == [2, 2]
    # Ascending by value: object 3 first.
    assert found.boxes_xyxy.tolist() == [[2, 1, 4, 3], [0, 0, 2, 2]]
    assert found.areas().tolist() == [3, 3]
    assert found.dense()[0].astype(int).tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("seed", range(5))
def test_label_images_agree_with_one_plane_for_each_value(seed: int, dtype: type) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, (random.integers(1, 9), random.integers(1, 9))).astype(dtype) * 30
    assert Instances.from_label_image(labels) == one_by_one(labels)


@pytest.mark.parametrize("value", [0, 5])
def test_label_images_of_one_value(value: int) -> None:
    labels = np.full((3, 2), value, np.uint8)
    assert Instances.from_label_image(labels) == one_by_one(labels)
    assert len(Instances.from_label_image(labels)) == (value != 0)


def test_rows_and_columns_may_be_stored_either_way() -> None:
    labels = np.array([[1, 0, 2], [1, 2, 2]], np.int32)
    assert Instances.from_label_image(np.asfortranarray(labels)) == Instances.from_label_image(labels)
    assert Instances.from_label_image(labels).label_image().tolist() == labels.tolist()


def test_many_objects_take_time_for_the_picture_only() -> None:
    labels = np.zeros((1000, 1000), np.int32)
    labels[:] = 1 + (np.arange(1000)[:, None] // 57) * 18 + np.arange(1000)[None] // 57
    labels[::57] = labels[:, ::57] = 0
    started = time.process_time()
    found = Instances.from_label_image(labels)
    assert len(found) == 324
    # About 0.03 s; with one plane for each object it was 2.5 s.
    assert time.process_time() - started < 1
