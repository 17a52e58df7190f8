"""What look says about boxes and masks that somebody else made, and what stays of boxes from format to format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from striate.data.convert import convert
from striate.data.look import Look, look, look_anyway
from striate.formats import read_folder
from striate.structures import Boxes

ZOO = "datumaro_format_zoo"
pytestmark = pytest.mark.real

LookAt = Callable[..., Look]


def counts(seen: Look) -> dict[str, int]:
    return {kind: len(problems) for kind, problems in seen.problems_by_kind().items()}


def boxes_by_stem(path: Path) -> dict[str, tuple[list[str], np.ndarray]]:
    """Class names and corners of each picture."""
    reading = read_folder(path)
    found = {}
    for samples in reading.splits.values():
        for sample in samples:
            boxes = sample.read_annotation()
            assert isinstance(boxes, Boxes)
            found[Path(sample.name).stem] = [reading.classes[kind] for kind in boxes.classes], boxes.boxes_xyxy
    return found


@pytest.mark.slow
def test_blood_cells(look_at: LookAt) -> None:
    seen = look_at("bccd_voc")
    answer = seen.as_dict()
    assert (answer["format"], answer["task"], answer["images"]) == ("voc", "detection", 364)
    assert answer["classes"] == ["Platelets", "RBC", "WBC"]
    assert answer["splits"] == {"train": 205, "validation": 87, "test": 72}
    assert answer["given_splits"] == ["train", "validation", "test"]
    empty = seen.problems_by_kind()["box-without-area"]
    assert sorted(problem.path for problem in empty) == [
        "BCCD/JPEGImages/BloodImage_00338.jpg",
        "BCCD/JPEGImages/BloodImage_00343.jpg",
    ]
    assert all(problem.detail.startswith("1 object of no area") for problem in empty)
    # 4,888 boxes, two of which have no area.
    assert answer["objects"]["count"] == 4886
    assert answer["objects"]["by_class"] == {"Platelets": 361, "RBC": 4153, "WBC": 372}


def test_ships_with_all_their_faults(look_at: LookAt) -> None:
    """Its SOURCE.txt lists them."""
    seen = look_at("ships_yolo")
    answer = seen.as_dict()
    assert (answer["format"], answer["task"]) == ("yolo", "detection")
    problems, notes = seen.problems_by_kind(), "\n".join(answer["notes"])
    # "34 labels without image"
    assert problems["annotation-without-picture"][0].detail.startswith("34 label files have no picture")
    # "train 406 img/318 labels"
    assert "88 pictures have no label file" in notes
    # "nc=1 but validate labels use 27 class ids"
    nameless = problems["class-without-name"][0]
    assert nameless.path == "data.yaml"
    assert "where 1 name is listed; 22 more occur only in label files without a picture" in nameless.detail
    # "boxes and polygons mixed"
    assert "558 boxes and 112 outlines; each outline counts by the box around it." in notes
    # "values outside 0..1"
    assert problems["outside-picture"][0].detail.startswith("7 lines have values outside 0..1")
    # "data.yaml names valid/ but folder is validate/"
    assert "data.yaml names ../valid/images for validation, where there is no picture" in notes
    assert set(answer["given_splits"]) == {"train", "validation", "test"}
    # "#temp files"
    names = [sample.name for samples in seen.dataset.splits.values() for sample in samples]
    assert names
    assert not [name for name in names if "#temp" in name]


@pytest.mark.slow
def test_campus_rooms(look_at: LookAt) -> None:
    seen = look_at("dhcn_campus")
    answer = seen.as_dict()
    assert (answer["format"], answer["task"], answer["images"]) == ("masks", "segmentation", 230)
    assert answer["splits"] == {"train": 150, "validation": 40, "test": 40}
    assert answer["classes"] == [
        *("background", "cabinet", "ceiling", "chair", "door", "elevator", "railing", "road", "stair", "tree", "wall"),
    ]
    assert sum(answer["pixels"]["by_class"].values()) + answer["pixels"]["void"] == pytest.approx(1)
    assert not set(counts(seen)) & {"size-mismatch", "mask-value", "void-mask", "unreadable"}


@pytest.mark.slow
def test_nuclei(look_at: LookAt) -> None:
    seen = look_at("dsb2018")
    answer = seen.as_dict()
    assert (answer["format"], answer["task"], answer["images"]) == ("object-masks", "instances", 178)
    assert answer["classes"] == ["object"]
    assert answer["objects"]["count"] == 6859
    assert not set(counts(seen)) & {"size-mismatch", "empty-mask", "unreadable"}


@pytest.mark.parametrize(
    ("name", "format", "task", "images"),
    [
        ("coco_dataset/coco_instances", "coco", "detection", 2),
        ("coco_dataset/coco_roboflow", "coco", "detection", 2),
        ("roboflow_dataset/coco", "coco", "detection", 3),
        ("voc_dataset/voc_dataset1", "voc", "detection", 1),
        ("roboflow_dataset/voc", "voc", "detection", 3),
        ("yolo_dataset/labels", "yolo", "detection", 2),
        ("roboflow_dataset/yolo", "yolo", "detection", 3),
        ("labelme_dataset", "labelme", "detection", 1),
        ("camvid_dataset", "masks", "segmentation", 4),
        ("kaggle_dataset/image_mask", "masks", "segmentation", 2),
        ("mapillary_vistas_dataset", "masks", "segmentation", 3),
    ],
)
def test_the_format_zoo(shared_data: Path, name: str, format: str, task: str, images: int) -> None:
    """Sets of one picture or two: too little to train with, enough to be told what they are."""
    path = shared_data / ZOO / name
    if not path.exists():
        pytest.skip(f"no {name}")
    answer = look_anyway(path).as_dict()
    assert (answer["format"], answer["task"], answer["images"]) == (format, task, images)


@pytest.mark.slow
def test_boxes_stay_the_same_from_format_to_format(shared_data: Path, tmp_path: Path) -> None:
    """VOC, COCO, YOLO and VOC again: half a pixel at most, and nothing is lost but what has no area."""
    if not (shared_data / "bccd_voc").exists():
        pytest.skip("no bccd_voc")
    before = shared_data / "bccd_voc"
    for format in ("coco", "yolo", "voc"):
        convert(before, format, tmp_path / format)
        before = tmp_path / format
    expected, found = boxes_by_stem(shared_data / "bccd_voc"), boxes_by_stem(tmp_path / "voc")
    assert set(found) == set(expected)
    for stem, (names, boxes) in expected.items():
        area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        assert found[stem][0] == [name for name, has in zip(names, area, strict=True) if has], stem
        assert np.abs(found[stem][1] - boxes[area]).max(initial=0) < 0.5, stem
    seen = look(tmp_path / "coco").as_dict()
    assert (seen["format"], seen["task"], seen["images"]) == ("coco", "detection", 364)
    assert seen["splits"] == {"train": 205, "validation": 87, "test": 72}
    assert seen["objects"]["by_class"] == {"Platelets": 361, "RBC": 4153, "WBC": 372}
