"""Boxes and masks held against the pictures that they are for: mended by stated rules, or left out, and counted.

The rules: a box that reaches beyond its picture is cut off at the edge; one that lies outside, has no area or holds
values that are no numbers is left out, as is one that stands there twice; an object without a pixel is left out; a
mask of another size than its picture takes the picture with it, since nothing says how the two lie over each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError
from striate.structures import (
    VOID,
    Annotation,
    AnnotationSource,
    Boxes,
    Instances,
    Label,
    Labels,
    Mask,
    Problem,
    Sample,
)

REACH_PX = 1.0
"""A box may reach this far beyond its picture without being reported: tools disagree about half a pixel."""

LEAST_SIDE_PX = 0.5
"""A box narrower or lower than this has no area: even a box of one pixel has sides of 1."""


MENDED_KINDS = (
    "box-not-finite",
    "empty-mask",
    "box-outside",
    "box-without-area",
    "duplicate-object",
    "box-beyond-edge",
    "mask-value",
)
"""Kinds of problems for which annotation is changed while its picture stays."""

LOST_KINDS = ("size-mismatch", "void-mask")
"""Kinds of problems of annotation for which a picture is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectFacts:
    """What was measured of the annotation of one picture.

    Attributes:
        classes: `(N,)` class of each object; of a semantic mask, each class that occurs, once.
        sides_hw: `(N, 2)` height and width of each object's box, in pixels; zeros for a semantic mask.
        areas: `(N,)` pixels of each object or class; of a box without a mask, its area.
        aside: Objects that are neither learned nor missed: difficult ones, and boxes around crowds.
    """

    classes: npt.NDArray[np.int64]
    sides_hw: npt.NDArray[np.float32]
    areas: npt.NDArray[np.float64]
    aside: int = 0

    @property
    def present(self) -> tuple[int, ...]:
        """Classes that occur, ascending."""
        return tuple(np.unique(self.classes).tolist())


@dataclass(frozen=True, slots=True)
class Checked:
    """The annotation of one picture after the check.

    Attributes:
        sample: With mended annotation; `None` where the picture cannot be used.
        facts: What was measured.
        problems: What was wrong.
    """

    sample: Sample | None
    facts: ObjectFacts
    problems: tuple[Problem, ...] = ()


def check_annotations(
    samples: Sequence[Sample],
    sizes_hw: Sequence[tuple[int, int]],
    classes: int,
    progress: Callable[[int], None] | None = None,
) -> list[Checked]:
    """Holds the annotation of each picture against it; labels need no check and are passed through.

    Args:
        samples: Pictures.
        sizes_hw: Height and width of each.
        classes: Number of classes.
        progress: Called with the number of pictures done since the last call.
    """

    def check(index: int) -> Checked:
        found = check_annotation(samples[index], sizes_hw[index], classes)
        if progress:
            progress(1)
        return found

    if not any(isinstance(sample.annotation, AnnotationSource) for sample in samples):
        return [check(index) for index in range(len(samples))]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(check, range(len(samples))))


def check_annotation(sample: Sample, size_hw: tuple[int, int], classes: int) -> Checked:
    """Holds the annotation of one picture against it."""
    try:
        annotation = sample.read_annotation()
    except PictureError as error:
        problem = Problem(error.kind, sample.name, f"its annotation: {error}", "Left out.", "dropped")
        return Checked(None, _no_objects(), (problem,))
    if isinstance(annotation, Boxes | Instances) and annotation is not sample.annotation:
        # Objects are small at rest: kept, their files are read once; masks of whole pictures stay on disk.
        sample = replace(sample, annotation=annotation)
    match annotation:
        case None | Label() | Labels():
            return Checked(sample, _of_labels(annotation))
        case Mask():
            return _check_mask(sample, annotation, size_hw, classes)
        case Instances() if annotation.size_hw != size_hw:
            return Checked(None, _no_objects(), (_other_size(sample.name, "masks", annotation.size_hw, size_hw),))
        case _:
            return _check_objects(sample, annotation, size_hw)


def _check_objects(sample: Sample, objects: Boxes | Instances, size_hw: tuple[int, int]) -> Checked:
    kept, problems = objects, []
    for find in (_without_numbers, _without_pixels, _outside, _without_area, _twice):
        wrong = find(kept, size_hw)
        if wrong is not None and wrong.flags.any():
            problems.append(wrong.problem(sample.name, kept.boxes_xyxy))
            kept = kept[~wrong.flags]
    beyond = _reaching_beyond(kept, size_hw)
    if beyond.flags.any():
        problems.append(beyond.problem(sample.name, kept.boxes_xyxy))
    height, width = size_hw
    limits = np.array([width, height, width, height], np.float32)
    cut = np.clip(kept.boxes_xyxy, 0, limits)
    if not np.array_equal(cut, kept.boxes_xyxy):
        kept = replace(kept, boxes_xyxy=cut)
    unchanged = len(kept) == len(objects) and kept is objects
    if not unchanged:
        sample = replace(sample, annotation=kept)
    return Checked(sample, _of_objects(kept), tuple(problems))


