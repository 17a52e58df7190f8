"""COCO's figures of found boxes, by the field's own implementation (faster-coco-eval)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.structures import Ragged

MOST_COUNTED = 100
"""Boxes of one picture that count, the surest ones; COCO's own limit, raised where pictures show more objects."""

_OVERALL = ("map", "map50", "map75", "map_small", "map_medium", "map_large")


@dataclass(frozen=True, slots=True)
class CocoFigures:
    """COCO's figures of a split.

    Attributes:
        overall: `map`, `map50`, `map75`, `map_small`, `map_medium`, `map_large`, `recall`; NaN where not defined.
        by_class: `ap`, `ap50` and `recall`, each `(K,)`.
    """

    overall: dict[str, float]
    by_class: dict[str, npt.NDArray[np.float64]]


def coco_figures(found: Ragged, truth: Ragged, classes: int) -> CocoFigures:
    """All figures.

    Args:
        found: `boxes_xyxy`, `classes` and `scores` of each picture.
        truth: `boxes_xyxy`, `classes`, `iscrowd` and `ignore` of each picture.
        classes: Number of classes.
    """
    nothing = np.full(classes, np.nan)
    if not len(truth.values["classes"]):
        return CocoFigures(
            dict.fromkeys((*_OVERALL, "recall"), np.nan), dict.fromkeys(("ap", "ap50", "recall"), nothing)
        )
    evaluation = _evaluate(found, truth, classes)
    # precision: overlap, recall, class, area, limit; recall: overlap, class, area, limit. -1 is "not defined".
    precision = np.where(evaluation.eval["precision"] < 0, np.nan, evaluation.eval["precision"])
    recall = np.where(evaluation.eval["recall"] < 0, np.nan, evaluation.eval["recall"])
    overall = {
        "map": _mean(precision[:, :, :, 0, -1]),
        "map50": _mean(precision[0, :, :, 0, -1]),
        "map75": _mean(precision[5, :, :, 0, -1]),
        "map_small": _mean(precision[:, :, :, 1, -1]),
        "map_medium": _mean(precision[:, :, :, 2, -1]),
        "map_large": _mean(precision[:, :, :, 3, -1]),
        "recall": _mean(recall[:, :, 0, -1]),
    }
    by_class = {
        "ap": _means(precision[:, :, :, 0, -1], (0, 1)),
        "ap50": _means(precision[0, :, :, 0, -1], (0,)),
        "recall": _means(recall[:, :, 0, -1], (0,)),
    }
    return CocoFigures(overall, by_class)


def coco_headline(found: Ragged, truth: Ragged) -> float:
    """MAP at an overlap of 0.5 alone; NaN without a true object."""
    if not len(truth.values["classes"]):
        return float("nan")
    classes = int(max(truth.values["classes"].max(initial=0), found.values["classes"].max(initial=0))) + 1
    evaluation = _evaluate(found, truth, classes, overlaps=np.array([0.5]))
    precision = evaluation.eval["precision"][0, :, :, 0, -1]
    return _mean(np.where(precision < 0, np.nan, precision))


def most_counted(truth: Ragged) -> int:
    """How many boxes of a picture count: COCO's hundred, or more where some picture shows more objects."""
    return max(MOST_COUNTED, int(truth.lengths.max(initial=0)))


def _evaluate(found: Ragged, truth: Ragged, classes: int, overlaps: npt.NDArray[np.float64] | None = None) -> Any:
    from faster_coco_eval import COCO, COCOeval_faster

    limit = most_counted(truth)
    # The library reports on standard output what nobody asked for.
    with contextlib.redirect_stdout(io.StringIO()):
        document = _truth_document(truth, classes, _sizes(truth, found))
        truth_set = COCO(document)
        rows = _found_rows(found)
        found_set = truth_set.loadRes(rows) if rows else COCO(document | {"annotations": []})
        evaluation = COCOeval_faster(truth_set, found_set, iouType="segm" if "masks" in truth.values else "bbox")
        evaluation.params.maxDets = [1, 10, limit]
        if overlaps is not None:
            evaluation.params.iouThrs = overlaps
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def areas_of(objects: Ragged) -> npt.NDArray[np.float64]:
    """Pixels of each mask, or the area of each box where there are none: `(D,)`."""
    if "masks" in objects.values:
        from faster_coco_eval.core import mask as coco_mask

        packed = packed_masks(objects.values)
        return np.asarray(coco_mask.area(packed), np.float64) if packed else np.zeros(0)
    boxes = objects.values["boxes_xyxy"].astype(np.float64)
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(1))


def packed_masks(values: Mapping[str, npt.NDArray[Any]]) -> list[dict[str, Any]]:
    """Masks as COCO's tools take them."""
    return [
        {"size": size, "counts": counts}
        for size, counts in zip(values["sizes_hw"].tolist(), values["masks"].tolist(), strict=True)
    ]


def _masks_of(objects: Ragged) -> list[dict[str, Any]]:
    """For each entry what its mask adds to a row."""
    if "masks" not in objects.values:
        return [{}] * len(objects.values["classes"])
    return [{"segmentation": packed} for packed in packed_masks(objects.values)]


def _sizes(*objects: Ragged) -> dict[int, tuple[int, int]]:
    """Height and width of each picture, where masks say them."""
    sizes: dict[int, tuple[int, int]] = {}
    for part in objects:
        if "sizes_hw" in part.values:
            for picture, size in zip(part.pictures.tolist(), part.values["sizes_hw"].tolist(), strict=True):
                sizes[picture] = (size[0], size[1])
    return sizes


def _truth_document(truth: Ragged, classes: int, sizes_hw: Mapping[int, tuple[int, int]]) -> dict[str, Any]:
    areas, masks = areas_of(truth), _masks_of(truth)
    boxes = truth.values["boxes_xyxy"].astype(np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    pictures = truth.pictures
    return {
        "info": {},
        "images": [
            {"id": index + 1, "height": height, "width": width}
            for index in range(len(truth))
            for height, width in [sizes_hw.get(index, (1, 1))]
        ],
        "categories": [{"id": index + 1, "name": str(index)} for index in range(classes)],
        "annotations": [
            {
                "id": index + 1,
                "image_id": int(pictures[index]) + 1,
                "category_id": int(truth.values["classes"][index]) + 1,
                "bbox": [*boxes[index, :2].tolist(), *sides[index].tolist()],
                "area": float(areas[index]),
                # COCO counts a crowd as ignored, and so is what need not be found.
                "iscrowd": int(truth.values["iscrowd"][index] or truth.values["ignore"][index]),
                **masks[index],
            }
            for index in range(len(boxes))
        ],
    }


def _found_rows(found: Ragged) -> list[dict[str, Any]]:
    boxes = found.values["boxes_xyxy"].astype(np.float64)
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).tolist()
    # Of a row with both the library would take the box for the area.
    places = _masks_of(found) if "masks" in found.values else [{"bbox": box} for box in xywh]
    return [
        {"image_id": int(picture) + 1, "category_id": int(kind) + 1, "score": float(score), **place}
        for picture, kind, score, place in zip(
            found.pictures, found.values["classes"], found.values["scores"], places, strict=True
        )
    ]


def _mean(values: npt.NDArray[Any]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _means(values: npt.NDArray[Any], axes: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Means over some axes, NaN where nothing is defined."""
    defined = np.isfinite(values)
    total = np.where(defined, values, 0.0).sum(axes)
    count = defined.sum(axes)
    means = np.full(total.shape, np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means
