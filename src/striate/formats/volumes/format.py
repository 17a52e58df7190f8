"""The format `volumes`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from striate.errors import DataError
from striate.formats.base import FORMATS, Format, Reading, Sniff
from striate.formats.volumes.classified import classes_of_folders, read_classified
from striate.formats.volumes.files import look_for_volumes, read_volume_files
from striate.formats.volumes.found import DicomSet, found_files, looks_like_dicom_volumes, read_dicom_set
from striate.formats.volumes.segmented import read_dicom_segmented, read_segmented
from striate.formats.volumes.writing import write_volumes
from striate.images.volumes import find_volume_kind
from striate.structures import Count, Sample, Slicing

_SURE, _SERIES, _STACKS, _LIKELY, _ALONE = 0.95, 0.93, 0.87, 0.8, 0.55
"""Stacks: above what would read the first plane of each as a picture, below files that name pictures and objects."""


class _Volumes(Format):
    name = "volumes"
    title = "NIfTI, NRRD, stacks or DICOM series with labels"
    tasks = ("segmentation", "classification")

    def sniff(self, path: Path) -> Sniff | None:
        if path.is_file():
            return Sniff(_ALONE, "one volume") if find_volume_kind(path) is not None else None
        files = look_for_volumes(path)
        if files.labels:
            return Sniff(_SURE, "volumes with label volumes of the same names")
        if looks_like_dicom_volumes(path):
            return Sniff(_SERIES, "DICOM series of several slices")
        if not files.alone:
            return None
        if files.stacks:
            return Sniff(_STACKS, f"stacks such as {files.alone[0]}")
        classes = set(classes_of_folders(files.alone).values())
        return Sniff(_LIKELY if len(classes) > 1 else _ALONE, f"volumes such as {files.alone[0]}")

    def read(self, path: Path, task: str | None = None) -> Reading:
        return self.read_sliced(path, task, Slicing())

    def read_sliced(self, path: Path, task: str | None, slicing: Slicing) -> Reading:
        """The same, with volumes cut as the caller says.

        Raises:
            DataError: It cannot be understood.
        """
        if path.is_file() and find_volume_kind(path) is not None:
            raise DataError(
                "this is one volume, and nothing says what it shows.",
                where=path,
                fix="Give the folder that holds volumes and their labels.",
            )
        files = read_volume_files(path)
        if files.labels and task != "classification":
            return read_segmented(self.name, path, files, slicing)
        dicom = read_dicom_set(path) if not files.labels and looks_like_dicom_volumes(path) else DicomSet()
        if files.all and not dicom.labels:
            volumes = found_files(path, files.alone or list(files.labels))
            reading = read_classified(self.name, path, volumes, slicing, files.problems())
            reading.notes += files.notes()
            return reading
        if not dicom.volumes:
            raise DataError(
                "no volume was found here.",
                where=path,
                fix="Give a folder that holds NIfTI or NRRD files, TIFF or NumPy stacks, or DICOM series.",
            )
        if dicom.labels and task != "classification":
            reading = read_dicom_segmented(self.name, path, dicom, slicing)
            if files.all:
                reading.notes.append(f"{Count(len(files.all)):volume} in single files left aside ({files.all[0]}).")
            return reading
        return read_classified(self.name, path, dicom.volumes, slicing, dicom.problems)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes `images/split/`, `labels/split/` and `dataset.json`, or class folders; see `write_volumes`."""
        write_volumes(splits, classes, out, self.name)


FORMATS.add(_Volumes.name, _Volumes())
