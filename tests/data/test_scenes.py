"""Composed scenes: what is labelled is what can be seen."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from striate.data.scenes import (
    DIGIT_SIDES,
    SIZES_HW,
    Scene,
    compose_samples,
    compose_scene,
    divide_digits,
    scene_classes,
)
from striate.structures import VOID, Boxes, Instances, Mask, Sample

LABELS = np.repeat(np.arange(10), 20)


@pytest.fixture(scope="module")
def images() -> npt.NDArray[np.float64]:
    """Two hundred "digits": rings of ink, another one for each."""
    random = np.random.default_rng(3)
    made = np.zeros((200, 8, 8))
    made[:, 1:7, 2:6] = random.uniform(0.7, 1.0, (200, 6, 4))
    made[:, 3:5, 3:5] = 0
    return made


def scenes(samples: dict[str, list[Sample]]) -> list[Scene]:
    return [sample.source.scene for part in samples.values() for sample in part]  # type: ignore[attr-defined]


def test_a_solid_square_is_a_box_full_of_pixels() -> None:
    """Ink that fills its square: the mask is the box, and the pixels in it are those that stand out."""
    solid = np.ones((10, 8, 8))
    for seed in range(80):
        scene = compose_scene(np.random.default_rng(seed), solid, np.arange(10), itertools.cycle([4, 7]), empty=False)
        if len(scene.digits) > 1 or scene.unknown.any():
            continue
        boxes = scene.annotation("detection")
        assert isinstance(boxes, Boxes)
        left, top, right, bottom = boxes.boxes_xyxy[0].astype(int)
        inside = np.zeros(scene.unknown.shape, np.bool_)
        inside[top:bottom, left:right] = True
        np.testing.assert_array_equal(scene.masks[0], inside)
        assert DIGIT_SIDES[0] <= bottom - top == right - left <= DIGIT_SIDES[1]
        assert boxes.classes.tolist() == [4]
        tone, around = scene.pixels[0][inside].astype(float), scene.pixels[0][~inside].astype(float)
        assert tone.std() < 8
        assert abs(tone.mean() - around.mean()) > 15
        return
    pytest.fail("no scene with one square")


def test_the_three_truths_tell_the_same(images: npt.NDArray[np.float64]) -> None:
    tasks = ("detection", "segmentation", "instances")
    made = {task: compose_samples(images, LABELS, task, 200, 1, 5) for task in tasks}
    hidden = 0
    for split in ("train", "validation", "test"):
        for boxed, painted, told in zip(*(made[task][split] for task in made), strict=True):
            boxes, mask, objects = boxed.annotation, painted.annotation, told.annotation
            assert isinstance(boxes, Boxes)
            assert isinstance(mask, Mask)
            assert isinstance(objects, Instances)
            assert objects.boxes() == boxes
            np.testing.assert_array_equal(boxed.read().pixels, told.read().pixels)
            painted_anew = np.zeros(mask.size_hw, np.uint8)
            dense = objects.dense()
            assert (dense.sum(0) <= 1).all()
            for plane, index in zip(dense, objects.classes.tolist(), strict=True):
                painted_anew[plane] = index + 1
            unknown = mask.classes == VOID
            assert not painted_anew[unknown].any()
            np.testing.assert_array_equal(painted_anew[~unknown], mask.classes[~unknown])
            hidden += int(unknown.any())
    assert hidden > 0


def test_scenes_differ_in_size_and_number_and_some_are_empty(images: npt.NDArray[np.float64]) -> None:
    found = scenes(compose_samples(images, LABELS, "instances", 100, 1, 0))
    assert {scene.pixels.shape[1:] for scene in found} == set(SIZES_HW)
    counts = [len(scene.digits) for scene in found]
    assert 1 <= counts.count(0) <= 25
    assert max(counts) >= 6
    assert {int(digit) for scene in found for digit in scene.digits} == set(range(10))


def test_a_larger_scale_gives_larger_scenes(images: npt.NDArray[np.float64]) -> None:
    found = scenes(compose_samples(images, LABELS, "instances", 10, 3, 0))
    assert {scene.pixels.shape[1:] for scene in found} <= {(3 * height, 3 * width) for height, width in SIZES_HW}
    heights = [int(np.ptp(np.flatnonzero(mask.any(1)))) + 1 for scene in found for mask in scene.masks]
    assert max(heights) > 44


def test_the_seed_decides(images: npt.NDArray[np.float64]) -> None:
    def pixels(seed: int) -> list[bytes]:
        return [scene.pixels.tobytes() for scene in scenes(compose_samples(images, LABELS, "detection", 12, 1, seed))]

    assert pixels(1) == pixels(1)
    assert all(first != second for first, second in zip(pixels(1), pixels(2), strict=True))


def test_no_digit_stands_in_two_splits() -> None:
    pools = divide_digits(LABELS, 0)
    for first, second in itertools.combinations(pools.values(), 2):
        assert not set(first.tolist()) & set(second.tolist())
    assert sorted(np.concatenate(list(pools.values())).tolist()) == list(range(200))
    assert {split: np.bincount(LABELS[pool]).tolist() for split, pool in pools.items()} == {
        "train": [14] * 10,
        "validation": [3] * 10,
        "test": [3] * 10,
    }


def test_even_the_smallest_set_has_digits_in_every_split(images: npt.NDArray[np.float64]) -> None:
    for seed in range(5):
        made = compose_samples(images, LABELS, "detection", 10, 1, seed)
        assert {split: len(part) for split, part in made.items()} == {"train": 6, "validation": 2, "test": 2}
        assert all(len(part[0].annotation) for part in made.values())  # type: ignore[arg-type]


def test_classes_are_named() -> None:
    assert scene_classes("detection") == tuple("0123456789")
    assert scene_classes("segmentation") == ("background", *"0123456789")
