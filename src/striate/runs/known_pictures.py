"""The pictures that a measurement is made on: the run's own splits, or other data with the same classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from striate.data import ALL, Dataset, open_by_recipe, open_dataset, open_unsplit, slicing_of
from striate.data.annotations import renumbered
from striate.data.readings import OtherTaskError
from striate.data.splits import class_indices
from striate.errors import DataError, RequestError
from striate.evaluation.words import listed, plural
from striate.recipe import Recipe
from striate.runs.folder import RunFolder
from striate.runs.structures import RunFacts
from striate.structures import AnnotationSource, Sample


def pictures_of_split(
    folder: RunFolder, facts: RunFacts, recipe: Recipe, data: Dataset | str | Path | None, split: str | None
) -> tuple[list[Sample], str]:
    """The samples to measure on, with class indices of the run, and the name of their split.

    Raises:
        DataError: Another task, unknown classes, or the run's own pictures are gone.
        RequestError: No such split.
    """
    if data is None:
        return _own_split(folder, facts, recipe, split)
    return pictures_of_data(data, facts, recipe, split)


def pictures_of_data(
    data: Dataset | str | Path, facts: RunFacts, recipe: Recipe, split: str | None
) -> tuple[list[Sample], str]:
    """The samples of other data to measure on, with class indices of a network, and the name of their split.

    Where no split is asked for none is made, and few pictures of one class will do.

    Raises:
        DataError: Another task, or unknown classes.
        RequestError: No such split.
    """
    other = data if isinstance(data, Dataset) else _opened(data, facts.task, recipe, split)
    if other.task != facts.task:
        raise DataError(
            f"the run is of task {facts.task}, this data of task {other.task}.",
            where=other.root,
            fix="Give data of the same task.",
        )
    samples, name = _other_split(other, split)
    return with_classes_of(samples, other.classes, facts.classes), name


def _opened(data: str | Path, task: str, recipe: Recipe, split: str | None) -> Dataset:
    opens = open_unsplit if split in (None, ALL) else open_dataset
    try:
        return opens(data, task=task, slicing=slicing_of(recipe))
    except OtherTaskError as error:
        raise DataError(
            f"the run is for {task}, and the annotation here is for {error.found}.",
            where=data,
            fix=f"Give pictures that are annotated for {task}.",
        ) from error


def open_own_data(facts: RunFacts, recipe: Recipe, progress: Callable[[int, int], None] | None = None) -> Dataset:
    """Opens the data set that the run was trained on, as it was opened then.

    Args:
        facts: What `run.json` says: where the data is, and the task and format it was read as.
        recipe: The run's own.
        progress: Called with the number of pictures checked and the number of all.

    Raises:
        DataError: It is gone or has changed beyond recognition.
    """
    return open_by_recipe(facts.data, recipe, task=facts.task, format=facts.data_format, progress=progress)


def with_classes_of(samples: list[Sample], classes: tuple[str, ...], wanted: tuple[str, ...]) -> list[Sample]:
    """Samples whose class indices point into `wanted`, matched by class name.

    Raises:
        DataError: A picture shows a class that `wanted` does not have.
    """
    if classes == wanted:
        return samples
    shown = {classes[index] for sample in samples for index in class_indices(sample)}
    if any(isinstance(sample.annotation, AnnotationSource) for sample in samples):
        # What lies in files of its own may show every class that is listed.
        shown |= set(classes)
    unknown = sorted(shown - set(wanted))
    if unknown:
        what = f"class {listed(unknown)} is" if len(unknown) == 1 else f"classes {listed(unknown)} are"
        raise DataError(
            f"{what} unknown to the network, which knows {listed(list(wanted), 20)}.",
            where=next(
                (one.name for one in samples if unknown[0] in {classes[i] for i in class_indices(one)}), samples[0].name
            ),
            fix="Rename them to the names the network was trained with, or leave those pictures out.",
        )
    place = tuple(wanted.index(name) if name in wanted else -1 for name in classes)
    return [replace(sample, annotation=renumbered(sample.annotation, place)) for sample in samples]


def _own_split(folder: RunFolder, facts: RunFacts, recipe: Recipe, split: str | None) -> tuple[list[Sample], str]:
    splits = folder.read_splits()
    name = split or ("test" if splits.get("test") else "validation")
    if name == ALL:
        splits = {ALL: [one for names in splits.values() for one in names]}
    if not splits.get(name):
        raise RequestError(f"the run has no split {name!r}.", where="split", fix=f"Splits: {', '.join(splits)}.")
    data = open_own_data(facts, recipe)
    here = {sample.name: sample for sample in data.samples}
    found = [here[one] for one in splits[name] if one in here]
    if not found:
        raise DataError(
            f"none of the {plural(len(splits[name]), f'{name} picture')} of the run is here any more.",
            where=facts.data,
            fix="Put the data back, or give its new place: striate evaluate RUN DATA.",
        )
    return with_classes_of(found, data.classes, facts.classes), name


def _other_split(data: Dataset, split: str | None) -> tuple[list[Sample], str]:
    if split is None and "test" in data.given:
        split = "test"
    if split is None or split == ALL:
        return data.samples, ALL
    if not data.splits.get(split):
        raise RequestError(
            f"this data has no split {split!r}.", where=data.root, fix=f"Splits: {', '.join(data.splits)}, {ALL}."
        )
    return list(data.splits[split]), split
