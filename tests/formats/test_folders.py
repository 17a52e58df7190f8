"""Class folders as people make them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError, RequestError
from striate.formats import FORMATS, find_format, read_folder
from striate.structures import Label

FOLDERS = FORMATS.get("folders")


def picture(path: Path, shade: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((3, 4), shade, np.uint8)).save(path)
    return path


def fill(root: Path, *names: str) -> Path:
    for position, name in enumerate(names):
        picture(root / name, position)
    return root


def labels(root: Path, split: str = "") -> dict[str, str]:
    reading = read_folder(root)
    return {
        sample.name: reading.classes[sample.annotation.index]
        for sample in reading.splits[split]
        if isinstance(sample.annotation, Label)
    }


def test_plain_class_folders(tmp_path: Path) -> None:
    fill(tmp_path, "dog/2.png", "dog/10.png", "cat/a.PNG")
    assert find_format(tmp_path)[0] is FOLDERS
    assert labels(tmp_path) == {"cat/a.PNG": "cat", "dog/2.png": "dog", "dog/10.png": "dog"}
    reading = read_folder(tmp_path)
    assert reading.task == "classification"
    assert [sample.name for sample in reading.splits[""]] == ["cat/a.PNG", "dog/2.png", "dog/10.png"]
    assert reading.splits[""][1].read().pixels[0, 0, 0] == 0
    assert reading.problems == []


def test_classes_that_are_numbers_sort_as_numbers(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{number}/a.png" for number in (10, 9, 1, 0)))
    assert read_folder(tmp_path).classes == ("0", "1", "9", "10")


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Training", "VALID", "Testing"),
        ("train", "dev", "TEST"),
        ("TRAIN", "validate", "test"),
    ],
)
def test_names_of_splits(tmp_path: Path, train: str, validation: str, test: str) -> None:
    for split in (train, validation, test):
        fill(tmp_path, f"{split}/a/1.png", f"{split}/b/1.png")
    reading = read_folder(tmp_path)
    assert {name: len(samples) for name, samples in reading.splits.items()} == {"train": 2, "validation": 2, "test": 2}
    assert reading.classes == ("a", "b")


@pytest.mark.parametrize("prefix", ["Dataset", "archive/data", "a/b/c"])
def test_folders_around_everything(tmp_path: Path, prefix: str) -> None:
    fill(tmp_path, f"{prefix}/0/x.png", f"{prefix}/1/x.png")
    (tmp_path / "README.md").write_text("about")
    reading = read_folder(tmp_path)
    assert reading.classes == ("0", "1")
    assert reading.splits[""][0].name == f"{prefix}/0/x.png"
    assert reading.notes == [f"The class folders lie in {prefix}/."]


def test_pictures_one_level_deeper_belong_to_their_class(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "a/more/2.png", "b/session 1/3.png", "b/session 2/4.png")
    assert labels(tmp_path) == {
        "a/1.png": "a",
        "a/more/2.png": "a",
        "b/session 1/3.png": "b",
        "b/session 2/4.png": "b",
    }


def test_what_systems_and_tools_leave_behind(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/1.png", "__MACOSX/a/._1.png", ".git/x/1.png", "a/.hidden.png", "a/._1.png")
    for name in ("a/Thumbs.db", "a/.DS_Store", "b/desktop.ini"):
        (tmp_path / name).write_bytes(b"x")
    reading = read_folder(tmp_path)
    assert reading.classes == ("a", "b")
    assert len(reading.splits[""]) == 2
    assert reading.notes == []


def test_other_files_are_counted(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/1.png")
    for name in ("notes.txt", "more.doc"):
        (tmp_path / "a" / name).write_text("x")
    assert read_folder(tmp_path).notes == ["2 files are left out of a/, being no picture (more.doc, ...)."]


def test_an_empty_class_is_reported(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "c").mkdir()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "readme.txt").write_text("x")
    reading = read_folder(tmp_path)
    assert reading.classes == ("a", "b")
    assert [(problem.kind, problem.path, problem.detail) for problem in reading.problems] == [
        ("empty-class", "c", "class folder 'c' holds nothing."),
        ("empty-class", "d", "class folder 'd' holds 1 other files and no picture."),
    ]


def test_a_class_that_only_the_test_split_has(tmp_path: Path) -> None:
    fill(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png", "test/z/1.png", "test/z/2.png")
    reading = read_folder(tmp_path)
    assert reading.classes == ("a", "b")
    assert [sample.name for sample in reading.splits["test"]] == ["test/a/1.png"]
    (problem,) = reading.problems
    assert (problem.kind, problem.path, problem.severity) == ("unknown-label", "test: z", "dropped")
    assert problem.detail == "2 pictures of the test split show 'z', which never occurs in the training split."
    assert "Add training pictures of this class" in problem.fix


def test_unlabelled_test_pictures(tmp_path: Path) -> None:
    fill(tmp_path, "train/a/1.png", "train/b/1.png", "test/1.png", "test/2.png")
    reading = read_folder(tmp_path)
    assert set(reading.splits) == {"train"}
    (problem,) = reading.problems
    assert (problem.kind, problem.path) == ("unlabelled", "test")
    assert problem.detail.startswith("2 pictures lie in no class folder (1.png, ...)")


def test_folders_beside_the_splits(tmp_path: Path) -> None:
    fill(tmp_path, "train/a/1.png", "train/b/1.png", "extra/q/1.png")
    assert read_folder(tmp_path).notes == ["The folder extra/ beside the splits is left out."]


def test_no_training_split_counts_as_unsplit(tmp_path: Path) -> None:
    fill(tmp_path, "test/a/1.png", "test/b/1.png")
    reading = read_folder(tmp_path)
    assert {name: len(samples) for name, samples in reading.splits.items()} == {"": 2}
    assert reading.notes == [
        "There is no training split: 'test' (2 pictures) count as unsplit, and splits are made from them."
    ]


def test_one_class_is_read(tmp_path: Path) -> None:
    fill(tmp_path, "cats/1.png", "cats/2.png")
    reading = read_folder(tmp_path)
    assert reading.classes == ("cats",)
    assert len(reading.splits[""]) == 2


def test_pictures_without_labels(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "2.png")
    for read in (read_folder, FOLDERS.read):
        with pytest.raises(DataError, match="2 pictures, but no class folders, no table and no annotation") as caught:
            read(tmp_path)
        assert "Make a folder for each class" in caught.value.fix


def test_splits_without_classes(tmp_path: Path) -> None:
    fill(tmp_path, "train/1.png", "train/2.png", "test/1.png")
    with pytest.raises(DataError, match="3 pictures, but no class folders"):
        read_folder(tmp_path)


def test_folders_without_a_picture(tmp_path: Path) -> None:
    for name in ("b", "a", "d", "c"):
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=r"no picture lies in its 4 folders \(a, b, c, \.\.\.\)\. Put"):
        read_folder(tmp_path)
    (tmp_path / "b" / "one.heic").write_bytes(b"0")
    with pytest.raises(DataError, match=r"\(a, b, c, \.\.\.\), only 1 other file \(b/one\.heic\)\."):
        read_folder(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the folder is empty"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="there is no such file or folder"):
        read_folder(tmp_path / "nowhere")


def test_classes_called_mask(tmp_path: Path) -> None:
    """Faces with a mask and without one are a classification set, not a segmentation set."""
    fill(tmp_path, "mask/1.png", "mask/2.png", "no_mask/1.png", "no_mask/2.png")
    assert read_folder(tmp_path).classes == ("mask", "no_mask")


def test_folders_of_equal_names_are_noted(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{name}/{number}.png" for name in ("left", "right") for number in range(3)))
    (note,) = read_folder(tmp_path).notes
    assert note.startswith("All 2 class folders hold the same file names.")


def test_files_are_copied_as_they_are(tmp_path: Path) -> None:
    root = fill(tmp_path / "in", "a/1.png", "b/1.png", "b/deep/1.png")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / "a" / "photo.jpg", quality=30)
    reading = read_folder(root)
    FOLDERS.write(dict(reading.splits), reading.classes, tmp_path / "out")
    assert (tmp_path / "out/a/photo.jpg").read_bytes() == (root / "a/photo.jpg").read_bytes()
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert names == ["a/1.png", "b/1 (2).png", "b/1.png"]


@pytest.mark.parametrize("name", ["a/b", "what?", "..", "CON", "dot.", " space", 'quote"', ""])
def test_class_names_that_no_folder_can_have(tmp_path: Path, name: str) -> None:
    reading = read_folder(fill(tmp_path / "in", "a/1.png", "b/1.png"))
    with pytest.raises(RequestError, match="cannot be the name of a folder") as caught:
        FOLDERS.write(dict(reading.splits), ("a", name), tmp_path / "out")
    assert "`table`" in caught.value.fix
    assert not (tmp_path / "out").exists()


def test_class_names_that_would_be_taken_for_masks(tmp_path: Path) -> None:
    reading = read_folder(fill(tmp_path / "in", "a/1.png", "b/1.png"))
    with pytest.raises(RequestError, match="would be taken for folders of pictures and masks"):
        FOLDERS.write(dict(reading.splits), ("images", "masks"), tmp_path / "out")


def test_links_that_lead_in_circles(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/1.png")
    try:
        (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("no right to make links here")
    assert read_folder(tmp_path).classes == ("a", "b")


def test_tables_of_boxes_beside_the_pictures_make_parts_and_no_classes(tmp_path: Path) -> None:
    for name in ("part one", "part two"):
        fill(tmp_path, f"{name}/a.png", f"{name}/b.png")
        (tmp_path / name / "boxes.csv").write_text("image,xmin,ymin,xmax,ymax,label\na.png,0,0,1,1,cat\n")
    assert FORMATS.get("folders").sniff(tmp_path) is None


def test_landmarks_are_no_labels(tmp_path: Path) -> None:
    fill(tmp_path, "images/ann/1.png", "images/bob/2.png", "images/bob/3.png")
    rows = "".join(f"{name}\t{n}\t4\t3\t3\t2\t2\t1\n" for n, name in enumerate(["ann/1.png", "bob/2.png", "bob/3.png"]))
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/landmarks.txt").write_text(rows)
    assert FORMATS.get("table").sniff(tmp_path) is None
    assert find_format(tmp_path)[0].name == "folders"