@dataclass(frozen=True, slots=True)
class _Wrong:
    """Objects that share a fault."""

    kind: str
    what: str
    rule: str
    flags: npt.NDArray[np.bool_]

    def problem(self, name: str, boxes: npt.NDArray[np.float32]) -> Problem:
        count = int(self.flags.sum())
        first = ", ".join(f"{value:g}" for value in boxes[self.flags][0].tolist())
        noun = "object" if count == 1 else "objects"
        return Problem(
            self.kind,
            name,
            f"{count} {noun} {self.what}; the first is at {first} (left, top, right, bottom, in pixels).",
            self.rule,
            "note",
        )


def _without_numbers(objects: Boxes | Instances, _size_hw: tuple[int, int]) -> _Wrong:
    flags = np.any(~np.isfinite(objects.boxes_xyxy), 1)
    return _Wrong("box-not-finite", "with a corner that is no number", "Left out of its picture.", flags)


def _without_pixels(objects: Boxes | Instances, _size_hw: tuple[int, int]) -> _Wrong | None:
    if isinstance(objects, Boxes):
        return None
    return _Wrong("empty-mask", "without a single pixel", "Left out of its picture.", objects.areas() == 0)


def _outside(objects: Boxes | Instances, size_hw: tuple[int, int]) -> _Wrong:
    left, top, right, bottom = objects.boxes_xyxy.T
    beyond = [left >= size_hw[1], top >= size_hw[0], right <= 0, bottom <= 0]
    words = f"outside of the picture of {size_hw[0]} x {size_hw[1]} pixels (height x width)"
    return _Wrong(
        "box-outside", words, "Left out of its picture; check whether sizes were changed since.", np.any(beyond, 0)
    )


def _without_area(objects: Boxes | Instances, _size_hw: tuple[int, int]) -> _Wrong:
    left, top, right, bottom = objects.boxes_xyxy.T
    flags = (right - left < LEAST_SIDE_PX) | (bottom - top < LEAST_SIDE_PX)
    return _Wrong("box-without-area", "of no area", "Left out of its picture; draw it again where it is meant.", flags)


def _twice(objects: Boxes | Instances, _size_hw: tuple[int, int]) -> _Wrong:
    keys = np.column_stack([objects.boxes_xyxy.astype(np.float64), objects.classes, objects.iscrowd])
    flags = np.zeros(len(objects), np.bool_)
    if len(objects) > 1:
        _, first = np.unique(keys, axis=0, return_index=True)
        flags = np.ones(len(objects), np.bool_)
        flags[first] = False
    if isinstance(objects, Instances):
        # Two objects may share a box; only equal masks are the same object.
        seen: set[tuple[bytes, int]] = set()
        for index, key in enumerate(zip(objects.masks, objects.classes.tolist(), strict=True)):
            flags[index] = key in seen
            seen.add(key)
    return _Wrong("duplicate-object", "a second time", "One of each is kept.", flags)


def _reaching_beyond(objects: Boxes | Instances, size_hw: tuple[int, int]) -> _Wrong:
    left, top, right, bottom = objects.boxes_xyxy.T
    height, width = size_hw
    beyond = [left < -REACH_PX, top < -REACH_PX, right > width + REACH_PX, bottom > height + REACH_PX]
    words = f"reaching beyond the picture of {height} x {width} pixels (height x width)"
    return _Wrong("box-beyond-edge", words, "Cut off at the edge.", np.any(beyond, 0))


def _check_mask(sample: Sample, mask: Mask, size_hw: tuple[int, int], classes: int) -> Checked:
    if mask.size_hw != size_hw:
        return Checked(None, _no_objects(), (_other_size(sample.name, "mask", mask.size_hw, size_hw),))
    counts = np.bincount(mask.classes.ravel(), minlength=VOID + 1)
    problems: tuple[Problem, ...] = ()
    unknown = int(counts[classes:VOID].sum())
    if unknown:
        values = np.flatnonzero(counts[classes:VOID]) + classes
        detail = f"{unknown} pixels of its mask have a value that is no class ({', '.join(map(str, values[:5]))})."
        problems = (Problem("mask-value", sample.name, detail, "They count as void.", "note"),)
    if not counts[:classes].any():
        detail = "every pixel of its mask is void, so it teaches nothing."
        void = Problem("void-mask", sample.name, detail, "Left out.", "dropped")
        return Checked(None, _no_objects(), (*problems, void))
    present = np.flatnonzero(counts[:classes]).astype(np.int64)
    zeros = np.zeros((len(present), 2), np.float32)
    return Checked(sample, ObjectFacts(present, zeros, counts[present].astype(np.float64)), problems)


