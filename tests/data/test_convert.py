import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from striate.data import open_dataset
from striate.data.convert import convert, write_splits
from striate.data.survey import SplitWishes
from striate.errors import DataError, RequestError, UnknownNameError
from striate.formats import read_folder

Folders = Callable[..., Path]


def test_a_set_is_written_in_another_format(class_folders: Folders, tmp_path: Path) -> None:
    root = class_folders({"train/a": 3, "train/b": 3, "test/a": 2, "test/b": 2}, channels=1, height=28, width=28)
    done: list[tuple[int, int]] = []
    written = convert(root, "idx", tmp_path / "out", progress=lambda now, total: done.append((now, total)))
    assert (written.format, written.splits, written.images) == ("idx", {"train": 6, "test": 4}, 10)
    assert written.problems == ()
    assert done[-1] == (10, 10)
    again = read_folder(tmp_path / "out")
    assert (again.format, again.classes) == ("idx", ("a", "b"))
    assert {name: len(samples) for name, samples in again.splits.items()} == {"train": 6, "test": 4}


def test_unreadable_pictures_are_left_out_and_listed(class_folders: Folders, tmp_path: Path) -> None:
    root = class_folders({"a": 3, "b": 3})
    (root / "a" / "000.png").write_bytes(b"")
    written = convert(root, "table", tmp_path / "out")
    assert written.images == 5
    assert [(problem.kind, problem.path) for problem in written.problems] == [("empty", "a/000.png")]


def test_splits_are_written_as_training_uses_them(class_folders: Folders, tmp_path: Path) -> None:
    root = class_folders({"a": 20, "b": 20})
    shutil.copy(root / "a/000.png", root / "a/copy.png")
    wishes = SplitWishes(0.2, 0.2, seed=5)
    written = write_splits(root, tmp_path / "out", wishes=wishes)
    made = open_dataset(root, validation_share=0.2, test_share=0.2, seed=5)
    assert (written.format, written.splits) == ("folders", {name: len(part) for name, part in made.splits.items()})
    kept = open_dataset(tmp_path / "out")
    assert kept.given == ("train", "validation", "test")
    for split, samples in made.splits.items():
        names = {f"{split}/{sample.name}" for sample in samples}
        assert {sample.name for sample in kept[split]} == names


def test_splits_can_be_written_in_another_format(class_folders: Folders, tmp_path: Path) -> None:
    write_splits(class_folders({"a": 10, "b": 10}), tmp_path / "out", to_format="table")
    assert open_dataset(tmp_path / "out").given == ("train", "validation", "test")


@pytest.mark.parametrize("write", [lambda root, out: convert(root, "table", out), write_splits])
def test_nothing_is_written_over_or_into_the_set(
    write: Callable[[Path, Path], object], class_folders: Folders, tmp_path: Path
) -> None:
    root = class_folders({"a": 3, "b": 3})
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine").write_text("mine")
    with pytest.raises(RequestError, match=r"taken: there is something here already\. Name a new or empty folder\."):
        write(root, taken)
    with pytest.raises(RequestError, match="lies inside the data set"):
        write(root, root / "out")
    assert not (root / "out").exists()


def test_wrong_requests_say_what_is_right(class_folders: Folders, tmp_path: Path) -> None:
    root = class_folders({"a": 3, "b": 3})
    with pytest.raises(UnknownNameError, match=r"no format named 'tabel'\. Nearest: table"):
        convert(root, "tabel", tmp_path / "out")
    with pytest.raises(DataError, match="there is no such file or folder"):
        convert(tmp_path / "gone", "table", tmp_path / "out")
    table = tmp_path / "several.csv"
    rows = "".join(f"photos/{name}/{number:03d}.png,{name}|c\n" for name in "ab" for number in range(3))
    table.write_text(f"path,labels\n{rows}")
    with pytest.raises(RequestError, match="the format folders holds classification, and this set is for multilabel"):
        convert(table, "folders", tmp_path / "out")
