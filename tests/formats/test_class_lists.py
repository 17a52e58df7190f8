"""Lists of classes, as tools for masks write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from striate.formats.class_lists import ListedClass, find_class_lists, is_class_list, read_class_list


def listed(tmp_path: Path, name: str, text: str) -> list[tuple[str, int | None, int | None]] | None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = read_class_list(tmp_path / name)
    return None if found is None else [(one.name, one.value, one.colour) for one in found]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("label_colors.txt", "0 0 0 background\n0 0 64 open sky\n", [("background", None, 0), ("open sky", None, 64)]),
        ("label_colors.txt", "64 128 64\tAnimal\n192 0 128\t\tArch",
         [("Animal", None, 0x408040), ("Arch", None, 0xC00080)]),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nbg:0,0,0::\nair plane:128,0,0::\n",
         [("bg", None, 0), ("air plane", None, 0x800000)]),
        ("class_dict.csv", "name,r,g,b\nbg,0,0,0\ncat,255,0,1\n", [("bg", None, 0), ("cat", None, 0xFF0001)]),
        ("_classes.csv", "Pixel Value, Class\n0, background\n1, cat 2", [("background", 0, None), ("cat 2", 1, None)]),
        ("classes.csv", 'Pixel Value,Class\n0,"a, b"\n1,1\n', [("a, b", 0, None), ("1", 1, None)]),
        ("class_dict.csv", "id,name,red,green,blue\n3,x,1,2,3\n5,y,0,0,0\n", [("x", 3, 0x010203), ("y", 5, 0)]),
        ("labels.txt", "0: bg\n1: cat\n", [("bg", 0, None), ("cat", 1, None)]),
        ("classes.txt", "bg\ncat 2\n\ndog\n", [("bg", 0, None), ("cat 2", 1, None), ("dog", 2, None)]),
        ("dataset_meta.json", '{"label_map": {"0": "bg", "1": "sky"}, "segmentation_colors": [[0,0,0],[0,0,64]]}',
         [("bg", 0, 0), ("sky", 1, 64)]),
        ("config_v1.2.json", '{"labels": [{"name": "animal--bird", "readable": "Bird", "color": [1, 2, 3]}]}',
         [("Bird", 0, 0x010203)]),
    ],
)  # fmt: skip
def test_kinds_of_lists(
    tmp_path: Path, name: str, text: str, expected: list[tuple[str, int | None, int | None]]
) -> None:
    assert is_class_list(name)
    assert listed(tmp_path, name, text) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", "path,label\na.png,cat\nb.png,dog\n"),
        ("classes.txt", ""),
        ("classes.txt", "cat\ncat\n"),
        ("dataset_meta.json", "[1, 2"),
        ("dataset_meta.json", '{"label_map": {"x": "bg"}}'),
    ],
)
def test_what_is_no_list(tmp_path: Path, name: str, text: str) -> None:
    assert listed(tmp_path, name, text) is None


def test_files_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe\x00caf\xe9")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert [file.name for file, _ in find_class_lists([tmp_path, tmp_path, tmp_path / "nowhere"])] == ["labels.txt"]


def test_a_table_comes_first(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "_classes.csv").write_text("Pixel Value,Class\n0,cat\n1,dog\n")
    assert [file.name for file, _ in find_class_lists([tmp_path])] == ["_classes.csv", "classes.txt"]


def test_names_that_mean_void() -> None:
    assert ListedClass("Void").is_void
    assert ListedClass(" unlabelled ").is_void
    assert not ListedClass("background").is_void
