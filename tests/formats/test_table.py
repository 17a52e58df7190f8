"""Tables of pictures and labels, the columns found by content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError
from striate.formats import FORMATS, Reading, find_format, read_folder
from striate.structures import Label, Labels

TABLE = FORMATS.get("table")


def pictures(root: Path, *names: str) -> Path:
    for position, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((2, 3), position, np.uint8)).save(path)
    return root


def table(root: Path, content: str, name: str = "labels.csv", encoding: str = "utf-8") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return path


def flat(reading: Reading, split: str = "") -> dict[str, str]:
    """Names of classes by picture, several joined by a plus."""
    answer = {}
    for sample in reading.splits[split]:
        annotation = sample.annotation
        indices = (annotation.index,) if isinstance(annotation, Label) else annotation.indices  # type: ignore[union-attr]
        answer[sample.name] = "+".join(reading.classes[index] for index in indices)
    return answer


@pytest.mark.parametrize(
    "content",
    [
        "path,label\n1.png,dog\n2.png,cat\n3.png,dog\n",
        "label,path\ndog,1.png\ncat,2.png\ndog,3.png\n",
        "path;label\n1.png;dog\n2.png;cat\n3.png;dog\n",
        "path\tlabel\n1.png\tdog\n2.png\tcat\n3.png\tdog\n",
        "1.png dog\n2.png cat\n3.png dog\n",
        "1.png,dog\n2.png,cat\n3.png,dog\n",
        "path,label\r\n1.png, dog\r\n\r\n2.png , cat\r\n3.png,dog\r\n",
        'path,label\n"1.png","dog"\n"2.png","cat"\n"3.png","dog"\n',
        "id,image,age,species,note\n7,1,3.5,dog,good\n8,2,1.25,cat,fair\n9,3,2.5,dog,bad\n",
        "path,label\n./1.png,dog\nC:\\data\\2.png,cat\n/home/someone/set/3.png,dog\n",
        "file,class_id,class_name\n1.png,0,dog\n2.png,1,cat\n3.png,0,dog\n",
    ],
)
def test_columns_delimiters_and_headers(tmp_path: Path, content: str) -> None:
    pictures(tmp_path, "1.png", "2.png", "3.png")
    table(tmp_path, content)
    fmt, sniff = find_format(tmp_path)
    assert fmt is TABLE
    assert "labels.csv names pictures in the column" in sniff.reason
    reading = read_folder(tmp_path)
    assert reading.task == "classification"
    assert flat(reading) == {"1.png": "dog", "2.png": "cat", "3.png": "dog"}
    assert flat(read_folder(tmp_path / "labels.csv")) == flat(reading)
    assert reading.problems == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    pictures(tmp_path, "1.png", "2.png")
    table(tmp_path, "path,label\n1.png,Käfer\n2.png,Biene\n", encoding=encoding)
    reading = read_folder(tmp_path)
    assert reading.classes == ("Biene", "Käfer")
    assert ("labels.csv is not UTF-8; it was read as Latin-1." in reading.notes) == (encoding == "latin-1")


def test_pictures_in_a_folder_beside_the_table(tmp_path: Path) -> None:
    pictures(tmp_path, "images/1.png", "images/2.png")
    table(tmp_path, "image,label\n1,dog\n2,cat\n")
    assert flat(read_folder(tmp_path)) == {"images/1.png": "dog", "images/2.png": "cat"}
    table(tmp_path, "image,label\n1,dog\n2,cat\n", "tables/labels.csv")
    assert flat(read_folder(tmp_path / "tables" / "labels.csv")) == {"images/1.png": "dog", "images/2.png": "cat"}


def test_equal_names_in_two_folders(tmp_path: Path) -> None:
    pictures(tmp_path, "train/1.png", "test/1.png", "train/2.png", "other/2.png", "other/3.png")
    table(tmp_path, "path,label,split\n1.png,a,train\n1.png,b,test\n2.png,b,train\ntrain/2.png,b,train\n")
    reading = read_folder(tmp_path)
    assert flat(reading, "train") == {"train/1.png": "a", "train/2.png": "b"}
    assert flat(reading, "test") == {"test/1.png": "b"}
    table(tmp_path, "path,label\n1.png,a\nother/2.png,b\n3.png,a\n")
    reading = read_folder(tmp_path)
    assert flat(reading) == {"other/2.png": "b", "other/3.png": "a"}
    (problem,) = reading.problems
    assert (problem.kind, problem.path, problem.severity) == ("ambiguous-file", "1.png", "dropped")
    assert "several pictures are called that" in problem.detail
    assert "Write the folder as well" in problem.fix


def test_splits_and_groups(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png", "3.png", "4.png")
    table(
        tmp_path,
        "path,label,split,patient_id\n1.png,a,TRAIN,p1\n2.png,b,train,p2\n3.png,a,val,p3\n4.png,b,test,\n",
    )
    reading = read_folder(tmp_path)
    assert {split: len(samples) for split, samples in reading.splits.items()} == {
        "train": 2,
        "validation": 1,
        "test": 1,
    }
    assert [sample.group for sample in reading.splits["train"]] == ["p1", "p2"]
    assert reading.splits["test"][0].group is None
    assert reading.notes == [
        "labels.csv: 4 pictures from the column 'path', labels from the column 'label', splits from 'split', "
        "groups from 'patient_id'."
    ]


def test_one_table_for_each_split(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"images/{i}.png" for i in range(6)))
    table(tmp_path, "path,label\n0.png,a\n1.png,b\n2.png,a\n", "train.csv")
    table(tmp_path, "path,label\n3.png,a\n4.png,b\n5.png,zebra\n", "test_labels.csv")
    reading = read_folder(tmp_path)
    assert flat(reading, "train") == {"images/0.png": "a", "images/1.png": "b", "images/2.png": "a"}
    assert flat(reading, "test") == {"images/3.png": "a", "images/4.png": "b"}
    (problem,) = reading.problems
    assert problem.kind == "unknown-label"
    assert "'zebra', which never occurs in the training split" in problem.detail


def test_tables_inside_the_folders_of_splits(tmp_path: Path) -> None:
    pictures(tmp_path, "train/1.png", "train/2.png", "valid/1.png", "valid/2.png")
    table(tmp_path, "filename, cat, dog\n1.png, 1, 0\n2.png, 0, 1\n", "train/_classes.csv")
    table(tmp_path, "filename, cat, dog\n1.png, 1, 1\n2.png, 0, 0\n", "valid/_classes.csv")
    reading = read_folder(tmp_path)
    assert reading.task == "multilabel"
    assert flat(reading, "train") == {"train/1.png": "cat", "train/2.png": "dog"}
    assert flat(reading, "validation") == {"valid/1.png": "cat+dog", "valid/2.png": ""}


def test_splits_from_the_folders_of_pictures(tmp_path: Path) -> None:
    pictures(tmp_path, "train/1.png", "train/2.png", "test/3.png")
    table(tmp_path, "path,label\ntrain/1.png,a\ntrain/2.png,b\ntest/3.png,a\n")
    reading = read_folder(tmp_path)
    assert set(reading.splits) == {"train", "test"}
    assert "Splits come from the folders that the pictures lie in." in reading.notes


@pytest.mark.parametrize("ones", ["1,0", "1.0,0.0", "True,False"])
def test_columns_of_ones_that_exclude_one_another(tmp_path: Path, ones: str) -> None:
    one, zero = ones.split(",")
    pictures(tmp_path, "1.png", "2.png")
    table(tmp_path, f"path,dog,cat\n1.png,{one},{zero}\n2.png,{zero},{one}\n")
    reading = read_folder(tmp_path)
    assert reading.task == "classification"
    assert reading.classes == ("dog", "cat")
    assert flat(reading) == {"1.png": "dog", "2.png": "cat"}
    assert "Every row has exactly one 1, so each picture has one label." in reading.notes


def test_columns_of_ones_that_do_not(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png", "3.png")
    table(tmp_path, "path,dog,cat,person,bird\n1.png,1,0,1,0\n2.png,0,1,0,0\n3.png,0,0,0,0\n")
    reading = read_folder(tmp_path)
    assert reading.task == "multilabel"
    assert reading.classes == ("dog", "cat", "person", "bird")
    assert [sample.annotation for sample in reading.splits[""]] == [Labels((0, 2)), Labels((1,)), Labels(())]
    (problem,) = reading.problems
    assert (problem.kind, problem.path) == ("class-without-pictures", "bird")


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("label", ("a|b", "b", "c|a")),
        ("label", ("a;b", "b", "c;a")),
        ("label", ('"a, b"', "b", '"c, a"')),
        ("label", ("a b", "b", "c a", "c", "a")),
        ("tags", ("clear water", "clear", "water haze")),
    ],
)
def test_several_labels_in_a_cell(tmp_path: Path, header: str, cells: tuple[str, ...]) -> None:
    pictures(tmp_path, *(f"{i}.png" for i in range(len(cells))))
    table(tmp_path, f"path,{header}\n" + "".join(f"{i}.png,{cell}\n" for i, cell in enumerate(cells)))
    reading = read_folder(tmp_path)
    assert reading.task == "multilabel"
    assert all(" " not in name and len(reading.classes) == 3 for name in reading.classes)
    assert len(reading.splits[""][0].annotation.indices) == 2  # type: ignore[union-attr]


def test_names_with_spaces_are_one_label(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png", "3.png")
    table(tmp_path, "path,breed\n1.png,golden retriever\n2.png,labrador retriever\n3.png,pug\n")
    reading = read_folder(tmp_path)
    assert reading.classes == ("golden retriever", "labrador retriever", "pug")


def test_missing_files_and_empty_labels(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png", "3.png")
    table(tmp_path, "path,label\n1.png,a\n2.png,b\n3.png,\ngone.png,a\n")
    reading = read_folder(tmp_path)
    assert flat(reading) == {"1.png": "a", "2.png": "b"}
    assert [(problem.kind, problem.path, problem.severity) for problem in reading.problems] == [
        ("missing-file", "gone.png", "dropped"),
        ("unlabelled", "3.png", "dropped"),
    ]
    assert reading.problems[0].detail == "labels.csv names 'gone.png': there is no such picture."


def test_many_missing_files_are_counted(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(60)]
    pictures(tmp_path, *names)
    rows = "".join(f"{name},{'ab'[i % 2]}\n" for i, name in enumerate(names))
    table(tmp_path, "path,label\n" + rows + "".join(f"gone{i}.png,a\n" for i in range(25)))
    reading = read_folder(tmp_path)
    assert len(reading.problems) == 21
    assert reading.problems[-1].detail == "5 more rows of labels.csv are like that."


def test_no_picture_is_there(tmp_path: Path) -> None:
    table(tmp_path, "path,label\n1.png,a\n2.png,b\n")
    with pytest.raises(
        DataError, match=r"2 pictures are named in the column 'path', and none was found below .*, such as '1\.png'"
    ):
        read_folder(tmp_path)


def test_rows_that_repeat_or_contradict(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png", "3.png", "4.png")
    table(tmp_path, "path,label\n1.png,a\n1.png,a\n2.png,a\n2.png,b\n3.png,b\n4.png,a\n")
    reading = read_folder(tmp_path)
    assert flat(reading) == {"1.png": "a", "3.png": "b", "4.png": "a"}
    duplicate, conflict = sorted(reading.problems, key=lambda problem: problem.path)
    assert (duplicate.kind, duplicate.severity) == ("duplicate-row", "note")
    assert duplicate.detail == "2 rows name it, all with the same label."
    assert (conflict.kind, conflict.severity) == ("conflicting-labels", "dropped")
    assert conflict.detail == "2 rows name it with different labels: a and b."


def test_a_picture_in_two_splits_stays_in_the_later(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png", "3.png")
    table(tmp_path, "path,label,split\n1.png,a,train\n2.png,b,train\n3.png,a,train\n3.png,a,test\n")
    reading = read_folder(tmp_path)
    assert flat(reading, "train") == {"1.png": "a", "2.png": "b"}
    assert flat(reading, "test") == {"3.png": "a"}
    assert [(problem.kind, problem.path) for problem in reading.problems] == [("leakage", "3.png")]


def test_a_line_of_another_length(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(20)]
    pictures(tmp_path, *names)
    rows = [f"{name},{'ab'[i % 2]}" for i, name in enumerate(names)]
    rows[4] += ",oops"
    table(tmp_path, "path,label\n" + "\n".join(rows) + "\n")
    reading = read_folder(tmp_path)
    assert len(reading.splits[""]) == 19
    assert [(problem.kind, problem.path) for problem in reading.problems] == [("ragged-row", "labels.csv:6")]


def test_two_columns_that_could_be_the_label(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(8)]
    pictures(tmp_path, *names)
    rows = [f"{name},{'ab'[i % 2]},{'xy'[i // 4]}" for i, name in enumerate(names)]
    table(tmp_path, "path,colour,shape\n" + "\n".join(rows))
    with pytest.raises(DataError, match="several columns could be the label: 'colour', 'shape'") as caught:
        read_folder(tmp_path)
    assert "Call the column that is meant `label`" in caught.value.fix
    table(tmp_path, "path,colour,label\n" + "\n".join(rows), "clear.csv")
    # A table that is clear comes before one that is not.
    assert read_folder(tmp_path).classes == ("x", "y")


def test_two_tables(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png")
    table(tmp_path, "path,label\n1.png,a\n2.png,b\n", "one.csv")
    table(tmp_path, "path,label\n1,a\n2,b\n", "two.csv")
    assert read_folder(tmp_path).notes[0] == "two.csv says the same as one.csv and is left aside."
    table(tmp_path, "path,label\n1,b\n2,b\n", "two.csv")
    with pytest.raises(DataError, match=r"several tables could be meant: one.csv, two.csv") as caught:
        read_folder(tmp_path)
    assert "Give the path of one table" in caught.value.fix


@pytest.mark.parametrize(
    "content",
    [
        "name,score\n1.png,0.5\n2.png,0.25\n3.png,0.125\n",
        "Pixel Value, Class\n0, background\n1, cabinet\n",
        "path,xmin,ymin,xmax,ymax,label\n1.png,1,2,3,4,a\n",
        "1.png masks/1.png\n2.png masks/2.png\n",
        "\0\0\0binary,\0\n",
        "",
    ],
)
def test_tables_of_something_else(tmp_path: Path, content: str) -> None:
    pictures(tmp_path, "1.png", "2.png", "3.png")
    table(tmp_path, content)
    assert TABLE.sniff(tmp_path) is None
    with pytest.raises(DataError):
        TABLE.read(tmp_path)


def test_class_folders_win_over_a_table_of_a_few(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{name}/{i}.png" for name in "ab" for i in range(10)))
    table(tmp_path, "path,label\na/0.png,favourite\nb/0.png,other\n", "favourites.csv")
    assert find_format(tmp_path)[0].name == "folders"


def test_rows_that_lead_out_of_the_folder_say_so(tmp_path: Path) -> None:
    pictures(tmp_path, "x.jpg", "y.jpg")
    root = pictures(tmp_path / "set", "1.png", "2.png", "x.jpg")
    rows = f"path,label\n1.png,dog\n2.png,cat\n../x.jpg,dog\n../gone.jpg,cat\n{tmp_path / 'y.jpg'},cat\n"
    table(root, rows)
    reading = read_folder(root)
    # A picture of the same name in the folder is not the one that is meant.
    assert flat(reading) == {"1.png": "dog", "2.png": "cat"}
    found = [problem for problem in reading.problems if problem.kind == "outside-folder"]
    assert [problem.path for problem in found] == ["../x.jpg", "../gone.jpg", str(tmp_path / "y.jpg")]
    assert found[0].detail == (
        f"labels.csv names '../x.jpg': that leads out of {root}, and only pictures in there are read."
    )
    assert found[0].fix == (
        "The row is left out. Give the folder that holds the table and the pictures, or put the pictures beside the "
        "table."
    )


def test_a_path_that_comes_back_into_the_folder_does_not_lead_out(tmp_path: Path) -> None:
    pictures(tmp_path, "imgs/1.png", "imgs/2.png")
    table(tmp_path, "path,label\n../imgs/1.png,dog\n../imgs/2.png,cat\n", "notes/labels.csv")
    assert flat(read_folder(tmp_path)) == {"imgs/1.png": "dog", "imgs/2.png": "cat"}


def test_a_table_whose_rows_all_lead_out_is_refused_for_that(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png")
    root = pictures(tmp_path / "set", "1.png")
    table(root, "path,label\n../a.png,dog\n../b.png,cat\n")
    with pytest.raises(
        DataError, match=r"no picture named in the column 'path' was found in .*set; 2 of 2 rows lead out"
    ):
        TABLE.read(root)
