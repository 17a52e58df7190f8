"""What is written is read again, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from striate.errors import RequestError, StorageError
from striate.images import lossless_suffix, natural_channel_names, read_header, read_picture, write_picture
from striate.structures import Picture


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    channels = draw(st.integers(1, 7))
    dtype = draw(st.sampled_from(["uint8", "uint16", "int16", "float32"]))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    seed = draw(st.integers(0, 1000))
    low = -500 if dtype in ("int16", "float32") else 0
    pixels = np.random.default_rng(seed).integers(low, 250, (channels, height, width)).astype(dtype)
    named = draw(st.booleans())
    names = natural_channel_names(channels) if named else tuple(f"stain {i}" for i in range(channels))
    return Picture(pixels, names)


@given(pictures(), st.booleans())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trip(tmp_path: Path, picture: Picture, as_tiff: bool) -> None:
    path = tmp_path / f"a{'.tif' if as_tiff else lossless_suffix(picture)}"
    write_picture(picture, path)
    again, header = read_picture(path), read_header(path)
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    assert again.pixels.dtype == picture.pixels.dtype
    assert again.channel_names == header.channel_names == picture.channel_names
    assert header.size_hw == picture.size_hw
    assert header.dtype == picture.pixels.dtype.name


def test_the_suffix_that_loses_nothing() -> None:
    plain = Picture(np.zeros((3, 2, 2), np.uint8), ("red", "green", "blue"))
    stained = Picture(plain.pixels, ("a", "b", "c"))
    signed = Picture(np.zeros((1, 2, 2), np.int16), ("gray",))
    assert [lossless_suffix(picture) for picture in (plain, stained, signed)] == [".png", ".tif", ".tif"]


def test_jpeg_is_close(tmp_path: Path) -> None:
    pixels = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (3, 32, 1))
    write_picture(Picture(pixels, ("red", "green", "blue")), tmp_path / "a.jpg")
    assert np.abs(read_picture(tmp_path / "a.jpg").pixels.astype(int) - pixels).max() <= 6


@pytest.mark.parametrize(
    ("channels", "dtype", "name", "says"),
    [
        (5, "uint8", "a.png", "PNG holds 1 to 4 channels of uint8 or uint16; the picture has 5 of uint8"),
        (1, "float32", "a.png", "Write it as .tif"),
        (4, "uint8", "a.jpg", "JPEG holds 1 or 3 channels of uint8"),
        (1, "uint8", "a.xyz", "pictures are not written as .xyz"),
    ],
)
def test_what_a_kind_cannot_hold(tmp_path: Path, channels: int, dtype: str, name: str, says: str) -> None:
    picture = Picture(np.zeros((channels, 2, 2), dtype), natural_channel_names(channels))
    with pytest.raises(RequestError, match=says):
        write_picture(picture, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    picture = Picture(np.zeros((1, 2, 2), np.uint8), ("gray",))
    with pytest.raises(StorageError, match="the picture cannot be written"):
        write_picture(picture, tmp_path / "nowhere" / "a.png")
