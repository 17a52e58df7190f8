"""Objects as COCO writes them down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striate.structures import Boxes, Instances


def category_records(classes: Sequence[str]) -> list[dict[str, object]]:
    """The list `categories`: ids from 1, in the order of the classes."""
    return [{"id": number, "name": name} for number, name in enumerate(classes, 1)]


def object_records(annotation: Boxes | Instances) -> list[dict[str, object]]:
    """What COCO says about each object of a picture, without the ids of object and picture.

    `bbox` is left, top, width and height in pixels; `area` counts the pixels of the mask, of a box without one its own.
    """
    corners = annotation.boxes_xyxy.astype(np.float64)
    sizes = corners[:, 2:] - corners[:, :2]
    areas = annotation.areas() if isinstance(annotation, Instances) else sizes.prod(axis=1)
    records = []
    for index in range(len(annotation)):
        record: dict[str, object] = {
            "category_id": int(annotation.classes[index]) + 1,
            "bbox": [*corners[index, :2].tolist(), *sizes[index].tolist()],
            "area": areas[index].item(),
            "segmentation": [],
            "iscrowd": int(annotation.iscrowd[index]),
        }
        if isinstance(annotation, Instances):
            counts = annotation.masks[index].decode("ascii")
            record["segmentation"] = {"size": list(annotation.size_hw), "counts": counts}
        records.append(record | ({"ignore": 1} if annotation.ignore[index] else {}))
    return records
