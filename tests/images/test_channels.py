"""The stated rules between numbers of channels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from striate.errors import PictureError
from striate.images import to_channels

GRAY, RGB = ("gray",), ("red", "green", "blue")
GRAY_ALPHA, RGBA = (*GRAY, "alpha"), (*RGB, "alpha")


def pixel(*values: float, dtype: str = "uint8") -> np.ndarray:
    return np.array(values, dtype).reshape(-1, 1, 1)


def test_equal_counts_give_the_array_itself() -> None:
    pixels = pixel(1, 2, 3)
    assert to_channels(pixels, 3, RGB) is pixels


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8).map(lambda hw: (3, *hw))))
def test_luma_equals_pillow_to_the_last_bit(pixels: np.ndarray) -> None:
    expected = np.asarray(Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).convert("L"))
    np.testing.assert_array_equal(to_channels(pixels, 1, RGB)[0], expected)


@pytest.mark.parametrize(
    ("dtype", "values", "luma"),
    # 0.299 * 1000 + 0.587 * 2000 + 0.114 * 3000 = 1815, at the same depth.
    [("uint16", (1000, 2000, 3000), 1815), ("uint16", (65535,) * 3, 65535), ("int16", (-1000, -2000, -3000), -1815)],
)
def test_luma_keeps_the_data_type(dtype: str, values: tuple[int, ...], luma: int) -> None:
    gray = to_channels(pixel(*values, dtype=dtype), 1, RGB)
    assert gray.dtype.name == dtype
    assert gray.tolist() == [[[luma]]]


def test_luma_of_floats() -> None:
    gray = to_channels(pixel(1.0, 0.5, 0.25, dtype="float32"), 1, RGB)
    assert gray.dtype == np.float32
    assert gray.item() == pytest.approx(0.299 + 0.2935 + 0.0285, abs=1e-4)


@given(st.integers(0, 255))
def test_gray_to_colour_and_back_is_the_same(value: int) -> None:
    gray = pixel(value)
    colour = to_channels(gray, 3, GRAY)
    assert colour.ravel().tolist() == [value] * 3
    assert to_channels(colour, 1, RGB).tolist() == gray.tolist()


def test_alpha_is_laid_on_white() -> None:
    assert to_channels(pixel(10, 20, 30, 0), 3, RGBA).ravel().tolist() == [255, 255, 255]
    assert to_channels(pixel(10, 20, 30, 255), 3, RGBA).ravel().tolist() == [10, 20, 30]
    # 100 * 51 / 255 + 255 * 204 / 255 = 224.
    assert to_channels(pixel(100, 51), 1, GRAY_ALPHA).ravel().tolist() == [224]
    assert to_channels(pixel(0, 0, dtype="uint16"), 1, GRAY_ALPHA).ravel().tolist() == [65535]
    assert to_channels(pixel(0.2, 0.5, dtype="float32"), 1, GRAY_ALPHA).item() == pytest.approx(0.6)


def test_alpha_goes_before_colour_changes() -> None:
    assert to_channels(pixel(0, 0, 0, 0), 1, RGBA).ravel().tolist() == [255]
    assert to_channels(pixel(7, 0), 3, GRAY_ALPHA).ravel().tolist() == [255, 255, 255]


def test_missing_alpha_is_opaque() -> None:
    assert to_channels(pixel(1, 2, 3), 4, RGB).ravel().tolist() == [1, 2, 3, 255]
    assert to_channels(pixel(9), 4, GRAY).ravel().tolist() == [9, 9, 9, 255]
    assert to_channels(pixel(9, dtype="uint16"), 2, GRAY).ravel().tolist() == [9, 65535]
    assert to_channels(pixel(9, 128), 4, GRAY_ALPHA).ravel().tolist() == [9, 9, 9, 128]


def test_no_rule_is_a_sentence() -> None:
    names = tuple(f"channel {i}" for i in range(5))
    with pytest.raises(
        PictureError, match=r"5 channels \(channel 0, .*\) where 3 \(red, green, blue\) are wanted"
    ) as caught:
        to_channels(pixel(1, 2, 3, 4, 5), 3, names)
    assert caught.value.kind == "channels"
    assert "Leave such pictures out" in caught.value.fix
    with pytest.raises(PictureError, match="no rule"):
        to_channels(pixel(1, 2, 3), 4, RGB, target_names=("red", "green", "blue", "infrared"))
    with pytest.raises(PictureError, match="no rule"):
        to_channels(pixel(1, 2), 3, ("channel 0", "channel 1"))
