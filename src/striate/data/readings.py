"""The annotation of a folder, for the task that is wanted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from striate.data.annotations import ConvertedAnnotation, annotation_for
from striate.errors import DataError, UnknownNameError
from striate.formats import FORMATS, Reading, read_folder
from striate.structures import AnnotationSource, Sample, Slicing

BACKGROUND = "background"

TURNS_INTO = {
    "instances": ("detection", "segmentation", "multilabel"),
    "detection": ("multilabel",),
    "segmentation": ("instances", "detection", "multilabel"),
}
"""Tasks for which annotation tells enough that was made for another one."""


def read_for_task(path: Path, format: str | None = None, task: str | None = None) -> Reading:
    """Reads the annotation at a path, and turns it into what a task needs where it tells enough for that.

    Args:
        path: The folder or file.
        format: Name of the format; the one that fits best where `None`.
        task: Name of the task; the one that the annotation is for where `None`.

    Raises:
        DataError: It cannot be understood, or does not tell enough for the task.
        UnknownNameError: No such format or task.
    """
    reading = read_turned(path, format, task)
    refuse_other_task(path, reading, task)
    return reading


def read_turned(path: Path, format: str | None, task: str | None, slicing: Slicing | None = None) -> Reading:
    """The same, but annotation that does not tell enough for the task is given as it is.

    Raises:
        DataError: It cannot be understood.
        UnknownNameError: No such format or task.
    """
    check_task_name(task)
    return _turned(read_folder(path, format, task, slicing), task)


class OtherTaskError(DataError):
    """Annotation is for another task than the one wanted.

    Args:
        what: As every error has it.
        where: The set.
        fix: What to do.
        found: Name of the task that it is for.
    """

    def __init__(self, what: str, *, where: str | Path | None = None, fix: str = "", found: str = "") -> None:
        super().__init__(what, where=where, fix=fix)
        self.found = found


def refuse_other_task(path: Path, reading: Reading, task: str | None) -> None:
    """Refuses annotation that is not for the task wanted.

    Raises:
        DataError: It is for another one; the tasks that it tells enough for are named.
    """
    if task is None or task == reading.task:
        return
    offers = " or ".join((reading.task, *TURNS_INTO.get(reading.task, ())))
    raise OtherTaskError(
        f"the task {task} was asked for, but the annotation here ({reading.format}) is for {reading.task}.",
        where=path,
        fix=f"Leave the task out or say {offers}; another format may be named with --format.",
        found=reading.task,
    )


def check_task_name(task: str | None) -> None:
    """Refuses a task that no format holds.

    Raises:
        UnknownNameError: No such task.
    """
    known = sorted({name for fmt in FORMATS for name in fmt.tasks} | {"multilabel"})
    if task is not None and task not in known:
        raise UnknownNameError(f"there is no task named {task!r}.", where="task", fix=f"Known: {', '.join(known)}.")


def _turned(reading: Reading, task: str | None) -> Reading:
    if task is None or task not in TURNS_INTO.get(reading.task, ()):
        return reading
    masks = reading.task == "segmentation"
    if masks and (not reading.classes or reading.classes[0].casefold() != BACKGROUND):
        # Without a background, every pixel of a picture would belong to some object.
        return reading
    splits = {}
    for split, samples in reading.splits.items():
        turned = [_turned_sample(sample, task) for sample in samples]
        splits[split] = [sample for sample in turned if sample is not None]
        if len(splits[split]) < len(turned):
            return reading
    how = " Objects are the parts of each class that hang together in a picture." if masks else ""
    notes = [*reading.notes, f"The annotation is for {reading.task}; it was turned into what {task} needs.{how}"]
    classes = (BACKGROUND, *reading.classes) if task == "segmentation" else reading.classes[1 if masks else 0 :]
    return replace(reading, task=task, splits=splits, notes=notes, classes=classes)


def _turned_sample(sample: Sample, task: str) -> Sample | None:
    if isinstance(sample.annotation, AnnotationSource):
        return replace(sample, annotation=ConvertedAnnotation(sample.annotation, task))
    found = None if sample.annotation is None else annotation_for(task, sample.annotation)
    return None if found is None else replace(sample, annotation=found)
