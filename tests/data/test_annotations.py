"""Boxes and masks held against their pictures: what is mended, what is left out, and what is said."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from striate.data.annotations import (
    MENDED_KINDS,
    Checked,
    ConvertedAnnotation,
    annotation_for,
    check_annotation,
    check_annotations,
)
from striate.errors import PictureError
from striate.structures import VOID, Annotation, Boxes, Instances, Label, Labels, Mask, Picture, Sample

SIZE = (20, 30)


@dataclass(frozen=True)
class Blank:
    name: str = "a.png"

    def read(self) -> Picture:
        return Picture(np.zeros((1, *SIZE), np.uint8), ("gray",))


@dataclass(frozen=True)
class Stored:
    """Annotation in a file that may be broken."""

    annotation: Annotation | None
    name: str = "a.json"

    def read(self) -> Annotation:
        if self.annotation is None:
            raise PictureError("the file is damaged.", where=self.name, fix="Get it again.", kind="damaged")
        return self.annotation


def boxes(*rows: tuple[float, float, float, float], classes: list[int] | None = None) -> Boxes:
    return Boxes(np.array(rows, np.float32).reshape(-1, 4), np.array(classes or [0] * len(rows), np.int64))


def check(annotation: object) -> Checked:
    return check_annotation(Sample(Blank(), annotation), SIZE, classes=2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ((5, 5, 5, 9), "box-without-area", "1 object of no area; the first is at 5, 5, 5, 9 (left, top,"),
        ((9, 5, 4, 9), "box-without-area", "1 object of no area"),
        ((31, 2, 40, 9), "box-outside", "outside of the picture of 20 x 30 pixels (height x width)"),
        ((1, -9, 4, 0), "box-outside", "outside of the picture"),
        ((1, np.nan, 4, 5), "box-not-finite", "1 object with a corner that is no number"),
        ((2, 3, 10, 12), "duplicate-object", "1 object a second time"),
    ],
)
def test_a_wrong_box_is_left_out_and_the_others_stay(
    wrong: tuple[float, float, float, float], kind: str, words: str
) -> None:
    right = (2.0, 3.0, 10.0, 12.0)
    found = check(boxes(right, wrong))
    assert found.sample is not None
    assert found.sample.annotation == boxes(right)
    (problem,) = found.problems
    assert (problem.kind, problem.path, problem.severity) == (kind, "a.png", "note")
    assert kind in MENDED_KINDS
    assert words in problem.detail


def test_a_box_beyond_the_edge_is_cut_and_half_a_pixel_is_not_reported() -> None:
    found = check(boxes((-5, 3, 10, 12), (3, 3, 30.5, 20.5)))
    assert found.sample is not None
    assert found.sample.annotation == boxes((0, 3, 10, 12), (3, 3, 30, 20))
    (problem,) = found.problems
    assert problem.kind == "box-beyond-edge"
    assert "1 object reaching beyond the picture of 20 x 30 pixels" in problem.detail
    assert problem.fix == "Cut off at the edge."


def test_sound_boxes_stay_the_very_same() -> None:
    sample = Sample(Blank(), boxes((0, 0, 30, 20), (2, 2, 3, 3), classes=[1, 0]))
    found = check_annotation(sample, SIZE, 2)
    assert found.sample is sample
    assert found.problems == ()
    assert found.facts.present == (0, 1)
    assert found.facts.sides_hw.tolist() == [[20, 30], [1, 1]]
    assert found.facts.areas.tolist() == [600, 1]


def test_a_picture_without_objects_is_background() -> None:
    found = check(boxes())
    assert found.sample is not None
    assert found.facts.present == ()


def test_instances_keep_equal_boxes_and_lose_equal_masks_and_empty_ones() -> None:
    masks = np.zeros((4, *SIZE), np.bool_)
    masks[0, 2:8, 2:8] = True
    masks[1, 2:8, 2:8] = True
    masks[1, 4, 4] = False
    masks[2] = masks[0]
    found = check(Instances.from_dense(masks, np.zeros(4, np.int64)))
    assert found.sample is not None
    kept = found.sample.annotation
    assert isinstance(kept, Instances)
    assert np.array_equal(kept.dense(), masks[:2])
    assert {problem.kind for problem in found.problems} == {"empty-mask", "duplicate-object"}
    assert found.facts.areas.tolist() == [36, 35]


def test_masks_of_another_size_take_their_picture_with_them() -> None:
    for annotation in (
        Mask(np.zeros((30, 20), np.uint8)),
        Instances.from_dense(np.ones((1, 30, 20), np.bool_), np.zeros(1, np.int64)),
    ):
        found = check(annotation)
        assert found.sample is None
        (problem,) = found.problems
        assert (problem.kind, problem.severity) == ("size-mismatch", "dropped")
        assert "30 x 20 pixels, the picture 20 x 30 (height x width)." in problem.detail


def test_values_of_a_mask_that_are_no_class_are_counted_and_a_mask_of_void_is_left_out() -> None:
    pixels = np.zeros(SIZE, np.uint8)
    pixels[0, :3], pixels[1, :2], pixels[2, :5] = 7, 9, VOID
    pixels[10:] = 1
    found = check(Mask(pixels))
    assert found.sample is not None
    assert "5 pixels of its mask have a value that is no class (7, 9)." in found.problems[0].detail
    assert found.facts.present == (0, 1)
    assert found.facts.areas.tolist() == [290, 300]
    nothing = check(Mask(np.full(SIZE, VOID, np.uint8)))
    assert nothing.sample is None
    assert nothing.problems[0].kind == "void-mask"


def test_annotation_in_files_is_read_and_a_broken_file_is_named() -> None:
    sound = Stored(boxes((1, 1, 5, 5), classes=[1]))
    found = check_annotations([Sample(Blank(), sound), Sample(Blank("b.png"), Stored(None))], [SIZE, SIZE], 2)
    assert found[0].sample is not None
    assert found[0].sample.annotation == sound.read(), "objects are kept, so that their files are read once"
    assert found[1].sample is None
    (problem,) = found[1].problems
    assert (problem.kind, problem.path, problem.severity) == ("damaged", "b.png", "dropped")
    assert "a.json: the file is damaged." in problem.detail


def test_labels_pass_through() -> None:
    for annotation, present in ((Label(1), (1,)), (Labels((0, 1)), (0, 1)), (None, ())):
        found = check(annotation)
        assert found.facts.present == present
        assert found.sample is not None
        assert found.sample.annotation is annotation


def test_instances_give_boxes_a_painted_mask_and_labels() -> None:
    masks = np.zeros((3, *SIZE), np.bool_)
    masks[0, 2:12, 2:12] = True
    masks[1, 4:6, 4:6] = True
    masks[2, 15:18, 20:25] = True
    objects = replace(Instances.from_dense(masks, np.array([0, 1, 1])), iscrowd=np.array([False, False, True]))
    assert annotation_for("detection", objects) == objects.boxes()
    mask = annotation_for("segmentation", objects)
    assert isinstance(mask, Mask)
    assert mask.classes[3, 3] == 1
    assert mask.classes[4, 4] == 2, "the smaller object shows"
    assert mask.classes[16, 22] == VOID, "a crowd is not told apart"
    assert mask.classes[0, 0] == 0
    assert annotation_for("multilabel", objects) == Labels((0, 1))
    assert annotation_for("instances", objects.boxes()) is None
    assert ConvertedAnnotation(Stored(objects), "detection").read() == objects.boxes()
    with pytest.raises(PictureError, match="this annotation is not for instances"):
        ConvertedAnnotation(Stored(objects.boxes()), "instances").read()


def test_parts_of_a_class_that_hang_together_are_objects() -> None:
    classes = np.zeros((6, 8), np.uint8)
    classes[0:2, 0:2] = 1
    # Over a corner, it is the same part.
    classes[2, 2] = 1
    classes[4:6, 5:8] = 1
    classes[0, 7] = 2
    classes[5, 0] = 255
    found = annotation_for("instances", Mask(classes))
    assert isinstance(found, Instances)
    assert found.classes.tolist() == [0, 0, 1]
    assert found.areas().tolist() == [5, 6, 1]
    boxes = annotation_for("detection", Mask(classes))
    assert isinstance(boxes, Boxes)
    assert boxes.boxes_xyxy.tolist() == [[0, 0, 3, 3], [5, 4, 8, 6], [7, 0, 8, 1]]
    assert annotation_for("multilabel", Mask(classes)) == Labels((0, 1))
