"""Real sets in the formats of Pascal VOC and YOLO, with all their faults."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from striate.errors import DataError
from striate.formats import FORMATS, Reading, find_format, read_folder
from striate.structures import Boxes, Instances, Mask

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
ZOO = "datumaro_format_zoo"

pytestmark = pytest.mark.real


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    return path


def counts(reading: Reading) -> dict[str, int]:
    return {split: len(samples) for split, samples in reading.splits.items()}


def boxes_by_name(reading: Reading) -> dict[tuple[str, str], Boxes]:
    found = {}
    for split, samples in reading.splits.items():
        for sample in samples:
            assert isinstance(sample.annotation, Boxes)
            found[split, Path(sample.name).stem] = sample.annotation
    return found


def kinds(reading: Reading) -> Counter[str]:
    return Counter(problem.kind for problem in reading.problems)


@pytest.mark.parametrize(
    ("name", "format", "classes", "splits", "objects"),
    [
        ("bccd_voc", "voc", 3, {"train": 205, "validation": 87, "test": 72}, 4888),
        ("ships_yolo", "yolo", 5, {"train": 405, "validation": 99, "test": 63}, 670),
        (f"{ZOO}/voc_dataset/voc_dataset1", "voc", 2, {"train": 1}, 2),
        (f"{ZOO}/voc_dataset/voc_dataset3", "voc", 1, {"train": 1}, 1),
        (f"{ZOO}/yolo_dataset/strict", "yolo", 2, {"train": 1}, 2),
        (f"{ZOO}/yolo_dataset/labels", "yolo", 2, {"train": 1, "validation": 1}, 4),
        (f"{ZOO}/yolo_dataset/annotations", "yolo", 2, {"": 1}, 2),
        (f"{ZOO}/roboflow_dataset/voc", "voc", 2, {"train": 2, "validation": 1}, 4),
        (f"{ZOO}/roboflow_dataset/yolo", "yolo", 2, {"train": 2, "validation": 1}, 4),
        (f"{ZOO}/kaggle_dataset/relaxed_voc1", "voc", 2, {"": 1}, 2),
        (f"{ZOO}/kaggle_dataset/relaxed_voc2", "voc", 2, {"": 1}, 2),
        (f"{ZOO}/kaggle_dataset/relaxed_yolo", "yolo", 4, {"": 2}, 4),
    ],
)
def test_recognised(name: str, format: str, classes: int, splits: dict[str, int], objects: int) -> None:
    reading = read_folder(real(name))
    assert (reading.format, reading.task, len(reading.classes)) == (format, "detection", classes)
    assert counts(reading) == splits
    assert sum(map(len, boxes_by_name(reading).values())) == objects


def test_bccd() -> None:
    reading = read_folder(real("bccd_voc"))
    assert reading.classes == ("Platelets", "RBC", "WBC")
    found = boxes_by_name(reading)
    total = sum(np.bincount(boxes.classes, minlength=3) for boxes in found.values())
    assert np.array_equal(total, [361, 4155, 372])
    first = found["validation", "BloodImage_00000"]
    assert first.boxes_xyxy[0].tolist() == [259, 176, 491, 376]
    # Two boxes whose corners are one point: somebody clicked and drew nothing. Whoever sees the pictures reports them.
    empty = {
        key[1]: boxes
        for key, boxes in found.items()
        if (boxes.boxes_xyxy[:, 2:] == boxes.boxes_xyxy[:, :2]).all(1).any()
    }
    assert set(empty) == {"BloodImage_00338", "BloodImage_00343"}
    assert kinds(reading) == {}


def test_bccd_to_yolo_and_back(tmp_path: Path) -> None:
    voc, yolo = FORMATS.get("voc"), FORMATS.get("yolo")
    original = voc.read(real("bccd_voc"))
    yolo.write(dict(original.splits), original.classes, tmp_path / "yolo")
    between = yolo.read(tmp_path / "yolo")
    assert set(kinds(between)) <= {"repeated-object"}
    voc.write(dict(between.splits), between.classes, tmp_path / "voc")
    again = voc.read(tmp_path / "voc")
    assert again.classes == original.classes
    expected, found = boxes_by_name(original), boxes_by_name(again)
    assert set(found) == set(expected)
    for key, boxes in expected.items():
        assert np.array_equal(found[key].classes, boxes.classes)
        assert np.abs(found[key].boxes_xyxy - boxes.boxes_xyxy).max(initial=0) < 0.5
    assert kinds(again) == {}


def test_every_fault_of_the_ships_is_told() -> None:
    reading = read_folder(real("ships_yolo"))
    told = {problem.kind: problem for problem in reading.problems}
    assert told["annotation-without-picture"].detail.startswith("34 label files have no picture (validate/labels/")
    nameless = told["class-without-name"]
    assert nameless.path == "data.yaml"
    # The 27 numbers of the validation labels are these 26 and the one that has a name.
    assert nameless.detail.startswith("4 class numbers have no name (1: ")
    assert "where 1 name is listed; 22 more occur only in label files without a picture" in nameless.detail
    assert told["outside-picture"].detail.startswith("7 lines have values outside 0..1, in 7 files")
    # These classes never occur in training.
    assert kinds(reading)["unknown-label"] == 8
    notes = "\n".join(reading.notes)
    assert "data.yaml names ../valid/images for validation, where there is no picture" in notes
    assert "558 boxes and 112 outlines" in notes
    assert "88 pictures have no label file (train/images/" in notes
    assert not any("#temp" in sample.name for samples in reading.splits.values() for sample in samples)


def test_masks_of_voc() -> None:
    path = real(f"{ZOO}/voc_dataset/voc_dataset1")
    semantic, single = (read_folder(path, "voc", task) for task in ("segmentation", "instances"))
    mask = semantic.splits["train"][0].read_annotation()
    assert isinstance(mask, Mask)
    assert mask.size_hw == (10, 20)
    assert {semantic.classes[kind] for kind in np.unique(mask.classes[mask.classes != 255])} == {"bicycle"}
    objects = single.splits["train"][0].read_annotation()
    assert isinstance(objects, Instances)
    assert [single.classes[kind] for kind in objects.classes] == ["bicycle"]
    for kind, pixels in zip(objects.classes, objects.dense(), strict=True):
        assert (semantic.classes.index(single.classes[kind]) == mask.classes[pixels]).mean() > 0.5


def test_boxes_without_any_picture() -> None:
    with pytest.raises(DataError, match=r"5 XML files .* and no picture"):
        find_format(real(f"{ZOO}/voc_dataset/voc_dataset2"))[0].read(real(f"{ZOO}/voc_dataset/voc_dataset2"))


@pytest.mark.parametrize("name", ["yolo_obb", "coco", "createml", "tfrecord", "multiclass"])
def test_neighbours_are_left_to_others(name: str) -> None:
    path = real(f"{ZOO}/roboflow_dataset/{name}")
    assert FORMATS.get("voc").sniff(path) is None
    assert FORMATS.get("yolo").sniff(path) is None
