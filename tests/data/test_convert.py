import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from striate.data import open_dataset
from striate.data.convert import convert, write_splits
from striate.data.survey import SplitWishes
from striate.data.synthetic import MakeOptions, make_data
from striate.errors import DataError, PictureError, RequestError, UnknownNameError
from striate.formats import FORMATS, Format, Reading, read_folder
from striate.structures import Boxes, Instances, Mask, Sample

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


@dataclass(frozen=True)
class InFiles:
    """Annotation that is read when asked for, and may not be there."""

    annotation: object
    name: str

    def read(self) -> object:
        if self.annotation is None:
            raise PictureError("the file is damaged.", where=self.name, fix="Get it again.", kind="damaged")
        return self.annotation


class Given(Format):
    """A format that reads what it is given, and keeps what it is to write."""

    name, title, tasks = "given", "for tests", ("detection", "segmentation", "instances")

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.written: dict[str, list[Sample]] = {}

    def sniff(self, path: Path) -> None:
        return None

    def read(self, path: Path, task: str | None = None) -> Reading:
        return self.reading

    def write(self, splits: dict[str, list[Sample]], classes: tuple[str, ...], out: Path) -> None:
        self.written = {split: list(samples) for split, samples in splits.items()}


@pytest.fixture
def given(
    monkeypatch: pytest.MonkeyPatch, sample: Callable[..., Sample], photo: Callable[..., np.ndarray]
) -> Callable[..., Given]:
    """Registers a format that reads pictures of 20 x 30 pixels with the annotation given."""

    def register(task: str, *annotations: object) -> Given:
        samples = [
            replace(sample(f"{number}.png", photo(number, 20, 30)), annotation=annotation)
            for number, annotation in enumerate(annotations)
        ]
        fmt = Given(Reading("given", task, ("ant", "bee"), {"train": samples}))
        FORMATS.names()
        monkeypatch.setitem(FORMATS._items, "given", fmt)
        return fmt

    return register


def boxes(*rows: tuple[float, ...]) -> Boxes:
    return Boxes(np.array(rows, np.float32).reshape(-1, 4), np.zeros(len(rows), np.int64))


def test_boxes_are_mended_and_that_is_told(given: Callable[..., Given], tmp_path: Path) -> None:
    fmt = given("detection", boxes((2, 2, 9, 9), (20, 5, 40, 15)), boxes((50, 50, 60, 60), (1, 1, 5, 5)), boxes())
    done = convert(tmp_path, "given", tmp_path.parent / "out", format="given")
    assert (done.images, done.task, done.dropped) == (3, "detection", ())
    assert [(one.kind, one.path) for one in done.mended] == [("box-beyond-edge", "0.png"), ("box-outside", "1.png")]
    first, second, third = (one.annotation for one in fmt.written["train"])
    assert first == boxes((2, 2, 9, 9), (20, 5, 30, 15))
    assert second == boxes((1, 1, 5, 5))
    assert third == boxes()
    assert [one.size_hw for one in fmt.written["train"]] == [(20, 30)] * 3


def test_masks_in_files_stay_there_and_those_of_another_size_are_left_out(
    given: Callable[..., Given], tmp_path: Path
) -> None:
    good, wrong = Mask(np.zeros((20, 30), np.uint8)), Mask(np.zeros((21, 30), np.uint8))
    sources = [InFiles(good, "0m.png"), InFiles(wrong, "1m.png"), InFiles(None, "2m.png")]
    fmt = given("segmentation", *sources)
    done = convert(tmp_path, "given", tmp_path.parent / "out", format="given")
    assert [(one.kind, one.path) for one in done.dropped] == [("size-mismatch", "1.png"), ("damaged", "2.png")]
    (kept,) = fmt.written["train"]
    assert kept.annotation is sources[0]


