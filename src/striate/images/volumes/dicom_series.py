"""Which DICOM files of a folder make up a volume, and in which order.

A series is all frames of one SeriesInstanceUID in one folder that have one orientation and one size; each file of
several frames is one by itself. Slices are ordered by their positions along the normal of their plane, never by file
names. Where every position occurs equally often, the repetitions become channels (times, echoes, b-values).

How a series is addressed: by its folder, where that holds no other series; else by any of its files, which then stands
for all files of the series in its folder. A file of several frames is its own address. A series of one slice is a
picture, and its address is that of the file.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import PictureError
from striate.images.dicom_files import (
    LABEL_CLASSES,
    SUFFIXES,
    check_is_image,
    decoding_dicom,
    looks_like_dicom,
    open_header,
)
from striate.images.dicom_values import Form, functional_item, numbers, spacing_of
from striate.images.kinds import check_size, truncated
from striate.images.volumes.dicom_order import Found, Ordered, order_frames
from striate.structures import Count, Geometry, Problem

_REPEATED_BY = (
    ("EchoTime", "echo {:g} ms"),
    ("DiffusionBValue", "b {:g}"),
    ("TemporalPositionIdentifier", "time {:g}"),
    ("TriggerTime", "trigger {:g} ms"),
    ("AcquisitionNumber", "acquisition {:g}"),
)
_TAGS = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID", "Modality"),
    *("InstanceNumber", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames"),
    *("BitsAllocated", "BitsStored", "PixelRepresentation", "ImagePositionPatient", "ImageOrientationPatient"),
    *("PixelSpacing", "ImagerPixelSpacing", "SliceThickness", "SpacingBetweenSlices", "GridFrameOffsetVector"),
    *("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence", "FrameOfReferenceUID"),
    *(keyword for keyword, _ in _REPEATED_BY),
)
_SAME_DIRECTION = 1e-3
_PATIENT_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Series:
    """Frames that make up a volume, in order. Its UIDs identify and are not shown.

    Attributes:
        path: Its address, which `read_volume` takes.
        frames: File and position in it (from 0) of every frame, slice by slice, within a slice channel by channel.
        channel_names: Names of the repetitions at one position; one where there is none.
        size_hw: Rows and columns.
        geometry: Where voxels lie.
        patient: Twelve hexadecimal digits that are the same for the same PatientID. They hide it from a reader, but
            not from somebody who tries out all possible ones.
        modality: DICOM's word for the kind of scanner.
        study_uid: Its study.
        uid: The series.
        problems: What is odd about it.
        notes: What reading does about that.
    """

    path: Path
    frames: tuple[tuple[Path, int], ...] = field(repr=False)
    channel_names: tuple[str, ...]
    size_hw: tuple[int, int]
    geometry: Geometry = field(repr=False, compare=False)
    patient: str
    modality: str
    study_uid: str = field(repr=False)
    uid: str = field(repr=False)
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def slices(self) -> int:
        """Number of slices."""
        return len(self.frames) // len(self.channel_names)

    @property
    def files(self) -> tuple[Path, ...]:
        """Its files, each once, in the order of slices."""
        return tuple(dict.fromkeys(path for path, _ in self.frames))


def find_series(folder: Path, problems: list[Problem] | None = None) -> list[Series]:
    """All series in a folder and the folders in it.

    Args:
        folder: Where to look. Files are told by their first bytes, not by their names.
        problems: Where oddities are added, with paths relative to the folder: files that cannot be read, DICOM that is
            no picture, several series in one folder, and those of each series.
    """
    told: list[Problem] = [] if problems is None else problems
    found: list[Series] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += series_of_files(folder, [Path(place) / name for name in sorted(names)], told)
    places: dict[str, set[Path]] = {}
    for series in found:
        places.setdefault(series.uid, set()).add(series.files[0].parent)
    for uid, several in places.items():
        if len(several) > 1 and uid:
            told.append(
                Problem(
                    "series-in-several-folders",
                    _relative(min(several), folder),
                    f"files of one series lie in {len(several)} folders, and each folder counts as a series.",
                    "Move them into one folder where they belong together.",
                )
            )
    return found


def series_of_files(root: Path, files: Iterable[Path], problems: list[Problem]) -> list[Series]:
    """The series that files of one folder make up.

    Args:
        root: What paths of problems are relative to.
        files: Files of one folder.
        problems: Where oddities are added.
    """
    heads = [head for file in files if (head := _read(root, file, problems)) is not None]
    groups: list[list[_Head]] = []
    for head in _without_copies(root, heads, problems):
        same = next((group for group in groups if group[0].belongs_with(head)), None)
        if same is None:
            groups.append([head])
        else:
            same.append(head)
    series = [_series(root, group, alone=len(groups) == 1 and len(group) > 1) for group in groups]
    several = [one for one in series if one.slices > 1]
    if len(groups) > 1 and several:
        parent = groups[0][0].path.parent
        problems.append(
            Problem(
                "mixed-series",
                _relative(parent, root),
                f"{Count(len(groups)):series|series} lie in one folder, {len(several)} of them with several slices.",
                "Each is read by itself, told by its UID, orientation and size; a folder for each is clearer.",
            )
        )
    for one in series:
        problems += one.problems
    return series


def patient_of(identity: str, study_uid: str) -> str:
    """A short name for a patient that is not the PatientID: first digits of its SHA-256; without one, the study's."""
    text = identity.strip() or f"study {study_uid}"
    return hashlib.sha256(text.encode()).hexdigest()[:_PATIENT_DIGITS]


