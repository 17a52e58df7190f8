"""How pictures come to lie in frames: their pixels, and where each pixel is."""

from __future__ import annotations

import numpy as np
import pytest

from striate.data.framing import Preparation, prepare
from striate.structures import Picture


def whole(pixels: np.ndarray, preparation: Preparation) -> np.ndarray:
    (frame,) = prepare(Picture(pixels, ("gray",)), preparation)
    return frame


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    pixels = np.arange(48, dtype=np.uint16).reshape(1, 6, 8) * 1000
    assert np.array_equal(whole(pixels, Preparation((6, 8), 1)), pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_a_flat_picture_stays_flat_and_keeps_its_type(dtype: str) -> None:
    pixels = np.full((1, 9, 7), 200, dtype=dtype)
    for fit in ("squash", "crop"):
        out = whole(pixels, Preparation((4, 5), 1, fit))
        assert out.dtype == pixels.dtype
        assert out.shape == (1, 4, 5)
        assert np.allclose(out, 200, rtol=1e-6, atol=0)


def test_padding_keeps_the_shape_of_things_and_crops_keep_the_middle() -> None:
    wide = np.full((1, 4, 8), 100, dtype=np.uint8)
    padded = whole(wide, Preparation((8, 8), 1, "pad"))
    assert np.all(padded[0, :2] == 0)
    assert np.all(padded[0, 2:6] == 100)
    assert np.all(padded[0, 6:] == 0)
    middle = np.zeros((1, 4, 8), dtype=np.uint8)
    middle[:, :, 2:6] = 50
    assert np.all(whole(middle, Preparation((4, 4), 1, "crop")) == 50)


def test_halving_averages_pairs_of_sixteen_bit_values_with_rounding() -> None:
    pixels = np.array([[[60000, 60002], [60000, 60003]]], dtype=np.uint16)
    assert whole(pixels, Preparation((1, 1), 1))[0, 0, 0] == 60001


def test_what_is_no_finite_number_counts_as_zero() -> None:
    pixels = np.array([[[np.nan, 3.0], [np.inf, -np.inf]]], np.float32)
    assert whole(pixels, Preparation((2, 2), 1)).tolist() == [[[0.0, 3.0], [0.0, 0.0]]]
    assert np.isnan(pixels).any(), "the picture itself is left as it is"


TILES = Preparation((32, 48), 1, "tiles", 1.0, 0.25)


@pytest.mark.parametrize("size_hw", [(32, 48), (20, 30), (33, 48), (100, 49), (250, 331)])
@pytest.mark.parametrize("scale", [1.0, 0.5, 1.5])
def test_every_pixel_has_one_tile_that_answers_for_it_and_shows_it(size_hw: tuple[int, int], scale: float) -> None:
    answered = np.zeros(size_hw, np.int64)
    for placement in Preparation((32, 48), 1, "tiles", scale, 0.25).place(size_hw):
        answered[placement.owned] += 1
        for own, shown in zip(placement.owned, placement.covered, strict=True):
            assert shown.start <= own.start
            assert own.stop <= shown.stop
    assert np.all(answered == 1)


def test_neighbouring_tiles_share_at_least_the_overlap_and_meet_in_its_middle() -> None:
    first, second, *_ = TILES.place((32, 100))
    shared = first.covered[1].stop - second.covered[1].start
    assert shared >= 12
    assert first.owned[1].stop == second.owned[1].start == second.covered[1].start + shared // 2


def test_a_tile_shows_the_pixels_that_its_placement_says() -> None:
    pixels = np.arange(60 * 110, dtype=np.uint16).reshape(1, 60, 110)
    for placement, frame in zip(TILES.place((60, 110)), prepare(Picture(pixels, ("gray",)), TILES), strict=True):
        assert np.array_equal(frame[0], placement.plane_into(pixels[0], outside=0))


def test_a_picture_smaller_than_a_tile_lies_in_its_middle() -> None:
    (placement,) = TILES.place((20, 30))
    assert placement.offset_yx == (6.0, 9.0)
    frame = whole(np.full((1, 20, 30), 9, np.uint8), TILES)
    assert frame.sum() == 9 * 600
    assert np.all(frame[0, 6:26, 9:39] == 9)


def test_only_unusually_large_pictures_are_cut_where_whole_ones_are_usual() -> None:
    usual = Preparation((32, 32), 1, "pad", 0.5)
    assert not usual.is_cut((128, 128))
    assert usual.is_cut((129, 64))
    assert len(usual.place((128, 128))) == 1
    assert len(usual.place((256, 256))) == 25
    assert not Preparation((32, 32), 1, "pad").is_cut((6000, 6000))


def test_what_a_tile_answers_for_is_known_in_its_own_pixels_too() -> None:
    total = np.zeros((16, 40), np.int64)
    preparation = Preparation((16, 16), 1, "tiles", 0.5, 0.25)
    for placement in preparation.place((32, 80)):
        rows, columns = placement.owned_in_frame
        top, left = (-round(offset) for offset in placement.offset_yx)
        total[top + rows.start : top + rows.stop, left + columns.start : left + columns.stop] += 1
    assert np.all(total == 1)