def test_a_set_of_which_nothing_is_left_is_not_written(given: Callable[..., Given], tmp_path: Path) -> None:
    fmt = given("segmentation", *[InFiles(None, f"{number}m.png") for number in range(3)])
    with pytest.raises(DataError, match=r"none of its 3 pictures can be used; for example 0\.png: its ") as seen:
        convert(tmp_path, "given", tmp_path.parent / "out", format="given")
    assert "the file is damaged." in str(seen.value)
    assert fmt.written == {}


def test_instances_are_written_as_boxes_where_that_is_asked_for(given: Callable[..., Given], tmp_path: Path) -> None:
    plane = np.zeros((1, 20, 30), np.bool_)
    plane[0, 3:9, 4:20] = True
    objects = Instances.from_dense(plane, np.array([1]))
    fmt = given("instances", objects, InFiles(objects, "1.json"))
    done = convert(tmp_path, "given", tmp_path.parent / "out", format="given", task="detection")
    assert done.task == "detection"
    for written in fmt.written["train"]:
        assert written.read_annotation() == Boxes(np.array([[4, 3, 20, 9]], np.float32), np.array([1]))


def test_a_format_that_cannot_hold_the_task_says_which_can(given: Callable[..., Given], tmp_path: Path) -> None:
    given("instances", Instances.from_dense(np.ones((1, 20, 30), np.bool_), np.array([0])))
    with pytest.raises(RequestError, match="folders holds classification, and this set is for instances") as seen:
        convert(tmp_path, "folders", tmp_path.parent / "out", format="given")
    assert "--to coco" in seen.value.fix
    with pytest.raises(RequestError, match="this set is for instances") as seen:
        convert(tmp_path, "masks", tmp_path.parent / "out", format="given")
    assert seen.value.fix.endswith("; or add --task segmentation.")
    given("detection", boxes((1, 1, 5, 5)))
    with pytest.raises(DataError, match="the task instances was asked for, but the annotation here"):
        convert(tmp_path, "coco", tmp_path.parent / "out", format="given", task="instances")
    with pytest.raises(UnknownNameError, match="there is no task named 'boxes'"):
        convert(tmp_path, "coco", tmp_path.parent / "out", format="given", task="boxes")


def test_scenes_go_from_format_to_format_and_keep_their_boxes(tmp_path: Path) -> None:
    root = make_data("digits", tmp_path / "scenes", MakeOptions(images=20, task="instances"))
    written = convert(root, "yolo", tmp_path / "yolo", task="detection")
    assert (written.images, written.mended, written.dropped) == (20, (), ())
    before, after = open_dataset(root, task="detection"), open_dataset(tmp_path / "yolo", task="detection")
    for split, samples in before.splits.items():
        known = {Path(one.name).stem: one.annotation for one in after[split]}
        for one in samples:
            found = known[Path(one.name).stem]
            assert isinstance(found, Boxes)
            assert isinstance(one.annotation, Boxes)
            rows = [np.column_stack([each.boxes_xyxy.round(), each.classes]) for each in (found, one.annotation)]
            np.testing.assert_allclose(*[row[np.lexsort(row.T)] for row in rows])


def test_splits_of_objects_are_written_as_training_uses_them(tmp_path: Path) -> None:
    scenes = make_data("digits", tmp_path / "scenes", MakeOptions(images=30, task="detection"))
    reading = read_folder(scenes, "coco", "detection")
    loose = [sample for part in reading.splits.values() for sample in part]
    FORMATS.get("coco").write({"": loose}, reading.classes, tmp_path / "loose")
    written = write_splits(tmp_path / "loose", tmp_path / "out", wishes=SplitWishes(0.2, 0.2, seed=1))
    assert (written.format, written.task, written.images) == ("coco", "detection", 30)
    assert open_dataset(tmp_path / "out").given == ("train", "validation", "test")
    with pytest.raises(RequestError, match="this set is for detection"):
        write_splits(tmp_path / "loose", tmp_path / "folders", to_format="folders")
