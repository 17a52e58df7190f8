"""What is still known of a data set that training refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from striate.data.dataset import Dataset
from striate.data.privacy import shows_scans, sum_up
from striate.data.splits import class_indices
from striate.data.survey import Found, Survey, usual_picture
from striate.errors import DataError
from striate.formats import find_format
from striate.formats.listing import walk
from striate.structures import Count


def survey_refused(path: str | Path, format: str | None, found: Found, error: DataError) -> Survey:
    """What is known of a set in which training finds nothing to learn, unsplit where it has no splits of its own.

    Args:
        path: The folder or file.
        format: Name of its format; recognised where `None`.
        found: What was found until it was refused.
        error: Why it was.

    Raises:
        DataError: The same one, where not even the format is known.
    """
    root, reading = Path(path), found.reading
    if reading is None:
        try:
            format = format or find_format(root)[0].name
        except DataError:
            raise error from None
        files = len(walk(root)[0]) if root.is_dir() else 0
        notes = (f"{Count(files):file is|files are} named like pictures.",) if files else ()
        return Survey(Dataset(root, "", format, (), {}, notes=notes), {}, (), {}, {})
    sizes = [len(samples) for samples in reading.splits.values()]
    ends = np.cumsum(sizes)
    named = {name or "unsplit": samples for name, samples in reading.splits.items()}
    facts = {name: tuple(found.facts[end - size : end]) for name, size, end in zip(named, sizes, ends, strict=True)}
    readable = [fact for fact in found.facts if fact.readable]
    samples = [sample for part in reading.splits.values() for sample in part]
    problems = sum_up([problem for fact in found.facts for problem in fact.problems], samples)
    dataset = Dataset(
        root=root,
        task=reading.task,
        format=reading.format,
        classes=reading.classes,
        splits={name: tuple(samples) for name, samples in named.items()},
        given=tuple(name for name in reading.splits if name),
        **(usual_picture(readable) if readable else {}),
        problems=(*reading.problems, *problems),
        notes=tuple(reading.notes),
        scans=shows_scans(samples, problems),
    )
    labels = {name: tuple(class_indices(sample) for sample in samples) for name, samples in named.items()}
    return Survey(dataset, facts, (), labels, {})
