"""From lines of YOLO to boxes and masks, with classes by their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from striate.formats.objects import ObjectFindings
from striate.formats.outlines import fill_outlines
from striate.formats.yolo.labels import YoloFile, YoloObject
from striate.formats.yolo.settings import YoloSettings
from striate.structures import Boxes, Count, Instances, Problem


@dataclass(frozen=True, slots=True)
class ClassNumbers:
    """Position in the class names of each number in the label files."""

    positions: Mapping[int, int]

    def of(self, objects: Sequence[YoloObject]) -> np.ndarray:
        """Positions `(N,)`."""
        return np.array([self.positions[one.number] for one in objects], np.int64)


def number_classes(
    files: Mapping[str, YoloFile], lonely: set[int], settings: YoloSettings, found: ObjectFindings
) -> ClassNumbers:
    """Settles the class names; numbers without one are called `class-N`, and two numbers of one name are one class.

    Args:
        files: Label files of pictures.
        lonely: Numbers in label files without a picture, which are reported only.
        settings: The class names.
        found: Takes the names, and what is wrong with them.
    """
    used = Counter(one.number for file in files.values() for one in file.objects)
    unnamed = sorted(set(used) - set(settings.names))
    names = {**settings.names, **{number: f"class-{number}" for number in unnamed}}
    lost = lonely - set(settings.names) - set(unnamed)
    if (unnamed or lost) and settings.names:
        some = ", ".join(f"{number}: {Count(used[number]):object}" for number in unnamed[:5])
        shown = f" ({some}{', ...' if len(unnamed) > 5 else ''})" if some else ""
        only = f"; {len(lost)} more occur only in label files without a picture" if lost else ""
        found.problems.append(
            Problem(
                "class-without-name",
                settings.source,
                f"{Count(len(unnamed)):class number has|class numbers have} no name{shown}, where "
                f"{Count(len(settings.names)):name is|names are} listed{only}.",
                "They are called class-N. Add their names, or correct the labels.",
            )
        )
    elif unnamed:
        found.notes.append("No list of class names was found, so classes are called class-N after their numbers.")
    # `class-N` may be the name of another number.
    order: dict[str, int] = {}
    for name in names.values():
        order.setdefault(name, len(order))
    found.names = list(order)
    twice = [name for name, count in Counter(settings.names.values()).items() if count > 1]
    if twice:
        detail = f"{Count(len(twice)):class name is|class names are} listed for several numbers ({twice[0]!r}, ...)."
        fix = "Numbers of one name are one class. Correct the list if they are not."
        found.problems.append(Problem("class-named-twice", settings.source, detail, fix))
    return ClassNumbers({number: order[name] for number, name in names.items()})


def build_boxes(objects: Sequence[YoloObject], size_hw: tuple[int, int], classes: ClassNumbers) -> Boxes:
    """Boxes of the objects of one picture."""
    boxes = np.array([one.box_xyxy(size_hw) for one in objects], np.float32).reshape(-1, 4)
    return Boxes(boxes, classes.of(objects))


def build_instances(objects: Sequence[YoloObject], size_hw: tuple[int, int], classes: ClassNumbers) -> Instances:
    """Masks of the objects of one picture, which all have outlines."""
    if not objects:
        return Instances.from_dense(np.zeros((0, *size_hw), np.bool_), np.zeros(0, np.int64))
    masks = [fill_outlines([one.points(size_hw)], size_hw) for one in objects]
    return Instances.from_run_lengths(size_hw, masks, classes.of(objects))
