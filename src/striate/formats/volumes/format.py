"""The format `volumes`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from striate.errors import DataError
from striate.formats.base import FORMATS, Format, Reading, Sniff
from striate.formats.volumes.classified import class_of_path, read_classified
from striate.formats.volumes.files import look_for_volumes, read_volume_files
from striate.formats.volumes.segmented import read_segmented
from striate.formats.volumes.writing import write_volumes
from striate.structures import Sample, Slicing

_SURE, _LIKELY = 0.95, 0.8


class _Volumes(Format):
    name = "volumes"
    title = "volumes (NIfTI, NRRD) with label volumes, or in class folders"
    tasks = ("segmentation", "classification")

    def sniff(self, path: Path) -> Sniff | None:
        files = look_for_volumes(path)
        if files.labels:
            return Sniff(_SURE, "volumes with label volumes of the same names")
        if files.alone and len({class_of_path(name) for name in files.alone} - {None}) > 1:
            return Sniff(_LIKELY, "volumes in class folders")
        return None

    def read(self, path: Path, task: str | None = None) -> Reading:
        return self.read_sliced(path, task, Slicing())

    def read_sliced(self, path: Path, task: str | None, slicing: Slicing) -> Reading:
        """The same, with volumes cut as the caller says.

        Raises:
            DataError: It cannot be understood.
        """
        files = read_volume_files(path)
        if files.labels and task != "classification":
            return read_segmented(self.name, path, files, slicing)
        if not files.alone and not files.labels:
            raise DataError(
                "no volume was found here.", where=path, fix="Give a folder that holds NIfTI or NRRD files."
            )
        return read_classified(self.name, path, files.alone or list(files.labels), slicing)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes `images/split/`, `labels/split/` and `dataset.json`, or class folders; see `write_volumes`."""
        write_volumes(splits, classes, out, self.name)


FORMATS.add(_Volumes.name, _Volumes())
