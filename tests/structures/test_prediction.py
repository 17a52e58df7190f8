"""What is counted of found objects."""

from __future__ import annotations

import numpy as np

from striate.structures import DetectedInstances, DetectedObjects


def found() -> DetectedObjects:
    """A thing named as two classes, its neighbour, two of one class that overlap, and one that is not sure."""
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [8, 0, 18, 10], [30, 0, 40, 10], [31, 0, 41, 10], [60, 0, 70, 10]]
    return DetectedObjects(
        np.array(boxes, np.float32),
        np.array([0, 1, 1, 1, 1, 0]),
        np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.1], np.float32),
        ("cat", "dog"),
    )


def test_one_thing_counts_once_under_its_surer_name() -> None:
    counted = found().counted(0.3)
    assert counted.scores.tolist() == [np.float32(score) for score in (0.9, 0.7, 0.6, 0.5)]
    assert found().counts(0.3) == {"dog": 3, "cat": 1}
    assert len(found().surer_than(0.3)) == 5
    assert len(found().surer_than(2).counted(0)) == 0


def test_masks_go_with_their_objects() -> None:
    plain = found()
    masks = tuple(str(number).encode() for number in range(6))
    objects = DetectedInstances(
        plain.boxes_xyxy, plain.classes, plain.scores, plain.names, masks, np.full((6, 2), 80, np.int64)
    )
    counted = objects.counted(0.3)
    assert counted.masks == (b"0", b"2", b"3", b"4")
    assert isinstance(counted, DetectedInstances)
    assert counted.sizes_hw.shape == (4, 2)
    assert objects.surer_than(0.75).masks == (b"0", b"1")
