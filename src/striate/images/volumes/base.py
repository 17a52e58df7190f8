"""Kinds of file that hold a volume, told apart by name and first bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import StorageError
from striate.images.volumes.values import becomes_nearest_float
from striate.registry import Registry
from striate.structures import Geometry, Levels, Turn, Volume

MOST_VOXELS = 1 << 30
"""Most values that are read from one volume: damaged and hostile files claim any size."""


@dataclass(frozen=True, slots=True, eq=False)
class VolumeHeader:
    """What a volume says about itself before its voxels are decoded.

    Attributes:
        size_shw: Slices, rows, columns.
        channel_names: One name for each channel or time that reading gives.
        dtype: Data type that reading gives: uint8, uint16, int16 or float32.
        kind: Kind of file, for example `nifti`.
        geometry: Where voxels lie.
        modality: DICOM's word for the kind of scanner; empty where unknown.
        notes: What reading changes or leaves out, one phrase each.
    """

    size_shw: tuple[int, int, int]
    channel_names: tuple[str, ...]
    dtype: str
    kind: str
    geometry: Geometry
    modality: str = ""
    notes: tuple[str, ...] = ()


class VolumeKind(ABC):
    """One kind of volume. A subclass registers an instance in `VOLUME_KINDS` at the end of its file."""

    name: str
    title: str
    suffixes: tuple[str, ...]
    """Lower-case endings of file names with their dot, the usual one first (`.nii.gz`); none for folders of slices."""

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Whether this is a volume of this kind, by its name and first bytes; quick, and never raises."""

    @abstractmethod
    def read_header(self, path: Path) -> VolumeHeader:
        """Reads what is known without decoding voxels.

        Raises:
            PictureError: It cannot be read; `kind` as `striate.images.read_picture` has them.
        """

    @abstractmethod
    def read(self, path: Path) -> Volume:
        """Reads the voxels, in the order of the file (`Volume.upright` turns them).

        Raises:
            PictureError: It cannot be read.
        """

    def write_labels(self, labels: npt.NDArray[np.uint8], like: Path, classes: tuple[str, ...], out: Path) -> Path:
        """Writes a class for each voxel on the grid of the volume that it answers for.

        Args:
            labels: `(S, H, W)` in the order of the file `like`.
            like: The volume that was looked at; geometry and references are taken from it.
            classes: Class names; the first is background.
            out: Folder for the new file, which is named after `like`.

        Returns:
            The file written.

        Raises:
            StorageError: It cannot be written.
            RequestError: This kind cannot hold labels.
        """
        raise NotImplementedError(f"{self.name} holds no labels")


def volume_of(voxels: npt.NDArray[Any], header: VolumeHeader, stored: np.dtype[Any], path: Path) -> Volume:
    """The volume of a file whose voxels were read.

    Args:
        voxels: `(S, C, H, W)`.
        header: What the file says.
        stored: Type of the values in the file.
        path: The file.
    """
    notes = header.notes
    if becomes_nearest_float(stored, voxels.dtype.name):
        notes = (*notes, f"{stored.name} values, turned into the nearest float32")
    return Volume(
        np.ascontiguousarray(voxels),
        header.channel_names,
        header.geometry,
        Levels.of_channels(voxels, header.channel_names),
        notes=notes,
        source=str(path),
    )


def store_labels(target: Path, write: Callable[[Path], object]) -> Path:
    """Writes a file of labels, and the folders above it.

    Raises:
        StorageError: It cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write(target)
    except OSError as error:
        raise StorageError(
            f"the labels cannot be written ({error.strerror or error}).",
            where=target,
            fix="Free some space, or name another folder.",
        ) from error
    return target


VOLUME_KINDS: Registry[VolumeKind] = Registry("kind of volume", "striate.images.volumes")


def upright_size(header: VolumeHeader) -> tuple[int, int, int]:
    """Slices, rows and columns of the volume once it is upright."""
    return _turned(header, header.size_shw)  # type: ignore[return-value]


def upright_spacing_mm(header: VolumeHeader) -> tuple[float, float, float]:
    """Distance of slices, rows and columns, in mm, once the volume is upright."""
    return _turned(header, header.geometry.spacing_mm)  # type: ignore[return-value]


def _turned(header: VolumeHeader, values: tuple[float, ...]) -> tuple[float, ...]:
    if not header.geometry.known:
        return values
    return tuple(values[axis] for axis in Turn.upright(header.geometry).order)
