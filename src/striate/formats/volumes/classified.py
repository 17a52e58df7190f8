"""Volumes with one class each: every slice is a picture of that class, and the volume is what is answered for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from striate.errors import DataError
from striate.formats.base import Reading
from striate.formats.folder_names import read_folder_name, split_of_path
from striate.formats.labelled import Entry, Findings, build_reading
from striate.formats.volumes.files import name_of_volume
from striate.formats.volumes.found import FoundVolume, read_headers
from striate.formats.volumes.slicing import settle_slicing
from striate.formats.volumes.tables import labels_by_table
from striate.images.volumes import SliceSource, upright_size
from striate.structures import Count, Problem, Slicing

_MOSTLY = 0.6


def classes_of_folders(names: Sequence[str]) -> dict[str, str]:
    """The class folder of each volume: the topmost one in which volumes differ, and that is named after no split.

    Folders of patients and series may lie below it. Volumes in no such folder are left out.

    Args:
        names: Volumes relative to the data set.
    """
    parts = {name: [one for one in PurePosixPath(name).parent.parts if read_folder_name(one).rest] for name in names}
    depth, deepest = 0, max(map(len, parts.values()), default=0)
    while depth < deepest and len({tuple(one[: depth + 1]) for one in parts.values()}) == 1:
        depth += 1
    found = {name: one[depth] for name, one in parts.items() if len(one) > depth}
    # Where nearly every volume has a folder of its own, the folders are patients and no classes.
    return found if len(set(found.values())) <= max(1, len(names) // 2) and not _are_patients(found) else {}


def _are_patients(folders: Mapping[str, str]) -> bool:
    """Whether folders hold a few scans each that are called alike in all of them, by words: `p1/p1_t1`, `p2/p2_t1`."""
    words: dict[str, set[str]] = {}
    for name, folder in folders.items():
        stem = name_of_volume(PurePosixPath(name).name).casefold()
        words.setdefault(folder, set()).add(stem.removeprefix(folder.casefold()).strip("-_. "))
    first = next(iter(words.values()), set())
    alike = sum(one == first for one in words.values()) >= _MOSTLY * len(words)
    return alike and 1 < len(first) < len(words) and not any(word.isdigit() for word in first)


def _below_its_class(volume: FoundVolume, classes: Mapping[str, str]) -> FoundVolume:
    """The volume with its patient by what lies below the class folder: a folder, or the volume alone."""
    if volume.uid or volume.name not in classes:
        return volume
    rest = [part for part in PurePosixPath(volume.name).parent.parts if read_folder_name(part).rest]
    below = rest[rest.index(classes[volume.name]) + 1 :]
    return replace(volume, patient="/".join(below) or name_of_volume(volume.name))


def read_classified(
    name: str, root: Path, volumes: Sequence[FoundVolume], slicing: Slicing, problems: Sequence[Problem] = ()
) -> Reading:
    """Reads volumes in class folders, or with a table of labels.

    Args:
        name: Name of the format.
        root: The data set.
        volumes: Its volumes.
        slicing: How they are cut.
        problems: What was found so far.

    Raises:
        DataError: No volume can be read.
    """
    found = Findings(problems=list(problems))
    labels = labels_by_table(root, volumes, found)
    if labels is None:
        by_folder = classes_of_folders([one.name for one in volumes])
        labels = {one: (label, split_of_path(one)) for one, label in by_folder.items()}
        volumes = [_below_its_class(one, by_folder) for one in volumes]
    headers = read_headers([one for one in volumes if one.name in labels], found.problems)
    if not headers:
        raise DataError(
            f"{Count(len(volumes)):volume}, and nothing says what they show.",
            where=root,
            fix="Put label volumes or DICOM SEG files beside them, make a folder for each class and move its volumes "
            "there, or add a CSV table that names volumes or patients in one column and labels in another.",
        )
    axis, neighbours, words = settle_slicing(slicing, list(headers.values()), spatial=False)
    for volume, header in headers.items():
        label, split = labels[volume.name]
        for index in range(upright_size(header)[axis]):
            source = SliceSource(volume.path, volume.name, axis, index, neighbours)
            found.splits.setdefault(split, []).append(Entry(source, (label,), volume.patient))
    people = Count(len({volume.patient for volume in headers}))
    found.notes.append(f"{Count(len(headers)):volume} of {people:patient}, each with one class. {words}")
    found.notes.append("A volume is answered by the mean of the answers for its slices.")
    return build_reading(name, root, found)
