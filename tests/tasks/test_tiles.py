"""Objects on the seams of tiles count once."""

from __future__ import annotations

import numpy as np
import pytest

from striate.data.framing import Preparation
from striate.structures import Frames, Instances, Placement, Ragged
from striate.tasks import TASKS
from striate.tasks.pixel_figures import pixel_counts_type
from striate.tasks.tiles import Row, join_tiles

SIZE = (300, 420)
TILES = Preparation((96, 96), 1, "tiles", 1.0, 0.3)
PLACEMENTS = TILES.place(SIZE)


def seen_in(placement: Placement, boxes: np.ndarray, noise: np.random.Generator | None = None) -> Row:
    """What a perfect detector finds in a tile: the visible part of every box of which it sees more than a tenth."""
    rows, columns = placement.covered
    low, high = [columns.start, rows.start] * 2, [columns.stop, rows.stop] * 2
    shown = np.clip(boxes, low, high)
    visible = (shown[:, 2:] - shown[:, :2]).prod(1) / (boxes[:, 2:] - boxes[:, :2]).prod(1) > 0.1
    shown = shown[visible]
    scores = np.linspace(0.9, 0.6, len(shown)) if noise is None else noise.uniform(0.5, 1, len(shown))
    if noise is not None:
        shown = shown + noise.uniform(-1, 1, shown.shape)
    return {
        "boxes_xyxy": shown.astype(np.float32),
        "classes": np.zeros(len(shown), np.int64),
        "scores": scores.astype(np.float32),
    }


def scattered(seed: int, count: int, side: int) -> np.ndarray:
    """Boxes that do not touch, on a shaken grid."""
    noise = np.random.default_rng(seed)
    step = int(side * 1.5)
    places = [(y, x) for y in range(0, SIZE[0] - step, step) for x in range(0, SIZE[1] - step, step)]
    chosen = noise.permutation(len(places))[:count]
    corners = np.array([places[index] for index in chosen])[:, ::-1] + noise.integers(0, side // 3, (len(chosen), 2))
    return np.concatenate([corners, corners + side], 1).astype(np.float64)


@pytest.mark.parametrize("side", [12, 24])
@pytest.mark.parametrize("seed", range(4))
def test_every_object_counts_once_wherever_the_seams_are(side: int, seed: int) -> None:
    boxes = scattered(seed, 60, side)
    noise = np.random.default_rng(seed + 100)
    found = join_tiles([seen_in(placement, boxes, noise) for placement in PLACEMENTS], PLACEMENTS)
    assert len(found["classes"]) == len(boxes)
    distance = np.abs(found["boxes_xyxy"][:, None] - boxes[None]).max(-1)
    assert np.all(distance.min(0) <= 1.01)
    assert np.all(np.diff(found["scores"]) <= 0)


def test_an_object_larger_than_the_overlap_is_put_together_from_its_parts() -> None:
    boxes = np.array([[20.0, 40.0, 200.0, 70.0]])
    found = join_tiles([seen_in(placement, boxes) for placement in PLACEMENTS], PLACEMENTS)
    assert np.allclose(found["boxes_xyxy"], boxes)


def test_objects_of_two_classes_in_one_place_stay_two() -> None:
    left, right = PLACEMENTS[:2]
    seam = left.owned[1].stop
    box = np.array([[seam - 6.0, 10.0, seam + 6.0, 22.0]])
    parts = [seen_in(left, box), seen_in(right, box)]
    parts[1]["classes"][:] = 1
    assert sorted(join_tiles(parts, [left, right])["classes"].tolist()) == [0, 1]


def test_masks_on_a_seam_are_joined_pixel_for_pixel() -> None:
    truth = np.zeros(SIZE, np.int32)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    centres = [(48, 75), (150, 75), (100, 140), (90, 300), (200, 330)]
    for number, (y, x) in enumerate(centres, 1):
        truth[
            (rows - y) ** 2 + (columns - x) ** 2 <= 40**2
            if number == 3
            else (rows - y) ** 2 + (columns - x) ** 2 <= 144
        ] = number
    parts = []
    for placement in PLACEMENTS:
        shown = truth[placement.covered]
        corner = (placement.covered[0].start, placement.covered[1].start)
        objects = Instances.from_label_image(shown, size_hw=SIZE, corner_yx=corner)
        assert np.array_equal(objects.label_image()[placement.covered] > 0, shown > 0)
        parts.append(
            {
                "boxes_xyxy": objects.boxes_xyxy,
                "classes": objects.classes,
                "scores": np.full(len(objects), 0.9, np.float32),
                "masks": np.array(objects.masks, np.bytes_) if len(objects) else np.zeros(0, "S1"),
                "sizes_hw": np.tile(np.array(SIZE), (len(objects), 1)),
            }
        )
    found = join_tiles(parts, PLACEMENTS)
    joined = Instances.from_run_lengths(SIZE, found["masks"].tolist(), found["classes"])
    assert sorted(joined.areas().tolist()) == sorted(np.bincount(truth.ravel())[1:].tolist())


def test_answers_by_frame_become_answers_by_picture() -> None:
    boxes = scattered(0, 40, 16)
    small = TILES.place((96, 96))
    frames = Frames.of([small, PLACEMENTS, small])
    rows = [seen_in(small[0], boxes[:2]), *(seen_in(one, boxes) for one in PLACEMENTS), seen_in(small[0], boxes[:0])]
    task = TASKS.get("detection")
    empty = {name: values[:0] for name, values in rows[0].items()}
    stitched = task.stitch(Ragged.of_rows(rows, empty), frames)
    assert stitched.lengths.tolist() == [len(rows[0]["classes"]), 40, 0]


def test_confusions_of_tiles_add_up_to_that_of_the_picture() -> None:
    task = TASKS.get("segmentation")
    noise = np.random.default_rng(0)
    frames = Frames.of([PLACEMENTS, TILES.place((10, 10))])
    records = np.zeros(len(frames), pixel_counts_type(3))
    for name in ("confusion", "boundary"):
        records[name] = noise.integers(0, 100, records[name].shape)
    stitched = task.stitch(records, frames)
    for name in ("confusion", "boundary"):
        assert np.array_equal(stitched[name], np.stack([records[name][:-1].sum(0), records[name][-1]]))
