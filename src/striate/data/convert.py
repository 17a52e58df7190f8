"""A data set written in another format, or with its splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from striate.data.annotations import MENDED_KINDS, check_annotations
from striate.data.readings import TURNS_INTO, read_for_task
from striate.data.scan import scan_pictures
from striate.data.survey import SplitWishes, check_path, survey_data
from striate.errors import DataError, RequestError
from striate.formats import FORMATS, Format, Reading
from striate.formats.objects import leave_out_flagged
from striate.structures import SPATIAL_TASKS, Problem, Sample


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written.

    Attributes:
        out: Where.
        format: As what.
        splits: Pictures by split; the key `""` holds those without a split.
        problems: What was wrong with the set; pictures that cannot be read were left out.
        task: What the annotation is for.
    """

    out: Path
    format: str
    splits: dict[str, int]
    problems: tuple[Problem, ...]
    task: str

    @property
    def dropped(self) -> tuple[Problem, ...]:
        """Problems for which pictures were left out."""
        return tuple(problem for problem in self.problems if problem.severity == "dropped")

    @property
    def mended(self) -> tuple[Problem, ...]:
        """Problems for which boxes or masks were changed or left out of their pictures."""
        return tuple(problem for problem in self.problems if problem.kind in MENDED_KINDS)

    @property
    def images(self) -> int:
        """Number of pictures."""
        return sum(self.splits.values())


def convert(
    path: str | Path,
    to_format: str,
    out: str | Path,
    *,
    format: str | None = None,
    task: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Writes a data set in another format, with the splits that it has.

    Boxes and masks are held against their pictures first, by the rules of `striate.data.annotations`: what is written
    is what training would use.

    Args:
        path: The data set.
        to_format: Name of the format to write.
        out: A new or empty folder.
        format: Name of the format to read; the one that fits best where `None`.
        task: Task to write it for, where its annotation tells enough for several; instances hold boxes too.
        progress: Called with the number of pictures checked and the number of all.

    Raises:
        UnknownNameError: No such format or task.
        DataError: The set cannot be understood, or no picture of it can be used.
        RequestError: The folder is not empty, lies in the set, or the format cannot hold this annotation.
        StorageError: It cannot be written.
    """
    root, out, target = Path(path), Path(out), FORMATS.get(to_format)
    check_path(root)
    _check_out(root, out)
    reading = read_for_task(root, format, task)
    _refuse_unfit(root, reading.task, target)
    splits, problems = {}, list(reading.problems)
    total, before = sum(map(len, reading.splits.values())), 0
    for name, samples in reading.splits.items():
        splits[name], found = _usable(reading, samples, _shifted(progress, before, total))
        problems += found
        before += len(samples)
    if not any(splits.values()):
        lost = next(problem for problem in problems if problem.severity == "dropped")
        raise DataError(
            f"none of its {total} pictures can be used; for example {lost.path}: {lost.detail}",
            where=root,
            fix=lost.fix,
        )
    return _write(target, splits, reading.classes, out, problems, reading.task)


def write_splits(
    path: str | Path,
    out: str | Path,
    *,
    format: str | None = None,
    to_format: str | None = None,
    task: str | None = None,
    wishes: SplitWishes | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Writes a data set with the splits that training would use, so that every tool uses the same.

    Args:
        path: The data set.
        out: A new or empty folder.
        format: Name of the format to read; the one that fits best where `None`.
        to_format: Name of the format to write; the one it was read from where `None`.
        task: Task to write it for; the one that the annotation is for where `None`.
        wishes: Shares and seed of the splits, where they are not given.
        progress: Called with the number of pictures checked and the number of all.

    Raises:
        UnknownNameError: No such format.
        DataError: See `striate.data.open_dataset`.
        RequestError: The folder is not empty, lies in the set, or the format cannot hold this annotation.
        StorageError: It cannot be written.
    """
    root, out = Path(path), Path(out)
    check_path(root)
    _check_out(root, out)
    named = FORMATS.get(to_format) if to_format is not None else None
    data = survey_data(root, task=task, format=format, wishes=wishes, progress=progress).dataset
    target = named or FORMATS.get(data.format)
    _refuse_unfit(root, data.task, target)
    splits = {name: list(samples) for name, samples in data.splits.items()}
    return _write(target, splits, data.classes, out, data.problems, data.task)


def _refuse_unfit(root: Path, task: str, target: Format) -> None:
    if task in target.tasks:
        return
    holders = " or ".join(f"--to {fmt.name}" for fmt in FORMATS if task in fmt.tasks)
    offers = [f"; or add --task {other}" for other in TURNS_INTO.get(task, ()) if other in target.tasks]
    raise RequestError(
        f"the format {target.name} holds {_listed(target.tasks)}, and this set is for {task}.",
        where=root,
        fix=f"Choose {holders}" + "".join(offers) + ".",
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _check_out(root: Path, out: Path) -> None:
    """Before anything is read: whoever waits for minutes should not learn only then that the folder is taken."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError("there is something here already.", where=out, fix="Name a new or empty folder.")
    if out.absolute().is_relative_to(root.absolute()):
        raise RequestError(
            f"this folder lies inside the data set {root}, which would then hold its pictures twice.",
            where=out,
            fix="Name a folder elsewhere.",
        )


def _usable(
    reading: Reading, samples: Sequence[Sample], progress: Callable[[int], None]
) -> tuple[list[Sample], list[Problem]]:
    """The pictures that can be read, with annotation that fits them, and what is wrong with the others."""
    facts = scan_pictures(samples, progress=progress)
    pairs = [(sample, fact) for sample, fact in zip(samples, facts, strict=True) if fact.readable]
    problems = [problem for fact in facts if not fact.readable for problem in fact.problems]
    if reading.task not in SPATIAL_TASKS:
        return [sample for sample, _ in pairs], problems
    checked = check_annotations(
        [sample for sample, _ in pairs], [fact.size_hw for _, fact in pairs], len(reading.classes)
    )
    problems += [problem for one in checked for problem in one.problems]
    kept = [
        replace(one.sample, size_hw=fact.size_hw)
        for one, (_, fact) in zip(checked, pairs, strict=True)
        if one.sample is not None
    ]
    return kept, problems


def _shifted(progress: Callable[[int, int], None] | None, before: int, total: int) -> Callable[[int], None]:
    done = before

    def report(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, total)

    return report


def _write(
    target: Format,
    splits: dict[str, list[Sample]],
    classes: tuple[str, ...],
    out: Path,
    problems: Sequence[Problem],
    task: str,
) -> Conversion:
    splits, left_out = leave_out_flagged(splits, target, task)
    target.write({name: samples for name, samples in splits.items() if samples}, classes, out)
    counts = {name: len(samples) for name, samples in splits.items()}
    return Conversion(out, target.name, counts, (*problems, *left_out), task)
