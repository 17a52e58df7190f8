"""The pictures at some paths: files, folders that are searched through, and volumes slice by slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from striate.errors import PictureError, RequestError
from striate.evaluation.words import plural
from striate.formats.volumes.found import looks_like_dicom_volumes
from striate.images import FileSource, beside, gather_stacks, is_picture_path
from striate.images.volumes import (
    VOLUME_KINDS,
    SliceSource,
    address_beside,
    files_of,
    find_volume_kind,
    read_volume_header,
    upright_size,
)
from striate.images.volumes.dicom_series import find_series
from striate.runs.overlay import is_overlay
from striate.structures import PLANES, Problem, Sample, Slicing


def find_pictures(
    paths: str | Path | Sequence[str | Path],
    problems: list[Problem],
    slicing: Slicing | None = None,
    channels: Sequence[str] = (),
    volume_channels: Sequence[str] = (),
) -> Iterator[Sample]:
    """The pictures at some paths: files as they are, volumes slice by slice, folders searched through, names in order.

    Where the network learned from pictures or volumes whose channels lie in files of their own, files are put together
    so. Files of kinds that hold pictures and stacks are volumes for a network that learned from volumes.

    Args:
        paths: A picture, a volume, a folder of these, or several of them.
        problems: Gets one entry for each link in a folder that leads nowhere, and one for each folder that holds
            answers which `striate predict` wrote; those are no pictures to ask about.
        slicing: How the network saw volumes.
        channels: Names of the channels, where the network learned from pictures with channels in files of their own.
        volume_channels: The same of volumes.

    Raises:
        RequestError: Nothing is at a path, or a folder holds no picture.
    """
    several = [paths] if isinstance(paths, str | Path) else paths
    found = _find_each(several, problems, _Volumes(slicing or Slicing(), volume_channels, problems))
    yield from _put_together(found, channels, problems) if channels else found


def _put_together(found: Iterator[Sample], channels: Sequence[str], problems: list[Problem]) -> Iterator[Sample]:
    """Pictures with channels in files of their own; of a picture that is named by one file, the others are found."""
    files = []
    for sample in found:
        if isinstance(sample.source, FileSource):
            files.append(sample.source.path)
        else:
            yield sample
    gathered, report = gather_stacks(beside(files, channels), channels)
    for name, lacking in report.missing.items():
        detail = f"there is no file for {', '.join(lacking)}; the network learned from {', '.join(channels)}."
        problems.append(Problem("missing-channel", name, detail, "Put the file beside the others.", "dropped"))
    for one in gathered:
        yield Sample(FileSource(one, str(one)) if isinstance(one, Path) else one)


class _Volumes:
    """Tells volumes from pictures, and cuts them into slices, as the network that is asked learned them."""

    def __init__(self, slicing: Slicing, channels: Sequence[str], problems: list[Problem]) -> None:
        self._slicing = slicing
        self._channels = channels
        self._problems = problems
        self._seen: set[Path] = set()

    def has(self, path: Path) -> bool:
        """Whether this is a volume for the network."""
        if self._slicing.plane is None and is_picture_path(path):
            return False
        return find_volume_kind(path) is not None

    def slices(self, path: Path) -> Iterator[Sample]:
        """Every slice of a volume, in the plane that the network saw; none where a file of its has been seen."""
        address = address_beside(path, self._channels)
        if address is not None:
            if address in self._seen:
                return
            self._seen.add(address)
            lacking = [file.name for file in files_of(address) if not file.exists()]
            if lacking:
                detail = f"there is no {', '.join(lacking)}; the network learned from {', '.join(self._channels)}."
                self._report("missing-channel", path, detail, "Put the file beside the others.")
                return
            path = address
        plane = PLANES.index(self._slicing.plane or PLANES[0])
        try:
            count = upright_size(read_volume_header(path))[plane]
        except PictureError as error:
            self._report(error.kind, path, error.what, error.fix or "Left out.")
            return
        for index in range(count):
            source = SliceSource(path, str(path), plane, index, self._slicing.neighbours or 0)
            yield Sample(source, group=str(path))

    def _report(self, kind: str, path: Path, detail: str, fix: str) -> None:
        self._problems.append(Problem(kind, str(path), detail, fix, "dropped"))


def _find_each(several: Sequence[str | Path], problems: list[Problem], volumes: _Volumes) -> Iterator[Sample]:
    for path in map(Path, several):
        if volumes.has(path):
            yield from volumes.slices(path)
        elif path.is_dir():
            yield from _in_folder(path, problems, volumes)
        elif path.exists():
            yield Sample(FileSource(path, str(path)))
        elif path.is_symlink():
            raise RequestError(
                f"this link leads to {path.readlink()}, where nothing is.",
                where=path,
                fix="Put the picture back there.",
            )
        else:
            raise RequestError("there is no such picture or folder.", where=path, fix="Check the path.")


def _in_folder(folder: Path, problems: list[Problem], volumes: _Volumes) -> Iterator[Sample]:
    empty = True
    drawn = Counter[Path]()
    in_series: set[Path] = set()
    if looks_like_dicom_volumes(folder):
        for series in find_series(folder):
            if series.slices > 1:
                in_series.update(series.files)
                yield from volumes.slices(series.path)
                empty = False
    suffixes = tuple(suffix for kind in VOLUME_KINDS for suffix in kind.suffixes)
    for path in sorted(folder.rglob("*")):
        if path in in_series:
            continue
        if path.name.lower().endswith(suffixes) and volumes.has(path):
            yield from volumes.slices(path)
            empty = False
            continue
        if not is_picture_path(path) or path.name.startswith("."):
            continue
        if path.is_symlink() and not path.exists():
            detail = f"this link leads to {path.readlink()}, where nothing is."
            problems.append(Problem("broken-link", str(path), detail, "Put the picture back there.", "dropped"))
        elif not path.is_file():
            continue
        elif is_overlay(path):
            drawn[path.parent] += 1
        else:
            yield Sample(FileSource(path, str(path)))
        empty = False
    for place, count in drawn.items():
        detail = f"a set of {plural(count, 'picture')} that `striate predict` drew itself."
        problems.append(Problem("own-answers", str(place), detail, "Give it by name to ask about it.", "dropped"))
    if empty:
        raise RequestError("there is no picture in this folder.", where=folder, fix="Give a folder that holds some.")
