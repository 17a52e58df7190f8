"""A data set written in another format, or with its splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from striate.data.scan import scan_pictures
from striate.data.survey import SplitWishes, check_path, survey_data
from striate.errors import RequestError
from striate.formats import FORMATS, Format, read_folder
from striate.structures import Problem, Sample


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written.

    Attributes:
        out: Where.
        format: As what.
        splits: Pictures by split; the key `""` holds those without a split.
        problems: What was wrong with the set; pictures that cannot be read were left out.
    """

    out: Path
    format: str
    splits: dict[str, int]
    problems: tuple[Problem, ...]

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
    progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Writes a data set in another format, with the splits that it has.

    Args:
        path: The data set.
        to_format: Name of the format to write.
        out: A new or empty folder.
        format: Name of the format to read; the one that fits best where `None`.
        progress: Called with the number of pictures checked and the number of all.

    Raises:
        UnknownNameError: No such format.
        DataError: The set cannot be understood.
        RequestError: The folder is not empty, lies in the set, or the format cannot hold this annotation.
        StorageError: It cannot be written.
    """
    root, out, target = Path(path), Path(out), FORMATS.get(to_format)
    check_path(root)
    _check_out(root, out)
    reading = read_folder(root, format)
    if reading.task not in target.tasks:
        raise RequestError(
            f"the format {to_format} holds {' and '.join(target.tasks)}, and this set is for {reading.task}.",
            where=root,
            fix="Choose " + " or ".join(fmt.name for fmt in FORMATS if reading.task in fmt.tasks) + ".",
        )
    splits, problems = {}, list(reading.problems)
    total, before = sum(map(len, reading.splits.values())), 0
    for name, samples in reading.splits.items():
        readable, found = _readable(samples, _shifted(progress, before, total))
        splits[name] = readable
        problems += found
        before += len(samples)
    return _write(target, splits, reading.classes, out, problems)


def write_splits(
    path: str | Path,
    out: str | Path,
    *,
    format: str | None = None,
    to_format: str | None = None,
    wishes: SplitWishes | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Writes a data set with the splits that training would use, so that every tool uses the same.

    Args:
        path: The data set.
        out: A new or empty folder.
        format: Name of the format to read; the one that fits best where `None`.
        to_format: Name of the format to write; the one it was read from where `None`.
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
    data = survey_data(root, format=format, wishes=wishes, progress=progress).dataset
    target = FORMATS.get(to_format or data.format)
    splits = {name: list(samples) for name, samples in data.splits.items()}
    return _write(target, splits, data.classes, out, data.problems)


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


def _readable(samples: Sequence[Sample], progress: Callable[[int], None]) -> tuple[list[Sample], list[Problem]]:
    facts = scan_pictures(samples, progress=progress)
    kept = [sample for sample, fact in zip(samples, facts, strict=True) if fact.readable]
    return kept, [problem for fact in facts if not fact.readable for problem in fact.problems]


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
) -> Conversion:
    target.write({name: samples for name, samples in splits.items() if samples}, classes, out)
    return Conversion(out, target.name, {name: len(samples) for name, samples in splits.items()}, tuple(problems))
