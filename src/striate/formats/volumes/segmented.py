"""Volumes with a label volume each: every slice becomes a picture with a mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from striate.errors import DataError, PictureError, RequestError
from striate.formats.base import Reading
from striate.formats.folder_names import split_of_path
from striate.formats.objects import ObjectEntry, ObjectFindings, build_object_reading
from striate.formats.tally import FileTally, left_out
from striate.formats.volumes.files import VolumeFiles, patients_of
from striate.formats.volumes.slicing import settle_slicing
from striate.formats.volumes.values import settle_label_values
from striate.images.volumes import LabelSlice, SliceSource, VolumeHeader, read_volume_header, upright_size
from striate.structures import Count, Problem, Slicing

_TEST_FOLDERS = ("imagests",)
_NAMED = 5


def read_segmented(name: str, root: Path, files: VolumeFiles, slicing: Slicing) -> Reading:
    """Reads volumes and their label volumes.

    Args:
        name: Name of the format.
        root: The data set.
        files: Its volumes.
        slicing: How they are cut.

    Raises:
        DataError: Nothing can be learned here.
    """
    found = ObjectFindings("segmentation")
    found.notes.append(files.how)
    _report_alone(files, found)
    values = settle_label_values(root, list(files.labels.values()))
    found.names, found.problems = values.names, found.problems + values.problems
    found.notes += values.notes
    headers = read_headers(
        root, [volume for volume in files.labels if files.labels[volume] not in values.unreadable], found.problems
    )
    if not headers:
        raise DataError("no volume can be read.", where=root, fix="Get the files again from their origin.")
    axis, neighbours, words = settle_slicing(slicing, list(headers.values()), spatial=True)
    found.notes.append(words)
    patients = patients_of(list(headers))
    grids = FileTally()
    for volume, header in headers.items():
        label = files.labels[volume]
        regrid = _grids_differ(root, volume, label, header, grids)
        if regrid is None:
            continue
        for index in range(upright_size(header)[axis]):
            source = SliceSource(root / volume, volume, axis, index, neighbours)
            annotation = LabelSlice(
                root / label, label, axis, index, values.table, like=root / volume if regrid else None
            )
            entry = ObjectEntry(source, annotation, patients[volume])
            found.splits.setdefault(split_of_path(volume), []).append(entry)
    found.problems += grids.problems()
    slices = sum(map(len, found.splits.values()))
    found.notes.append(
        f"{Count(len(headers)):volume} of {Count(len(set(patients.values()))):patient}, {slices:,} slices."
    )
    return build_object_reading(name, root, found)


def read_headers(root: Path, volumes: Sequence[str], problems: list[Problem]) -> dict[str, VolumeHeader]:
    """Headers of the volumes that can be read; the others are reported."""
    headers = {}
    for volume in volumes:
        try:
            headers[volume] = read_volume_header(root / volume)
        except PictureError as error:
            problems.append(Problem(error.kind, volume, error.what, f"Left out. {error.fix}".strip(), "dropped"))
    return headers


def _report_alone(files: VolumeFiles, found: ObjectFindings) -> None:
    if not files.labels:
        raise RequestError("no volume has a label volume.", where="volumes", fix="Name another format with --format.")
    held_back = [name for name in files.alone if any(part.lower() in _TEST_FOLDERS for part in Path(name).parts)]
    if held_back:
        found.notes.append(f"{Count(len(held_back)):volume|volumes} without labels in imagesTs left aside.")
    alone = [name for name in files.alone if name not in held_back]
    found.problems += left_out(
        "picture-without-mask", alone, "volume has|volumes have", "no label volume", "Add the labels.", _NAMED
    )
    found.problems += left_out(
        "mask-without-picture",
        files.orphans,
        "label volume belongs|label volumes belong",
        "to no volume",
        "Add the volumes.",
        _NAMED,
    )
    found.problems += left_out(
        "further-channel",
        files.others,
        "file holds|files hold",
        "a further channel of a volume, and only the first is read",
        "Save all channels in one file, as a fourth axis.",
    )


def _grids_differ(root: Path, volume: str, label: str, header: VolumeHeader, grids: FileTally) -> bool | None:
    """Whether the labels lie on another grid than the volume; `None` where they cannot be brought onto it."""
    try:
        own = read_volume_header(root / label)
    except PictureError as error:
        grids.add(f"mask-{error.kind}", label, error.what.rstrip("."), "Its volume is left out.", "dropped")
        return None
    if own.size_shw == header.size_shw and (
        not own.geometry.known or not header.geometry.known or own.geometry.same_grid(header.geometry)
    ):
        return False
    words = " x ".join(map(str, own.size_shw))
    theirs = " x ".join(map(str, header.size_shw))
    if not (own.geometry.known and header.geometry.known):
        grids.add(
            "mask-on-another-grid",
            label,
            f"it has {words} voxels, {volume} has {theirs}, and no geometry says how the two lie over each other",
            "Its volume is left out. Save both on one grid.",
            "dropped",
        )
        return None
    grids.add(
        "mask-on-another-grid",
        label,
        f"its voxels ({words}) lie elsewhere than those of {volume} ({theirs})",
        "Each voxel of the volume takes the nearest label by the geometry of both files; save both on one grid to be "
        "sure.",
    )
    return True
