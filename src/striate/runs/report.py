"""The report: one self-contained page of a run, the answer first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from striate.errors import PictureError, StriateError
from striate.images import FileSource
from striate.pages import render_page, write_page
from striate.runs.folder import RunFolder
from striate.runs.known_pictures import open_own_data
from striate.runs.mistake_pictures import ShownMistake, mistake_thumbnails, shown_mistakes
from striate.runs.report_content import MOST_MISTAKES, Content
from striate.runs.report_sections import all_sections, lead_sentence
from striate.runs.structures import RunFacts, SplitScores
from striate.structures import (
    Annotation,
    DetectedObjects,
    Picture,
    Sample,
    SegmentedPicture,
    prediction_of_document,
    statement,
)
from striate.tasks import TASKS, Task

if TYPE_CHECKING:
    from striate.data import Dataset


def write_report(folder: RunFolder, data: Dataset | None = None) -> Path:
    """Writes `report.html` from what is in the run folder.

    Args:
        folder: The run.
        data: The data set, for the pictures of the worst mistakes; without it they are looked for where they were,
            which takes opening the data set anew where they lie in an archive. They are named where they are gone.

    Raises:
        StorageError: It cannot be written.
        CheckpointError: A file of the run is damaged.
    """
    content = _gather(folder, data)
    facts = content.facts
    name = Path(facts.data).name
    page = render_page(
        f"{facts.net} on {name}" if name else facts.net,
        all_sections(content),
        lead=lead_sentence(content),
        statement=statement(facts.scans),
        footer=f"Written by Striate {facts.striate} from the run {folder.path.name}, begun {facts.created}.".replace(
            "  ", " "
        ),
    )
    return write_page(page, folder.report_path)


def _gather(folder: RunFolder, data: Dataset | None) -> Content:
    facts = folder.read_facts()
    task = TASKS.get(facts.task)
    evaluations = folder.read_evaluations()
    split = next((name for name in ("test", "validation", *evaluations) if name in evaluations), None)
    scores = folder.read_scores(split) if split is not None else None
    report = task.mistake_report(scores.scores, scores.targets) if scores is not None else None
    chosen = shown_mistakes(report.shown, scores) if report is not None and scores is not None else []
    samples = _samples(folder, _wanted_names(task, scores, chosen), facts, data) if scores is not None else {}
    pictures, annotations = _worst_pictures(task, scores, samples)
    return Content(
        facts=facts,
        task=task,
        evaluation=evaluations[split] if split is not None else None,
        verdict=folder.read_verdict(),
        history=folder.read_history(),
        scores=scores,
        pictures=pictures,
        annotations=annotations,
        answers=_worst_answers(folder, facts, pictures),
        choices=folder.read_choices(),
        environment=folder.read_environment(),
        data=folder.read_data(),
        mistakes=report,
        kind_pictures=mistake_thumbnails(chosen, scores, samples, facts.classes) if scores is not None else {},
    )


def _wanted_names(task: Task, scores: SplitScores, mistakes: Sequence[ShownMistake]) -> list[str]:
    """Pictures that the report shows, each once."""
    return list(dict.fromkeys([*_worst_names(task, scores), *(scores.names[one.picture] for one in mistakes)]))


def _worst_names(task: Task, scores: SplitScores) -> list[str]:
    return [scores.names[index] for index in task.mistakes(scores.scores, scores.targets)[:MOST_MISTAKES]]


def _worst_pictures(
    task: Task, scores: SplitScores | None, samples: Mapping[str, Sample]
) -> tuple[dict[str, Picture], dict[str, Annotation]]:
    pictures: dict[str, Picture] = {}
    annotations: dict[str, Annotation] = {}
    for name in _worst_names(task, scores) if scores is not None else ():
        if name not in samples:
            continue
        try:
            pictures[name] = samples[name].read()
            annotation = samples[name].read_annotation() if task.spatial else None
        except PictureError:
            # The report names it instead of showing it.
            continue
        if annotation is not None:
            annotations[name] = annotation
    return pictures, annotations


def _worst_answers(
    folder: RunFolder, facts: RunFacts, pictures: Mapping[str, Picture]
) -> dict[str, SegmentedPicture | DetectedObjects]:
    return {
        str(document["path"]): prediction_of_document(document, facts.classes, pictures[document["path"]].size_hw)
        for document in folder.read_worst()
        if document["path"] in pictures
    }


def _samples(folder: RunFolder, names: Sequence[str], facts: RunFacts, data: Dataset | None) -> dict[str, Sample]:
    root = Path(facts.data)
    files = {name: root / name for name in names}
    # What is true of a place is drawn too, and only the data set knows it.
    spatial = TASKS.get(facts.task).spatial
    if data is None and facts.data and not spatial and all(path.is_file() for path in files.values()):
        return {name: Sample(FileSource(path, name)) for name, path in files.items()}
    if data is None:
        try:
            data = open_own_data(facts, folder.read_recipe())
        except StriateError:
            # The data set is gone or damaged; everything else of the report does not need it.
            return {}
    wanted = set(names)
    return {one.name: one for one in data.samples if one.name in wanted}
