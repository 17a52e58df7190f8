"""Answers written to disk: every value can be computed by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.errors import RequestError, UnknownNameError
from striate.formats import read_folder
from striate.runs.answers import ANSWER_WRITERS, AnswerFiles, AnswerOrder
from striate.runs.overlay import is_overlay
from striate.runs.structures import PicturePrediction
from striate.structures import (
    ClassScores,
    DetectedInstances,
    DetectedObjects,
    Instances,
    Prediction,
    SegmentedPicture,
    prediction_of_document,
)

CLASSES = ("cat", "dog, small")
SIZE_HW = (6, 8)


def boxes() -> DetectedObjects:
    """Two boxes, the surer one first."""
    corners = np.array([[1, 2, 4, 6], [0.5, 0, 8, 1.25]], np.float32)
    return DetectedObjects(corners, np.array([1, 0]), np.array([0.75, 0.25], np.float32), CLASSES)


def touching() -> DetectedInstances:
    """Two objects that touch along a column: 2 x 3 and 2 x 2 pixels."""
    masks = np.zeros((2, *SIZE_HW), np.bool_)
    masks[0, 1:3, 1:4] = masks[1, 1:3, 4:6] = True
    found = Instances.from_dense(masks, np.array([0, 1]))
    scores = np.array([0.875, 0.5], np.float32)
    sizes_hw = np.tile(np.array(SIZE_HW), (2, 1))
    return DetectedInstances(found.boxes_xyxy, found.classes, scores, CLASSES, found.masks, sizes_hw)


def nothing(objects: DetectedObjects) -> DetectedObjects:
    return objects.surer_than(2)


def halves() -> SegmentedPicture:
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[:, 6:] = 1
    return SegmentedPicture(mask, CLASSES)


def scores(*, several: bool = False) -> ClassScores:
    return ClassScores(np.array([0.25, 0.75], np.float32), CLASSES, several)


def write(out: Path, kinds: list[str], task: str, *answers: Prediction, **order: Any) -> Path:
    """Writes answers for new/0.png, new/1.png, ..."""
    with AnswerFiles(kinds, AnswerOrder(out, task, CLASSES, [Path("new")], **order)) as files:
        for number, answer in enumerate(answers):
            files.add(PicturePrediction(f"new/{number}.png", SIZE_HW, answer))
    return out


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_coco_holds_left_top_width_and_height_with_scores(tmp_path: Path) -> None:
    found = json.loads((write(tmp_path, ["coco"], "detection", nothing(boxes()), boxes()) / "coco.json").read_text())
    assert found["images"][1] == {"id": 2, "file_name": "new/1.png", "height": 6, "width": 8}
    assert [each["bbox"] for each in found["annotations"]] == [[1, 2, 3, 4], [0.5, 0, 7.5, 1.25]]
    assert [each["score"] for each in found["annotations"]] == [0.75, 0.25]
    assert [(each["id"], each["image_id"], each["category_id"]) for each in found["annotations"]] == [
        (1, 2, 2),
        (2, 2, 1),
    ]
    assert [each["area"] for each in found["annotations"]] == [12, 9.375]
    assert found["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog, small"}]


def test_coco_beside_the_pictures_is_read_as_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for number in range(2):
        Image.new("L", (8, 6)).save(tmp_path / "new" / f"{number}.png")
    write(tmp_path, ["coco"], "instances", touching(), nothing(touching()))
    reading = read_folder(tmp_path, "coco")
    assert reading.task == "instances"
    first, second = (sample.read_annotation() for sample in reading.splits[""])
    assert first == touching().as_annotation()
    assert len(second) == 0  # type: ignore[arg-type]


def test_touching_objects_stay_apart_in_a_label_image(tmp_path: Path) -> None:
    write(tmp_path, ["masks"], "instances", touching(), nothing(touching()))
    labels = np.asarray(Image.open(tmp_path / "masks" / "0.png"))
    assert labels.tolist() == [
        [0] * 8,
        [0, 1, 1, 1, 2, 2, 0, 0],
        [0, 1, 1, 1, 2, 2, 0, 0],
        *[[0] * 8] * 3,
    ]
    assert not np.asarray(Image.open(tmp_path / "masks" / "1.png")).any()
    assert is_overlay(tmp_path / "masks" / "0.png")
    assert rows(tmp_path / "masks" / "_objects.csv") == [
        ["file", "value", "class", "score", "pixels", "path"],
        ["0.png", "1", "cat", "0.875", "6", "new/0.png"],
        ["0.png", "2", "dog, small", "0.5", "4", "new/0.png"],
    ]


def test_a_label_image_holds_the_surer_objects(tmp_path: Path) -> None:
    write(tmp_path, ["masks"], "instances", touching(), min_score=0.6)
    assert np.asarray(Image.open(tmp_path / "masks" / "0.png")).max() == 1


def test_masks_hold_class_numbers_and_say_which(tmp_path: Path) -> None:
    write(tmp_path, ["masks", "csv"], "segmentation", halves())
    assert (np.asarray(Image.open(tmp_path / "masks" / "0.png")) == halves().mask).all()
    assert rows(tmp_path / "masks" / "_classes.csv")[1:3] == [["0", "cat"], ["1", "dog, small"]]
    assert rows(tmp_path / "answers.csv") == [
        ["path", "class", "pixels", "share"],
        ["new/0.png", "cat", "36", "0.75"],
        ["new/0.png", "dog, small", "12", "0.25"],
    ]


def test_a_table_has_a_row_for_each_object_and_one_for_none(tmp_path: Path) -> None:
    write(tmp_path, ["csv"], "detection", boxes(), nothing(boxes()))
    assert rows(tmp_path / "answers.csv") == [
        ["path", "class", "score", "xmin", "ymin", "xmax", "ymax"],
        ["new/0.png", "dog, small", "0.75", "1", "2", "4", "6"],
        ["new/0.png", "cat", "0.25", "0.5", "0", "8", "1.25"],
        ["new/1.png", "", "", "", "", "", ""],
    ]
    write(tmp_path / "areas", ["csv"], "instances", touching())
    assert [row[-1] for row in rows(tmp_path / "areas" / "answers.csv")] == ["area", "6", "4"]


def test_a_table_of_classes(tmp_path: Path) -> None:
    write(tmp_path, ["csv"], "classification", scores(), top=1)
    assert rows(tmp_path / "answers.csv") == [["path", "class", "score"], ["new/0.png", "dog, small", "0.75"]]
    write(tmp_path / "several", ["csv"], "multilabel", scores(several=True))
    assert [row[-1] for row in rows(tmp_path / "several" / "answers.csv")] == ["present", "1", "0"]


@pytest.mark.parametrize("answer", [boxes(), touching(), halves()], ids=["boxes", "instances", "mask"])
def test_json_gives_the_same_answer_again(tmp_path: Path, answer: SegmentedPicture | DetectedObjects) -> None:
    task = "segmentation" if isinstance(answer, SegmentedPicture) else "detection"
    documents = json.loads((write(tmp_path, ["json"], task, answer, answer) / "answers.json").read_text())
    assert [document["path"] for document in documents] == ["new/0.png", "new/1.png"]
    again = prediction_of_document(documents[1], CLASSES, SIZE_HW)
    assert again.as_document() == answer.as_document()


def test_kinds_that_make_no_sense_are_refused_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"`coco` holds answers for detection and instances, and this run is for c"):
        write(tmp_path, ["coco"], "classification")
    with pytest.raises(RequestError, match=r"Choose json, overlays or csv\."):
        write(tmp_path, ["masks"], "multilabel")
    with pytest.raises(UnknownNameError, match="csv"):
        write(tmp_path, ["cvs"], "detection")


@pytest.mark.parametrize("kind", ["json", "csv", "coco", "masks"])
def test_nothing_is_overwritten(tmp_path: Path, kind: str) -> None:
    write(tmp_path, [kind], "instances", touching())
    with pytest.raises(RequestError, match="there is something here already"):
        write(tmp_path, [kind], "instances", touching())


def test_a_file_has_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    def interrupted() -> None:
        with AnswerFiles(["csv", "json"], AnswerOrder(tmp_path, "detection", CLASSES)) as files:
            files.add(PicturePrediction("a.png", SIZE_HW, boxes()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.csv.partial", "answers.json.partial"]
    assert len(json.loads((tmp_path / "answers.json.partial").read_text())) == 1


def test_every_kind_says_what_it_writes() -> None:
    assert set(ANSWER_WRITERS.names()) == {"overlays", "json", "csv", "coco", "masks", "volumes"}
    assert all(writer.title and writer.tasks for writer in ANSWER_WRITERS)
