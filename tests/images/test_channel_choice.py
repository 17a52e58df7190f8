"""Rules that say which channels a network sees."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from striate.errors import PictureError, RequestError
from striate.images import choose_channels, to_channels

GRAY, RGB = ("gray",), ("red", "green", "blue")
RGBA = (*RGB, "alpha")
FIVE = tuple(f"channel {index}" for index in range(5))


def pixel(*values: float, dtype: str = "uint8") -> np.ndarray:
    return np.array(values, dtype).reshape(-1, 1, 1)


@pytest.mark.parametrize(
    ("rule", "names", "seen"),
    [
        ("r,g", RGB, ("red", "green")),
        ("blue, RED", RGB, ("blue", "red")),
        ("0-3", FIVE, FIVE[:4]),
        ("3", FIVE, FIVE[3:4]),
        ("4,0-1", FIVE, ("channel 4", "channel 0", "channel 1")),
        ("channel 2", FIVE, ("channel 2",)),
        ("all", RGBA, RGBA),
        ("r,a", RGBA, ("red", "alpha")),
        ("gray", RGBA, GRAY),
        ("grey", GRAY, GRAY),
        ("hsv", RGBA, ("hue", "saturation", "value")),
        ("lab", (*FIVE, *RGB), ("lightness", "green to red", "blue to yellow")),
        # A name goes before a number.
        ("2", ("1", "2", "3"), ("2",)),
        ("1-2", ("0", "1-2", "2"), ("1-2",)),
    ],
)
def test_what_a_rule_takes(rule: str, names: tuple[str, ...], seen: tuple[str, ...]) -> None:
    chosen = choose_channels(rule, names)
    assert chosen.names == seen
    assert chosen.count == len(seen)


@pytest.mark.parametrize(
    ("rule", "names", "fault"),
    [
        ("nir", RGB, "takes 'nir'; the channels are 0 red, 1 green, 2 blue."),
        ("3", RGB, "takes channel number 3; "),
        ("1-5", FIVE, "takes channel number 5; "),
        ("3-1", FIVE, "has a range that runs backwards (3-1)"),
        ("r,,g", RGB, "has an empty part"),
        ("0-2,1", FIVE, "takes channel 1 twice"),
        ("hsv", FIVE, "needs red, green and blue"),
        ("lab", GRAY, "needs red, green and blue; the channel is 0 gray."),
        ("a", RGB, "takes 'a'"),
    ],
)
def test_a_rule_that_does_not_fit_says_which_channels_there_are(rule: str, names: tuple[str, ...], fault: str) -> None:
    with pytest.raises(RequestError) as caught:
        choose_channels(rule, names)
    assert fault in caught.value.what
    assert caught.value.where == "data.channels"
    assert "such as r,g or 0-3" in caught.value.fix


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_picking_keeps_type_and_values(dtype: str) -> None:
    pixels = np.arange(5 * 6).reshape(5, 2, 3).astype(dtype)
    for rule, picked in (("4,0-1", [4, 0, 1]), ("3", [3]), ("all", [0, 1, 2, 3, 4])):
        seen = choose_channels(rule, FIVE).apply(pixels, FIVE)
        assert seen.dtype.name == dtype
        assert np.array_equal(seen, pixels[picked])


def test_a_count_and_no_rule_are_what_they_were() -> None:
    pixels = pixel(10, 20, 30, 0)
    assert choose_channels(None, RGBA).names == RGB
    assert choose_channels(None, RGBA).apply(pixels, RGBA).tolist() == to_channels(pixels, 3, RGBA).tolist()
    assert choose_channels(1, RGB).apply(pixels[:3], RGB).tolist() == to_channels(pixels[:3], 1, RGB).tolist()
    assert choose_channels(4, RGBA).apply(pixels, RGBA) is pixels
    assert choose_channels(1, RGB).names == GRAY


def test_alpha_is_kept_only_where_the_rule_names_it() -> None:
    clear = pixel(10, 20, 30, 0)
    for rule in ("all", "0-3", "r,g,b,a"):
        assert choose_channels(rule, RGBA).apply(clear, RGBA).ravel().tolist() == [10, 20, 30, 0]
    # Laid on white first: nothing is to be seen of a clear pixel's colour.
    assert choose_channels("r,g", RGBA).apply(clear, RGBA).ravel().tolist() == [255, 255]
    assert choose_channels("gray", RGBA).apply(clear, RGBA).ravel().tolist() == [255]
    assert choose_channels("hsv", RGBA).apply(clear, RGBA).ravel().tolist() == [0, 0, 1]


def test_pictures_with_other_channels_come_to_those_of_training_first() -> None:
    red = choose_channels("r", RGB)
    assert red.apply(pixel(7), GRAY).ravel().tolist() == [7]
    assert red.apply(pixel(9, 8, 7, 255), RGBA).ravel().tolist() == [9]
    swapped = choose_channels("r,b", RGB).apply(pixel(1, 2, 3), ("blue", "green", "red"))
    assert swapped.ravel().tolist() == [3, 1]
    more = choose_channels("0-1", RGB).apply(pixel(4, 1, 2, 3), ("nir", *RGB))
    assert more.ravel().tolist() == [1, 2]
    with pytest.raises(PictureError, match="no rule turns one into the other"):
        choose_channels("0-3", FIVE).apply(pixel(1, 2, 3), RGB)


@pytest.mark.parametrize(("dtype", "largest"), [("uint8", 255), ("uint16", 65535), ("int16", 32767), ("float32", 1)])
def test_hue_saturation_and_value_are_those_of_the_standard_library(dtype: str, largest: int) -> None:
    shares = [(1.0, 0.0, 0.0), (0.2, 0.6, 0.4), (0.5, 0.5, 0.5), (0.9, 0.1, 0.95), (0.0, 0.0, 0.0)]
    chosen = choose_channels("hsv", RGB)
    for share in shares:
        pixels = (np.array(share).reshape(3, 1, 1) * largest).astype(dtype)
        exact = colorsys.rgb_to_hsv(*(pixels.astype(np.float64) / largest).ravel())
        seen = chosen.apply(pixels, RGB)
        assert seen.dtype == np.float32 == chosen.dtype(np.dtype(dtype))
        np.testing.assert_allclose(seen.ravel(), exact, atol=1e-5)


def test_lab_of_known_colours_lies_in_0_to_1() -> None:
    # CIE L*a*b* of sRGB under D65: white (100, 0, 0), red (53.24, 80.09, 67.20), blue (32.30, 79.19, -107.86).
    chosen = choose_channels("lab", RGB)
    for colour, lab in (
        ((255, 255, 255), (100, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
    ):
        expected = [lab[0] / 100, (lab[1] + 128) / 255, (lab[2] + 128) / 255]
        np.testing.assert_allclose(chosen.apply(pixel(*colour), RGB).ravel(), expected, atol=2e-3)
    cube = np.stack(np.meshgrid(*[np.linspace(0, 1, 9, dtype=np.float32)] * 3)).reshape(3, 27, 27)
    seen = chosen.apply(cube, RGB)
    assert 0 <= seen.min() < seen.max() <= 1


def test_floats_that_are_no_colours_are_refused_and_gaps_count_as_0() -> None:
    with pytest.raises(PictureError, match="values reach from 0 to 812, where lab takes colours from 0 to 1"):
        choose_channels("lab", RGB).apply(pixel(0, 812, 3, dtype="float32"), RGB)
    seen = choose_channels("hsv", RGB).apply(pixel(np.nan, 0.5, 0.0, dtype="float32"), RGB)
    assert seen.ravel().tolist() == pytest.approx([1 / 3, 1, 0.5])
