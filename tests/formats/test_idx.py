"""IDX files as they are found in the wild."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from striate.errors import DataError, RequestError
from striate.formats import FORMATS, find_format, read_folder
from striate.images import FileSource, write_picture
from striate.structures import Label, Labels, Picture, Sample

IDX = FORMATS.get("idx")


def write(path: Path, array: np.ndarray) -> None:
    data = bytes((0, 0, 0x08, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def pair(root: Path, prefix: str, labels: list[int], suffix: str = "-ubyte.gz") -> None:
    pictures = np.arange(len(labels) * 12).reshape(len(labels), 3, 4)
    write(root / f"{prefix}images-idx3{suffix}", pictures)
    write(root / f"{prefix}labels-idx1{suffix}", np.array(labels))


def counts(path: Path) -> dict[str, int]:
    return {split: len(samples) for split, samples in read_folder(path).splits.items()}


@pytest.mark.parametrize("suffix", ["-ubyte.gz", "-ubyte"])
def test_mnist(tmp_path: Path, suffix: str) -> None:
    pair(tmp_path, "train-", [3, 0, 1], suffix)
    pair(tmp_path, "t10k-", [0, 3], suffix)
    fmt, sniff = find_format(tmp_path)
    assert fmt is IDX
    assert sniff.confidence == 1.0
    reading = read_folder(tmp_path)
    assert reading.classes == ("0", "1", "2", "3")
    assert counts(tmp_path) == {"train": 3, "test": 2}
    sample = reading.splits["train"][1]
    assert sample.name == f"train-images-idx3{suffix}#1"
    assert sample.annotation == Label(0)
    assert sample.read().pixels.tolist() == [np.arange(12, 24).reshape(3, 4).tolist()]
    # Class 2 is below the largest number and never occurs.
    assert [(problem.kind, problem.path) for problem in reading.problems] == [("class-without-pictures", "2")]


def test_names_of_other_unpackers_and_folders(tmp_path: Path) -> None:
    pair(tmp_path / "MNIST" / "raw", "train-", [0, 1])
    for path in (tmp_path / "MNIST" / "raw").iterdir():
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert counts(tmp_path) == {"train": 2}
    assert counts(tmp_path / "MNIST" / "raw" / "train-images.idx3-ubyte.gz") == {"train": 2}


def test_emnist(tmp_path: Path) -> None:
    pair(tmp_path, "emnist-letters-train-", [0, 46])
    reading = read_folder(tmp_path)
    assert len(reading.classes) == 47
    assert any("rows and columns exchanged" in note for note in reading.notes)
    pair(tmp_path, "emnist-digits-train-", [0, 1])
    with pytest.raises(DataError, match="IDX files of several sets lie together: emnist-digits, emnist-letters"):
        read_folder(tmp_path)


def test_packed_and_unpacked_side_by_side(tmp_path: Path) -> None:
    pair(tmp_path, "train-", [0, 1])
    pair(tmp_path, "train-", [0, 1], "-ubyte")
    reading = read_folder(tmp_path)
    assert counts(tmp_path) == {"train": 2}
    assert reading.splits["train"][0].name == "train-images-idx3-ubyte#0"


def test_labels_without_their_pictures(tmp_path: Path) -> None:
    pair(tmp_path, "t10k-", [0, 1])
    pair(tmp_path, "train-", [0, 1, 1])
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()
    reading = read_folder(tmp_path)
    assert counts(tmp_path) == {"": 2}
    (problem,) = reading.problems
    assert (problem.kind, problem.path) == ("labels-without-pictures", "train-labels-idx1-ubyte.gz")
    assert "expected train-images-idx3-ubyte.gz" in problem.detail
    assert "'test' (2 pictures) count as unsplit" in reading.notes[0]
    (tmp_path / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match="no split has both its pictures and its labels") as caught:
        read_folder(tmp_path)
    assert "Put the missing files beside the others" in caught.value.fix


def test_pictures_without_their_labels(tmp_path: Path) -> None:
    pair(tmp_path, "train-", [0, 1])
    pair(tmp_path, "t10k-", [0, 1])
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    (problem,) = read_folder(tmp_path).problems
    assert (problem.kind, problem.path) == ("pictures-without-labels", "t10k-images-idx3-ubyte.gz")
    assert "expected t10k-labels-idx1-ubyte.gz" in problem.detail


def test_counts_that_do_not_agree(tmp_path: Path) -> None:
    pair(tmp_path, "train-", [0, 1])
    write(tmp_path / "train-labels-idx1-ubyte.gz", np.array([0, 1, 0]))
    with pytest.raises(DataError, match=r"has shape \(2, 3, 4\) and train-labels-idx1-ubyte.gz \(3,\)"):
        read_folder(tmp_path)


def test_a_cut_file_is_a_sentence(tmp_path: Path) -> None:
    pair(tmp_path, "train-", [0, 1] * 200)
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-12])
        with pytest.raises(DataError, match="damaged or incomplete") as caught:
            read_folder(tmp_path)
        assert name in str(caught.value)


def test_a_file_that_is_called_like_one(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_text("not an IDX file")
    assert IDX.sniff(tmp_path) is None
    with pytest.raises(DataError, match="no IDX files were found here"):
        IDX.read(tmp_path)


def test_class_names_beside_the_files(tmp_path: Path) -> None:
    pair(tmp_path, "train-", [1, 0])
    (tmp_path / "classes.txt").write_text("zero\none\n")
    reading = read_folder(tmp_path)
    assert reading.classes == ("zero", "one")
    assert reading.splits["train"][0].annotation == Label(1)
    (tmp_path / "classes.txt").write_text("zero\n")
    assert read_folder(tmp_path).classes == ("0", "1")


def sample(path: Path, pixels: np.ndarray, names: tuple[str, ...], annotation: Label | Labels) -> Sample:
    write_picture(Picture(pixels, names), path)
    return Sample(FileSource(path, path.name), annotation)


def test_what_idx_cannot_hold(tmp_path: Path) -> None:
    gray = sample(tmp_path / "g.png", np.zeros((1, 2, 3), np.uint8), ("gray",), Label(0))
    wide = sample(tmp_path / "w.png", np.zeros((1, 2, 4), np.uint8), ("gray",), Label(1))
    deep = sample(tmp_path / "d.png", np.zeros((1, 2, 3), np.uint16), ("gray",), Label(1))
    colour = sample(tmp_path / "c.png", np.zeros((3, 2, 3), np.uint8), ("red", "green", "blue"), Label(1))
    several = sample(tmp_path / "s.png", np.zeros((1, 2, 3), np.uint8), ("gray",), Labels((0, 1)))
    for bad, says in (
        (wide, "hold pictures of one size; g.png has 2 x 3 pixels and w.png 2 x 4"),
        (deep, "hold 8-bit gray; d.png has 1 channels of uint16"),
        (colour, "hold 8-bit gray; c.png has 3 channels of uint8"),
        (several, "picture s.png may have several labels"),
    ):
        with pytest.raises(RequestError, match=says):
            IDX.write({"train": [gray, bad]}, ("a", "b"), tmp_path / "out")
        assert not (tmp_path / "out").exists()
