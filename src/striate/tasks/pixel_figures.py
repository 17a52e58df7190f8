"""What is kept of an answer that gives every pixel a class, and the figures that are sums of it."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.tasks.boundary import boundary_counts
from striate.tasks.resampling import divided, mean_of_defined

Floats = npt.NDArray[np.float64]


def pixel_counts_type(classes: int) -> np.dtype[Any]:
    """The record of one picture.

    `confusion` are its pixels by true class (row) and answered class (column), `(K, K)`; `boundary` those near edges of
    each class, see `boundary_counts`, `(K, 3)`, all 0 where they were not measured; `case` the number of the volume
    that it is a slice of, see `case_number`.
    """
    return np.dtype(
        [("confusion", np.int64, (classes, classes)), ("boundary", np.int64, (classes, 3)), ("case", np.int64)]
    )


def case_number(case: str | None) -> int:
    """A number for a volume by its name, the same wherever it is asked for; 0 for a picture that is no slice."""
    if case is None:
        return 0
    return int.from_bytes(hashlib.blake2b(case.encode(), digest_size=8).digest(), "big") >> 1 or 1


def count_pixels(
    true: npt.NDArray[np.uint8], answered: npt.NDArray[Any], classes: int, width_px: int = 0
) -> npt.NDArray[Any]:
    """The record of one picture, `(1,)`.

    Args:
        true: `(H, W)` classes; pixels of none of them are left out.
        answered: `(H, W)`.
        classes: Number of classes.
        width_px: How far from an edge a pixel is near it; 0 leaves those uncounted, which is faster.
    """
    record = np.zeros(1, pixel_counts_type(classes))
    record["confusion"][0] = confusion(true, answered, classes)
    if width_px:
        record["boundary"][0] = boundary_counts(true, answered.astype(np.uint8, copy=False), classes, width_px)
    return record


def confusion(true: npt.NDArray[np.uint8], answered: npt.NDArray[Any], classes: int) -> npt.NDArray[np.int64]:
    """Pixels by true class (row) and answered class (column), `(K, K)`; pixels whose truth is no class are left out."""
    known = true < classes
    cells = true[known].astype(np.int64) * classes + answered[known]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def total(records: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Sums over pictures, as one resample: `(1, K, K)` and `(1, K, 3)`."""
    return weighted_totals(records, np.ones((1, len(records))))


def weighted_totals(records: npt.NDArray[Any], weights: Floats) -> tuple[Floats, Floats]:
    """Sums over pictures for each row of weights `(B, N)`: confusion `(B, K, K)` and boundary counts `(B, K, 3)`."""
    tables, near = (np.tensordot(weights, records[name].astype(np.float64), 1) for name in ("confusion", "boundary"))
    return tables, near


def class_overlaps(tables: Floats, near: Floats) -> dict[str, Floats]:
    """`iou`, `dice` and `boundary_iou` of each class, `(B, K)`; NaN where neither truth nor answer shows it.

    Args:
        tables: `(B, K, K)`.
        near: `(B, K, 3)`.
    """
    right = np.diagonal(tables, axis1=1, axis2=2)
    true, answered = tables.sum(2), tables.sum(1)
    return {
        "iou": divided(right, true + answered - right),
        "dice": divided(2 * right, true + answered),
        "boundary_iou": divided(near[..., 2], near[..., 0] + near[..., 1] - near[..., 2]),
    }


def pixel_figures(tables: Floats, near: Floats) -> dict[str, Floats]:
    """All metrics, each `(B,)`; arguments as `class_overlaps` has."""
    overlaps = class_overlaps(tables, near)
    right = np.diagonal(tables, axis1=1, axis2=2)
    found = {"mean_iou": mean_of_defined(overlaps["iou"]), "mean_dice": mean_of_defined(overlaps["dice"])}
    if tables.shape[1] > 1:
        found["foreground_iou"] = mean_of_defined(overlaps["iou"][:, 1:])
        found["foreground_dice"] = mean_of_defined(overlaps["dice"][:, 1:])
    found["boundary_iou"] = mean_of_defined(overlaps["boundary_iou"])
    found["balanced_pixel_accuracy"] = mean_of_defined(divided(right, tables.sum(2)))
    found["pixel_accuracy"] = divided(right.sum(1), tables.sum((1, 2)))
    return found


def case_overlaps(records: npt.NDArray[Any]) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Dice of each class in each volume, `(V, K)`, and the position of each record's volume, `(N,)`.

    NaN where neither truth nor answer of a volume shows the class.
    """
    _, place = np.unique(records["case"], return_inverse=True)
    tables = np.zeros((int(place.max(initial=-1)) + 1, *records["confusion"].shape[1:]))
    np.add.at(tables, place, records["confusion"])
    return class_overlaps(tables, np.zeros((*tables.shape[:2], 3)))["dice"], place


def case_dice(records: npt.NDArray[Any], weights: Floats) -> Floats:
    """Mean over volumes of each volume's mean Dice without the first class, `(B,)`; NaN where there are no volumes.

    Args:
        records: `(N,)`.
        weights: `(B, N)`, how often each picture occurs in each resample; slices of one volume occur equally often.
    """
    # Scores that an earlier version wrote know of no volumes.
    slices = records["case"] != 0 if "case" in (records.dtype.names or ()) else np.zeros(len(records), np.bool_)
    if not slices.any() or records["confusion"].shape[1] < 2:
        return np.full(len(weights), np.nan)
    overlaps, place = case_overlaps(records[slices])
    dice = mean_of_defined(overlaps[:, 1:])
    counts = np.bincount(place)
    member = place[:, None] == np.arange(len(counts))
    occurring = weights[:, slices] @ (member * (np.isfinite(dice) / counts))
    return divided(occurring @ np.nan_to_num(dice), occurring.sum(1))
