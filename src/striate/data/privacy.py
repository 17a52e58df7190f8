"""What the files of a data set tell about people, summed up by entry, and whether its pictures are scans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath

from striate.formats.medmnist import is_medical
from striate.images import KINDS, PICTURE_SUFFIXES, ArraySource, FileSource
from striate.images.identity import HOLDERS, Holder, find_holder, find_identity
from striate.images.volumes import LabelSlice, SliceSource
from striate.structures import Count, Problem, Sample, evenly

IDENTIFYING, BURNT_IN = "identifying", "burnt-in-text-risk"
_HOLDERS = {holder.name: holder for holder in HOLDERS}
"""By the name that the kind of picture file has, too."""

_MOST_FILES = 2000
"""Files of volumes that are looked into; of more, as many spread evenly."""

_NAMED = 4
_BETWEEN = "\n"
_COPY = "`striate data deidentify IN OUT` writes copies without it."


def identity_problems(path: Path, name: str, kind: str) -> Iterator[Problem]:
    """What one file tells, one entry a line; `sum_up` makes sentences of it for all files.

    Args:
        path: The file.
        name: What it is called in the set.
        kind: Its kind, as `Header.kind` has it.
    """
    if kind in _HOLDERS:
        yield from _of_file(path, name, _HOLDERS[kind])


def _of_file(path: Path, name: str, holder: Holder) -> Iterator[Problem]:
    found, title = find_identity(path, holder), holder.title
    for problem, entries in ((IDENTIFYING, found.names), (BURNT_IN, found.burnt_in)):
        if entries:
            yield Problem(problem, name, _BETWEEN.join((title, *entries)), "")


def sum_up(problems: Sequence[Problem], samples: Iterable[Sample] = ()) -> list[Problem]:
    """The problems with those of `identity_problems` summed up, one for each kind of file.

    Args:
        problems: Everything found in the pictures.
        samples: The samples; volumes and label volumes among them are looked into here, once each.
    """
    mine = [problem for problem in problems if problem.kind in (IDENTIFYING, BURNT_IN)]
    for path, name in _spread(_volume_files(samples)):
        if (holder := find_holder(path)) is not None:
            mine += _of_file(path, name, holder)
    kinds: dict[tuple[str, str], list[tuple[str, list[str]]]] = {}
    for problem in mine:
        title, *entries = problem.detail.split(_BETWEEN)
        kinds.setdefault((problem.kind, title), []).append((problem.path, entries))
    rest = [problem for problem in problems if problem.kind not in (IDENTIFYING, BURNT_IN)]
    return [*rest, *(_sentence(kind, title, found) for (kind, title), found in sorted(kinds.items()))]


def _sentence(kind: str, title: str, found: list[tuple[str, list[str]]]) -> Problem:
    counts = Counter(entry for _, entries in found for entry in entries)
    listed = ", ".join(
        f"{name} ({Count(counts[name]):file})" for name in sorted(counts, key=lambda n: _rank(n, counts))
    )
    number = f"{Count(len(found)):{title} file|{title} files}"
    if kind == IDENTIFYING:
        detail = f"{number} may tell who somebody is, by {listed}."
        fix = f"No run, report or export holds any of it. {_COPY}"
    else:
        names = [name for name, _ in found[:_NAMED]]
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        detail = f"{number} may show names as text in the pixels: {listed}."
        fix = f"Look at {', '.join(names)}{more}: text in pixels is never removed, and galleries and reports show it."
    return Problem(kind, found[0][0], detail, fix)


def _rank(name: str, counts: Counter[str]) -> tuple[bool, bool, int, str]:
    """The patient's own entries first, private ones and UIDs last, common ones before rare ones."""
    return name.startswith(("private", "unique")), not name.startswith("Patient"), -counts[name], name


def _volume_files(samples: Iterable[Sample]) -> dict[Path, str]:
    files: dict[Path, str] = {}
    folders: set[Path] = set()
    for sample in samples:
        for source in (sample.source, sample.annotation):
            if not isinstance(source, SliceSource):
                files |= {one: one.name for one in getattr(source, "paths", ())}
            path = getattr(source, "path", None)
            if not isinstance(path, Path) or isinstance(source, FileSource | ArraySource) or path in folders:
                continue
            name = getattr(source, "volume", None) or getattr(source, "name", path.name)
            folders.add(path)
            if path.is_dir():
                files |= {one: f"{name}/{one.name}" for one in sorted(path.iterdir()) if one.is_file()}
            elif isinstance(source, SliceSource):
                files |= {one: PurePath(str(name)).with_name(one.name).as_posix() for one in source.paths}
            elif isinstance(source, LabelSlice) or find_holder(path) is not None:
                files[path] = str(name)
    return files


def _spread(files: dict[Path, str]) -> list[tuple[Path, str]]:
    pairs = list(files.items())
    return [pairs[index] for index in evenly(len(pairs), _MOST_FILES).tolist()]


def shows_scans(samples: Sequence[Sample], problems: Sequence[Problem] = ()) -> bool:
    """Whether pictures of a set are scans: DICOM, volumes, or a medical set of MedMNIST.

    Args:
        samples: The samples.
        problems: What was found in them; files named like photographs are looked into only where one is `misnamed`.
    """
    photographs = PICTURE_SUFFIXES - set(KINDS.get("dicom").suffixes)
    misnamed = {problem.path for problem in problems if problem.kind == "misnamed"}
    for sample in samples:
        source = sample.source
        if isinstance(source, ArraySource):
            # All entries of one archive are alike.
            if is_medical(source.path):
                return True
        elif not isinstance(source, FileSource):
            path = getattr(source, "path", None)
            if isinstance(source, SliceSource) or (isinstance(path, Path) and _is_scan(path)):
                return True
        elif (source.path.suffix.lower() not in photographs or source.name in misnamed) and _is_scan(source.path):
            return True
    return False


def _is_scan(path: Path) -> bool:
    holder = find_holder(path)
    return holder is not None and holder.name in ("dicom", "nifti", "nrrd")
