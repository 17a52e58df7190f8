"""Which data can be trained on: the tasks that are registered decide."""

from __future__ import annotations

from pathlib import Path

from striate.data import Dataset
from striate.data.readings import TURNS_INTO, read_for_task
from striate.errors import RequestError
from striate.formats import FORMATS, find_format
from striate.tasks import TASKS


def refuse_untrainable(data: Dataset | str | Path, task: str | None = None, format: str | None = None) -> None:
    """Refuses data for a task that cannot be trained, before any picture is read.

    Annotation is read for that only where its format can hold such a task, so that nothing is read twice once all
    tasks can be trained. What cannot be understood is left for opening to report.

    Args:
        data: A data set, or its path.
        task: Name of the task wanted; the one that the annotation is for where `None`.
        format: Name of the format; recognised where `None`.

    Raises:
        RequestError: The task can be looked at and converted, but not trained.
        DataError: The annotation cannot be understood.
        UnknownNameError: No such format or task.
    """
    known = {name for fmt in FORMATS for name in fmt.tasks}
    if isinstance(data, Dataset):
        task, where = data.task, data.root
    else:
        where = Path(data)
        if task is None:
            task = _task_at(where, format)
    if task is None or task in TASKS or task not in known:
        return
    fix = f"This version trains {', '.join(TASKS.names())}"
    if "multilabel" in TASKS and "multilabel" in TURNS_INTO.get(task, ()):
        fix += "; --task multilabel learns which classes a picture shows"
    raise RequestError(
        f"{task} can be looked at and converted; training it is not in this version.", where=where, fix=f"{fix}."
    )


def _task_at(path: Path, format: str | None) -> str | None:
    """Name of the task that the annotation is for; `None` where it can be trained whatever it is."""
    if not path.exists():
        return None
    chosen = FORMATS.get(format) if format is not None else find_format(path)[0]
    if all(name in TASKS for name in chosen.tasks):
        return None
    return read_for_task(path, chosen.name).task
