"""Detection: COCO's figures by two implementations and by hand, assignment, loss, decoding, boxes that move."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.data.augmentation import Motion
from striate.images import FileSource
from striate.networks.heads.point_outputs import PointOutputs, assign_points
from striate.networks.heads.truth import BoxBatch
from striate.structures import Boxes, Placement, Ragged, Sample
from striate.tasks import TASKS
from striate.tasks.box_truth import BoxTruth
from striate.tasks.coco_figures import coco_figures
from striate.tasks.detection import EMPTY_FOUND, EMPTY_TRUTH
from striate.tasks.matching import OVERLAPS, average_precisions, coco_overlaps, match_all, match_picture

TASK = TASKS.get("detection")
CLASSES = ("cat", "dog", "owl")


def random_truth(random: np.random.Generator, pictures: int = 20, flags: bool = True) -> Ragged:
    rows = []
    for _ in range(pictures):
        count = int(random.integers(0, 7))
        corner = random.uniform(0, 150, (count, 2))
        sides = random.uniform(5, 120, (count, 2))
        rows.append(
            {
                "boxes_xyxy": np.concatenate([corner, corner + sides], 1).astype(np.float32),
                "classes": random.integers(0, 3, count),
                "iscrowd": random.random(count) < (0.1 if flags else 0),
                "ignore": random.random(count) < (0.1 if flags else 0),
            }
        )
    return Ragged.of_rows(rows, EMPTY_TRUTH)


def random_found(random: np.random.Generator, truth: Ragged) -> Ragged:
    """True boxes shaken, some missing, some of another class, some twice, some out of nothing."""
    rows = []
    for index in range(len(truth)):
        true = truth.row(index)
        repeated = np.repeat(np.arange(len(true["classes"])), random.integers(0, 3, len(true["classes"])))
        boxes = true["boxes_xyxy"][repeated] + random.normal(0, 6, (len(repeated), 4))
        kinds = np.where(
            random.random(len(repeated)) < 0.2, random.integers(0, 3, len(repeated)), true["classes"][repeated]
        )
        extra = int(random.integers(0, 4))
        corner = random.uniform(0, 150, (extra, 2))
        boxes = np.concatenate([boxes, np.concatenate([corner, corner + random.uniform(5, 90, (extra, 2))], 1)])
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        kinds = np.concatenate([kinds, random.integers(0, 3, extra)])
        rows.append(
            {
                "boxes_xyxy": boxes.astype(np.float32),
                "classes": kinds.astype(np.int64),
                "scores": random.random(len(kinds)).astype(np.float32),
            }
        )
    return Ragged.of_rows(rows, EMPTY_FOUND)


def pycocotools_figures(found: Ragged, truth: Ragged) -> np.ndarray:
    """The twelve figures of COCO's own implementation."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def xywh(boxes: np.ndarray) -> list[list[float]]:
        wide = boxes.astype(np.float64)
        return np.concatenate([wide[:, :2], wide[:, 2:] - wide[:, :2]], 1).tolist()

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": index + 1} for index in range(len(truth))],
            "categories": [{"id": index + 1, "name": name} for index, name in enumerate(CLASSES)],
            "annotations": [
                {"id": n + 1, "image_id": int(picture) + 1, "category_id": int(kind) + 1, "bbox": box,
                 "area": box[2] * box[3], "iscrowd": int(crowd or ignored)}
                for n, (picture, kind, box, crowd, ignored) in enumerate(
                    zip(truth.pictures, truth.values["classes"], xywh(truth.values["boxes_xyxy"]),
                        truth.values["iscrowd"], truth.values["ignore"], strict=True)
                )
            ],
        }  # fmt: skip
        coco.createIndex()
        rows = [
            {"image_id": int(picture) + 1, "category_id": int(kind) + 1, "bbox": box, "score": float(score)}
            for picture, kind, box, score in zip(
                found.pictures, found.values["classes"], xywh(found.values["boxes_xyxy"]), found.values["scores"],
                strict=True,
            )
        ]  # fmt: skip
        evaluation = COCOeval(coco, coco.loadRes(rows), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return np.asarray(evaluation.stats)


@pytest.mark.parametrize("seed", range(4))
def test_figures_are_those_of_pycocotools(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random_truth(random)
    found = random_found(random, truth)
    stats = pycocotools_figures(found, truth)
    figures = TASK.metrics(found, truth, CLASSES)
    names = ("map", "map50", "map75", "map_small", "map_medium", "map_large")
    for name, value in zip(names, stats, strict=False):
        if value >= 0:
            assert figures[name] == pytest.approx(value, abs=1e-6), name
    assert figures["recall"] == pytest.approx(stats[8], abs=1e-6)
    assert TASK.headline_value(found, truth) == pytest.approx(stats[1], abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_matches_for_resamples_agree_with_the_figures(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random_truth(random)
    found = random_found(random, truth)
    everyone = average_precisions(match_all(found, truth), np.ones((1, len(truth))))
    figures = coco_figures(found, truth, 3).overall
    for name in ("map50", "map", "map75", "recall"):
        assert everyone[name][0] == pytest.approx(figures[name], abs=1e-6)


def test_a_resample_is_the_evaluation_of_the_repeated_pictures() -> None:
    random = np.random.default_rng(7)
    truth = random_truth(random, flags=False)
    found = random_found(random, truth)
    index = random.integers(0, len(truth), len(truth))
    weights = np.bincount(index, minlength=len(truth))[None].astype(np.float64)
    resampled = average_precisions(match_all(found, truth), weights)
    figures = coco_figures(found[index], truth[index], 3).overall
    for name in ("map50", "map", "map75"):
        assert resampled[name][0] == pytest.approx(figures[name], abs=1e-3), name


def test_average_precision_by_hand() -> None:
    """Two objects, three boxes: right, wrong, right. Precision 1 up to recall 1/2, then 2/3 up to 1."""
    true = {"boxes_xyxy": np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32), "classes": np.zeros(2, np.int64),
            "iscrowd": np.zeros(2, bool), "ignore": np.zeros(2, bool)}  # fmt: skip
    seen = {"boxes_xyxy": np.array([[0, 0, 10, 10], [50, 50, 60, 60], [20, 0, 30, 10]], np.float32),
            "classes": np.zeros(3, np.int64), "scores": np.array([0.9, 0.8, 0.7], np.float32)}  # fmt: skip
    value = TASK.headline_value(Ragged.of_rows([seen], EMPTY_FOUND), Ragged.of_rows([true], EMPTY_TRUTH))
    assert value == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_an_object_is_found_once_and_what_is_ignored_counts_neither_way() -> None:
    boxes = np.array([[0, 0, 10, 10]], np.float32)
    twice = np.repeat(boxes, 2, 0)
    partner, aside = match_picture(coco_overlaps(twice, boxes, np.array([False])), np.array([False]))
    assert partner[0].tolist() == [0, -1]
    assert not aside.any()
    partner, aside = match_picture(coco_overlaps(twice, boxes, np.array([True])), np.array([True]))
    assert (partner == -1).all()
    assert aside[0].tolist() == [True, True]
    # An overlap of 0.6 is enough for the first thresholds only.
    lower = coco_overlaps(np.array([[0, 0, 10, 6]], np.float32), boxes, np.array([False]))
    partner, _ = match_picture(lower, np.array([False]))
    assert (partner[:, 0] == 0).tolist() == (OVERLAPS <= 0.6 + 1e-9).tolist()


def test_no_true_object_has_no_figure_and_no_found_one_is_nought() -> None:
    nothing = Ragged.of_rows([dict(EMPTY_TRUTH.items())], EMPTY_TRUTH)
    silent = Ragged.of_rows([dict(EMPTY_FOUND)], EMPTY_FOUND)
    assert np.isnan(TASK.headline_value(silent, nothing))
    truth = random_truth(np.random.default_rng(1), 5, flags=False)
    silent = Ragged.of_rows([dict(EMPTY_FOUND)] * 5, EMPTY_FOUND)
    assert TASK.headline_value(silent, truth) == 0
    assert len(TASK.mistakes(silent, truth)) == int((truth.lengths > 0).sum())


def grid(size_hw: tuple[int, int], stride: int) -> torch.Tensor:
    y, x = torch.meshgrid(
        torch.arange(stride / 2, size_hw[0], stride), torch.arange(stride / 2, size_hw[1], stride), indexing="ij"
    )
    return torch.stack([x.flatten(), y.flatten()], 1)


def outputs(boxes: torch.Tensor, scores: torch.Tensor, points: torch.Tensor) -> PointOutputs:
    return PointOutputs(scores, boxes, points, torch.full((len(points),), 8.0))


def test_points_inside_that_fit_best_answer_and_ignored_objects_teach_nothing() -> None:
    points = grid((32, 64), 8)
    true = torch.tensor([[[0.0, 0.0, 24.0, 24.0], [32.0, 8.0, 56.0, 24.0]]])
    batch = BoxBatch(true, torch.tensor([[1, 0]]), torch.tensor([[False, True]]))
    boxes = torch.cat([points - 8, points + 8], 1)[None]
    assigned = assign_points(outputs(boxes, torch.zeros(1, len(points), 2), points), batch)
    inside = (points[:, 0] < 24) & (points[:, 1] < 24)
    assert bool((assigned.quality[0] > 0)[~inside].any()) is False
    assert assigned.quality[0].argmax() == int(((points - 12).abs().sum(1)).argmin()), "the middle fits best"
    assert assigned.scores[0, :, 0].max() == 0
    assert assigned.scores[0, :, 1].max() == pytest.approx(256 / 576, abs=1e-5), "scores aim at the overlap"
    silent = assigned.known[0] == 0
    within = (points[:, 0] > 32) & (points[:, 0] < 56) & (points[:, 1] > 8) & (points[:, 1] < 24)
    assert bool((silent & ~within).any()) is False
    assert bool(silent.any())


def test_a_tiny_object_still_has_a_point() -> None:
    points = grid((32, 32), 8)
    batch = BoxBatch(torch.tensor([[[15.0, 15.0, 17.0, 17.0]]]), torch.tensor([[0]]), torch.tensor([[False]]))
    boxes = torch.cat([points - 4, points + 4], 1)[None]
    assigned = assign_points(outputs(boxes, torch.zeros(1, len(points), 1), points), batch)
    assert bool((assigned.quality > 0).any())


def test_pictures_without_objects_teach_background() -> None:
    points = grid((16, 16), 8)
    empty = BoxBatch(torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.int64), torch.zeros(2, 0, dtype=torch.bool))
    boxes = torch.cat([points - 4, points + 4], 1).repeat(2, 1, 1)
    scores = torch.zeros(2, 4, 3, requires_grad=True)
    loss = outputs(boxes, scores, points).loss(empty, None)
    (gradient,) = torch.autograd.grad(loss, scores)
    assert loss.item() == pytest.approx(2 * 4 * 3 * np.log(2), rel=1e-5)
    assert bool((gradient > 0).all())


def test_boxes_of_one_object_are_one_and_classes_stand_by_themselves() -> None:
    points = grid((16, 32), 8)
    boxes = torch.zeros(1, 8, 4)
    boxes[0, :3] = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]])
    scores = torch.full((1, 8, 2), -20.0)
    scores[0, 0, 0], scores[0, 1, 0], scores[0, 2, 0], scores[0, 1, 1] = 3.0, 2.0, 1.0, 0.5
    (found,) = outputs(boxes, scores, points).decode(most=10)
    assert found["classes"].tolist() == [0, 0, 1]
    assert found["boxes_xyxy"].tolist() == [[0, 0, 10, 10], [20, 0, 30, 10], [1, 0, 11, 10]]
    assert found["scores"].tolist() == sorted(found["scores"].tolist(), reverse=True)
    (few,) = outputs(boxes, scores, points).decode(most=1)
    assert len(few["scores"]) == 1


