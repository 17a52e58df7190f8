"""Instance segmentation: depth by hand, objects from what pixels say, COCO's figures of masks."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch

from striate.networks.heads.distance_outputs import DistanceOutputs, decode_objects, relative_depth
from striate.networks.heads.outputs import packed
from striate.networks.heads.truth import UNKNOWN
from striate.structures import DetectedInstances, Instances, Placement, Ragged, prediction_of_document
from striate.tasks import TASKS
from striate.tasks.base import View
from striate.tasks.coco_figures import coco_figures
from striate.tasks.instances import EMPTY_FOUND, EMPTY_TRUTH
from striate.tasks.matching import average_precisions, match_all

TASK = TASKS.get("instances")
CLASSES = ("cell", "debris")


def discs(random: np.random.Generator, count: int, size_hw: tuple[int, int] = (80, 90)) -> np.ndarray:
    """Label image of discs that may touch or cover each other."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    numbers = np.zeros(size_hw, np.int32)
    for index in range(count):
        centre = random.uniform(8, 72, 2)
        numbers[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < random.uniform(16, 90)] = index + 1
    return numbers


def test_depth_by_hand() -> None:
    numbers = np.zeros((7, 9), np.int32)
    numbers[1:6, 1:6] = 1
    depth = relative_depth(numbers)
    assert depth[3, 3] == 1
    assert depth[1, 1] == pytest.approx(1 / 3)
    assert depth[2, 2] == pytest.approx(2 / 3)
    assert depth[0].max() == 0


def test_touching_objects_have_an_edge_between_them() -> None:
    numbers = np.zeros((9, 18), np.int32)
    numbers[1:8, 1:9], numbers[1:8, 9:17] = 1, 2
    depth = relative_depth(numbers)
    assert depth[4, 8] < 0.3
    assert depth[4, 9] < 0.5
    assert depth[4, 4:6].max() == 1
    assert depth[4, 12:14].max() == 1


def test_small_and_large_objects_are_equally_deep_and_unknown_is_nothing() -> None:
    numbers = np.zeros((40, 40), np.int32)
    numbers[2:5, 2:5], numbers[10:35, 10:35], numbers[2:5, 20:30] = 1, 2, UNKNOWN
    depth = relative_depth(numbers)
    assert depth[3, 3] == depth[22, 22] == 1
    assert depth[3, 25] == 0
    assert relative_depth(np.zeros((4, 4), np.int32)).max() == 0


def test_touching_objects_are_told_apart() -> None:
    numbers = np.zeros((40, 60), np.int32)
    y, x = np.mgrid[:40, :60]
    numbers[(y - 20) ** 2 + (x - 18) ** 2 < 130] = 1
    numbers[((y - 20) ** 2 + (x - 40) ** 2 < 130) & (numbers == 0)] = 2
    numbers[2:6, 50:56] = 3
    inside = (numbers > 0).astype(np.float32)
    scores = np.stack([1 - inside, inside * (numbers != 3), inside * (numbers == 3)])
    row = decode_objects(scores, relative_depth(numbers))
    found = Instances((40, 60), tuple(row["masks"].tolist()), row["boxes_xyxy"], row["classes"])
    assert len(found) == 3
    assert sorted(row["classes"].tolist()) == [0, 0, 1]
    true = Instances.from_label_image(numbers)
    for plane in true.dense():
        overlap = max((plane & one).sum() / (plane | one).sum() for one in found.dense())
        assert overlap > 0.95
    assert row["scores"].tolist() == sorted(row["scores"].tolist(), reverse=True)


def test_specks_are_no_objects_and_shallow_ones_are() -> None:
    inside = np.zeros((20, 20), np.float32)
    inside[2, 2] = 1
    inside[10:14, 10:14] = 1
    row = decode_objects(np.stack([1 - inside, inside]), np.full((20, 20), 0.2, np.float32))
    assert row["boxes_xyxy"].tolist() == [[10, 10, 14, 14]]
    nothing = decode_objects(np.stack([np.ones((5, 5)), np.zeros((5, 5))]), np.zeros((5, 5)))
    assert len(nothing["classes"]) == 0


