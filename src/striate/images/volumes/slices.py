"""Slices of volumes as pictures, and slices of label volumes as masks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError
from striate.images.volumes.addresses import files_of
from striate.images.volumes.reading import shared_volume
from striate.structures import VOID, Mask, Picture, Volume


@dataclass(frozen=True, slots=True)
class SliceSource:
    """A slice of an upright volume as a picture.

    Attributes:
        path: The volume, by its address.
        volume: Its name, relative to the root of the data set.
        plane: Position in `PLANES`: the axis that slices are counted along.
        index: Which slice, from 0.
        neighbours: Slices on either side that become further channels; beyond the ends the last one is repeated.
    """

    path: Path
    volume: str
    plane: int
    index: int
    neighbours: int = 0

    @property
    def name(self) -> str:
        """`volume#index`."""
        return f"{self.volume}#{self.index}"

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that hold the volume: several where its channels have files of their own."""
        return files_of(self.path)

    def read(self) -> Picture:
        """Reads the slice; the volume is read once for all of its slices.

        Raises:
            PictureError: It cannot be read, or has fewer slices than it had.
        """
        volume = shared_volume(self.path)
        count = volume.size_shw[self.plane]
        if self.index >= count:
            raise PictureError(
                f"it has {count} slices where there were more than {self.index}.",
                where=self.path,
                fix="Put the volume back that was there.",
                kind="size-mismatch",
            )
        shown = [min(max(self.index + step, 0), count - 1) for step in range(-self.neighbours, self.neighbours + 1)]
        pixels = np.concatenate([slice_of(volume, self.plane, index) for index in shown])
        spacing = list(volume.geometry.spacing_mm)
        del spacing[self.plane]
        return Picture(
            np.ascontiguousarray(pixels),
            slice_channel_names(volume.channel_names, self.neighbours),
            spacing_mm=(spacing[0], spacing[1]) if volume.geometry.known else None,
            source=self.name,
            levels=volume.levels,
        )


def slice_channel_names(names: tuple[str, ...], neighbours: int) -> tuple[str, ...]:
    """Names of the channels of a slice with its neighbours: `slice -1`, `slice +0`, `slice +1`."""
    if not neighbours:
        return names
    steps = [f"slice {step:+d}" for step in range(-neighbours, neighbours + 1)]
    return tuple(steps) if len(names) == 1 else tuple(f"{step} {name}" for step in steps for name in names)


def slice_of(volume: Volume, plane: int, index: int) -> npt.NDArray[np.generic]:
    """One slice of an upright volume, `(C, H, W)`, a view.

    Axial slices show rows and columns; coronal ones slices and columns, sagittal ones slices and rows, both with the
    head at the upper edge.
    """
    voxels = volume.voxels.transpose(1, 0, 2, 3)
    if plane == 0:
        return voxels[:, index]
    pixels: npt.NDArray[np.generic] = voxels[:, ::-1, index] if plane == 1 else voxels[:, ::-1, :, index]
    return pixels


def put_slice(voxels: npt.NDArray[np.uint8], plane: int, index: int, pixels: npt.NDArray[np.uint8]) -> None:
    """Puts a slice `(H, W)` into an upright volume `(S, H, W)`: the opposite of `slice_of`."""
    if plane == 0:
        voxels[index] = pixels
    elif plane == 1:
        voxels[::-1, index] = pixels
    else:
        voxels[::-1, :, index] = pixels


@dataclass(frozen=True, slots=True)
class LabelSlice:
    """A slice of a label volume as a mask.

    Attributes:
        path: The label volume.
        volume: Its name, relative to the root of the data set.
        plane: As in `SliceSource`.
        index: As in `SliceSource`.
        table: Pairs of a value and the class that it stands for; other values become void.
        like: The volume on whose grid the labels are wanted, where they lie on another one: each voxel takes the label
            whose centre is nearest to its own, and is void where it lies outside.
    """

    path: Path
    volume: str
    plane: int
    index: int
    table: tuple[tuple[int, int], ...]
    like: Path | None = None

    @property
    def name(self) -> str:
        """`volume#index`."""
        return f"{self.volume}#{self.index}"

    def read(self) -> Mask:
        """Reads the mask.

        Raises:
            PictureError: It cannot be read.
        """
        classes = _shared_classes(self.path, self.table, self.like)
        if self.index >= classes.size_shw[self.plane]:
            raise PictureError(
                f"it has {classes.size_shw[self.plane]} slices where its volume has more.",
                where=self.path,
                fix="Save both on one grid.",
                kind="size-mismatch",
            )
        return Mask(np.ascontiguousarray(slice_of(classes, self.plane, self.index)[0]).astype(np.uint8))


_lock = threading.Lock()
_kept: OrderedDict[tuple[str, int, tuple[tuple[int, int], ...], str], Volume] = OrderedDict()
_MOST_KEPT = 32


def _shared_classes(path: Path, table: tuple[tuple[int, int], ...], like: Path | None) -> Volume:
    """Classes of the voxels of a label volume, upright; the last few are kept."""
    labels = shared_volume(path)
    key = (str(path), id(labels.voxels), table, str(like or ""))
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    values = labels.voxels[:, :1]
    classes = np.full(values.shape, VOID, np.uint8)
    for value, index in table:
        classes[values == value] = index
    found = Volume(classes, ("class",), labels.geometry, labels.levels, source=str(path))
    if like is not None:
        found = onto_grid(found, shared_volume(like))
    with _lock:
        _kept[key] = found
        while len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return found


def onto_grid(labels: Volume, like: Volume) -> Volume:
    """Labels on the grid of another volume, by the nearest centre; `VOID` outside.

    Args:
        labels: `(S, 1, H, W)` uint8.
        like: The volume whose grid is wanted.

    Raises:
        PictureError: Less than half of the volume lies within the labels.
    """
    size = like.size_shw
    to_labels = np.linalg.inv(labels.geometry.affine) @ like.geometry.affine
    grid = np.indices(size, dtype=np.float64).reshape(3, -1)
    places = np.rint(to_labels[:3, :3] @ grid + to_labels[:3, 3:]).astype(np.int64)
    inside = np.all((places >= 0) & (places < np.array(labels.size_shw)[:, None]), axis=0)
    if inside.mean() < 0.5:
        raise PictureError(
            f"only {inside.mean():.0%} of the volume lies within its labels, so the two do not belong together.",
            where=labels.source,
            fix="Check the geometry of both files.",
            kind="mask-on-another-grid",
        )
    voxels = np.full(grid.shape[1], VOID, np.uint8)
    voxels[inside] = labels.voxels[:, 0][tuple(places[:, inside])]
    return Volume(
        voxels.reshape(size)[:, None], labels.channel_names, like.geometry, labels.levels, source=labels.source
    )