def test_boxes_move_are_cut_and_vanish_with_the_pixels() -> None:
    theta = torch.tensor([[[1.0, 0, 0.5], [0, 1.0, 0]]])
    motion = Motion(theta, (40, 40), (40, 40))
    batch = BoxBatch(
        torch.tensor([[[20.0, 5, 30, 15], [8, 5, 18, 15], [0, 0, 9, 9], [0, 0, 0, 0]]]),
        torch.tensor([[0, 1, 2, -1]]),
        torch.zeros(1, 4, dtype=torch.bool),
    )
    moved = TASK.move(batch, motion)
    # The window moves right by a quarter of the side, so objects move left by ten pixels.
    assert moved.boxes_xyxy[0, 0].tolist() == pytest.approx([10, 5, 20, 15], abs=1e-4)
    assert moved.boxes_xyxy[0, 1].tolist() == pytest.approx([0, 5, 8, 15], abs=1e-4)
    assert moved.classes[0].tolist() == [0, 1, -1, -1]
    assert moved.ignore[0, :2].tolist() == [False, False]


def test_a_tile_learns_what_it_shows_of_an_object_unless_that_is_a_sliver() -> None:
    """A picture of 100 x 60 pixels, of which the tile shows the left 64 columns."""
    boxes = np.array([[10, 5, 30, 25], [50, 5, 70, 25], [62, 5, 82, 25], [70, 5, 90, 25], [10, 30, 10.5, 50]])
    sample = Sample(FileSource(Path("scene.png"), "scene.png"), Boxes(boxes.astype(np.float32), np.arange(5)))
    placement = Placement((60, 100), (64, 64), (1.0, 1.0), (0.0, 0.0), (0, 0, 58, 60))
    seen = BoxTruth([sample], [placement]).rows(np.array([0]))
    # The fourth lies beside the tile; the fifth is narrow by nature.
    assert seen.classes.tolist() == [[0, 1, 2, 4]]
    assert seen.boxes_xyxy[0, :3].tolist() == [[10, 5, 30, 25], [50, 5, 64, 25], [62, 5, 64, 25]]
    assert seen.ignore.tolist() == [[False, False, True, False]]


def test_the_mean_box_is_the_answer_that_never_looks() -> None:
    row = {"boxes_xyxy": np.array([[0, 0, 10, 10], [10, 10, 30, 30], [5, 5, 6, 6]], np.float32),
           "classes": np.array([1, 1, 0]), "iscrowd": np.zeros(3, bool), "ignore": np.zeros(3, bool)}  # fmt: skip
    truth = Ragged.of_rows([row], EMPTY_TRUTH)
    scores = TASK.baseline_scores(truth, truth, CLASSES)
    assert scores.row(0)["boxes_xyxy"].tolist() == [[5, 5, 6, 6], [5, 5, 20, 20]]
    assert scores.row(0)["scores"].tolist() == pytest.approx([1 / 3, 2 / 3])
