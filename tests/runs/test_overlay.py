from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from striate.runs.answers.growing import AnswerNames
from striate.runs.overlay import SMALLEST_SIDE, draw_labels, is_overlay, write_marked
from striate.structures import Picture


def test_the_picture_stays_as_it_is_above_the_strip() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 300, 400), dtype=np.uint8)
    image = draw_labels(Picture(pixels, ("red", "green", "blue")), [("cat", 0.75), ("dog", 0.25)])
    drawn = np.asarray(image)
    assert np.array_equal(drawn[:300], np.moveaxis(pixels, 0, -1))
    assert drawn.shape[0] > 300
    assert drawn.shape[1] == 400


def test_bars_are_as_long_as_scores_say() -> None:
    image = draw_labels(Picture(np.zeros((1, 300, 400), np.uint8), ("gray",)), [("", 0.5)])
    strip = np.asarray(image)[300]
    blue = (strip == (158, 202, 225)).all(axis=-1)
    assert abs(int(blue.sum()) - 200) <= 1


def test_a_tiny_16_bit_picture_is_enlarged_in_squares() -> None:
    pixels = np.array([[[0, 4000], [1000, 3000]]], np.uint16)
    drawn = np.asarray(draw_labels(Picture(pixels, ("gray",)), [("a", 1.0)]))
    side = SMALLEST_SIDE // 2
    assert drawn.shape[1] == SMALLEST_SIDE
    corner = drawn[:side, side:SMALLEST_SIDE]
    assert (corner == corner[0, 0]).all()
    assert corner[0, 0, 0] == 255
    assert drawn[0, 0, 0] == 0


def test_long_names_leave_room_for_the_score() -> None:
    image = draw_labels(Picture(np.zeros((1, 8, 8), np.uint8), ("gray",)), [("a very long name " * 20, 0.5)])
    assert image.width == SMALLEST_SIDE


def test_pictures_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 4))
    names = AnswerNames(tmp_path / "out", asked=[Path("a"), Path("b")])
    paths = [names.free(source) for source in ("a/x.jpg", "b/x.jpg", "a/deep/x.jpg")]
    assert [path.relative_to(tmp_path / "out").as_posix() for path in paths] == ["x.png", "x-2.png", "deep/x.png"]
    write_marked(image, paths[0])
    assert Image.open(paths[0]).size == (4, 4)
    assert AnswerNames(tmp_path / "out", asked=[]).free("elsewhere/x.tif").name == "x-2.png"


def test_an_overlay_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    image = Image.new("RGB", (400, 300))
    overlay = tmp_path / "out" / "x.png"
    write_marked(image, overlay)
    assert is_overlay(overlay.rename(tmp_path / "moved.PNG"))
    image.save(tmp_path / "plain.png")
    assert not is_overlay(tmp_path / "plain.png")
    assert not is_overlay(tmp_path / "gone.png")
