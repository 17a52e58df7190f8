"""Names of copies: those of the files, or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from striate.errors import PictureError
from striate.images.identity import find_holder
from striate.images.identity.dicom import read_dataset
from striate.images.identity.dicom_copying import names_somebody, words_of

_DOUBLE = (".nii.gz", ".ome.tif", ".ome.tiff")


class Naming:
    """What the copies of a tree are called.

    With numbers, files of the same name in different folders (a scan and its labels) get the same number, and folders
    keep their names, which may be classes, except those named after the patient of a file in them.

    Args:
        base: Folder that names are relative to.
        files: All files.
        rename: Whether they get numbers.
        only: The name of the only copy, where it was given.
    """

    def __init__(self, base: Path, files: Sequence[Path], rename: bool, only: str = "") -> None:
        self._rename, self._only = rename, only
        self._numbers: dict[str, int] = {}
        self._folders: dict[str, str] = {}
        if rename:
            for path in files:
                self._note(PurePosixPath(path.relative_to(base).as_posix()), path)

    def _note(self, name: PurePosixPath, path: Path) -> None:
        self._numbers.setdefault(without_suffix(name.name)[0], len(self._numbers) + 1)
        holder = find_holder(path)
        if holder is None or holder.name != "dicom":
            return
        try:
            words = words_of(read_dataset(path, pixels=False))
        except (PictureError, OSError):
            # The copying says what is wrong with it.
            return
        for part in name.parent.parts:
            if part not in self._folders and names_somebody(part, words):
                self._folders[part] = f"folder-{len(self._folders) + 1:03d}"

    def new_name(self, name: PurePosixPath, kind: str | None) -> str:
        """Name of a copy, relative to where all of them go.

        Args:
            name: Name of the file, relative to the source.
            kind: Name of its family.
        """
        if self._only:
            return self._only
        if not self._rename:
            return name.as_posix()
        stem, suffix = without_suffix(name.name)
        # A DICOM file is often named by its UID, whose last number looks like a suffix.
        ending = ".dcm" if kind == "dicom" else suffix
        folder = PurePosixPath(*(self._folders.get(part, part) for part in name.parent.parts))
        return (folder / f"file-{self._numbers[stem]:06d}{ending}").as_posix()


def without_suffix(name: str) -> tuple[str, str]:
    """Stem and suffix of a file name; `.nii.gz` is one suffix."""
    low = name.lower()
    double = next((end for end in _DOUBLE if low.endswith(end)), "")
    length = len(double) or len(PurePosixPath(name).suffix)
    return (name[:-length], name[-length:]) if length else (name, "")
