"""Real photographs: decoded exactly, turned upright, and damage noticed."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from striate.errors import PictureError
from striate.images import find_line_ending_damage, lost_carriage_returns, read_header, read_picture

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"

pytestmark = pytest.mark.real


def files(name: str, pattern: str, count: int) -> list[Path]:
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not here")
    return list(islice(sorted((DATA / name).glob(pattern)), count))


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("clothing_small", "train/*/*.jpg"),
        ("sign_digits", "Dataset/*/*.JPG"),
        ("bccd_voc", "BCCD/JPEGImages/*.jpg"),
        ("exif_orientation", "*.jpg"),
        ("dsb2018", "stage1_train/*/images/*.png"),
        ("dhcn_campus", "test/*.png"),
    ],
)
def test_equal_to_pillow_to_the_last_bit(name: str, pattern: str) -> None:
    paths = files(name, pattern, 20)
    assert paths
    for path in paths:
        picture, header = read_picture(path), read_header(path)
        upright = ImageOps.exif_transpose(Image.open(path))
        if upright.mode == "P":
            upright = upright.convert("RGB")
        expected = np.asarray(upright).reshape(upright.height, upright.width, -1).transpose(2, 0, 1)
        np.testing.assert_array_equal(picture.pixels, expected)
        assert (header.size_hw, header.channel_names) == (picture.size_hw, picture.channel_names)


@pytest.mark.parametrize("shape", ["Landscape", "Portrait"])
def test_all_orientations_show_the_same(shape: str) -> None:
    paths = files("exif_orientation", f"{shape}_[1-8].jpg", 8)
    assert len(paths) == 8
    pictures = [read_picture(path, (100, 100)) for path in paths]
    expected = (150, 225) if shape == "Landscape" else (225, 150)
    for picture in pictures:
        assert picture.size_hw == expected
        # The number in the middle of each picture differs, so the border is compared.
        border = picture.pixels[:, :20].astype(float)
        assert np.abs(border - pictures[0].pixels[:, :20]).mean() < 8


def test_files_that_lost_their_carriage_returns() -> None:
    masks = files("lums_road_crlf_damaged", "test/*.png", 100)
    photos = files("lums_road_crlf_damaged", "test/*.jpg", 100)
    for path in masks:
        assert lost_carriage_returns(path)
        with pytest.raises(PictureError) as caught:
            read_picture(path)
        assert caught.value.kind == "line-endings-damaged"
    # Only the pairs CR LF were converted: single CR are still there, and 1.2 MB of JPEG data hold too few pairs to
    # tell by themselves.
    assert not any(lost_carriage_returns(path) for path in photos)
    assert not any(b"\r\n" in path.read_bytes() for path in photos)
    damage = find_line_ending_damage([*photos, *masks])
    assert damage is not None
    assert (damage.direction, damage.certain) == ("lost", True)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("clothing_small", "*/*/*.jpg"),
        ("sign_digits", "Dataset/*/*.JPG"),
        ("bccd_voc", "BCCD/JPEGImages/*.jpg"),
        ("dhcn_campus", "*/*.jpg"),
        ("dhcn_campus", "*/*.png"),
        ("dsb2018", "stage1_train/*/*/*.png"),
    ],
)
def test_sound_sets_are_acquitted(name: str, pattern: str) -> None:
    assert find_line_ending_damage(files(name, pattern, 5000)) is None
