"""What look says about boxes and masks, on sets small enough to count by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from striate.data.look import Look, look
from striate.data.look_page import build_look_page
from striate.data.look_pictures import Shown
from striate.errors import DataError
from striate.formats import FORMATS
from striate.structures import VOID, Annotation, Boxes, Instances, Mask, Sample

Samples = Callable[..., Sample]
Photo = Callable[..., np.ndarray]


def boxes(*rows: tuple[float, ...], classes: list[int]) -> Boxes:
    return Boxes(np.array(rows, np.float32).reshape(-1, 4), np.array(classes, np.int64))


@pytest.fixture
def write_set(tmp_path: Path, sample: Samples, photo: Photo) -> Callable[..., Path]:
    """Writes different pictures of 40 x 80 pixels with annotation, two of each of three splits."""

    def write(annotations: list[Annotation], classes: tuple[str, ...], format: str) -> Path:
        made = [
            replace(sample(f"{number}.png", photo(number, 40, 80)), annotation=annotation, size_hw=(40, 80))
            for number, annotation in enumerate(annotations)
        ]
        splits = {"train": made[:2], "validation": made[2:4], "test": made[4:]}
        FORMATS.get(format).write(dict(splits), classes, tmp_path / "set")
        return tmp_path / "set"

    return write


@pytest.fixture
def boxed(write_set: Callable[..., Path]) -> Look:
    """Six pictures; sides (roots of areas) are 10, 20, 10, 10, 40, 20, 20 pixels."""
    square, wide, whole = (0, 0, 10, 10), (10, 5, 50, 15), (0, 0, 40, 40)
    path = write_set(
        [
            boxes(square, wide, classes=[0, 1]),
            boxes(square, classes=[0]),
            boxes(square, classes=[0]),
            boxes(whole, classes=[1]),
            boxes(wide, (20, 10, 40, 30), classes=[1, 1]),
            boxes(classes=[]),
        ],
        ("ant", "bee"),
        "coco",
    )
    return look(path, task="detection")


def test_difficult_objects_and_crowds_are_counted_aside(write_set: Callable[..., Path]) -> None:
    square = (0, 0, 10, 10)
    hard = Boxes(
        np.array([square, square, square], np.float32) + np.array([[0], [12], [25]], np.float32),
        np.array([0, 1, 1]),
        iscrowd=np.array([True, False, False]),
        ignore=np.array([False, True, False]),
    )
    annotations = [hard, *(boxes(square, (20, 0, 30, 10), classes=[0, 1]) for _ in range(5))]
    found = look(write_set(annotations, ("ant", "bee"), "coco"), task="detection")
    text = " ".join(found.as_text(80).split())
    assert "2 are difficult or a crowd, neither learned nor counted as missed" in text


def test_objects_are_counted_and_measured(boxed: Look) -> None:
    answer = json.loads(json.dumps(boxed.as_dict()))
    found = answer["objects"]
    assert found["count"] == 7
    assert found["by_class"] == {"ant": 3, "bee": 4}
    assert found["by_split"] == {"train": 3, "validation": 2, "test": 2}
    assert found["per_picture"] == {"median": 1.0, "most": 2, "without": 1}
    assert (found["side_px"]["p50"], found["side_px"]["p25"]) == (20, 10)
    assert found["side_share"]["p50"] == pytest.approx(20 / np.sqrt(40 * 80), abs=1e-4)
    assert answer["pixels"] is None
    assert answer["class_counts"]["train"] == {"ant": 2, "bee": 1}
    assert answer["class_counts"]["test"] == {"ant": 0, "bee": 1}


def test_the_screen_counts_objects_beside_pictures(boxed: Look) -> None:
    lines = boxed.as_text(80).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "  objects  7 in all; 1 in a picture (median), 2 at most; 1 picture has none" in lines
    assert "side (root of the area) 20 pixels (median), 35 % of the picture's" in text
    assert "  classes       pictures objects" in lines
    assert any(line.startswith("           ant         3       3 ###") for line in lines)
    assert any(line.startswith("           bee         3       4 ###") for line in lines)


def test_classes_that_stand_together(boxed: Look) -> None:
    assert boxed.objects is not None
    np.testing.assert_array_equal(boxed.objects.together, [[3, 1], [1, 3]])


@pytest.fixture
def masks() -> list[Annotation]:
    """Six masks of 40 x 80: 95 % background where known; a tenth of each is void."""
    made = []
    for number in range(6):
        classes = np.zeros((40, 80), np.uint8)
        classes[:4] = VOID
        classes[20:24, :36] = 1 + number % 2
        made.append(Mask(classes))
    return list(made)


def test_pixels_are_counted_and_the_trap_is_called_out(write_set: Callable[..., Path], masks: list[Annotation]) -> None:
    seen = look(write_set(masks, ("background", "road", "sky"), "masks"))
    answer = seen.as_dict()
    assert answer["objects"] is None
    assert answer["pixels"]["void"] == pytest.approx(0.1)
    assert answer["pixels"]["by_class"] == pytest.approx({"background": 0.95, "road": 0.025, "sky": 0.025})
    text = " ".join(seen.as_text(80).split())
    assert "95 % of pixels are 'background': an answer that finds nothing would be right there (10 % are void" in text
    assert "background 6 95.0 % ###" in text
    assert "road 3 2.5 % ###" in text
    html = build_look_page(seen)
    assert "An answer that finds nothing would be right for 95 % of all pixels." in html
    assert "nobody knows" in html
    for title in ("Annotated pictures", "Pixels by class", "Classes together"):
        assert f">{title}</h2>" in html
    assert "Objects by class" not in html


def test_no_trap_is_called_out_where_there_is_none(write_set: Callable[..., Path]) -> None:
    halves = np.zeros((40, 80), np.uint8)
    halves[20:] = 1
    rolled = [Mask(np.roll(halves, number, 0)) for number in range(6)]
    seen = look(write_set(rolled, ("sea", "sky"), "masks"))
    assert seen.objects is not None
    assert seen.objects.trap is None
    assert "an answer" not in seen.as_text(80)


def test_a_class_that_is_everywhere_without_being_background_is_named(write_set: Callable[..., Path]) -> None:
    classes = np.zeros((40, 80), np.uint8)
    classes[:2] = 1
    rolled: list[Annotation] = [Mask(np.roll(classes, number, 0)) for number in range(6)]
    text = " ".join(look(write_set(rolled, ("tissue", "nerve"), "masks")).as_text(80).split())
    assert "95 % of pixels are 'tissue': an answer that is 'tissue' everywhere would be right there" in text


def test_the_page_shows_objects_and_their_measures(boxed: Look) -> None:
    html = build_look_page(boxed)
    for title in ("Annotated pictures", "Objects by class", "Number and size of objects", "Classes together"):
        assert f">{title}</h2>" in html
    assert "ant (3 objects in 3 pictures)" in html
    assert "bee (4 objects in 3 pictures)" in html
    assert "Objects of each class; medians of their measures" in html
    # Six whole pictures and seven objects on their own, at least.
    assert html.count("<img") >= 13


def test_problems_are_shown_with_their_boxes(write_set: Callable[..., Path]) -> None:
    annotations = [boxes((1, 1, 20 + number, 20), (40, 20, 60, 30 + number), classes=[0, 1]) for number in range(5)]
    annotations.append(boxes((60, 10, 95, 30), (2, 2, 9, 9), classes=[0, 1]))
    seen = look(write_set(annotations, ("ant", "bee"), "coco"), task="detection")
    (problem,) = seen.problems_by_kind()["box-beyond-edge"]
    assert problem.detail.startswith("1 object reaching beyond the picture of 40 x 80 pixels")
    html = build_look_page(seen)
    places = [html.index(text) for text in ("box-beyond-edge (1)", f'alt="{problem.path}"', "Annotated pictures</h2>")]
    assert places == sorted(places)


def test_a_class_all_of_whose_boxes_are_left_out_is_named_with_an_example(write_set: Callable[..., Path]) -> None:
    inside, outside = (1, 1, 20, 20), (90, 10, 120, 30)
    annotations = [boxes(inside, outside, classes=[0, 1]) for _ in range(6)]
    with pytest.raises(DataError, match=r"no picture of class 'bee' can be used \(2 tried\); for example .*outside"):
        look(write_set(annotations, ("ant", "bee"), "coco"), task="detection")


def test_an_object_is_cut_out_with_what_is_around_it(write_set: Callable[..., Path]) -> None:
    planes = np.zeros((1, 40, 80), np.bool_)
    planes[0, 10:20, 30:50] = True
    annotations: list[Annotation] = [
        Instances.from_dense(np.roll(planes, number, 1), np.array([number // 2 % 2])) for number in range(6)
    ]
    seen = look(write_set(annotations, ("ant", "bee"), "coco"), task="instances")
    (piece,) = Shown(seen.survey).objects([(seen.dataset["train"][0], 0)], 90)
    # The box of 20 x 10 with a quarter of 20 on each side is 30 x 20.
    assert (piece.width_px, piece.height_px) == (90, 60)
    assert seen.as_dict()["objects"]["side_px"]["p50"] == pytest.approx(np.sqrt(200), abs=1e-3)


def test_a_set_for_classification_has_no_objects(class_folders: Callable[..., Path]) -> None:
    seen = look(class_folders({"x": 5, "y": 5}))
    assert seen.objects is None
    assert (seen.as_dict()["objects"], seen.as_dict()["pixels"]) == (None, None)
    assert "pictures objects" not in seen.as_text(80)


def test_a_training_split_without_any_object_is_refused_as_that(write_set: Callable[..., Path]) -> None:
    nothing, square = boxes(classes=[]), boxes((1, 1, 9, 9), classes=[0])
    root = write_set([nothing, nothing, square, square, square, square], ("a",), "yolo")
    with pytest.raises(DataError, match="no picture of the training split shows any of the 1 classes; 4 in other"):
        look(root)


def mask(*classes: int) -> Mask:
    """A mask of 40 x 80 pixels with a band of rows for each class."""
    return Mask(np.repeat(np.array(classes, np.uint8), 40 // len(classes))[:, None].repeat(80, 1))


def problems_of(path: Path, kind: str) -> list[tuple[str, str]]:
    return [(found.path, found.detail) for found in look(path).dataset.problems if found.kind == kind]


def test_masks_that_show_nothing_in_training_are_refused(write_set: Callable[..., Path]) -> None:
    root = write_set([mask(0), mask(0), mask(0, 1), mask(0, 1), mask(0, 1), mask(0)], ("background", "cell"), "masks")
    with pytest.raises(DataError, match="masks of the 2 training pictures show only 'background', so there is nothing"):
        look(root)


def test_pixels_of_a_class_that_no_training_mask_shows_are_void(write_set: Callable[..., Path]) -> None:
    names = ("background", "cell", "new")
    root = write_set([mask(0, 1), mask(0, 1), mask(0, 1), mask(0, 1), mask(0, 2), mask(0, 1)], names, "masks")
    assert problems_of(root, "unknown-label") == [
        ("test: new", "1 picture of the test split shows 'new', which never occurs in training.")
    ]
    data = look(root).dataset
    shown = [np.unique(sample.read_annotation().classes).tolist() for sample in data["test"]]
    assert sorted(shown) == [[0, 1], [0, VOID]]


def test_a_test_split_without_any_object_is_named(write_set: Callable[..., Path]) -> None:
    nothing, square = boxes(classes=[]), boxes((1, 1, 9, 9), classes=[0])
    root = write_set([square, square, square, square, nothing, nothing], ("a",), "yolo")
    detail = "2 test pictures show no object of a class that training knows: nothing can be measured there."
    assert problems_of(root, "nothing-to-find") == [("test", detail)]


def test_held_back_masks_of_background_alone_are_named(write_set: Callable[..., Path]) -> None:
    masks = [mask(0, 1), mask(0, 1), mask(0), mask(0), mask(0), mask(0, 1)]
    root = write_set(masks, ("background", "cell"), "masks")
    detail = "2 validation pictures show only 'background': nothing can be measured there."
    assert problems_of(root, "nothing-to-find") == [("validation", detail)]
