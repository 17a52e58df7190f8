"""Boxes, masks and instances: laws, and values computed by hand."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from striate.structures import VOID, Annotation, AnnotationSource, Boxes, Instances, Mask, Picture, Sample

RING_AND_PARTS = np.array(
    [
        [
            [1, 1, 1, 0, 0, 0],
            [1, 0, 1, 0, 0, 0],
            [1, 1, 1, 0, 0, 0],
            [0, 0, 0, 0, 0, 0],
        ],
        [
            [0, 0, 0, 0, 0, 1],
            [0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0],
            [0, 1, 1, 0, 0, 0],
        ],
    ],
    bool,
)
"""A ring around a hole, and an object of two parts that do not touch."""

masks = arrays.arrays(bool, st.tuples(st.integers(0, 4), st.integers(1, 7), st.integers(1, 7)))


def boxes(**more: Any) -> Boxes:
    corners = np.array([[0, 1, 2, 3], [4, 5, 6, 7], [1, 1, 9, 9]], np.float32)
    return Boxes(corners, np.array([2, 0, 1]), **more)


def ring_and_parts(**more: Any) -> Instances:
    return Instances.from_dense(RING_AND_PARTS, np.array([3, 1]), **more)


def test_flags_that_are_left_out_are_off() -> None:
    found = boxes()
    assert len(found) == 3
    assert found.iscrowd.tolist() == found.ignore.tolist() == [False] * 3
    assert (found.boxes_xyxy.dtype, found.classes.dtype) == (np.float32, np.int64)
    assert (found.iscrowd.dtype, found.ignore.dtype) == (np.bool_, np.bool_)


def test_lists_and_other_types_become_what_is_promised() -> None:
    found = Boxes([[0, 1, 2, 3]], [5], [1], [0])  # type: ignore[list-item, arg-type]
    assert found == Boxes(np.array([[0, 1, 2, 3]], np.float32), np.array([5]), np.array([True]), np.array([False]))
    none = Boxes([], [])  # type: ignore[arg-type]
    assert none.boxes_xyxy.shape == (0, 4)
    assert len(none) == 0


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"boxes_xyxy": np.zeros((2, 4))}, "boxes_xyxy holds 2 entries for 3 objects"),
        ({"boxes_xyxy": np.zeros((3, 8))}, r"boxes are \(N, 4\), got \(3, 8\)"),
        ({"iscrowd": np.zeros(1, bool)}, "iscrowd holds 1 entries for 3 objects"),
        ({"ignore": np.zeros(4, bool)}, "ignore holds 4 entries for 3 objects"),
    ],
)
def test_fields_of_different_lengths_are_refused(fields: dict[str, Any], seen: str) -> None:
    with pytest.raises(ValueError, match=seen):
        replace(boxes(), **fields)


def test_boxes_are_chosen_by_position_flag_and_slice() -> None:
    found = boxes(iscrowd=np.array([True, False, False]), ignore=np.array([False, False, True]))
    chosen = found[np.array([2, 0])]
    assert chosen.boxes_xyxy.tolist() == [[1, 1, 9, 9], [0, 1, 2, 3]]
    assert chosen.classes.tolist() == [1, 2]
    assert chosen.iscrowd.tolist() == [False, True]
    assert chosen.ignore.tolist() == [True, False]
    assert found[np.array([True, False, True])] == found[np.array([0, 2])]
    assert found[1:] == found[np.array([1, 2])]
    assert found[:] == found
    assert len(found[:0]) == 0


@pytest.mark.parametrize("name", ["boxes_xyxy", "classes", "iscrowd", "ignore"])
def test_boxes_are_equal_where_every_value_is(name: str) -> None:
    assert boxes() == boxes()
    other = getattr(boxes(), name).copy()
    other[0] = not other[0] if other.dtype == bool else other[0] + 1
    assert boxes() != replace(boxes(), **{name: other})


def test_kinds_of_annotation_are_never_equal() -> None:
    none = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    assert Boxes(*none) != Instances((2, 2), (), *none)
    assert Boxes(*none) != 5
    assert Mask(np.zeros((2, 2), np.uint8)) != np.zeros((2, 2), np.uint8).tolist()


@pytest.mark.parametrize("annotation", [boxes(), ring_and_parts(), Mask(np.eye(3, dtype=np.uint8))], ids=type)
def test_annotation_is_frozen_has_no_hash_and_travels_between_processes(annotation: Annotation) -> None:
    with pytest.raises(FrozenInstanceError):
        annotation.classes = np.zeros(3)  # type: ignore[misc, union-attr, assignment]
    with pytest.raises(TypeError, match="unhashable"):
        hash(annotation)
    assert pickle.loads(pickle.dumps(annotation)) == annotation


def test_a_mask_is_two_dimensional_bytes() -> None:
    values = np.array([[0, 1, VOID]], np.uint8)
    assert Mask(values).size_hw == (1, 3)
    assert Mask(values) == Mask(values.copy())
    assert Mask(values) != Mask(values.T)
    assert Mask(values) != Mask(np.array([[0, 1, 2]], np.uint8))
    with pytest.raises(ValueError, match=r"a mask is \(H, W\) uint8, got \(1, 3\) int64"):
        Mask(values.astype(np.int64))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"got \(1, 1, 3\) uint8"):
        Mask(values[None])


def test_instances_keep_holes_and_parts() -> None:
    found = ring_and_parts()
    assert found.size_hw == (4, 6)
    assert (found.dense() == RING_AND_PARTS).all()
    assert found.dense().dtype == np.bool_
    assert found.areas().tolist() == [8, 3]
    # Half-open: the ring ends before column 3 and row 3; the parts reach from column 1 to the right edge.
    assert found.boxes_xyxy.tolist() == [[0, 0, 3, 3], [1, 0, 6, 4]]
    assert found.classes.tolist() == [3, 1]


@given(masks)
def test_dense_masks_come_back(planes: np.ndarray) -> None:
    found = Instances.from_dense(planes, np.zeros(len(planes), np.int64))
    assert found.dense().shape == planes.shape
    assert (found.dense() == planes).all()
    assert found.areas().tolist() == planes.sum((1, 2)).tolist()
    assert Instances.from_run_lengths(found.size_hw, found.masks, found.classes) == found
    assert Instances.from_dense(found.dense(), found.classes) == found
    for plane, box in zip(planes, found.boxes_xyxy.tolist(), strict=True):
        rows, columns = np.nonzero(plane)
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else None
        assert box == expected or (expected is None and (box[0], box[1]) == (box[2], box[3]))


def test_run_lengths_are_those_of_coco() -> None:
    # Column by column: 0, 1 | 1, 0 | 0, 0, so one pixel off, two on, three off.
    plane = np.array([[0, 1, 0], [1, 0, 0]], bool)
    found = Instances.from_dense(plane[None], np.array([0]))
    assert found.masks == (b"123",)
    assert found.packed() == [{"size": [2, 3], "counts": b"123"}]


def test_instances_are_chosen_by_position_flag_and_slice() -> None:
    found = ring_and_parts(iscrowd=np.array([False, True]), ignore=np.array([True, False]))
    last = found[np.array([1])]
    assert (last.dense() == RING_AND_PARTS[1:]).all()
    assert last.classes.tolist() == [1]
    assert last.iscrowd.tolist() == [True]
    assert last.ignore.tolist() == [False]
    assert last.boxes_xyxy.tolist() == [[1, 0, 6, 4]]
    assert last == found[np.array([False, True])] == found[1:]
    assert found[np.array([1, 0])][np.array([1, 0])] == found
    assert found[:0].dense().shape == (0, 4, 6)
    assert found[np.zeros(2, bool)] == found[:0]


def test_the_box_that_the_annotation_gives_stays() -> None:
    given_boxes = np.array([[0, 0, 5, 4], [0.5, 0, 6, 4]], np.float32)
    found = replace(ring_and_parts(), boxes_xyxy=given_boxes)
    assert found.boxes_xyxy.tolist() == given_boxes.tolist()
    assert found != ring_and_parts()
    assert found[1:].boxes_xyxy.tolist() == given_boxes[1:].tolist()
    assert found.boxes() == Boxes(given_boxes, np.array([3, 1]))


def test_boxes_of_instances_have_their_flags() -> None:
    found = ring_and_parts(iscrowd=np.array([False, True]), ignore=np.array([True, False])).boxes()
    assert isinstance(found, Boxes)
    assert found.iscrowd.tolist() == [False, True]
    assert found.ignore.tolist() == [True, False]


def test_instances_differ_by_size_and_by_a_pixel() -> None:
    assert ring_and_parts() == ring_and_parts()
    moved = RING_AND_PARTS.copy()
    moved[0, 1, 1] = True
    assert Instances.from_dense(moved, np.array([3, 1])) != ring_and_parts()
    assert replace(ring_and_parts(), size_hw=(6, 4)) != ring_and_parts()
    assert replace(ring_and_parts(), classes=np.array([3, 2])) != ring_and_parts()


def test_each_object_has_one_mask() -> None:
    found = ring_and_parts()
    with pytest.raises(ValueError, match="1 masks for 2 objects"):
        replace(found, masks=found.masks[:1])
    with pytest.raises(ValueError, match="boxes_xyxy holds 2 entries for 1 objects"):
        replace(found, classes=np.array([0]))


def test_no_objects() -> None:
    none = Instances.from_dense(np.zeros((0, 3, 5), bool), np.zeros(0, np.int64))
    assert len(none) == 0
    assert none.size_hw == (3, 5)
    assert none.dense().shape == (0, 3, 5)
    assert none.areas().shape == (0,)
    assert none.label_image().tolist() == np.zeros((3, 5)).tolist()
    assert none == Instances.from_run_lengths((3, 5), (), np.zeros(0, np.int64))
    assert none != Instances.from_dense(np.zeros((0, 5, 3), bool), np.zeros(0, np.int64))


def test_in_a_label_image_the_smaller_object_lies_on_top() -> None:
    planes = np.zeros((3, 3, 4), bool)
    planes[0, 1, 1] = True
    planes[1] = True
    planes[2, :2, :2] = True
    found = Instances.from_dense(planes, np.zeros(3, np.int64))
    assert found.label_image().tolist() == [[3, 3, 2, 2], [3, 1, 2, 2], [2, 2, 2, 2]]
    assert found.label_image().dtype == np.int32


def test_of_two_objects_of_one_size_the_later_lies_on_top() -> None:
    planes = np.array([[[1, 1, 0]], [[0, 1, 1]]], bool)
    assert Instances.from_dense(planes, np.zeros(2, np.int64)).label_image().tolist() == [[1, 2, 2]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_from_a_label_image(dtype: type) -> None:
    labels = np.array([[0, 7, 7, 0], [2, 0, 7, 2]], dtype)
    found = Instances.from_label_image(labels, class_of=4)
    # By ascending value: 2 is in two parts.
    assert found.dense().astype(int).tolist() == [[[0, 0, 0, 0], [1, 0, 0, 1]], [[0, 1, 1, 0], [0, 0, 1, 0]]]
    assert found.classes.tolist() == [4, 4]
    assert found.label_image().tolist() == [[0, 2, 2, 0], [1, 0, 2, 1]]
    assert Instances.from_label_image(np.zeros((2, 3), dtype)).dense().shape == (0, 2, 3)


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 4)))
def test_a_label_image_comes_back_where_nothing_overlaps(labels: np.ndarray) -> None:
    values = np.unique(labels[labels > 0])
    expected = np.where(labels > 0, np.searchsorted(values, labels) + 1, 0)
    assert Instances.from_label_image(labels).label_image().tolist() == expected.tolist()


@dataclass(frozen=True)
class _OnePixel:
    name: str = "mask.png"

    def read(self) -> Annotation:
        return Mask(np.zeros((1, 1), np.uint8))


@dataclass(frozen=True)
class _Black:
    name: str = "black.png"

    def read(self) -> Picture:
        return Picture(np.zeros((1, 1, 1), np.uint8), ("gray",))


def test_a_sample_reads_annotation_that_lies_in_files() -> None:
    assert isinstance(_OnePixel(), AnnotationSource)
    assert Sample(_Black(), _OnePixel()).read_annotation() == Mask(np.zeros((1, 1), np.uint8))
    assert Sample(_Black(), boxes()).read_annotation() == boxes()
    assert Sample(_Black()).read_annotation() is None
    assert not isinstance(boxes(), AnnotationSource)
