"""Pictures inside npz, npy and IDX files."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest

from striate.errors import PictureError
from striate.images import ArraySource, array_shapes, load_array, read_idx_header


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    return bytes((0, 0, code, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def test_idx_packed_and_not(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "a").write_bytes(idx(array))
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(array)))
    for name in ("a", "a.gz"):
        header = read_idx_header(tmp_path / name)
        assert header is not None
        assert header[0] == (2, 3, 4)
        np.testing.assert_array_equal(load_array(tmp_path / name), array)


def test_idx_of_wide_values_is_big_endian(tmp_path: Path) -> None:
    array = np.array([[[1, 258]]], ">i2")
    (tmp_path / "a").write_bytes(idx(array, 0x0B))
    picture = ArraySource(tmp_path / "a", "", 0, "a#0").read()
    assert picture.pixels.dtype == np.int16
    assert picture.pixels.tolist() == [[[1, 258]]]


@pytest.mark.parametrize("data", [b"", b"\0\0\x08", b"\0\0\x08\x03\0\0", b"PK nothing", b"\0\0\x77\x01\0\0\0\1a"])
def test_no_idx(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    assert read_idx_header(tmp_path / "a") is None
    with pytest.raises(PictureError, match="damaged or incomplete"):
        load_array(tmp_path / "a")


def test_idx_that_ends_early(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(idx(np.zeros((2, 3, 4), np.uint8))[:-1])
    with pytest.raises(PictureError, match="23 bytes of values where 24 belong"):
        load_array(tmp_path / "a")
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(np.ones((9, 9, 9), np.uint8)))[:-20])
    with pytest.raises(PictureError):
        load_array(tmp_path / "a.gz")


def test_sources_share_one_array_and_travel(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    array = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 3), dtype=np.uint8)
    np.savez_compressed(path, train_images=array)
    sources = [ArraySource(path, "train_images", i, f"a.npz#train_images/{i}") for i in range(3)]
    assert sources[0].array() is sources[2].array()
    assert len(pickle.dumps(sources[1])) < 500
    again = pickle.loads(pickle.dumps(sources[1])).read()
    assert again.channel_names == ("red", "green", "blue")
    assert again.source == "a.npz#train_images/1"
    np.testing.assert_array_equal(again.pixels, array[1].transpose(2, 0, 1))
    with pytest.raises(ValueError, match="read-only"):
        sources[0].array()[0] = 0


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((1, 2, 2), np.uint8))
    assert load_array(path).sum() == 0
    np.save(path, np.ones((2, 2, 2), np.uint8))
    assert load_array(path).sum() == 8


@pytest.mark.parametrize(
    ("dtype", "becomes"), [("uint16", "uint16"), ("float32", "float32"), ("float64", "float32"), ("int64", "float32")]
)
def test_types(tmp_path: Path, dtype: str, becomes: str) -> None:
    np.save(tmp_path / "a.npy", np.full((1, 2, 2), 7, dtype))
    picture = ArraySource(tmp_path / "a.npy", "", 0, "a").read()
    assert picture.pixels.dtype.name == becomes
    assert picture.pixels.tolist() == [[[7, 7], [7, 7]]]


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((1, 2, 2), "x"))
    with pytest.raises(PictureError, match="pictures have numbers"):
        ArraySource(tmp_path / "a.npy", "", 0, "a").read()


def test_shapes_without_reading(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)), y=np.zeros(4, np.int8))
    shapes = array_shapes(tmp_path / "a.npz")
    assert {name: shape for name, (shape, _) in shapes.items()} == {"x": (2, 3), "y": (4,)}
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:60])
    with pytest.raises(PictureError, match="damaged or incomplete"):
        array_shapes(tmp_path / "b.npz")


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(PictureError, match="damaged or incomplete"):
        load_array(tmp_path / "a.npz", "x")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="cannot be read") as caught:
        load_array(tmp_path / "a.npz", "x")
    assert caught.value.kind == "missing"
