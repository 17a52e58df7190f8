"""YOLO sets as people make them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError, RequestError
from striate.formats import FORMATS, Reading, find_format
from striate.images import FileSource
from striate.structures import Boxes, Instances, Problem, Sample

YOLO = FORMATS.get("yolo")
ONE = "0 0.5 0.5 0.5 0.5\n"


def picture(path: Path, size_hw: tuple[int, int] = (10, 20)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size_hw, 3), 90, np.uint8)).save(path)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def pair(root: Path, image: str, label: str, content: str = ONE) -> None:
    picture(root / image)
    text(root / label, content)


def beside(root: Path, content: str, name: str = "a") -> Reading:
    pair(root, f"{name}.jpg", f"{name}.txt", content)
    return YOLO.read(root)


def names(reading: Reading) -> dict[str, list[str]]:
    return {split: [sample.name for sample in part] for split, part in reading.splits.items()}


def boxes_of(reading: Reading, split: str = "", index: int = 0) -> Boxes:
    annotation = reading.splits[split][index].annotation
    assert isinstance(annotation, Boxes)
    return annotation


def problem(reading: Reading, kind: str) -> Problem:
    (found,) = [one for one in reading.problems if one.kind == kind]
    return found


def test_shares_of_the_picture_become_pixels(tmp_path: Path) -> None:
    reading = beside(tmp_path, "1 0.5 0.5 0.5 0.2\n0 0.1 0.05 0.2 0.1\n")
    assert find_format(tmp_path)[0] is YOLO
    assert (reading.task, reading.classes, reading.problems) == ("detection", ("class-0", "class-1"), [])
    boxes = boxes_of(reading)
    assert np.allclose(boxes.boxes_xyxy, [[5, 4, 15, 6], [0, 0, 4, 1]])
    assert boxes.classes.tolist() == [1, 0]
    assert reading.notes == ["No list of class names was found, so classes are called class-N after their numbers."]


def test_pictures_are_taken_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    text(tmp_path / "a.txt", "0 0.5 0.5 1 1\n")
    assert boxes_of(YOLO.read(tmp_path)).boxes_xyxy.tolist() == [[0, 0, 10, 20]]


@pytest.mark.parametrize(
    ("image", "label", "split"),
    [
        ("a.jpg", "a.txt", ""),
        ("images/a.jpg", "labels/a.txt", ""),
        ("Images/a.b.jpg", "Annotations/a.b.txt", ""),
        ("images/val/a.jpg", "labels/val/a.txt", "validation"),
        ("validate/images/a.jpg", "validate/labels/a.txt", "validation"),
        ("w/images/Test/a.jpg", "w/labels/Test/a.txt", "test"),
        ("images/val2017/a.jpg", "labels/val2017/a.txt", "validation"),
        ("valid/a.jpg", "valid/a.txt", "validation"),
    ],
)
def test_layouts(tmp_path: Path, image: str, label: str, split: str) -> None:
    pair(tmp_path, image, label)
    pair(tmp_path, image.replace("a.", "train.", 1), label.replace("a.", "train.", 1))
    picture(tmp_path / "train/images/z.jpg") if split else None
    text(tmp_path / "train/labels/z.txt", ONE) if split else None
    text(tmp_path / "README.txt", "about\n")
    text(tmp_path / "data.yaml", "train: ../train/images\nval: ../valid/images\nnc: 1\nnames: [no]\n")
    assert find_format(tmp_path)[0] is YOLO
    reading = YOLO.read(tmp_path)
    assert reading.classes == ("no",)
    assert reading.problems == []
    if split:
        assert sorted(names(reading)) == sorted(["train", split])
        assert names(reading)[split] == [image, image.replace("a.", "train.", 1)]
    else:
        assert names(reading) == {"": [image, image.replace("a.", "train.", 1)]}


def test_two_pictures_of_one_name_in_two_splits(tmp_path: Path) -> None:
    pair(tmp_path, "train/images/1.jpg", "train/labels/1.txt", "0 0.5 0.5 1 1\n")
    pair(tmp_path, "test/images/1.jpg", "test/labels/1.txt", "0 0.5 0.5 0.5 0.5\n")
    reading = YOLO.read(tmp_path)
    assert boxes_of(reading, "train").boxes_xyxy.tolist() == [[0, 0, 20, 10]]
    assert boxes_of(reading, "test").boxes_xyxy.tolist() == [[5, 2.5, 15, 7.5]]


def test_folders_that_the_settings_name_and_nobody_has(tmp_path: Path) -> None:
    for split in ("train", "validate"):
        pair(tmp_path, f"{split}/images/{split}.jpg", f"{split}/labels/{split}.txt")
    text(tmp_path / "data.yaml", "train: ../train/images\nval: ../valid/images\nnames: {0: ship}\n")
    reading = YOLO.read(tmp_path)
    assert names(reading) == {"train": ["train/images/train.jpg"], "validation": ["validate/images/validate.jpg"]}
    (note,) = reading.notes
    assert note.startswith("data.yaml names ../valid/images for validation, where there is no picture; the splits are ")


def test_folders_of_other_names_are_splits_where_the_settings_say_so(tmp_path: Path) -> None:
    for folder in ("day", "night"):
        pair(tmp_path, f"images/{folder}/{folder}.jpg", f"labels/{folder}/{folder}.txt")
    text(tmp_path / "my.yaml", "path: /content/set\ntrain: [images/day]\nval: /content/set/images/night\nnames: [a]\n")
    reading = YOLO.read(tmp_path)
    assert names(reading) == {"train": ["images/day/day.jpg"], "validation": ["images/night/night.jpg"]}
    assert reading.notes == ["The splits are those that my.yaml names."]


def test_settings_that_name_one_folder_for_all_splits_make_none(tmp_path: Path) -> None:
    pair(tmp_path, "images/a.jpg", "labels/a.txt")
    text(tmp_path / "data.yaml", "train: images\nval: images\nnames: [a]\n")
    assert names(YOLO.read(tmp_path)) == {"": ["images/a.jpg"]}


def test_lists_of_darknet(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        pair(tmp_path, f"obj_train_data/{name}.jpg", f"obj_train_data/{name}.txt")
    text(tmp_path / "train.txt", "data/obj_train_data/a.jpg\ndata/obj_train_data/x.jpg\n\n")
    text(tmp_path / "valid.txt", "data\\obj_train_data\\b.jpg\ndata/obj_train_data/a.jpg\n")
    text(tmp_path / "obj.data", "classes = 3\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n")
    text(tmp_path / "obj.names", "ship\nboat\n")
    reading = YOLO.read(tmp_path)
    assert names(reading) == {"train": ["obj_train_data/a.jpg"], "validation": ["obj_train_data/b.jpg"]}
    assert reading.classes == ("ship",)
    assert "classes is 3, and 2 class names are listed in obj.names." in problem(reading, "class-count").detail
    assert "1 picture with labels is in no list" in problem(reading, "unlisted").detail
    assert "x.jpg in train.txt" in problem(reading, "listed-without-picture").detail
    assert "a.jpg in valid.txt" in problem(reading, "listed-twice").detail


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("data.yaml", "nc: 2\nnames: ['on', 'off boat']\n"),
        ("data.yaml", "nc: 2\nnames:\n  1: off boat\n  0: on\n"),
        ("custom.yml", "names:\n- on\n- off boat\n"),
        ("obj.names", "on\noff boat\n\n"),
        ("classes.txt", "\ufeffon\r\noff boat"),
        ("labels/classes.txt", "on\noff boat\n"),
    ],
)
def test_class_names(tmp_path: Path, file: str, content: str) -> None:
    pair(tmp_path, "images/a.jpg", "labels/a.txt", ONE + "1 0.5 0.5 0.1 0.1\n")
    text(tmp_path / file, content)
    reading = YOLO.read(tmp_path)
    assert set(reading.classes) == {"on", "off boat"}
    assert [reading.classes[kind] for kind in boxes_of(reading).classes] == ["on", "off boat"]
    assert reading.problems == []


def test_class_names_that_do_not_fit(tmp_path: Path) -> None:
    pair(tmp_path, "a.jpg", "a.txt", "".join(f"{number} 0.5 0.5 0.1 0.1\n" for number in (0, 7, 7, 1000000007)))
    text(tmp_path / "data.yaml", "nc: 1\nnames: [ship, unused]\n")
    reading = YOLO.read(tmp_path)
    assert reading.classes == ("ship", "class-7", "class-1000000007")
    nameless = problem(reading, "class-without-name")
    assert nameless.path == "data.yaml"
    assert "2 class numbers have no name (7: 2 objects, 1000000007: 1 object)" in nameless.detail
    assert "nc is 1, and 2 class names are listed" in problem(reading, "class-count").detail
    assert reading.notes == ["1 listed class left out, never used (unused)."]


def test_two_numbers_of_one_name_are_one_class(tmp_path: Path) -> None:
    pair(tmp_path, "a.jpg", "a.txt", ONE + "1 0.5 0.5 0.1 0.1\n")
    text(tmp_path / "data.yaml", "names: [ship, ship]\n")
    reading = YOLO.read(tmp_path)
    assert reading.classes == ("ship",)
    assert boxes_of(reading).classes.tolist() == [0, 0]
    assert "'ship'" in problem(reading, "class-named-twice").detail


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    pair(tmp_path, "a.jpg", "a.txt")
    text(tmp_path / "data.yaml", "names: [a, 'b\n: -")
    reading = YOLO.read(tmp_path)
    assert reading.classes == ("class-0",)
    assert problem(reading, "bad-class-list").path == "data.yaml"
    text(tmp_path / "data.yaml", "!!python/object/apply:os.system ['true']\n")
    assert YOLO.read(tmp_path).classes == ("class-0",)


def test_empty_and_missing_label_files(tmp_path: Path) -> None:
    pair(tmp_path, "train/images/a.jpg", "train/labels/a.txt")
    pair(tmp_path, "train/images/b.jpg", "train/labels/b.txt", "\n")
    picture(tmp_path / "train/images/c.jpg")
    picture(tmp_path / "test/images/d.jpg")
    text(tmp_path / "train/labels/e.txt", "5 0.5 0.5 0.5 0.5\n")
    text(tmp_path / "train/labels/f.txt", "")
    reading = YOLO.read(tmp_path)
    assert names(reading) == {"train": ["train/images/a.jpg", "train/images/b.jpg", "train/images/c.jpg"]}
    assert [len(boxes_of(reading, "train", index)) for index in range(3)] == [1, 0, 0]
    assert "1 picture has an empty label file: background." in reading.notes
    assert any(note.startswith("1 picture has no label file (train/images/c.jpg, ...)") for note in reading.notes)
    assert "1 picture lies in a folder without any label file" in problem(reading, "unlabelled").detail
    lonely = problem(reading, "annotation-without-picture")
    assert lonely.detail == "2 label files have no picture (train/labels/e.txt, ...)."
    assert lonely.severity == "dropped"


def test_classes_of_labels_without_a_picture_are_told(tmp_path: Path) -> None:
    pair(tmp_path, "images/a.jpg", "labels/a.txt")
    text(tmp_path / "labels/b.txt", "5 0.5 0.5 0.5 0.5\n")
    text(tmp_path / "data.yaml", "names: [ship]\n")
    detail = problem(YOLO.read(tmp_path), "class-without-name").detail
    assert "1 more occur only in label files without a picture" in detail


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("0 0.5 0.5 0.5", "4 numbers are neither a box (5, or 6 with a confidence) nor an outline (7, 9, 11, ...)"),
        ("0 0.5 0.5 0.5 0.5 0.5 0.5 0.5", "8 numbers are neither a box"),
        ("ship 0.5 0.5 0.5 0.5", "'ship' is no number"),
        ("0 0.5 0.5 nan 0.5", "a number is not finite"),
        ("-1 0.5 0.5 0.5 0.5", "the class '-1' is no whole number from 0"),
        ("0.5 0.5 0.5 0.5 0.5", "the class '0.5' is no whole number from 0"),
        ("0 0.5 0.5 1e9 0.5 0.1 0.1", "the value 1e+09, where shares of the picture"),
        ("0 0.5 0.5 1e300 0.5", "the value 1e+300, where shares of the picture"),
    ],
)
def test_lines_that_cannot_be_read(tmp_path: Path, line: str, cause: str) -> None:
    pair(tmp_path, "b.jpg", "b.txt", line)
    reading = beside(tmp_path, f"{ONE}\n{line}\n0 0.2 0.2 0.1 0.1\n")
    assert names(reading) == {"": ["a.jpg"]}
    assert len(boxes_of(reading)) == 2
    told = {one.path: one for one in reading.problems}
    assert told["a.txt"].detail.startswith(f"line 3: {cause}")
    assert told["b.txt"].detail.startswith(f"line 1: {cause}")
    assert {one.severity for one in told.values()} == {"dropped"}


def test_confidences_repeats_and_values_outside(tmp_path: Path) -> None:
    reading = beside(tmp_path, "0 0.5 0.5 0.5 0.5 0.87\n0 0.5 0.5 0.5 0.5\n2.0 1.2 0.5 0.5 0.5\n")
    assert boxes_of(reading).boxes_xyxy[:, 0].tolist() == [5, 5, 19]
    assert reading.classes == ("class-0", "class-2")
    assert any(note.startswith("1 line has a sixth number") for note in reading.notes)
    repeat = problem(reading, "repeated-object")
    assert (repeat.path, repeat.severity) == ("a.txt", "note")
    assert "1 line says the same as an earlier one of the file, in 1 file (line 2 of a.txt" in repeat.detail
    assert "1 line has values outside 0..1, in 1 file (line 3 of a.txt" in problem(reading, "outside-picture").detail


OUTLINE = "0 0.1 0.2 0.5 0.2 0.5 0.6 0.1 0.6\n"


def test_outlines_alone_are_instances(tmp_path: Path) -> None:
    picture(tmp_path / "b.jpg")
    reading = beside(tmp_path, OUTLINE)
    assert reading.task == "instances"
    found = reading.splits[""][0].annotation
    assert isinstance(found, Instances)
    expected = np.zeros((10, 20), np.bool_)
    expected[2:6, 2:10] = True
    assert np.array_equal(found.dense()[0], expected)
    assert found.boxes_xyxy.tolist() == [[2, 2, 10, 6]]
    background = reading.splits[""][1].annotation
    assert isinstance(background, Instances)
    assert (len(background), background.size_hw) == (0, (10, 20))
    assert YOLO.read(tmp_path, "instances").task == "instances"


def test_outlines_count_by_their_boxes_where_boxes_are_wanted_or_among_them(tmp_path: Path) -> None:
    beside(tmp_path, OUTLINE)
    asked = YOLO.read(tmp_path, "detection")
    assert asked.task == "detection"
    assert np.allclose(boxes_of(asked).boxes_xyxy, [[2, 2, 10, 6]])
    assert "1 object is an outline; each outline counts by the box around it." in asked.notes
    text(tmp_path / "a.txt", OUTLINE + ONE)
    for mixed in (YOLO.read(tmp_path), YOLO.read(tmp_path, "instances")):
        assert mixed.task == "detection"
        assert np.allclose(boxes_of(mixed).boxes_xyxy, [[2, 2, 10, 6], [5, 2.5, 15, 7.5]])
        assert "1 box and 1 outline; each outline counts by the box around it." in mixed.notes


def test_pictures_that_cannot_be_opened(tmp_path: Path) -> None:
    text(tmp_path / "b.jpg", "")
    text(tmp_path / "b.txt", ONE)
    reading = beside(tmp_path, ONE)
    assert names(reading) == {"": ["a.jpg"]}
    found = problem(reading, "empty")
    assert (found.path, found.severity, found.detail) == ("b.jpg", "dropped", "the file is empty (0 bytes).")


def test_something_else(tmp_path: Path) -> None:
    pair(tmp_path, "a.jpg", "a.txt", "A ship on the sea.\n")
    assert YOLO.sniff(tmp_path) is None
    (tmp_path / "a.txt").unlink()
    with pytest.raises(DataError, match="no text file with YOLO's lines was found for any of 1 picture here"):
        YOLO.read(tmp_path)


def test_files_in_utf16(tmp_path: Path) -> None:
    pair(tmp_path, "a.jpg", "a.txt")
    (tmp_path / "a.txt").write_bytes(ONE.encode("utf-16"))
    assert len(boxes_of(YOLO.read(tmp_path))) == 1


def test_what_is_written(tmp_path: Path) -> None:
    source = FileSource(picture(tmp_path / "in/a.b.png"), "a.b.png")
    boxes = Boxes(np.array([[1 / 3, 2, 7.7, 9], [0, 0, 20, 10]], np.float32), np.array([1, 0]))
    YOLO.write({"validation": [Sample(source, boxes)], "train": [Sample(source, boxes)]}, ("no", "1"), tmp_path / "out")
    assert (tmp_path / "out/labels/val/a.b.txt").read_text().splitlines()[1] == "0 0.5 0.5 1 1"
    assert (tmp_path / "out/data.yaml").read_text() == (
        "path: .\nval: images/val\ntrain: images/train\nnames:\n  0: 'no'\n  1: '1'\n"
    )
    reading = YOLO.read(tmp_path / "out")
    assert reading.classes == ("no", "1")
    assert boxes_of(reading, "validation") == boxes


def test_flags_and_empty_masks_are_refused(tmp_path: Path) -> None:
    source = FileSource(picture(tmp_path / "a.png"), "a.png")
    hidden = Boxes(np.zeros((1, 4), np.float32), np.array([0]), ignore=np.array([True]))
    with pytest.raises(RequestError, match=r"picture a.png has objects that are crowds or to be ignored") as caught:
        YOLO.write({"": [Sample(source, hidden)]}, ("x",), tmp_path / "out")
    assert "`coco`" in caught.value.fix
    assert not (tmp_path / "out").exists()
    empty = Instances.from_dense(np.zeros((1, 10, 20), np.bool_), np.array([0]))
    with pytest.raises(RequestError, match=r"picture a.png has an object whose outline would not give the same pixels"):
        YOLO.write({"": [Sample(source, empty)]}, ("x",), tmp_path / "out")
