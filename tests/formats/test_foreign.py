"""A set of another kind is refused by its right name, never read as something it is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError
from striate.formats import FORMATS, find_format, read_folder


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(path)


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def cvat(root: Path) -> None:
    picture(root / "images" / "1.png")
    text(root / "annotations.xml", '<annotations><image id="0" name="1.png"><box xtl="1"/></image></annotations>')


def vott(root: Path) -> None:
    picture(root / "1.png")
    text(root / "ab.json", json.dumps({"asset": {"name": "1.png"}, "regions": [{"boundingBox": {"left": 1}}]}))


def create_ml(root: Path) -> None:
    picture(root / "1.png")
    boxes = [{"label": "cat", "coordinates": {"x": 5, "y": 5, "width": 2, "height": 2}}]
    text(root / "_annotations.createml.json", json.dumps([{"image": "1.png", "annotations": boxes}]))


def captions(root: Path) -> None:
    picture(root / "val2017" / "1.png")
    images = [{"id": 1, "file_name": "1.png"}]
    notes = [{"id": 1, "image_id": 1, "caption": "noise"}]
    text(root / "annotations" / "captions_val2017.json", json.dumps({"images": images, "annotations": notes}))


def panoptic(root: Path) -> None:
    picture(root / "val2017" / "1.png")
    notes = [{"image_id": 1, "file_name": "1.png", "segments_info": [{"id": 7, "category_id": 1}]}]
    text(root / "annotations" / "panoptic_val2017.json", json.dumps({"annotations": notes, "categories": []}))


def dota(root: Path) -> None:
    picture(root / "images" / "1.png")
    text(root / "labelTxt" / "1.txt", "imagesource:GoogleEarth\ngsd:0.5\n1 1 9 1 9 5 1 5 small-vehicle 0\n")


def kitti(root: Path) -> None:
    picture(root / "image_2" / "1.png")
    text(root / "label_2" / "1.txt", "Car 0.00 0 1.85 3.7 1.3 9.5 8.4 1.6 1.5 3.7 -3.4 2.3 1.6 1.6\n")


def run_lengths(root: Path) -> None:
    picture(root / "train" / "1.png")
    text(root / "train.csv", "ImageId,EncodedPixels\n1.png,3 4 9 2\n")


def records(root: Path) -> None:
    text(root / "train-00000-of-00001.tfrecord", "x")


def masks_in_folders(root: Path) -> None:
    picture(root / "images" / "1.png")
    picture(root / "masks" / "1.png")


def masks_for_each_object(root: Path) -> None:
    for name in ("ab12", "cd34"):
        picture(root / "stage1" / name / "images" / f"{name}.png")
        picture(root / "stage1" / name / "masks" / "1.png")


def masks_beside(root: Path) -> None:
    for split in ("train", "test"):
        for name in ("1", "2"):
            picture(root / split / f"{name}.jpg")
            picture(root / split / f"{name}_mask.png")


def defects(root: Path) -> None:
    picture(root / "bottle" / "test" / "broken" / "1.png")
    picture(root / "bottle" / "ground_truth" / "broken" / "1_mask.png")


def scans(root: Path) -> None:
    text(root / "images" / "1.mha", "x")
    text(root / "labels" / "1.mha", "x")


def screenshots_of_scans(root: Path) -> None:
    for name in ("a", "b"):
        picture(root / name / "1.png")
        for number in range(3):
            text(root / name / f"{number}.mha", "x")


def archives(root: Path) -> None:
    text(root / "train.zip", "x")


def pickles(root: Path) -> None:
    text(root / "cifar-10-batches-py" / "data_batch_1", "x")


CASES = {
    cvat: "CVAT's XML annotation, annotation for detection or segmentation (seen in annotations.xml)",
    vott: "VoTT's JSON, annotation for detection",
    create_ml: "CreateML's JSON, annotation for detection",
    captions: "captions in a JSON file like COCO's, annotation for captioning",
    panoptic: "COCO's panoptic JSON, annotation for panoptic segmentation (seen in annotations/panoptic_val2017.json)",
    dota: "turned boxes in DOTA's text files, annotation for detection (seen in labelTxt/1.txt)",
    kitti: "boxes in KITTI's text files",
    run_lengths: "a table of outlines or run lengths, annotation for segmentation (seen in train.csv)",
    records: "packed records",
    masks_in_folders: "in a folder beside them, annotation for segmentation (seen in masks)",
    masks_for_each_object: "pictures with mask pictures in a folder beside them",
    masks_beside: "pictures with a mask picture for each",
    defects: "pictures with mask pictures in a folder beside them",
    scans: "files of a scanner",
    screenshots_of_scans: "files of a scanner",
    archives: "packed archives",
    pickles: "CIFAR's pickled batches",
}


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_refused_by_its_name(tmp_path: Path, make: object) -> None:
    make(tmp_path)  # type: ignore[operator]
    assert [fmt.name for fmt in FORMATS if fmt.sniff(tmp_path)] == []
    with pytest.raises(DataError) as caught:
        find_format(tmp_path)
    assert CASES[make] in str(caught.value)  # type: ignore[index]
    assert str(tmp_path) in str(caught.value)
    assert caught.value.fix


def test_the_advice_names_what_would_work(tmp_path: Path) -> None:
    vott(tmp_path)
    with pytest.raises(DataError, match="Export it as COCO's JSON, Pascal VOC's XML or YOLO's text files"):
        find_format(tmp_path)


def test_two_annotation_formats_ask_for_the_flag(tmp_path: Path) -> None:
    """COCO's JSON beside VOC's XML may say different things: nobody but the user knows which is meant."""
    picture(tmp_path / "JPEGImages" / "1.png")
    box = "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    text(tmp_path / "Annotations" / "1.xml", f"<annotation><object><name>cat</name>{box}</object></annotation>")
    coco = {
        "images": [{"id": 1, "file_name": "1.png", "height": 32, "width": 32}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 5, 6, 7]}],
        "categories": [{"id": 1, "name": "dog"}],
    }
    text(tmp_path / "annotations.json", json.dumps(coco))
    with pytest.raises(DataError, match="two formats fit equally well: ") as caught:
        read_folder(tmp_path)
    assert "annotations.json lists pictures" in str(caught.value)
    assert "Annotations/1.xml is VOC's XML" in str(caught.value)
    assert caught.value.fix == "Say which: --format coco or --format voc."
    assert read_folder(tmp_path, "coco").classes == ("dog",)
    assert read_folder(tmp_path, "voc").classes == ("cat",)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_converted_line_endings_are_the_cause(tmp_path: Path, suffix: str) -> None:
    """Such a set is refused before anything else is said of it, even where its layout is right."""
    for name in ("a", "b"):
        for number in range(3):
            path = tmp_path / name / f"{number}{suffix}"
            picture(path, number)
            data = path.read_bytes()
            path.write_bytes(data.replace(b"\r\n", b"\n") if suffix == ".png" else data.replace(b"\n", b"\r\n"))
    direction = "lost carriage returns" if suffix == ".png" else "gained carriage returns"
    with pytest.raises(DataError, match=f"a conversion of line endings went over them and they {direction}") as caught:
        find_format(tmp_path)
    assert "binary mode" in caught.value.fix
    with pytest.raises(DataError, match="a conversion of line endings"):
        read_folder(tmp_path, "folders")


def test_a_table_of_something_else_does_not_forbid_class_folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / "train" / name / "1.png")
    text(tmp_path / "landmarks" / "boxes.csv", "name,x,y,w,h\n1,1,1,1,1\n")
    text(tmp_path / "all.zip", "x")
    assert find_format(tmp_path)[0].name == "folders"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "2 pictures have a label file, and all of these files are empty"),
        ("0 48 40 20 21.5\n", "with values up to 48 where shares of the picture from 0 to 1 are expected"),
    ],
)
def test_label_files_that_say_nothing_usable_are_named(line: str, said: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        picture(tmp_path / "images/train" / f"{name}.png")
        text(tmp_path / "labels/train" / f"{name}.txt", line)
    with pytest.raises(DataError) as caught:
        find_format(tmp_path)
    assert said in str(caught.value)
