"""Which value of label volumes stands for which class."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import DataError, PictureError
from striate.formats.class_lists import find_class_lists
from striate.images.volumes import read_volume
from striate.structures import MOST_MASK_CLASSES, VOID, Problem, evenly

LISTING = "dataset.json"
"""The file in which the Medical Segmentation Decathlon and nnU-Net name the classes."""

MOST_READ = 64
"""Label volumes that are read to learn which values occur, evenly spread."""

_MOST_FREE_VALUES = 40


@dataclass(slots=True)
class LabelValues:
    """The meaning of the values of label volumes.

    Attributes:
        table: Pairs of a value and the class that it stands for, ascending.
        names: Class names.
        notes: How it was settled.
        problems: Label volumes that cannot be read, and values that stand for no class.
        unreadable: Names of the label volumes that cannot be read.
    """

    table: tuple[tuple[int, int], ...]
    names: list[str]
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)


def settle_label_values(root: Path, labels: Sequence[str]) -> LabelValues:
    """Settles the classes: by a list beside the volumes, else the values that occur are the classes.

    Args:
        root: The data set.
        labels: Label volumes relative to it.

    Raises:
        DataError: No label volume can be read, values are no class numbers, or there is nothing to tell apart.
    """
    found = LabelValues((), [])
    occurring = _occurring(root, labels, found)
    listed = _listed(root, labels)
    if listed is not None:
        file, names = listed
        found.notes.append(f"Classes are those of {file}.")
    else:
        if occurring <= {0, VOID}:
            # Black and white, as many programs save a mask.
            found.names, found.table = ["background", "foreground"], ((0, 0), (VOID, 1))
            found.notes.append("Label volumes hold 0 and 255: background and foreground.")
            return found
        if len(occurring) > _MOST_FREE_VALUES:
            raise DataError(
                f"the label volumes hold {len(occurring)} different values, too many to be classes.",
                where=root,
                fix=f"Check which volumes are labels, or name the classes in {LISTING}: "
                '{"labels": {"background": 0, "lesion": 1}}.',
            )
        names = {value: "background" if value == 0 else f"class {value}" for value in sorted(occurring - {VOID})}
        found.notes.append(f"Classes are the values of the label volumes ({', '.join(map(str, names))}).")
    known = sorted(names)
    # 255 is void, as in masks of pictures.
    strange = sorted(occurring - set(known) - {VOID})
    if strange:
        found.problems.append(
            Problem(
                "mask-value",
                labels[0],
                f"label volumes hold values that stand for no class ({', '.join(map(str, strange[:5]))}).",
                "Such voxels are void: they count neither in training nor in figures. List them as classes if they "
                "are some.",
            )
        )
    if len(occurring & set(known)) < 2:
        raise DataError(
            "the label volumes show one class only, so there is nothing to tell apart.",
            where=root,
            fix="Check that these are the labels of these volumes.",
        )
    if len(known) > MOST_MASK_CLASSES:
        raise DataError(
            f"{len(known)} classes are listed; a mask can tell apart {MOST_MASK_CLASSES}.",
            where=root,
            fix="Merge some.",
        )
    found.names = [names[value] for value in known]
    found.table = tuple((value, index) for index, value in enumerate(known))
    return found


def _occurring(root: Path, labels: Sequence[str], found: LabelValues) -> set[int]:
    """Values that occur in some of the label volumes."""

    def values(name: str) -> set[int] | PictureError:
        try:
            distinct = np.unique(read_volume(root / name).voxels)
        except PictureError as error:
            return error
        if not np.isfinite(distinct).all() or (distinct != np.rint(distinct)).any() or (distinct < 0).any():
            example = next(
                value for value in distinct.tolist() if not np.isfinite(value) or value != round(value) or value < 0
            )
            return PictureError(
                f"it holds {example:g} where class numbers (0, 1, 2, ...) belong.",
                where=root / name,
                fix="Check that this is a label volume.",
                kind="mask-value",
            )
        return {int(value) for value in distinct}

    chosen = [labels[index] for index in evenly(len(labels), MOST_READ).tolist()]
    occurring: set[int] = set()
    with ThreadPoolExecutor(4) as pool:
        for name, result in zip(chosen, pool.map(values, chosen), strict=True):
            if isinstance(result, PictureError):
                found.unreadable.add(name)
                fix = f"Its volume is left out. {result.fix}"
                found.problems.append(Problem(f"mask-{result.kind}", name, result.what, fix.strip(), "dropped"))
            else:
                occurring |= result
    if not occurring:
        first = found.problems[0]
        raise DataError(f"no label volume can be read: {first.detail}", where=root / first.path, fix=first.fix)
    return occurring


def _listed(root: Path, labels: Sequence[str]) -> tuple[str, dict[int, str]] | None:
    """File that lists the classes, and names by value; `None` where none does."""
    folders = list(
        dict.fromkeys(folder for name in labels for folder in (root / name).parents if folder.is_relative_to(root))
    )
    for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
        names = read_listing(folder / LISTING)
        if names is not None:
            return (folder / LISTING).relative_to(root).as_posix(), names
    for file, listed in find_class_lists(folders):
        by_value = {one.value if one.value is not None else place: one.name for place, one in enumerate(listed)}
        return file.relative_to(root).as_posix(), by_value
    return None


def read_listing(path: Path) -> dict[int, str] | None:
    """Class names by value of a `dataset.json`, in either of its forms; `None` where there are none.

    The Decathlon writes `{"0": "background"}`, nnU-Net 2 `{"background": 0}`.
    """
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    labels = document.get("labels") if isinstance(document, dict) else None
    if not isinstance(labels, dict) or not labels:
        return None
    names: dict[int, str] = {}
    for key, value in labels.items():
        number, name = (key, value) if isinstance(value, str) else (value, key)
        try:
            names[int(number)] = str(name)
        except (TypeError, ValueError):
            # Regions of nnU-Net are several values under one name: no class of its own.
            return None
    return names if len(names) == len(labels) else None