@dataclass(frozen=True, slots=True)
class _Head:
    """What sorting needs of one file."""

    path: Path
    dataset: Any
    form: Form
    found: tuple[Found, ...]

    def text(self, keyword: str) -> str:
        return str(self.dataset.get(keyword) or "")

    def belongs_with(self, other: _Head) -> bool:
        if self.form.frames > 1 or other.form.frames > 1:
            return False
        uids = ("StudyInstanceUID", "SeriesInstanceUID")
        shape = (self.form.rows, self.form.columns, self.form.samples)
        if any(self.text(uid) != other.text(uid) for uid in uids) or shape != (
            other.form.rows,
            other.form.columns,
            other.form.samples,
        ):
            return False
        mine, theirs = self.found[0].directions, other.found[0].directions
        if mine is None or theirs is None:
            return mine is theirs
        return bool(np.allclose(mine, theirs, atol=_SAME_DIRECTION))


def _read(root: Path, path: Path, problems: list[Problem]) -> _Head | None:
    name = _relative(path, root)
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR":
        return None
    if not looks_like_dicom(path):
        if path.suffix.lower() in SUFFIXES:
            problems.append(
                Problem("not-a-picture", name, "its first bytes are not those of DICOM.", "Left out.", "dropped")
            )
        return None
    try:
        dataset, pixels = open_header(path, _TAGS)
        with decoding_dicom(path):
            check_is_image(path, dataset, pixels)
            if str(dataset.get("SOPClassUID")) in LABEL_CLASSES:
                return None
            form = Form.of(path, dataset)
            check_size(path, (form.rows, form.columns))
            if form.frames > path.stat().st_size:
                raise truncated(path, f"{form.frames} frames are announced")
            return _Head(path, dataset, form, tuple(_frames(path, dataset, form)))
    except PictureError as error:
        problems.append(Problem(error.kind, name, error.what, f"Left out. {error.fix}".strip(), "dropped"))
    except OSError:
        problems.append(Problem("unreadable", name, "the file cannot be opened.", "Left out.", "dropped"))
    return None


