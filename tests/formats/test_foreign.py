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


def yolo(root: Path) -> None:
    for split in ("train", "test"):
        picture(root / split / "images" / "1.png")
        text(root / split / "labels" / "1.txt", "0 0.5 0.5 0.25 0.25\n")


def yolo_beside(root: Path) -> None:
    picture(root / "1.png")
    text(root / "1.txt", "0 0.5 0.5 0.25 0.25\n")


def yolo_outlines(root: Path) -> None:
    picture(root / "images" / "1.png")
    text(root / "labels" / "1.txt", "0 0.1 0.1 0.5 0.1 0.5 0.5\n")


def voc(root: Path) -> None:
    picture(root / "VOC" / "JPEGImages" / "1.png")
    text(root / "VOC" / "Annotations" / "1.xml", "<annotation><object><bndbox></bndbox></object></annotation>")


def labelme(root: Path) -> None:
    picture(root / "1.png")
    text(root / "1.json", json.dumps({"shapes": [], "imagePath": "1.png"}))


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
    text(root / "images" / "1.nii.gz", "x")
    text(root / "labels" / "1.nii.gz", "x")


def screenshots_of_scans(root: Path) -> None:
    for name in ("a", "b"):
        picture(root / name / "1.png")
        for number in range(3):
            text(root / name / f"{number}.dcm", "x")


def archives(root: Path) -> None:
    text(root / "train.zip", "x")


def pickles(root: Path) -> None:
    text(root / "cifar-10-batches-py" / "data_batch_1", "x")


CASES = {
    yolo: "boxes in YOLO text files, annotation for detection (seen in test/labels/1.txt)",
    yolo_beside: "boxes in YOLO text files",
    yolo_outlines: "outlines in YOLO text files, annotation for instance segmentation",
    voc: "boxes in Pascal VOC XML files",
    labelme: "outlines in LabelMe JSON files",
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
    yolo(tmp_path)
    with pytest.raises(DataError, match="This version reads classification only"):
        find_format(tmp_path)


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
