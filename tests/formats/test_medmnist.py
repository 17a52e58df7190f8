"""Arrays in one npz file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.errors import DataError, RequestError
from striate.formats import FORMATS, find_format, read_folder
from striate.images import ArraySource
from striate.structures import Label, Labels, Sample

MEDMNIST = FORMATS.get("medmnist")


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **{name: np.asarray(values) for name, values in arrays.items()})
    return path


def pictures(count: int, *channels: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 255, (count, 4, 5, *channels), dtype=np.uint8)


def test_layout_of_medmnist(tmp_path: Path) -> None:
    path = npz(
        tmp_path / "pneumoniamnist.npz",
        train_images=pictures(3),
        train_labels=[[0], [1], [1]],
        val_images=pictures(2),
        val_labels=[[1], [0]],
        test_images=pictures(1),
        test_labels=[[1]],
    )
    for place in (tmp_path, path):
        fmt, sniff = find_format(place)
        assert fmt is MEDMNIST
        assert sniff.confidence == 1.0
        reading = read_folder(place)
        assert reading.task == "classification"
        assert reading.classes == ("normal", "pneumonia")
        assert {split: len(part) for split, part in reading.splits.items()} == {"train": 3, "validation": 2, "test": 1}
        assert reading.splits["train"][1].annotation == Label(1)
        assert reading.splits["train"][1].name == "pneumoniamnist.npz#train_images/1"
    np.testing.assert_array_equal(reading.splits["train"][2].read().pixels[0], pictures(3)[2])


def test_known_names_only_where_the_count_agrees(tmp_path: Path) -> None:
    npz(tmp_path / "pneumoniamnist_64.npz", train_images=pictures(3), train_labels=[[0], [1], [2]])
    assert read_folder(tmp_path).classes == ("0", "1", "2")


def test_layout_of_keras(tmp_path: Path) -> None:
    npz(tmp_path / "mnist.npz", x_train=pictures(2, 3), y_train=[0, 1], x_test=pictures(1, 3), y_test=[1])
    reading = read_folder(tmp_path)
    assert {split: len(part) for split, part in reading.splits.items()} == {"train": 2, "test": 1}
    assert reading.splits["train"][0].read().channel_names == ("red", "green", "blue")


def test_names_as_labels_and_no_split(tmp_path: Path) -> None:
    npz(tmp_path / "a.npz", images=pictures(3), labels=["dog", "cat", "dog"])
    reading = read_folder(tmp_path)
    assert reading.classes == ("cat", "dog")
    assert [sample.annotation for sample in reading.splits[""]] == [Label(1), Label(0), Label(1)]


def test_one_hot_is_one_label(tmp_path: Path) -> None:
    npz(tmp_path / "a.npz", x_train=pictures(2), y_train=[[0, 1, 0], [1, 0, 0]])
    reading = read_folder(tmp_path)
    assert reading.task == "classification"
    assert reading.classes == ("0", "1", "2")
    assert [sample.annotation for sample in reading.splits["train"]] == [Label(1), Label(0)]


def test_several_labels(tmp_path: Path) -> None:
    npz(tmp_path / "a.npz", train_images=pictures(3), train_labels=[[0, 1, 1], [0, 0, 0], [1, 0, 0]])
    reading = read_folder(tmp_path)
    assert reading.task == "multilabel"
    assert [sample.annotation for sample in reading.splits["train"]] == [Labels((1, 2)), Labels(()), Labels((0,))]


def test_arrays_without_a_partner(tmp_path: Path) -> None:
    npz(tmp_path / "a.npz", train_images=pictures(2), train_labels=[0, 1], test_images=pictures(2))
    (problem,) = read_folder(tmp_path).problems
    assert (problem.kind, problem.path) == ("pictures-without-labels", "a.npz#test_images")


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([0, 1, 1], "train_images has 2 pictures and train_labels 3 labels"),
        ([0.5, 1.0], r"values that are no class numbers \(0, 1, 2, ...\), such as 0.5"),
        ([-1, 1], "such as -1"),
        ([[0, 7], [1, 0]], "2 columns with values other than 0 and 1"),
    ],
)
def test_labels_that_make_no_sense(tmp_path: Path, labels: list[Any], says: str) -> None:
    npz(tmp_path / "a.npz", train_images=pictures(2), train_labels=labels)
    with pytest.raises(DataError, match=says):
        read_folder(tmp_path)


def test_files_that_are_something_else(tmp_path: Path) -> None:
    npz(tmp_path / "weights.npz", kernel=np.zeros((3, 3)))
    assert MEDMNIST.sniff(tmp_path) is None
    (tmp_path / "weights.npz").write_bytes(b"PK nothing")
    assert MEDMNIST.sniff(tmp_path) is None
    with pytest.raises(DataError, match="no npz file with pictures and labels"):
        MEDMNIST.read(tmp_path)


def test_two_sets_in_one_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        npz(tmp_path / f"{name}.npz", train_images=pictures(2), train_labels=[0, 1])
    with pytest.raises(DataError, match=r"several npz files could be meant: a.npz, b.npz") as caught:
        read_folder(tmp_path)
    assert "Give the path of one of them" in caught.value.fix


def test_pictures_of_different_sizes_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((1, 2, 2), np.uint8))
    np.save(tmp_path / "b.npy", np.zeros((1, 2, 3), np.uint8))
    samples = [Sample(ArraySource(tmp_path / f"{name}.npy", "", 0, name), Label(0)) for name in "ab"]
    with pytest.raises(RequestError, match="one array holds pictures of one shape and type; a has"):
        MEDMNIST.write({"train": samples}, ("x", "y"), tmp_path / "out")
