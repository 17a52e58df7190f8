"""Volumes of a data set wherever they lie: in a file each, or as DICOM series."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path

from striate.errors import MissingPartError, PictureError
from striate.formats.listing import is_junk
from striate.formats.volumes.files import patients_of
from striate.images.dicom_files import looks_like_dicom
from striate.images.volumes import VolumeHeader, read_volume_header
from striate.images.volumes.dicom_seg import is_segmentation
from striate.images.volumes.dicom_series import find_series
from striate.structures import Problem

_PEEPED_AT = 200
_FEWEST_SLICES = 2


@dataclass(frozen=True, slots=True)
class FoundVolume:
    """A volume of a data set.

    Attributes:
        path: Its address, which `read_volume` takes.
        name: Its name in the data set: the path relative to the root.
        patient: Whose it is; volumes of one patient never straddle two splits.
        ids: What a table may call it besides its name, as `fold_id` writes it: of DICOM the patient, study and series.
        uid: Of a DICOM series, by which SEG files name it.
    """

    path: Path
    name: str
    patient: str
    ids: frozenset[str] = field(default=frozenset(), repr=False)
    uid: str = field(default="", repr=False)


@dataclass(slots=True)
class DicomSet:
    """What a folder of DICOM holds.

    Attributes:
        volumes: Series of two slices and more.
        labels: SEG files, relative to the root.
        problems: What is odd or cannot be read.
    """

    volumes: list[FoundVolume] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def fold_id(text: str) -> str:
    """An identifier as it is compared: folded, without blanks, and of a patient not readable any more."""
    return sha256(text.strip().casefold().encode()).hexdigest()


def found_files(root: Path, files: Sequence[str]) -> list[FoundVolume]:
    """Volumes in files."""
    patients = patients_of(files)
    return [FoundVolume(root / file, file, patients[file]) for file in files]


def looks_like_dicom_volumes(root: Path) -> bool:
    """Whether some of the first files below a folder are DICOM slices that make up volumes, or labels of some."""
    if not root.is_dir():
        return False
    files: dict[Path, int] = {}
    try:
        for path in islice(_files(root), _PEEPED_AT):
            if looks_like_dicom(path):
                if is_segmentation(path):
                    return True
                files[path.parent] = files.get(path.parent, 0) + 1
        if not any(count >= _FEWEST_SLICES for count in files.values()):
            return False
        busiest = max(files, key=lambda folder: files[folder])
        return bool(read_dicom_set(busiest, deep=False).volumes)
    except (PictureError, MissingPartError):
        return False


def read_dicom_set(root: Path, deep: bool = True) -> DicomSet:
    """Every series and every SEG file below a folder.

    Args:
        root: The folder.
        deep: Whether SEG files are looked for, too.

    Raises:
        MissingPartError: pydicom is not installed.
    """
    found = DicomSet()
    for series in find_series(root, found.problems):
        if series.slices < _FEWEST_SLICES:
            continue
        name = series.path.relative_to(root).as_posix()
        ids = frozenset({fold_id(series.uid), fold_id(series.study_uid), series.patient})
        found.volumes.append(FoundVolume(series.path, name, f"patient {series.patient}", ids, series.uid))
    for path in _files(root) if deep else ():
        try:
            if looks_like_dicom(path) and is_segmentation(path):
                found.labels.append(path.relative_to(root).as_posix())
        except PictureError:
            # The search for series has reported it.
            continue
    return found


def read_headers(volumes: Sequence[FoundVolume], problems: list[Problem]) -> dict[FoundVolume, VolumeHeader]:
    """Headers of the volumes that can be read; the others are reported."""
    headers = {}
    for volume in volumes:
        try:
            headers[volume] = read_volume_header(volume.path)
        except PictureError as error:
            problems.append(Problem(error.kind, volume.name, error.what, f"Left out. {error.fix}".strip(), "dropped"))
    return headers


def _files(root: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not is_junk(name))
        yield from (Path(place) / name for name in sorted(names) if not is_junk(name))
