"""Copies of files and folders without what tells who somebody is."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from striate.data.deidentified_names import Naming
from striate.data.survey import check_path
from striate.errors import DataError, PictureError, RequestError, StorageError
from striate.images import read_picture
from striate.images.identity import Holder, Taken, find_holder
from striate.images.identity.dicom_copying import names_somebody
from striate.images.volumes import find_volume_kind, read_volume
from striate.structures import Problem

_PICTURES = ("jpeg", "png", "tiff")


@dataclass(slots=True)
class Deidentified:
    """What was copied, and what was done to it.

    Attributes:
        out: Where the copies are.
        copied: Number of copies, by kind of file.
        actions: How often it was done, by entry and action.
        left_out: Files that cannot be read, and are not copied.
        others: Files that nothing is known about, relative to the source; copied unchanged only where asked for.
        others_copied: Whether they were.
        named: Copies whose path repeats the name or id in their own file.
        burnt_in: Copies that may show text in their pixels, and why.
        renamed: Whether files were numbered.
    """

    out: Path
    copied: Counter[str] = field(default_factory=Counter)
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: list[Problem] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    others_copied: bool = False
    named: list[str] = field(default_factory=list)
    burnt_in: dict[str, tuple[str, ...]] = field(default_factory=dict)
    renamed: bool = False

    @property
    def files(self) -> int:
        """Number of copies without identifying entries."""
        return self.copied.total()

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return {
            "out": str(self.out),
            "files": self.files,
            "copied": dict(self.copied),
            "actions": [
                {"entry": entry, "action": action, "count": count}
                for (entry, action), count in sorted(self.actions.items(), key=lambda row: (-row[1], row[0]))
            ],
            "left_out": [problem.as_dict() for problem in self.left_out],
            "others": self.others,
            "others_copied": self.others_copied,
            "named": self.named,
            "burnt_in": [{"path": path, "why": list(why)} for path, why in self.burnt_in.items()],
            "renamed": self.renamed,
        }


def deidentify(
    source: str | Path,
    out: str | Path,
    *,
    rename: bool = False,
    copy_others: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Deidentified:
    """Copies a file or folder without what tells who somebody is; pixels stay equal to the last bit.

    DICOM goes by the standard's basic confidentiality profile, with the same new UIDs and the same `patient-0001`
    throughout the folder. JPEG, PNG, TIFF, NIfTI and NRRD lose their text, EXIF, extensions and unknown entries. Text
    that is part of the picture stays: `burnt_in` says where to look for it.

    Args:
        source: The file or folder; it is not changed.
        out: A new or empty folder, or for a file the new file.
        rename: Number the files, and the folders that are named after the patient of a file in them.
        copy_others: Copy files unchanged that are of no known kind: tables, JSON. They may name anybody.
        progress: Called with the number of files done and the number of all.

    Raises:
        RequestError: The folder is not empty, or one lies inside the other.
        DataError: Nothing is there, or nothing could be copied.
        MissingPartError: There is DICOM, and the extra `scans` is not installed.
        StorageError: A copy cannot be written.
    """
    root, out = Path(source), Path(out)
    check_path(root)
    _check_places(root, out)
    files = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]
    base = root if root.is_dir() else root.parent
    work = _Work(base, out, Deidentified(out, others_copied=copy_others, renamed=rename), Naming(base, files, rename))
    if root.is_file() and out.suffix and not out.is_dir():
        work.naming, work.out = Naming(base, files, rename, only=out.name), out.parent
    for number, path in enumerate(files, 1):
        work.copy(path, copy_others)
        if progress:
            progress(number, len(files))
    _refuse_nothing(root, work.done)
    return work.done


def _refuse_nothing(root: Path, done: Deidentified) -> None:
    if done.files or (done.others and done.others_copied):
        return
    if done.left_out:
        first = done.left_out[0]
        raise DataError(f"no file can be read; for example {first.path}: {first.detail}", where=root, fix=first.fix)
    raise DataError(
        "there is no file here that names of people can be taken out of.",
        where=root,
        fix="DICOM, NIfTI, NRRD, TIFF, PNG and JPEG files are; --copy-others copies all else unchanged.",
    )


def _check_places(root: Path, out: Path) -> None:
    taken = any(out.iterdir()) if out.is_dir() else out.exists()
    if taken:
        raise RequestError("there is something here already.", where=out, fix="Name a new or empty folder.")
    folder = root.resolve() if root.is_dir() else None
    if folder is not None and out.resolve().is_relative_to(folder):
        raise RequestError(
            f"this folder lies inside {root}, and names would then lie beside the copies without them.",
            where=out,
            fix="Name a folder elsewhere.",
        )


class _Work:
    """One tree being copied."""

    def __init__(self, base: Path, out: Path, done: Deidentified, naming: Naming) -> None:
        self.base, self.out, self.done, self.naming = base, out, done, naming
        self._copiers: dict[str, Callable[[Path, Path], Taken]] = {}

    def copy(self, path: Path, copy_others: bool) -> None:
        """Copies one file, or lists it."""
        name, holder = path.relative_to(self.base).as_posix(), find_holder(path)
        if holder is None and not _is_voxels_of_pair(path):
            self.done.others.append(name)
            if not copy_others:
                return
        new = self.naming.new_name(PurePosixPath(name), None if holder is None else holder.name)
        target = self.out / new
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if holder is None:
                shutil.copyfile(path, target)
                self.done.copied["voxels"] += not copy_others or _is_voxels_of_pair(path)
            else:
                self._strip(path, target, holder, new)
        except PictureError as error:
            target.unlink(missing_ok=True)
            fix = error.fix or "It is not copied."
            self.done.left_out.append(Problem(error.kind, name, error.what, fix, severity="dropped"))
        except OSError as error:
            raise StorageError(
                f"the copy cannot be written ({error.strerror or error}).",
                where=target,
                fix="Free some space, or name another folder.",
            ) from error

    def _strip(self, path: Path, target: Path, holder: Holder, new: str) -> None:
        copier = self._copiers.get(holder.name) or self._copiers.setdefault(holder.name, holder.copier())
        taken = copier(path, target)
        _require_same_pixels(path, target, holder)
        self.done.copied[holder.name] += 1
        self.done.actions.update(taken.actions)
        if names_somebody(new, taken.person):
            self.done.named.append(new)
        if taken.burnt_in:
            self.done.burnt_in[new] = taken.burnt_in


def _is_voxels_of_pair(path: Path) -> bool:
    """Whether it holds the voxels of a header beside it (Analyze, NIfTI in two files)."""
    header = path.with_suffix(".hdr")
    return path.suffix.lower() == ".img" and header.is_file() and find_holder(header) is not None


def _require_same_pixels(source: Path, target: Path, holder: Holder) -> None:
    """Reads a file and its copy.

    Raises:
        PictureError: One cannot be read, or they differ: entries of a damaged file may lie in its pixels.
    """
    values: Sequence[np.ndarray[Any, Any]] = ()
    if holder.name in _PICTURES:
        values = [read_picture(one).pixels for one in (source, target)]
    elif holder.name in ("nifti", "nrrd") and find_volume_kind(source) is not None:
        values = [read_volume(one).voxels for one in (source, target)]
    if values and not np.array_equal(values[0], values[1], equal_nan=values[0].dtype.kind == "f"):
        raise PictureError(
            "its entries and its pixels overlap, so that one cannot be taken out without the other.",
            where=source,
            fix="Save it anew with a picture program.",
            kind="damaged",
        )