def rows_of(label_images: list[np.ndarray], random: np.random.Generator, scores: bool) -> Ragged:
    rows = []
    for numbers in label_images:
        objects = Instances.from_label_image(numbers)
        row = {"boxes_xyxy": objects.boxes_xyxy, "classes": random.integers(0, 2, len(objects))}
        if scores:
            row["scores"] = random.random(len(objects)).astype(np.float32)
        else:
            row |= {"iscrowd": np.zeros(len(objects), np.bool_), "ignore": random.random(len(objects)) < 0.1}
        rows.append(row | packed(objects.masks, objects.size_hw))
    return Ragged.of_rows(rows, EMPTY_FOUND if scores else EMPTY_TRUTH)


@pytest.mark.parametrize("seed", range(3))
def test_figures_of_masks_are_those_of_pycocotools(seed: int) -> None:
    from pycocotools import mask as own_masks
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    random = np.random.default_rng(seed)
    images = [discs(random, int(random.integers(0, 9))) for _ in range(12)]
    truth = rows_of(images, random, scores=False)
    found = rows_of([np.roll(one, random.integers(0, 4, 2), (0, 1)) for one in images], random, scores=True)

    def segmentation(rows: Ragged, index: int) -> dict[str, object]:
        return {"size": rows.values["sizes_hw"][index].tolist(), "counts": rows.values["masks"][index].decode()}

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": n + 1, "height": 80, "width": 90} for n in range(12)],
            "categories": [{"id": 1}, {"id": 2}],
            "annotations": [
                {
                    "id": n + 1,
                    "image_id": int(picture) + 1,
                    "category_id": int(truth.values["classes"][n]) + 1,
                    "segmentation": segmentation(truth, n),
                    "area": float(own_masks.area(segmentation(truth, n))),
                    "bbox": [0, 0, 1, 1],
                    "iscrowd": int(truth.values["ignore"][n]),
                }
                for n, picture in enumerate(truth.pictures)
            ],
        }
        coco.createIndex()
        rows = [
            {
                "image_id": int(picture) + 1,
                "category_id": int(found.values["classes"][n]) + 1,
                "segmentation": segmentation(found, n),
                "score": float(found.values["scores"][n]),
            }
            for n, picture in enumerate(found.pictures)
        ]
        evaluation = COCOeval(coco, coco.loadRes(rows), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    figures = coco_figures(found, truth, 2).overall
    for name, value in zip(("map", "map50", "map75", "map_small"), evaluation.stats, strict=False):
        if value >= 0:
            assert figures[name] == pytest.approx(value, abs=1e-6), name
    matched = average_precisions(match_all(found, truth), np.ones((1, 12)))
    for name in ("map", "map50", "map75"):
        assert matched[name][0] == pytest.approx(figures[name], abs=1e-6)


def test_answers_come_at_the_size_of_the_picture_and_survive_the_disk() -> None:
    numbers = np.zeros((16, 24), np.int32)
    numbers[4:12, 4:14] = 1
    scores = torch.full((1, 3, 16, 24), -50.0)
    scores[0, 0][torch.from_numpy(numbers == 0)] = 50.0
    scores[0, 2][torch.from_numpy(numbers == 1)] = 50.0
    depth = torch.logit(torch.from_numpy(relative_depth(numbers)), 1e-4)[None]
    placement = Placement((32, 48), (16, 24), (0.5, 0.5), (0.0, 0.0))
    output = DistanceOutputs(scores, depth)
    found = TASK.answers(output, View([], [placement], None, exact=True))
    assert found.row(0)["sizes_hw"].tolist() == [[32, 48]]
    answer = TASK.prediction(TASK.decode(output, [placement]), [placement], CLASSES)
    assert isinstance(answer, DetectedInstances)
    assert answer.label == "debris"
    plane = answer.as_annotation().dense()[0]
    assert plane[8:24, 8:28].mean() > 0.95
    assert plane.sum() < 1.15 * 16 * 20
    again = prediction_of_document(answer.as_document(), CLASSES, (32, 48))
    assert isinstance(again, DetectedInstances)
    assert again.masks == answer.masks
    assert len(answer.surer_than(1.1)) == 0
