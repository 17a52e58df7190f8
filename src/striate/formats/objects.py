"""From pictures with boxes or masks, as formats for detection and segmentation find them, to a `Reading`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from striate.errors import DataError, PictureError
from striate.formats.base import Format, Reading
from striate.formats.labelled import settle_splits
from striate.structures import AnnotationSource, Boxes, Count, Instances, Mask, PictureSource, Problem, Sample

ObjectAnnotation = Boxes | Instances | Mask | AnnotationSource


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """A picture and its objects.

    Attributes:
        source: The picture.
        annotation: Boxes, masks, or where they can be read; class positions point into `ObjectFindings.names`. A
            picture without objects has an annotation of length 0: it is background, and that is known.
        group: Pictures of one group never straddle two splits.
    """

    source: PictureSource
    annotation: ObjectAnnotation
    group: str | None = None


@dataclass(slots=True)
class ObjectFindings:
    """What a format for detection or segmentation collects while it reads.

    Attributes:
        task: "detection", "segmentation" or "instances".
        names: Class names in the order of the format; names that nothing has are left out in the end.
        splits: Entries by split; the key `""` holds those for which no split is given.
        problems: What is wrong with the annotation itself. Boxes that leave their picture, masks of another size and
            the like are found later, when pictures are opened: formats keep the values as they are written.
        notes: How it was read.
    """

    task: str
    names: list[str] = field(default_factory=list)
    splits: dict[str, list[ObjectEntry]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def build_object_reading(format: str, path: Path, found: ObjectFindings) -> Reading:
    """Settles splits and classes.

    Classes that nothing has are left out, with a note. An object of a validation or test picture whose class never
    occurs in training is marked to be ignored, with a problem: no answer to it could be right, and it is no background
    either. Masks that lie in files are not opened here, so all their classes stay.

    Raises:
        DataError: No pictures, or no objects.
    """
    splits = {name: entries for name, entries in found.splits.items() if entries}
    if not splits:
        raise DataError(
            "no annotated picture was found here.",
            where=path,
            fix="Put pictures and annotation where this format expects them, or name another one with --format.",
        )
    splits = settle_splits(splits, found.notes)
    used = _counts(splits, found.names)
    kept = [index for index in range(len(found.names)) if used is None or used.total[index]]
    if not kept:
        count = sum(map(len, splits.values()))
        raise DataError(
            f"{Count(count):picture} and not one object: there is nothing to learn.",
            where=path,
            fix="Check that the annotation is the one for these pictures.",
        )
    _note_unused(found, kept)
    if used is not None:
        _report_unlearnable(splits, used, found)
    place = np.full(len(found.names), -1, np.int64)
    place[kept] = np.arange(len(kept))
    trained = None if used is None else used.trained
    samples = {
        name: [_sample(entry, place, None if name in ("", "train") else trained) for entry in entries]
        for name, entries in splits.items()
    }
    return Reading(
        format=format,
        task=found.task,
        classes=tuple(found.names[index] for index in kept),
        splits=samples,
        problems=found.problems,
        notes=found.notes,
    )


@dataclass(frozen=True, slots=True)
class _Used:
    """How often each class occurs: in all splits, and whether in training."""

    total: Counter[int]
    trained: np.ndarray


def _counts(splits: dict[str, list[ObjectEntry]], names: Sequence[str]) -> _Used | None:
    """`None` where annotation lies in files that have not been opened, or is a mask."""
    total, trained = Counter[int](), np.zeros(len(names), np.bool_)
    for split, entries in splits.items():
        for entry in entries:
            if not isinstance(entry.annotation, Boxes | Instances):
                return None
            total.update(entry.annotation.classes.tolist())
            if split in ("", "train"):
                trained[entry.annotation.classes] = True
    return _Used(total, trained)


def _note_unused(found: ObjectFindings, kept: Sequence[int]) -> None:
    unused = [name for index, name in enumerate(found.names) if index not in set(kept)]
    if unused:
        shown = ", ".join(unused[:5]) + (", ..." if len(unused) > 5 else "")
        found.notes.append(f"{Count(len(unused)):listed class|listed classes} left out, never used ({shown}).")


def _report_unlearnable(splits: dict[str, list[ObjectEntry]], used: _Used, found: ObjectFindings) -> None:
    for split in ("validation", "test"):
        strange: Counter[int] = Counter()
        for entry in splits.get(split, ()):
            assert isinstance(entry.annotation, Boxes | Instances)
            strange.update(index for index in entry.annotation.classes.tolist() if not used.trained[index])
        noun = f"object of the {split} split is|objects of the {split} split are"
        for index, count in strange.items():
            found.problems.append(
                Problem(
                    "unknown-label",
                    f"{split}: {found.names[index]}",
                    f"{format(Count(count), noun)} {found.names[index]!r}, which never occurs in training.",
                    "They are ignored. Add training pictures of this class, or correct the name if it is misspelt.",
                )
            )


def _sample(entry: ObjectEntry, place: np.ndarray, trained: np.ndarray | None) -> Sample:
    annotation = entry.annotation
    if isinstance(annotation, Boxes | Instances):
        ignore = annotation.ignore if trained is None else annotation.ignore | ~trained[annotation.classes]
        annotation = replace(annotation, classes=place[annotation.classes], ignore=ignore)
    return Sample(entry.source, annotation, entry.group)


def leave_out_flagged(
    splits: Mapping[str, Sequence[Sample]], target: Format, task: str
) -> tuple[dict[str, list[Sample]], list[Problem]]:
    """Leaves out what a format cannot say: that an object is a crowd, or that it need not be found.

    Args:
        splits: Samples to write, by split.
        target: The format to write.
        task: What the annotation is for.

    Returns:
        The samples without such objects, and a problem that counts them. Where the format holds such objects, or
        there are none, the samples are those that were given.
    """
    if task not in target.unflagged_tasks:
        return {name: list(samples) for name, samples in splits.items()}, []
    count, names = 0, list[str]()
    kept: dict[str, list[Sample]] = {}
    for split, samples in splits.items():
        kept[split] = []
        for sample in samples:
            try:
                annotation = sample.read_annotation()
            except PictureError:
                # Whoever writes it reads it as well, and tells.
                annotation = None
            if isinstance(annotation, Boxes | Instances) and (flagged := annotation.iscrowd | annotation.ignore).any():
                count += int(flagged.sum())
                names.append(sample.name)
                sample = replace(sample, annotation=annotation[~flagged])  # noqa: PLW2901 - the same one, mended
            kept[split].append(sample)
    if not names:
        return kept, []
    detail = (
        f"the format `{target.name}` cannot say of an object that it is a crowd or need not be found, as "
        f"{Count(count):object is|objects are} marked in {Count(len(names)):picture} "
        f"({names[0]}{', ...' if names[1:] else ''})."
    )
    fix = "They are not written. Write the format `coco`, which holds them."
    return kept, [Problem("flagged-object", names[0], detail, fix, "dropped")]