def _other_size(name: str, what: str, found: tuple[int, int], size_hw: tuple[int, int]) -> Problem:
    return Problem(
        "size-mismatch",
        name,
        f"its {what} {'has' if what == 'mask' else 'have'} {found[0]} x {found[1]} pixels, "
        f"the picture {size_hw[0]} x {size_hw[1]} (height x width).",
        "Left out: nothing says how the two lie over each other. Export both at one size.",
        "dropped",
    )


def _of_objects(objects: Boxes | Instances) -> ObjectFacts:
    left, top, right, bottom = objects.boxes_xyxy.T
    sides = np.column_stack([bottom - top, right - left]).astype(np.float32)
    areas = objects.areas() if isinstance(objects, Instances) else sides.prod(1)
    aside = int((objects.iscrowd | objects.ignore).sum())
    return ObjectFacts(objects.classes, sides, areas.astype(np.float64), aside)


def _of_labels(annotation: Label | Labels | None) -> ObjectFacts:
    indices = () if annotation is None else (annotation.index,) if isinstance(annotation, Label) else annotation.indices
    count = len(indices)
    return ObjectFacts(np.array(indices, np.int64), np.zeros((count, 2), np.float32), np.zeros(count))


def _no_objects() -> ObjectFacts:
    return _of_labels(None)


def annotation_for(task: str, annotation: Annotation) -> Annotation | None:
    """The annotation as another task wants it; `None` where it does not tell enough.

    Instances give boxes, and a semantic mask in which class 0 is background and what overlaps shows the smaller
    object. A mask in which class 0 is background gives instances, and so boxes: the parts of each other class that hang
    together, over edges or corners; their classes count from the first one behind background. All three give the
    classes that a picture shows.

    Args:
        task: Name of the task.
        annotation: What there is.
    """
    if isinstance(annotation, Mask) and task in ("instances", "detection", "multilabel"):
        parts = _parts(annotation)
        return parts if task == "instances" else annotation_for(task, parts)
    if isinstance(annotation, Instances) and task == "detection":
        return annotation.boxes()
    if isinstance(annotation, Instances) and task == "segmentation":
        return _painted(annotation)
    if isinstance(annotation, Boxes | Instances) and task == "multilabel":
        return Labels(tuple(np.unique(annotation.classes[~annotation.ignore]).tolist()))
    return None


def _parts(mask: Mask) -> Instances:
    """The parts of each class but the first that hang together."""
    from scipy import ndimage

    corners = np.ones((3, 3))
    masks: list[bytes] = []
    classes: list[int] = []
    for kind in np.unique(mask.classes).tolist():
        if kind in (0, VOID):
            continue
        found = Instances.from_label_image(ndimage.label(mask.classes == kind, corners)[0])
        masks += found.masks
        classes += [kind - 1] * len(found)
    return Instances.from_run_lengths(mask.size_hw, masks, np.array(classes, np.int64))


def _painted(objects: Instances) -> Mask:
    classes = np.zeros(objects.size_hw, np.uint8)
    dense = objects.dense()
    for index in np.argsort(-objects.areas(), kind="stable"):
        unknown = objects.iscrowd[index] or objects.ignore[index]
        classes[dense[index]] = VOID if unknown else objects.classes[index] + 1
    return Mask(classes)


def renumbered(
    annotation: Annotation | AnnotationSource | None, place: tuple[int, ...]
) -> Annotation | AnnotationSource | None:
    """Annotation whose class positions point into another list of names.

    Args:
        annotation: What there is.
        place: The new position of each class.
    """
    match annotation:
        case Label(index):
            return Label(place[index])
        case Labels(indices):
            return Labels(tuple(sorted(place[index] for index in indices)))
        case Boxes() | Instances():
            return replace(annotation, classes=np.array(place, np.int64)[annotation.classes])
        case Mask():
            table = np.full(VOID + 1, VOID, np.uint8)
            table[: len(place)] = place
            return Mask(table[annotation.classes])
        case None:
            return None
    return RenumberedAnnotation(annotation, place)


@dataclass(frozen=True, slots=True)
class RenumberedAnnotation:
    """Annotation in files, read and renumbered."""

    source: AnnotationSource
    place: tuple[int, ...]

    @property
    def name(self) -> str:
        """Path of the annotation."""
        return self.source.name

    def read(self) -> Annotation:
        """Reads and renumbers it.

        Raises:
            PictureError: It cannot be read.
        """
        found = renumbered(self.source.read(), self.place)
        assert not isinstance(found, AnnotationSource | None)
        return found


@dataclass(frozen=True, slots=True)
class ConvertedAnnotation:
    """Annotation in files, read and turned into what another task wants."""

    source: AnnotationSource
    task: str

    @property
    def name(self) -> str:
        """Path of the annotation."""
        return self.source.name

    def read(self) -> Annotation:
        """Reads and turns it.

        Raises:
            PictureError: It cannot be read, or does not tell enough for the task.
        """
        found = annotation_for(self.task, self.source.read())
        if found is None:
            raise PictureError(f"this annotation is not for {self.task}.", where=self.name, fix="Choose another task.")
        return found
