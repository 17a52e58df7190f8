"""Volumes with one class each: every slice is a picture of that class, and the volume is what is answered for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from striate.errors import DataError
from striate.formats.base import Reading
from striate.formats.folder_names import read_folder_name, split_of_path
from striate.formats.labelled import Entry, Findings, build_reading
from striate.formats.volumes.files import without_suffix
from striate.formats.volumes.segmented import read_headers
from striate.formats.volumes.slicing import settle_slicing
from striate.images.volumes import SliceSource, upright_size
from striate.structures import Count, Slicing


def class_of_path(name: str) -> str | None:
    """The class folder that a volume lies in: the nearest one whose name says neither a split nor what lies there."""
    for part in reversed(PurePosixPath(name).parent.parts):
        read = read_folder_name(part)
        if read.rest:
            return part
    return None


def read_classified(name: str, root: Path, volumes: Sequence[str], slicing: Slicing) -> Reading:
    """Reads volumes in class folders.

    Args:
        name: Name of the format.
        root: The data set.
        volumes: Volumes relative to it.
        slicing: How they are cut.

    Raises:
        DataError: There are fewer than two classes, or no volume can be read.
    """
    found = Findings()
    labelled = {volume: label for volume in volumes if (label := class_of_path(volume)) is not None}
    headers = read_headers(root, list(labelled), found.problems)
    if not headers:
        raise DataError(
            "no volume in a class folder can be read.",
            where=root,
            fix="Make a folder for each class and move its volumes there.",
        )
    axis, neighbours, words = settle_slicing(slicing, list(headers.values()), spatial=False)
    for volume, header in headers.items():
        # The same patient may have a volume in two class folders only by mistake: the name counts without them.
        patient = PurePosixPath(without_suffix(volume)).name
        for index in range(upright_size(header)[axis]):
            source = SliceSource(root / volume, volume, axis, index, neighbours)
            found.splits.setdefault(split_of_path(volume), []).append(Entry(source, (labelled[volume],), patient))
    found.notes.append(f"{Count(len(headers)):volume}, each with one class. {words}")
    found.notes.append("A volume is answered by the mean of the answers for its slices.")
    return build_reading(name, root, found)
