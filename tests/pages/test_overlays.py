"""Boxes and masks over pictures, pixel by pixel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from striate.pages import background_index, class_color, draw_annotation, legend
from striate.pages.overlays import CLASS_COLORS, FILL
from striate.structures import VOID, Annotation, Boxes, Instances, Label, Mask, Picture

CLASSES = ("ant", "bee", "cat")
DARK = (16, 16, 16)


def rgb(index: int) -> tuple[int, ...]:
    return tuple(bytes.fromhex(class_color(index)[1:]))


def boxes(*rows: tuple[float, ...], classes: list[int] | None = None, ignore: list[bool] | None = None) -> Boxes:
    flags = None if ignore is None else np.array(ignore)
    return Boxes(np.array(rows, np.float32), np.array(classes or [0] * len(rows), np.int64), ignore=flags)


def gray(height: int = 40, width: int = 40, value: int = 90) -> npt.NDArray[np.uint8]:
    return np.full((1, height, width), value, np.uint8)


def colored(drawn: npt.NDArray[np.uint8], color: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    return (drawn == np.array(color)[:, None, None]).all(0)


def test_a_box_lies_on_its_outermost_pixels_with_a_dark_edge_on_both_sides() -> None:
    drawn = draw_annotation(gray(), boxes((10, 12, 20, 24)), CLASSES)
    assert (drawn.shape, drawn.dtype) == ((3, 40, 40), np.uint8)
    frame = np.zeros((40, 40), np.bool_)
    frame[12:24, 10:20] = True
    frame[13:23, 11:19] = False
    np.testing.assert_array_equal(colored(drawn, rgb(0)), frame)
    edge = np.zeros((40, 40), np.bool_)
    edge[11:25, 9:21] = True
    edge[14:22, 12:18] = False
    np.testing.assert_array_equal(colored(drawn, DARK), edge & ~frame)
    np.testing.assert_array_equal(colored(drawn, (90, 90, 90)), ~edge)


def test_pictures_are_scaled_before_lines_are_drawn() -> None:
    large = gray(400, 300)
    drawn = draw_annotation(large, boxes((100, 100, 200, 240), classes=[1]), CLASSES, max_side=100)
    assert drawn.shape == (3, 100, 75)
    np.testing.assert_array_equal(np.flatnonzero(colored(drawn, rgb(1))[40]), [25, 49])
    tiny = draw_annotation(gray(10, 20), boxes((2, 2, 8, 8)), CLASSES, max_side=100)
    assert tiny.shape == (3, 50, 100)
    np.testing.assert_array_equal(np.flatnonzero(colored(tiny, rgb(0))[20]), [10, 39])


def test_coordinates_may_be_those_of_a_larger_picture() -> None:
    small = draw_annotation(gray(50, 60), boxes((40, 40, 80, 80)), CLASSES, size_hw=(100, 120))
    same = draw_annotation(gray(50, 60), boxes((20, 20, 40, 40)), CLASSES)
    np.testing.assert_array_equal(small, same)


def test_a_mask_lets_the_picture_through_inside_an_outline_and_leaves_background_alone() -> None:
    classes = np.zeros((30, 30), np.uint8)
    classes[5:15, 5:15] = 2
    classes[20:30, :] = VOID
    drawn = draw_annotation(gray(30, 30), Mask(classes), ("background", "bee", "cat"))
    mixed = tuple(int(np.rint(90 + FILL * (channel - 90))) for channel in rgb(2))
    assert tuple(drawn[:, 10, 10]) == mixed
    outline = np.zeros((30, 30), np.bool_)
    outline[5:15, 5:15] = True
    outline[6:14, 6:14] = False
    np.testing.assert_array_equal(colored(drawn, rgb(2)), outline)
    assert (drawn[:, :5] == 90).all()
    hatched = drawn[:, 20:]
    assert (hatched[0] == hatched[1]).all()
    assert len(np.unique(hatched)) == 2
    assert 90 not in hatched


def test_without_a_background_class_every_class_is_drawn() -> None:
    drawn = draw_annotation(gray(), Mask(np.zeros((40, 40), np.uint8)), ("road", "sky"))
    assert tuple(drawn[:, 20, 20]) == tuple(int(np.rint(90 + FILL * (channel - 90))) for channel in rgb(0))
    assert [background_index(names) for names in (("a", "Background"), ("a", "b"))] == [1, None]


def test_instances_keep_holes_and_the_smaller_lies_on_top() -> None:
    masks = np.zeros((2, 40, 40), np.bool_)
    masks[0, 20:24, 20:24] = True
    masks[1, 5:35, 5:35] = True
    masks[1, 10:14, 10:14] = False
    both = Instances.from_dense(masks, np.array([0, 1]))
    drawn = draw_annotation(gray(), both, CLASSES, boxes=False, fill=1.0)
    assert colored(drawn, rgb(0)).sum() == 16
    assert colored(drawn, rgb(1)).sum() == 30 * 30 - 16 - 16
    assert (drawn[:, 10:14, 10:14] == 90).all()
    framed = draw_annotation(gray(), both, CLASSES, fill=0.0)
    assert tuple(framed[:, 4, 20]) == DARK


def test_what_need_not_be_found_is_dashed() -> None:
    plain, dashed = (
        colored(draw_annotation(gray(), boxes((5, 5, 35, 35), ignore=[flag]), CLASSES), rgb(0)).sum()
        for flag in (False, True)
    )
    assert 0.3 * plain < dashed < 0.7 * plain


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_pictures_of_other_depths_and_many_channels_are_shown_as_elsewhere(dtype: str) -> None:
    ramp = np.tile(np.linspace(0, 4000, 50), (5, 40, 1)).astype(dtype)
    picture = Picture(ramp, tuple(f"band {i}" for i in range(5)))
    drawn = draw_annotation(picture, boxes((10, 10, 20, 20)), CLASSES)
    assert (drawn[:, 0, 0].max(), drawn[:, 0, -1].min()) == (0, 255)
    assert colored(drawn, rgb(0)).sum() == 36


def test_scores_are_written_beside_boxes() -> None:
    picture, found = gray(80, 80), boxes((20, 40, 60, 70), (2, 1, 12, 9), classes=[1, 2])
    without = draw_annotation(picture, found, CLASSES)
    scored = draw_annotation(picture, found, CLASSES, scores=[0.87, 0.5])
    named = draw_annotation(picture, found, CLASSES, scores=[0.87, 0.5], names=True)
    plates = [int(colored(drawn, rgb(1)).sum()) for drawn in (without, scored, named)]
    assert plates[0] < plates[1] < plates[2]
    assert (scored[:, 75:] == without[:, 75:]).all()
    with pytest.raises(ValueError, match="zip"):
        draw_annotation(picture, found, CLASSES, scores=[0.87])


@pytest.mark.parametrize(
    "annotation",
    [
        None,
        Label(1),
        boxes((np.nan, 0, 5, 5)),
        Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64)),
        Instances.from_dense(np.zeros((0, 40, 40), np.bool_), np.zeros(0, np.int64)),
    ],
)
def test_nothing_to_draw_leaves_the_picture(annotation: Annotation | None) -> None:
    drawn = draw_annotation(gray(), annotation, CLASSES, names=True)
    assert (drawn == 90).all()


@pytest.mark.parametrize("row", [(-500, -500, 9000, 9000), (39, 39, 39.2, 39.2), (60, 60, 70, 70), (1e12, 0, 1e13, 4)])
def test_strange_boxes_do_no_harm(row: tuple[float, ...]) -> None:
    assert draw_annotation(gray(), boxes(row), CLASSES, scores=[1.0], names=True).shape == (3, 40, 40)


def test_colours_are_stable_and_all_different() -> None:
    assert [class_color(index) for index in range(len(CLASS_COLORS))] == list(CLASS_COLORS)
    assert len({class_color(index) for index in range(120)}) == 120
    assert all(len(class_color(index)) == 7 for index in range(120))


def test_a_legend_names_colours_and_what_is_not_drawn() -> None:
    html = legend(("background", "a<b", "c"), [0, 1], void=True).html
    assert "background (not drawn)" in html
    assert "a&lt;b" in html
    assert f"background:{class_color(1)}" in html
    assert class_color(2) not in html
    assert "nobody knows" in html
