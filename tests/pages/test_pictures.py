import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from striate.pages import display_pixels, gallery, picture_uri, thumbnail
from striate.structures import Levels, Picture

RANDOM = np.random.default_rng(0)


def decode(uri: str) -> Image.Image:
    head, data = uri.split(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert head == f"data:image/{image.format.lower()};base64"
    return image


def test_eight_bit_pixels_stay_as_they_are() -> None:
    pixels = RANDOM.integers(0, 256, (3, 5, 7), dtype=np.uint8)
    shown, remark = display_pixels(pixels)
    assert remark == ""
    np.testing.assert_array_equal(shown, pixels.transpose(1, 2, 0))


def test_sixteen_bits_are_shown_through_a_window_that_is_stated() -> None:
    pixels = np.arange(1000, dtype=np.uint16).reshape(1, 20, 50)
    shown, remark = display_pixels(pixels)
    # Percentiles 0.5 and 99.5 of 0..999: 4.995 and 994.005.
    assert remark == "shown from 4.995 (black) to 994 (white)"
    assert shown[0, 0] == 0
    assert shown[-1, -1] == 255
    assert shown.ravel()[500] == round((500 - 4.995) / (994.005 - 4.995) * 255)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_a_constant_picture_of_more_than_eight_bits_is_shown(dtype: str) -> None:
    shown, _ = display_pixels(np.full((1, 4, 4), 7, dtype))
    assert (shown == 0).all()


def test_a_picture_with_one_bright_pixel_is_not_lost() -> None:
    pixels = np.zeros((1, 40, 40), np.float32)
    pixels[0, 3, 3] = 2.0
    shown, remark = display_pixels(pixels)
    assert shown[3, 3] == 255
    assert shown.sum() == 255
    assert remark == "shown from 0 (black) to 2 (white)"


def test_values_that_are_no_numbers_are_black() -> None:
    pixels = np.array([[[0.0, 1.0], [np.nan, -np.inf]]], np.float32)
    shown, _ = display_pixels(pixels)
    assert shown.tolist() == [[0, 255], [0, 0]]


@pytest.mark.parametrize(
    ("names", "channels", "remark"),
    [
        ((), [0], "showing channel 1 of 2 channels"),
        ((), [0, 1, 2], "showing channel 1, channel 2, channel 3 of 5 channels"),
        (("blue", "green", "red", "infrared"), [2, 1, 0], "showing red, green, blue of 4 channels"),
        (("gray", "alpha"), [0], "showing gray of 2 channels"),
    ],
)
def test_channels_that_are_left_out_are_named(names: tuple[str, ...], channels: list[int], remark: str) -> None:
    count = len(names) or (2 if len(channels) == 1 else 5)
    pixels = RANDOM.integers(0, 256, (count, 4, 4), dtype=np.uint8)
    shown, said = display_pixels(pixels, names)
    assert said == remark
    expected = pixels[channels[0]] if len(channels) == 1 else pixels[channels].transpose(1, 2, 0)
    np.testing.assert_array_equal(shown, expected)


def test_tiny_pictures_are_enlarged_by_a_whole_factor_without_loss() -> None:
    pixels = RANDOM.integers(0, 256, (1, 28, 20), dtype=np.uint8)
    item = thumbnail(pixels, max_side=144)
    image = decode(item.uri)
    assert image.format == "PNG"
    assert image.size == (100, 140) == (item.width_px, item.height_px)
    np.testing.assert_array_equal(np.asarray(image), pixels[0].repeat(5, 0).repeat(5, 1))
    assert item.crisp


def test_large_pictures_are_reduced_and_keep_their_shape() -> None:
    item = thumbnail(RANDOM.integers(0, 256, (3, 300, 600), dtype=np.uint8), max_side=150)
    image = decode(item.uri)
    assert image.format == "JPEG"
    assert image.size == (150, 75)
    assert len(item.uri) < 20_000


def test_a_picture_of_one_row_has_a_thumbnail() -> None:
    assert decode(picture_uri(np.zeros((1, 1, 4000), np.uint8), max_side=100)).size == (100, 1)


def test_a_gallery_names_its_pictures_and_what_was_done_to_them() -> None:
    picture = Picture(np.arange(64, dtype=np.uint16).reshape(1, 8, 8), ("gray",))
    html = str(gallery([thumbnail(picture, "a <b>", detail="7 of 9", tone="bad")]).html)
    assert 'alt="a &lt;b&gt;"' in html
    assert '<figure class="bad"' in html
    assert "7 of 9; shown from 0.315 (black) to 62.685 (white)" in html
    assert 'class="crisp"' in html


def test_coloured_lines_stay_sharp_where_they_were_drawn() -> None:
    pixels = np.full((3, 100, 120), 128, np.uint8)
    pixels[:, :, 61] = np.array([255, 0, 0])[:, None]
    lines = [np.asarray(decode(thumbnail(pixels, drawn=drawn).uri)).astype(int)[50] for drawn in (True, False)]
    sharp, smeared = (int(line[61, 0] - line[61, 1]) for line in lines)
    assert sharp > smeared + 40


def test_a_slice_is_shown_as_its_whole_scan_is_and_without_its_neighbours() -> None:
    pixels = np.array([[[0, 0]], [[100, 300]], [[0, 0]]], np.int16)
    levels = Levels(low=100.0, high=500.0, mean=0.0, std=1.0)
    picture = Picture(pixels, ("slice -1", "slice +0", "slice +1"), levels=levels)
    shown, remark = display_pixels(picture)
    assert shown.tolist() == [[0, 128]]
    assert remark == "showing slice +0 of 3 channels; shown from 100 (black) to 500 (white)"
    asked, _ = display_pixels(replace(picture, levels=replace(levels, window=(0.0, 200.0))))
    assert asked.tolist() == [[128, 255]]
