"""Real sets with boxes and masks in JSON files, and with boxes in tables."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from striate.errors import DataError
from striate.formats import FORMATS, Reading
from striate.formats.turning import turn_upright
from striate.images import read_header
from striate.structures import Boxes, Instances

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
ZOO = "datumaro_format_zoo"
COCO, TABLE = FORMATS.get("coco"), FORMATS.get("box-table")

pytestmark = pytest.mark.real


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    return path


def flat(reading: Reading) -> dict[str, list[tuple[str, list[float], bool]]]:
    """Class, corners and crowd of each object, by picture."""
    answer = {}
    for part in reading.splits.values():
        for sample in part:
            objects = sample.read_annotation()
            assert isinstance(objects, Boxes | Instances)
            columns = zip(objects.classes, objects.boxes_xyxy.tolist(), objects.iscrowd.tolist(), strict=True)
            answer[sample.name] = [(reading.classes[index], box, crowd) for index, box, crowd in columns]
    return answer


@pytest.mark.parametrize(
    ("name", "train", "validation"),
    [
        ("coco", "images/train/a.jpg", "images/val/b.jpg"),
        ("coco_instances", "images/train/a.jpg", "images/val/b.jpg"),
        ("coco_person_keypoints", "images/train/a.jpg", "images/val/b.jpg"),
        ("coco_roboflow", "train/a.jpg", "val/b.jpg"),
        ("mmdet_coco", "train/a.jpg", "val/b.jpg"),
    ],
)
def test_datumaros_coco_sets(name: str, train: str, validation: str) -> None:
    path = real(f"{ZOO}/coco_dataset/{name}")
    sniff = COCO.sniff(path)
    assert sniff is not None
    assert sniff.confidence == 0.9
    reading = COCO.read(path)
    assert reading.task == "detection"
    assert reading.classes == ("a", "b")
    assert {split: [one.name for one in part] for split, part in reading.splits.items()} == {
        "train": [train],
        "validation": [validation],
    }
    assert flat(reading) == {
        train: [("b", [2, 2, 5, 3], False)],
        validation: [("a", [0, 0, 1, 2], False), ("b", [0, 0, 1, 9], True)],
    }
    # The class "a" is in the validation picture only.
    assert {one.kind for one in reading.problems} == {"unknown-label"}


def test_masks_of_datumaros_coco_set() -> None:
    reading = COCO.read(real(f"{ZOO}/coco_dataset/coco/annotations/instances_val.json"))
    assert reading.task == "instances"
    (sample,) = reading.splits[""]
    objects = sample.read_annotation()
    assert isinstance(objects, Instances)
    assert objects.size_hw == sample.read().size_hw == (10, 5)
    expected = np.zeros((2, 10, 5), np.bool_)
    expected[0, :2, 0] = True
    # Runs of 0, 20 and 30 pixels, column by column: the first two columns.
    expected[1, :, :2] = True
    assert np.array_equal(objects.dense(), expected)


@pytest.mark.parametrize("name", ["coco_captions", "coco_image_info", "coco_labels", "coco_panoptic"])
def test_coco_files_without_boxes_are_not_claimed(name: str) -> None:
    path = real(f"{ZOO}/coco_dataset/{name}")
    assert COCO.sniff(path) is None
    with pytest.raises(DataError, match="no JSON file with COCO's lists"):
        COCO.read(path)


@pytest.mark.parametrize("name", ["segment_anything_dataset", "roboflow_dataset/createml", "datumaro_dataset"])
def test_other_json_is_not_claimed(name: str) -> None:
    assert COCO.sniff(real(f"{ZOO}/{name}")) is None


def test_roboflow_and_kaggle() -> None:
    reading = COCO.read(real(f"{ZOO}/roboflow_dataset/coco"))
    assert {split: len(part) for split, part in reading.splits.items()} == {"train": 2, "validation": 1}
    assert flat(reading)["val/val_001.jpg"] == [
        ("label_0", [0, 0, 1, 2], False),
        ("label_1", [0, 0, 9, 1], True),
    ]
    assert reading.problems == []
    assert flat(COCO.read(real(f"{ZOO}/kaggle_dataset/relaxed_coco"))) == {
        "train_001.jpg": [("label_0", [2, 1, 5, 2], False)],
        "train_002.jpg": [("label_1", [0, 0, 2, 4], False)],
    }


def test_boxes_on_stored_pixels_of_turned_photographs(tmp_path: Path) -> None:
    # The same scene in all orientations: a box on the stored pixels comes out in one place.
    names = [f"Landscape_{orientation}.jpg" for orientation in range(1, 9)]
    upright = np.array([[100, 200, 400, 900]], np.float32)
    images, annotations = [], []
    for number, name in enumerate(names, 1):
        shutil.copyfile(real("exif_orientation") / name, tmp_path / name)
        header = read_header(tmp_path / name)
        assert header.orientation == number
        assert header.size_hw == (1200, 1800)
        # Orientations 6 and 8 undo one another, all others undo themselves.
        inverse = {6: 8, 8: 6}.get(number, number)
        ((left, top, right, bottom),) = turn_upright(Boxes(upright, np.array([0])), (1200, 1800), inverse).boxes_xyxy
        width, height = (1200, 1800) if number >= 5 else (1800, 1200)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        bbox = [float(left), float(top), float(right - left), float(bottom - top)]
        annotations.append({"image_id": number, "category_id": 1, "bbox": bbox})
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "rock"}]}
    (tmp_path / "coco.json").write_text(json.dumps(document))
    reading = COCO.read(tmp_path)
    assert reading.problems == []
    assert "7 pictures were annotated without regard to the EXIF orientation" in " ".join(reading.notes)
    assert flat(reading) == {name: [("rock", upright[0].tolist(), False)] for name in names}


def test_the_table_of_bccd() -> None:
    path = real("bccd_voc")
    sniff = TABLE.sniff(path)
    assert sniff is not None
    assert sniff.confidence == 0.7
    reading = TABLE.read(path)
    assert reading.classes == ("Platelets", "RBC", "WBC")
    assert reading.problems == []
    found = flat(reading)
    assert len(found) == 364
    assert sum(map(len, found.values())) == 4888
    assert found["BCCD/JPEGImages/BloodImage_00000.jpg"][0] == ("WBC", [260, 177, 491, 376], False)


def test_tables_of_datumaro() -> None:
    reading = TABLE.read(real(f"{ZOO}/vott_csv_dataset/dataset"))
    assert {split: len(part) for split, part in reading.splits.items()} == {"train": 2, "test": 2}
    assert flat(reading)["img0004.jpg"] == [("helmet", [1, 2, 2, 4], False)]
    same = [
        TABLE.read(real(f"{ZOO}/kaggle_dataset/{name}"))
        for name in ("image_csv_det/ann.csv", "image_csv_det/ann2.csv", "image_txt_det/ann.txt")
    ]
    assert flat(same[0]) == flat(same[1]) == flat(same[2])
    assert flat(same[0])["images/1.jpg"] == [("dog", [0, 1, 1, 2], False), ("cat", [1, 2, 3, 3], False)]
    alone = TABLE.read(real(f"{ZOO}/kaggle_dataset/image_txt_det/ann_single_obj.txt"))
    assert flat(alone)["images/1.jpg"] == [("object", [0, 1, 1, 2], False), ("object", [1, 2, 3, 3], False)]
