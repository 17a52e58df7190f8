"""Volumes whose voxels have classes: every slice becomes a picture with a mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from striate.errors import DataError, PictureError
from striate.formats.base import Reading
from striate.formats.folder_names import split_of_path
from striate.formats.objects import ObjectEntry, ObjectFindings, build_object_reading
from striate.formats.tally import FileTally, left_out
from striate.formats.volumes.files import VolumeFiles
from striate.formats.volumes.found import DicomSet, FoundVolume, found_files, read_headers
from striate.formats.volumes.slicing import settle_slicing
from striate.formats.volumes.values import settle_label_values
from striate.images.volumes import LabelSlice, SliceSource, VolumeHeader, read_volume_header, upright_size
from striate.images.volumes.dicom_labels import SegmentSlice, referenced_series
from striate.images.volumes.dicom_seg import segment_names
from striate.structures import AnnotationSource, Count, Problem, Slicing

_TEST_FOLDERS = ("imagests",)
_NAMED = 5

MaskOf = Callable[[FoundVolume, int, int], AnnotationSource]
"""The mask of a volume's slice, by plane and index."""


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
    found.notes += [files.how, *files.notes()]
    _report_alone(files, found)
    found.problems += files.problems()
    values = settle_label_values(root, list(files.labels.values()))
    found.names, found.problems = values.names, found.problems + values.problems
    found.notes += values.notes
    readable = [volume for volume, label in files.labels.items() if label not in values.unreadable]
    headers = read_headers(found_files(root, readable), found.problems)
    grids = FileTally()
    likes: dict[FoundVolume, Path | None] = {}
    for volume, header in headers.items():
        other = _is_on_another_grid(root, volume.name, files.labels[volume.name], header, grids)
        if other is not None:
            likes[volume] = volume.path if other else None
    found.problems += grids.problems()

    def mask_of(volume: FoundVolume, plane: int, index: int) -> AnnotationSource:
        label = files.labels[volume.name]
        return LabelSlice(root / label, label, plane, index, values.table, likes[volume])

    return _reading(name, root, {one: headers[one] for one in likes}, mask_of, slicing, found)


def read_dicom_segmented(name: str, root: Path, dicom: DicomSet, slicing: Slicing) -> Reading:
    """Reads DICOM series and the SEG files that belong to them; arguments as `read_segmented` has.

    Raises:
        DataError: Nothing can be learned here.
    """
    found = ObjectFindings("segmentation", problems=list(dicom.problems))
    by_uid = {volume.uid: volume for volume in dicom.volumes}
    labels: dict[FoundVolume, list[str]] = {}
    names: dict[str, None] = {}
    orphans = []
    for label in dicom.labels:
        try:
            volume = by_uid.get(referenced_series(root / label))
            own = segment_names(root / label)
        except PictureError as error:
            fix = f"Left out. {error.fix}".strip()
            found.problems.append(Problem(f"mask-{error.kind}", label, error.what, fix, "dropped"))
            continue
        if volume is None:
            orphans.append(label)
            continue
        labels.setdefault(volume, []).append(label)
        names |= dict.fromkeys(own)
    found.names = ["background", *sorted(names)]
    found.problems += left_out(
        "mask-without-picture", orphans, "SEG belongs|SEG files belong", "to no series here", "Add the series.", _NAMED
    )
    alone = [volume.name for volume in dicom.volumes if volume not in labels]
    found.problems += left_out("picture-without-mask", alone, "series has|series have", "no SEG", "Add it.", _NAMED)
    count = Count(sum(map(len, labels.values())))
    found.notes.append(f"{count:DICOM SEG file} for {Count(len(labels)):series|series}.")
    headers = read_headers(list(labels), found.problems)

    def mask_of(volume: FoundVolume, plane: int, index: int) -> AnnotationSource:
        own = labels[volume]
        paths = tuple(root / label for label in own)
        return SegmentSlice(paths, own[0], volume.path, plane, index, tuple(found.names))

    return _reading(name, root, headers, mask_of, slicing, found)


def _reading(
    name: str,
    root: Path,
    headers: dict[FoundVolume, VolumeHeader],
    mask_of: MaskOf,
    slicing: Slicing,
    found: ObjectFindings,
) -> Reading:
    """Every slice of every volume with its mask."""
    if not headers:
        first = next((problem for problem in found.problems if problem.severity == "dropped"), None)
        raise DataError(
            "no volume with labels can be used" + (f": {first.path}: {first.detail}" if first else "."),
            where=root,
            fix="Get the files again from their origin." if first is None else first.fix,
        )
    plane, neighbours, words = settle_slicing(slicing, list(headers.values()), spatial=True)
    found.notes.append(words)
    for volume, header in headers.items():
        for index in range(upright_size(header)[plane]):
            source = SliceSource(volume.path, volume.name, plane, index, neighbours)
            entry = ObjectEntry(source, mask_of(volume, plane, index), volume.patient)
            found.splits.setdefault(split_of_path(volume.name), []).append(entry)
    slices = sum(map(len, found.splits.values()))
    people = Count(len({volume.patient for volume in headers}))
    found.notes.append(f"{Count(len(headers)):volume} of {people:patient}, {slices:,} slices.")
    return build_object_reading(name, root, found)


def _report_alone(files: VolumeFiles, found: ObjectFindings) -> None:
    held_back = [name for name in files.alone if any(part.lower() in _TEST_FOLDERS for part in Path(name).parts)]
    if held_back:
        found.notes.append(f"{Count(len(held_back)):volume|volumes} without labels in imagesTs left aside.")
    alone = [name for name in files.alone if name not in held_back]
    for kind, names, noun, what, advice in (
        ("picture-without-mask", alone, "volume has|volumes have", "no label volume", "Add the labels."),
        (
            "mask-without-picture",
            files.orphans,
            "label volume belongs|label volumes belong",
            "to no volume",
            "Add the volumes.",
        ),
    ):
        found.problems += left_out(kind, names, noun, what, advice, _NAMED)


def _is_on_another_grid(root: Path, volume: str, label: str, header: VolumeHeader, grids: FileTally) -> bool | None:
    """Whether the labels lie on another grid than the volume; `None` where they cannot be brought onto it."""
    try:
        own = read_volume_header(root / label)
    except PictureError as error:
        grids.add(f"mask-{error.kind}", label, error.what.rstrip("."), "Its volume is left out.", "dropped")
        return None
    known = own.geometry.known and header.geometry.known
    if own.size_shw == header.size_shw and (not known or own.geometry.same_grid(header.geometry)):
        return False
    words, theirs = (" x ".join(map(str, one.size_shw)) for one in (own, header))
    if not known:
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