def _frames(path: Path, dataset: Any, form: Form) -> Iterable[Found]:
    offsets = numbers(dataset.get("GridFrameOffsetVector"), form.frames) if form.frames > 1 else None
    for frame in range(form.frames):
        place = functional_item(dataset, frame, "PlanePositionSequence") or dataset
        plane = functional_item(dataset, frame, "PlaneOrientationSequence") or dataset
        position = numbers(place.get("ImagePositionPatient"), 3)
        directions = numbers(plane.get("ImageOrientationPatient"), 6)
        if directions is not None and abs(np.linalg.norm(np.cross(directions[:3], directions[3:])) - 1) > 0.01:
            directions = None
        if offsets is not None and position is not None and directions is not None:
            normal = np.cross(directions[:3], directions[3:])
            moved = np.array(position) + normal * (offsets[frame] - offsets[0])
            position = (float(moved[0]), float(moved[1]), float(moved[2]))
        elif form.frames > 1 and place is dataset:
            # One position for all frames says nothing of the others.
            position = None
        yield Found(path, frame, position, directions, *_sorting(dataset, frame))


def _sorting(dataset: Any, frame: int) -> tuple[float, tuple[float | None, ...]]:
    """InstanceNumber, and the values that tell repetitions from each other."""
    echo = functional_item(dataset, frame, "MREchoSequence")
    diffusion = functional_item(dataset, frame, "MRDiffusionSequence")
    content = functional_item(dataset, frame, "FrameContentSequence")
    places = (echo, diffusion, content, None, content)
    values: list[float | None] = []
    for (keyword, _), place in zip(_REPEATED_BY, places, strict=True):
        names = {"EchoTime": "EffectiveEchoTime", "TemporalPositionIdentifier": "TemporalPositionIndex"}
        value = place.get(names.get(keyword, keyword)) if place is not None else dataset.get(keyword)
        found = numbers([value], 1)
        values.append(None if found is None else found[0])
    number = numbers([dataset.get("InstanceNumber")], 1)
    return number[0] if number is not None else 0.0, tuple(values)


def _without_copies(root: Path, heads: list[_Head], problems: list[Problem]) -> list[_Head]:
    """Each object once: copies have the same SOPInstanceUID."""
    times = Counter(uid for head in heads if (uid := head.text("SOPInstanceUID")))
    seen: set[str] = set()
    kept = []
    for head in heads:
        uid = head.text("SOPInstanceUID")
        if times[uid] > 1 and uid in seen:
            problems.append(
                Problem(
                    "duplicate",
                    _relative(head.path, root),
                    "another file of its folder is the same object (SOPInstanceUID).",
                    "Left out.",
                    "dropped",
                )
            )
            continue
        seen.add(uid)
        kept.append(head)
    return kept


def _series(root: Path, group: list[_Head], alone: bool) -> Series:
    first = group[0]
    address = first.path.parent if alone else first.path
    spacing, spacing_notes = spacing_of(first.dataset)
    ordered: Ordered = order_frames(
        [found for head in group for found in head.found],
        spacing,
        numbers([_slice_distance(first.dataset)], 1),
        tuple(words for _, words in _REPEATED_BY),
    )
    place = _relative(address, root)
    return Series(
        path=address,
        frames=tuple((frame.path, frame.index) for frame in ordered.frames),
        channel_names=ordered.channel_names,
        size_hw=(first.form.rows, first.form.columns),
        geometry=ordered.geometry,
        patient=patient_of(first.text("PatientID"), first.text("StudyInstanceUID")),
        modality=_short(first.text("Modality")),
        study_uid=first.text("StudyInstanceUID"),
        uid=first.text("SeriesInstanceUID"),
        problems=tuple(replace(problem, path=place) for problem in ordered.problems),
        notes=(*ordered.notes, *spacing_notes),
    )


def _slice_distance(dataset: Any) -> Any:
    item = functional_item(dataset, 0, "PixelMeasuresSequence") or dataset
    return item.get("SpacingBetweenSlices") or item.get("SliceThickness")


def _short(modality: str) -> str:
    """Two or more capital letters, as the standard's words are; other text is not passed on."""
    return modality if modality.isalpha() and modality.isupper() and len(modality) <= 8 else ""


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
