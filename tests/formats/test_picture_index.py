"""Pictures are found by what annotation calls them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from striate.formats.folder_names import split_in_name, split_of_path
from striate.formats.picture_index import PictureIndex, keep_in_one_split, take_splits_from_folders
from striate.structures import Problem

PATHS = (
    *("images/train/a.jpg", "images/val/a.jpg", "images/val2017/b.jpg", "masks/val/b.jpg", "set one/c.jpg"),
    *("set two/c.png", "d.jpg", "d.png"),
)


@pytest.mark.parametrize(
    ("name", "near", "split", "found"),
    [
        ("images/train/a.jpg", "", "", ["images/train/a.jpg"]),
        ("./images/TRAIN/a.JPG", "", "", ["images/train/a.jpg"]),
        ("../images/val/a.jpg", "annotations", "", ["images/val/a.jpg"]),
        ("C:\\work\\train\\a.jpg", "", "", ["images/train/a.jpg"]),
        ("a.jpg", "", "validation", ["images/val/a.jpg"]),
        ("a.jpg", "annotations/train", "", ["images/train/a.jpg"]),
        ("a", "images/val", "", ["images/val/a.jpg"]),
        ("a.jpg", "", "", ["images/train/a.jpg", "images/val/a.jpg"]),
        ("b.jpg", "", "", ["images/val2017/b.jpg"]),
        ("c", "", "", ["set one/c.jpg", "set two/c.png"]),
        ("c.png", "", "", ["set two/c.png"]),
        ("c.gif", "", "", []),
        ("d", "", "", ["d.jpg", "d.png"]),
        ("../../d.jpg", "annotations", "", ["d.jpg"]),
        ("", "", "", []),
        ("e.jpg", "", "", []),
    ],
)
def test_it_is_found(name: str, near: str, split: str, found: list[str]) -> None:
    assert PictureIndex(Path("root"), PATHS).find(name, near, split) == found


@pytest.mark.parametrize(
    ("path", "strictly", "loosely"),
    [
        ("train/images/a.jpg", "train", "train"),
        ("images/val2017/a.jpg", "validation", "validation"),
        ("testannot/a.png", "test", "test"),
        ("ships_train/a.jpg", "", "train"),
        ("train/dev/a.jpg", "validation", "validation"),
        ("test.jpg", "", ""),
        ("photos/a.jpg", "", ""),
    ],
)
def test_splits_in_folders(path: str, strictly: str, loosely: str) -> None:
    assert (split_of_path(path), split_of_path(path, loosely=True)) == (strictly, loosely)


@pytest.mark.parametrize(
    ("name", "split"),
    [("instances_val2017", "validation"), ("via-train", "train"), ("training", "train"), ("latest", ""), ("", "")],
)
def test_splits_in_words(name: str, split: str) -> None:
    assert split_in_name(name) == split


@dataclass
class Found:
    """A picture on the way to a sample."""

    path: str
    split: str = ""


def test_a_picture_stays_in_one_split() -> None:
    problems: list[Problem] = []
    pictures = [Found("a", "train"), Found("a", "test"), Found("b", "train"), Found("c", ""), Found("c", "validation")]
    kept = keep_in_one_split(pictures, problems)
    assert [(one.path, one.split) for one in kept] == [("a", "test"), ("b", "train"), ("c", "validation")]
    assert problems[0].detail == "2 pictures are in several splits (a, c)."


def test_folders_say_the_split_where_all_do() -> None:
    notes: list[str] = []
    pictures = [Found("train/a"), Found("ships_val/b")]
    take_splits_from_folders(pictures, notes)
    assert [one.split for one in pictures] == ["train", "validation"]
    pictures = [Found("train/a"), Found("more/b")]
    take_splits_from_folders(pictures, notes)
    assert [one.split for one in pictures] == ["", ""]
    assert len(notes) == 1
