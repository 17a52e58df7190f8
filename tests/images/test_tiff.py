"""TIFF: what becomes a channel, and what becomes of values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from striate.errors import PictureError
from striate.images import Header, read_header, read_picture
from striate.structures import Picture


def both(path: Path) -> tuple[Picture, Header]:
    picture, header = read_picture(path), read_header(path)
    assert header.size_hw == picture.size_hw
    assert header.channel_names == picture.channel_names
    assert header.dtype == picture.pixels.dtype.name
    return picture, header


def values(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(7).integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_types_that_stay(tmp_path: Path, dtype: str) -> None:
    pixels = values(4, 5, dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    picture, header = both(tmp_path / "a.tif")
    assert picture.pixels.dtype.name == dtype
    np.testing.assert_array_equal(picture.pixels, pixels[None])
    assert header.notes == ()


@pytest.mark.parametrize(
    ("dtype", "becomes"), [("int8", "int16"), ("float16", "float32"), ("uint32", "float32"), ("float64", "float32")]
)
def test_types_that_are_widened(tmp_path: Path, dtype: str, becomes: str) -> None:
    pixels = np.array([[1, 2, 100]]).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    picture, header = both(tmp_path / "a.tif")
    assert picture.pixels.dtype.name == becomes
    assert picture.pixels.tolist() == [[[1, 2, 100]]]
    if dtype in ("uint32", "float64"):
        assert header.notes == (f"{dtype} values, turned into the nearest float32",)


def test_complex_values_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((2, 2), np.complex64))
    with pytest.raises(PictureError, match="its values are of the type complex64, which is not supported"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
def test_interleaved_and_planar_colour(tmp_path: Path, compression: str | None) -> None:
    pixels = values(4, 5, 3)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression=compression)
    tifffile.imwrite(
        tmp_path / "b.tif",
        pixels.transpose(2, 0, 1),
        photometric="rgb",
        planarconfig="separate",
        compression=compression,
    )
    for name in ("a.tif", "b.tif"):
        picture, _ = both(tmp_path / name)
        assert picture.channel_names == ("red", "green", "blue")
        np.testing.assert_array_equal(picture.pixels, pixels.transpose(2, 0, 1))


def test_alpha_infrared_and_more(tmp_path: Path) -> None:
    cases = {
        "alpha": (4, ["unassalpha"], ("red", "green", "blue", "alpha")),
        "infrared": (4, ["unspecified"], ("red", "green", "blue", "channel 3")),
        "six": (6, ["unspecified"] * 3, ("red", "green", "blue", "channel 3", "channel 4", "channel 5")),
    }
    for name, (count, extra, names) in cases.items():
        pixels = values(4, 5, count, dtype="uint16")
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, photometric="rgb", planarconfig="contig", extrasamples=extra)
        picture, _ = both(tmp_path / f"{name}.tif")
        assert picture.channel_names == names
        np.testing.assert_array_equal(picture.pixels, pixels.transpose(2, 0, 1))


def test_gray_with_alpha(tmp_path: Path) -> None:
    pixels = values(4, 5, 2)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"]
    )
    assert both(tmp_path / "a.tif")[0].channel_names == ("gray", "alpha")


def test_seven_samples(tmp_path: Path) -> None:
    pixels = values(4, 5, 7, dtype="uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig="contig")
    picture, header = both(tmp_path / "a.tif")
    assert picture.channel_names == tuple(f"channel {i}" for i in range(7))
    np.testing.assert_array_equal(picture.pixels, pixels.transpose(2, 0, 1))
    assert header.frames == 1


def test_an_array_that_tifffile_wrote_keeps_its_first_axis(tmp_path: Path) -> None:
    pixels = values(5, 40, 50, dtype="float32")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    picture, header = both(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert header.frames == 1


def test_imagej_channels_and_slices(tmp_path: Path) -> None:
    pixels = values(3, 2, 6, 7, dtype="uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": "ZCYX"})
    picture, header = both(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels, pixels[0])
    assert header.frames == 3
    assert header.notes == ("holds 3 planes, of which the first is read",)


def test_pages_give_the_first(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for shade in (10, 20, 30):
            file.write(np.full((4, 5), shade, np.uint8), metadata=None)
    picture, header = both(tmp_path / "a.tif")
    assert set(picture.pixels.ravel().tolist()) == {10}
    assert header.frames == 3
    assert header.notes == ("holds 3 planes, of which the first is read",)


def test_white_is_zero_and_one_bit(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 200]], np.uint8), photometric="miniswhite")
    assert both(tmp_path / "a.tif")[0].pixels.tolist() == [[[255, 55]]]
    tifffile.imwrite(tmp_path / "b.tif", np.array([[0, 65535]], np.uint16), photometric="miniswhite")
    assert both(tmp_path / "b.tif")[0].pixels.tolist() == [[[65535, 0]]]
    tifffile.imwrite(tmp_path / "c.tif", np.array([[True, False]]), photometric="minisblack")
    assert both(tmp_path / "c.tif")[0].pixels.tolist() == [[[255, 0]]]


def test_palette(tmp_path: Path) -> None:
    table = np.zeros((3, 256), np.uint16)
    table[:, 7] = (65535, 257 * 128, 0)
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 7]], np.uint8), photometric="palette", colormap=table)
    picture, _ = both(tmp_path / "a.tif")
    assert picture.channel_names == ("red", "green", "blue")
    assert picture.pixels[:, 0].tolist() == [[0, 255], [0, 128], [0, 0]]


@pytest.mark.parametrize(("dtype", "largest"), [("uint8", 255), ("uint16", 65535)])
def test_cmyk(tmp_path: Path, dtype: str, largest: int) -> None:
    ink = np.array([[[largest, 0, 0, 0], [0, 0, 0, largest // 5]]], dtype)
    tifffile.imwrite(tmp_path / "a.tif", ink, photometric="separated")
    picture, header = both(tmp_path / "a.tif")
    assert picture.channel_names == ("red", "green", "blue")
    # (M - M) M / M = 0, and (M - 0)(M - M / 5) / M = 4 M / 5.
    assert picture.pixels[:, 0, 0].tolist() == [0, largest, largest]
    assert picture.pixels[:, 0, 1].tolist() == [largest * 4 // 5] * 3
    assert header.notes == ("CMYK, turned into RGB without its colour profile",)


def test_big_endian_and_bigtiff(tmp_path: Path) -> None:
    pixels = values(4, 5, dtype="uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=">")
    tifffile.imwrite(tmp_path / "b.tif", pixels, bigtiff=True)
    for name in ("a.tif", "b.tif"):
        picture, _ = both(tmp_path / name)
        np.testing.assert_array_equal(picture.pixels[0], pixels)
        assert picture.pixels.dtype == np.uint16


def test_a_claimed_size_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values(4, 5), metadata=None)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["ImageWidth"].overwrite(90_000)
        file.pages[0].tags["ImageLength"].overwrite(90_000)
    with pytest.raises(PictureError, match="8100 million pixels") as caught:
        read_picture(path)
    assert caught.value.kind == "too-large"
