"""Tables with one box a row, the columns found by name and content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError, RequestError
from striate.formats import FORMATS, Reading, find_format, read_folder
from striate.formats.tables.box_columns import are_shares, guess_meaning, to_corners
from striate.images import FileSource
from striate.structures import Boxes, Instances, Problem, Sample

TABLE = FORMATS.get("box-table")
WIDTH, HEIGHT = 40, 20


def pictures(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(path)
    return root


def table(root: Path, content: str, name: str = "boxes.csv", encoding: str = "utf-8") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return path


def flat(reading: Reading, split: str = "") -> dict[str, list[tuple[str, list[float]]]]:
    """Class and corners of each box, by picture."""
    answer = {}
    for sample in reading.splits[split]:
        boxes = sample.annotation
        assert isinstance(boxes, Boxes)
        names = [reading.classes[index] for index in boxes.classes]
        answer[sample.name] = list(zip(names, boxes.boxes_xyxy.tolist(), strict=True))
    return answer


def problem(reading: Reading, kind: str) -> Problem:
    (found,) = [one for one in reading.problems if one.kind == kind]
    return found


TWO_PICTURES = {"1.png": [("cat", [1, 2, 11, 12]), ("dog", [20, 0, 30, 8])], "2.png": [("cat", [5, 5, 9, 19])]}
SAME = (
    "filename,class,xmin,ymin,xmax,ymax\n1.png,cat,1,2,11,12\n1.png,dog,20,0,30,8\n2.png,cat,5,5,9,19\n",
    "filename,cell_type,xmin,xmax,ymin,ymax\n1.png,cat,1,11,2,12\n1.png,dog,20,30,0,8\n2.png,cat,5,9,5,19\n",
    "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    "1.png,40,20,cat,1,2,11,12\n1.png,40,20,dog,20,0,30,8\n2.png,40,20,cat,5,5,9,19\n",
    "image;label;X1;Y1;X2;Y2\n1;cat;1;2;11;12\n1;dog;20;0;30;8\n2;cat;5;5;9;19\n",
    "image\tlabel\tx\ty\tw\th\n1.png\tcat\t1\t2\t10\t10\n1.png\tdog\t20\t0\t10\t8\n2.png\tcat\t5\t5\t4\t14\n",
    "x,y,width,height,name,image\n1,2,10,10,cat,1.png\n20,0,10,8,dog,1.png\n5,5,4,14,cat,2.png\n",
    "image_id,width,height,bbox_x,bbox_y,bbox_width,bbox_height,label\n"
    "1,40,20,1,2,10,10,cat\n1,40,20,20,0,10,8,dog\n2,40,20,5,5,4,14,cat\n",
    "path,label,x_center,y_center,width,height\n1.png,cat,6,7,10,10\n1.png,dog,25,4,10,8\n2.png,cat,7,12,4,14\n",
    "path,label,left,top,right,bottom\n1.png,cat,1,2,11,12\n1.png,dog,20,0,30,8\n2.png,cat,5,5,9,19\n",
    "path,min_x [px],min_y [px],max_x [px],max_y [px],label\n"
    "1.png,1,2,11,12,cat\n1.png,20,0,30,8,dog\n2.png,5,5,9,19,cat\n",
    'image,label,bbox\n1.png,cat,"[1, 2, 10, 10]"\n1.png,dog,"[20, 0, 10, 8]"\n2.png,cat,"[5, 5, 4, 14]"\n',
    "image;label;bbox_xyxy\n1.png;cat;1 2 11 12\n1.png;dog;20 0 30 8\n2.png;cat;5 5 9 19\n",
    "1.png,cat,1,2,11,12\n1.png,dog,20,0,30,8\n2.png,cat,5,5,9,19\n",
    "1.png,1,2,11,12,cat\n1.png,20,0,30,8,dog\n2.png,5,5,9,19,cat\n",
    "1.png,cat,1,2,10,10\n1.png,dog,20,0,10,8\n2.png,cat,5,5,4,14\n",
    '1.png,cat,"(1.0, 2.0, 10.0, 10.0)"\n1.png,dog,"(20, 0, 10, 8)"\n2.png,cat,"(5, 5, 4, 14)"\n',
    "image,label,xmin,ymin,xmax,ymax\n"
    "1.png,cat,0.025,0.1,0.275,0.6\n1.png,dog,0.5,0,0.75,0.4\n2.png,cat,0.125,0.25,0.225,0.95\n",
    "1.png,cat,0.025,0.1,0.275,0.6\n1.png,dog,0.5,0.0,0.75,0.4\n2.png,cat,0.125,0.25,0.225,0.95\n",
)


@pytest.mark.parametrize("content", SAME)
def test_columns_delimiters_and_headers(tmp_path: Path, content: str) -> None:
    pictures(tmp_path, "1.png", "2.png")
    table(tmp_path, content)
    sniff = TABLE.sniff(tmp_path)
    assert sniff is not None
    assert sniff.confidence == 0.7
    assert "boxes.csv names pictures in the column" in sniff.reason
    reading = TABLE.read(tmp_path)
    assert reading.task == "detection"
    found = flat(reading)
    assert found.keys() == TWO_PICTURES.keys()
    for name, boxes in TWO_PICTURES.items():
        assert [label for label, _ in found[name]] == [label for label, _ in boxes]
        np.testing.assert_allclose([box for _, box in found[name]], [box for _, box in boxes], atol=1e-5)
    assert reading.problems == []
    assert flat(TABLE.read(tmp_path / "boxes.csv")) == found


@pytest.mark.parametrize("content", [SAME[0], SAME[1], SAME[4], SAME[10], SAME[12], SAME[16]])
def test_the_usual_ones_are_found_without_being_named(tmp_path: Path, content: str) -> None:
    pictures(tmp_path, "1.png", "2.png")
    table(tmp_path, content)
    assert find_format(tmp_path)[0] is TABLE


def test_notes_say_how_it_was_read(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png")
    table(tmp_path, SAME[10])
    assert read_folder(tmp_path).notes == [
        "boxes.csv: 2 pictures from the column 'image', 3 boxes from 'bbox' (left, top, width and height, as the "
        "numbers suggest), classes from 'label'."
    ]
    table(tmp_path, SAME[16])
    assert "taken as shares of width and height" in read_folder(tmp_path).notes[-1]


@pytest.mark.parametrize("nothing", [",,,,", ",nan,nan,nan,nan", "background,,,,"])
def test_a_row_without_a_box_is_background(tmp_path: Path, nothing: str) -> None:
    pictures(tmp_path, "1.png", "2.png")
    table(tmp_path, f"path,class,xmin,ymin,xmax,ymax\n1.png,cat,1,2,3,4\n2.png,{nothing}\n")
    reading = TABLE.read(tmp_path)
    assert flat(reading) == {"1.png": [("cat", [1, 2, 3, 4])], "2.png": []}
    assert reading.classes == ("cat",)
    assert reading.problems == []
    assert "boxes.csv: 1 picture has no box and counts as background." in reading.notes


def test_a_row_without_a_box_in_a_table_without_header(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png")
    table(tmp_path, "1.png,1,2,30,4,cat\n2.png,,,,,\n")
    assert flat(TABLE.read(tmp_path)) == {"1.png": [("cat", [1, 2, 30, 4])], "2.png": []}


def test_without_classes_there_is_one(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png")
    table(tmp_path, "image_id,width,height,bbox,source,split\n1,40,20,[1 2 10 10],x,train\n2,40,20,[30 2 9 9],y,val\n")
    reading = TABLE.read(tmp_path)
    assert reading.classes == ("object",)
    assert flat(reading, "validation") == {"2.png": [("object", [30, 2, 39, 11])]}
    assert "boxes.csv has no column of classes, so all boxes are of one class, 'object'." in reading.notes


def test_rows_that_are_left_out(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "x/2.png", "y/2.png", "3.png")
    rows = ("1.png,cat,1,2,3,4", "1.png,cat,1,2,3,four", "1.png,cat,1,,3,4", "1.png,,1,2,3,4", "1.png,cat,1,2,3,inf")
    rows += ("9.png,cat,1,2,3,4", "2.png,cat,1,2,3,4", *["1.png,dog,5,5,6,6"] * 12, "1.png,cat,1,2")
    table(tmp_path, "path,class,xmin,ymin,xmax,ymax\n" + "\n".join(rows) + "\n")
    reading = TABLE.read(tmp_path)
    assert [label for label, _ in flat(reading)["1.png"]] == ["cat"] + ["dog"] * 12
    details = {one.kind: one.detail for one in reading.problems}
    assert details == {
        "unlabelled": "1 picture lies beside others, not named in boxes.csv (3.png).",
        "missing-file": "1 row names a picture that is not there (9.png).",
        "ambiguous-file": "1 row gives a name that several pictures have (2.png).",
        "broken-row": "3 rows hold something else than the four numbers of a box "
        "(row 3: 1 2 3 four, row 4: 1  3 4, row 6: 1 2 3 inf).",
        "unlabelled-box": "1 box has no class (row 5).",
        "ragged-row": "1 line has another number of cells than the others (line 21).",
    }
    assert all(one.severity == "dropped" and one.fix for one in reading.problems)


def test_one_table_for_each_split(tmp_path: Path) -> None:
    pictures(tmp_path, "train/1.png", "test/1.png", "test/2.png")
    header = "path,class,xmin,ymin,xmax,ymax\n"
    table(tmp_path, header + "1.png,cat,1,2,3,4\n", "train_boxes.csv")
    table(tmp_path, header + "1.png,cat,2,2,3,4\n2.png,cat,1,1,2,2\n", "test_boxes.csv")
    table(tmp_path, header + "test/1.png,cat,9,9,10,10\n", "all.csv")
    reading = TABLE.read(tmp_path)
    assert flat(reading, "train") == {"train/1.png": [("cat", [1, 2, 3, 4])]}
    assert flat(reading, "test") == {"test/1.png": [("cat", [2, 2, 3, 4])], "test/2.png": [("cat", [1, 1, 2, 2])]}
    assert "all.csv is left aside: other tables are for the single splits." in reading.notes


def test_split_group_and_flags(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png", "3.png")
    table(
        tmp_path,
        "path,split,patient,class,xmin,ymin,xmax,ymax,IsGroupOf,difficult\n"
        "1.png,train,p1,cat,1,2,3,4,0,1\n1.png,train,p1,dog,1,2,3,4,1,0\n2.png,TEST,p2,cat,1,2,3,4,-1,0\n",
    )
    reading = TABLE.read(tmp_path)
    (sample,) = reading.splits["train"]
    assert sample.group == "p1"
    assert isinstance(sample.annotation, Boxes)
    assert sample.annotation.iscrowd.tolist() == [False, True]
    assert sample.annotation.ignore.tolist() == [True, False]
    assert not reading.splits["test"][0].annotation.iscrowd.any()  # type: ignore[union-attr]


def test_a_picture_in_two_splits_stays_in_the_later(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png")
    rows = "1.png,train,cat,1,2,3,4\n2.png,train,cat,1,2,3,4\n2.png,test,cat,1,2,3,4\n"
    table(tmp_path, "path,split,class,xmin,ymin,xmax,ymax\n" + rows)
    reading = TABLE.read(tmp_path)
    assert {split: len(part) for split, part in reading.splits.items()} == {"train": 1, "test": 1}
    assert problem(reading, "leakage").path == "2.png"


def test_tables_that_say_the_same_or_not(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png")
    table(tmp_path, "path,class,x1,y1,x2,y2\n1.png,cat,1,2,4,6\n", "a.csv")
    table(tmp_path, "path,class,x,y,w,h\n1.png,cat,1,2,3,4\n", "b.csv")
    assert "b.csv says the same as a.csv and is left aside." in TABLE.read(tmp_path).notes
    table(tmp_path, "path,class,x,y,w,h\n1.png,cat,1,2,3,5\n", "b.csv")
    with pytest.raises(DataError, match=r"several tables could be meant: a\.csv, b\.csv") as caught:
        TABLE.read(tmp_path)
    assert "Give the path of one table" in caught.value.fix


def test_pictures_that_are_not_there(tmp_path: Path) -> None:
    table(tmp_path, "path,class,xmin,ymin,xmax,ymax\n1.png,cat,1,2,3,4\n")
    pictures(tmp_path, "other.png")
    sniff = TABLE.sniff(tmp_path)
    assert sniff is not None
    assert sniff.confidence == 0.4
    with pytest.raises(DataError, match="1 picture is named in the column 'path', and none was found below") as caught:
        TABLE.read(tmp_path)
    assert "'1.png'" in str(caught.value)
    assert "Put the pictures beside the table" in caught.value.fix


def test_two_columns_of_classes(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png")
    rows = "1.png,a,x,1,2,3,4\n1.png,b,x,1,2,3,4\n2.png,a,y,1,2,3,4\n2.png,b,y,1,2,3,4\n"
    table(tmp_path, "path,species,breed,xmin,ymin,xmax,ymax\n" + rows)
    with pytest.raises(DataError, match="several columns could be the label: 'species', 'breed'"):
        TABLE.read(tmp_path)


def test_shares_of_a_picture_that_cannot_be_read(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png")
    (tmp_path / "2.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    table(tmp_path, "path,class,xmin,ymin,xmax,ymax\n1.png,cat,0.25,0.5,0.5,1\n2.png,cat,0.25,0.5,0.5,1\n")
    reading = TABLE.read(tmp_path)
    assert flat(reading) == {"1.png": [("cat", [10, 10, 20, 20])]}
    assert "2.png" in problem(reading, "unreadable").detail


def test_encodings(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png")
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        table(tmp_path, "path,class,xmin,ymin,xmax,ymax\n1.png,Käfer,1,2,3,4\n", encoding=encoding)
        assert TABLE.sniff(tmp_path) is not None
        reading = TABLE.read(tmp_path)
        assert reading.classes == ("Käfer",)
        assert ("boxes.csv is not UTF-8; it was read as Latin-1." in reading.notes) == (encoding == "latin-1")


@pytest.mark.parametrize(
    "content",
    [
        "path,label\n1.png,cat\n2.png,dog\n",
        "path,width,height,label\n1.png,40,20,cat\n2.png,40,20,dog\n",
        "1.png,0,1,0,1\n2.png,1,0,0,0\n",
        "1.png,1,2,3,4,5,6,7,8,9,10\n2.png,1,2,3,4,5,6,7,8,9,10\n",
        "1 0.5 0.5 0.2 0.2\n2 0.5 0.5 0.2 0.2\n",
    ],
)
def test_other_tables_are_not_claimed(tmp_path: Path, content: str) -> None:
    pictures(tmp_path, "1.png", "2.png")
    table(tmp_path, content)
    assert TABLE.sniff(tmp_path) is None


def test_what_four_numbers_mean() -> None:
    size = (20.0, 40.0)
    assert guess_meaning([((10, 5, 4, 8), size)], named=False) == "xywh"
    assert guess_meaning([((10, 5, 35, 8), size)], named=True) == "xyxy"
    assert guess_meaning([((1, 2, 10, 10), size)], named=True) == "xywh"
    assert guess_meaning([((1, 2, 10, 10), size)], named=False) == "xyxy"
    assert guess_meaning([((10, 5, 35, 8), None)], named=True) == "xywh"
    assert to_corners((10, 5, 4, 8), "xywh") == (10, 5, 14, 13)
    assert to_corners((10, 5, 4, 8), "centre") == (8, 1, 12, 9)
    assert to_corners((10, 5, 14, 8), "xyxy") == (10, 5, 14, 8)


def test_what_shares_of_the_size_are() -> None:
    assert are_shares([(0, 0, 0.5, 1)])
    assert are_shares([(0, 0, 0.5, 1)] * 40 + [(0, 0, 0.5, 1.002)])
    assert not are_shares([(0, 0, 1, 1)])
    assert not are_shares([(0, 0, 0.5, 7)])
    assert not are_shares([])


def test_every_decimal_comes_back(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png")
    values = np.array([[0.1, 1 / 3, 5.7, 7.123456], [1e-7, 2, 12345.678, 8]], np.float32)
    boxes = Boxes(values, np.array([1, 0]), np.array([False, True]), np.array([True, False]))
    nothing = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    first, second = (FileSource(tmp_path / name, name) for name in ("1.png", "2.png"))
    samples = [Sample(first, boxes, group="p 1"), Sample(second, nothing)]
    TABLE.write({"": samples}, ("cat", 'dog, "big"'), tmp_path / "out")
    reading = TABLE.read(tmp_path / "out")
    assert reading.classes == ("cat", 'dog, "big"')
    assert [sample.annotation for sample in reading.splits[""]] == [boxes, nothing]
    assert [sample.group for sample in reading.splits[""]] == ["p 1", None]


def test_boxes_within_one_pixel_stay_pixels(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png")
    boxes = Boxes(np.array([[0, 0.25, 0.5, 1]], np.float32), np.array([0]))
    TABLE.write({"": [Sample(FileSource(tmp_path / "1.png", "1.png"), boxes)]}, ("cat",), tmp_path / "out")
    assert (tmp_path / "out" / "boxes.csv").read_text().startswith("path,class,xmin_px,ymin_px,xmax_px,ymax_px\n")
    assert TABLE.read(tmp_path / "out").splits[""][0].annotation == boxes


def test_masks_and_nameless_classes_are_refused(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png")
    source = FileSource(tmp_path / "1.png", "1.png")
    masks = Instances.from_dense(np.ones((1, HEIGHT, WIDTH), np.bool_), np.array([0]))
    with pytest.raises(RequestError, match="was to write boxes") as caught:
        TABLE.write({"": [Sample(source, masks)]}, ("cat",), tmp_path / "out")
    assert "`coco`" in caught.value.fix
    with pytest.raises(RequestError, match="it is empty, begins or ends with a blank"):
        TABLE.write({"": [Sample(source, masks.boxes())]}, (" cat",), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content",
    [
        "file,class,left,top,right,bottom\n1.png,cat,1,2,11,12\n2.png,dog,5,5,9,19\n",
        'file,class,bbox_xyxy\n1.png,cat,"[1, 2, 11, 12]"\n2.png,dog,"[5, 5, 9, 19]"\n',
        "1.png,1,2,11,12,cat\n2.png,5,5,9,19,dog\n",
        '1.png,"[1, 2, 11, 12]",cat\n2.png,"[5, 5, 9, 19]",dog\n',
        "file,class,x_center,y_center,width,height\n1.png,cat,6,7,10,10\n2.png,dog,7,12,4,14\n",
    ],
)
def test_no_table_of_labels_claims_boxes(tmp_path: Path, content: str) -> None:
    pictures(tmp_path, "1.png", "2.png")
    table(tmp_path, content)
    assert FORMATS.get("table").sniff(tmp_path) is None
    assert find_format(tmp_path)[0] == TABLE
    assert flat(read_folder(tmp_path)) == {"1.png": [("cat", [1, 2, 11, 12])], "2.png": [("dog", [5, 5, 9, 19])]}
    with pytest.raises(DataError, match="no table was found here that names pictures and their labels"):
        FORMATS.get("table").read(tmp_path)
