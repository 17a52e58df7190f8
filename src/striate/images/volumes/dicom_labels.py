"""Slices of a DICOM SEG as masks of the series that it belongs to."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from striate.errors import PictureError
from striate.images.dicom_files import open_header
from striate.images.volumes.dicom import series_at
from striate.images.volumes.dicom_seg import read_segmentation
from striate.images.volumes.slices import slice_of
from striate.structures import VOID, Levels, Mask, Volume

_MOST_KEPT = 16

_lock = threading.Lock()
_kept: OrderedDict[tuple[str, str, tuple[str, ...]], Volume | PictureError] = OrderedDict()


@dataclass(frozen=True, slots=True)
class SegmentSlice:
    """A slice of the labels in SEG files as a mask.

    Attributes:
        paths: SEG files of one series. Where several mark a voxel, the later one counts.
        volume: Name of the first, relative to the root of the data set.
        series: Address of the series.
        plane: As in `SliceSource`.
        index: As in `SliceSource`.
        classes: Class names of the data set, background first; segments of other names are void.
    """

    paths: tuple[Path, ...]
    volume: str
    series: Path
    plane: int
    index: int
    classes: tuple[str, ...]

    @property
    def name(self) -> str:
        """`volume#index`."""
        return f"{self.volume}#{self.index}"

    def read(self) -> Mask:
        """Reads the mask.

        Raises:
            PictureError: It cannot be read, or lies on another grid.
        """
        labels = _shared_labels(self.paths, self.series, self.classes)
        return Mask(np.ascontiguousarray(slice_of(labels, self.plane, self.index)[0]).astype(np.uint8))


def referenced_series(path: Path) -> str:
    """UID of the series that a SEG belongs to; empty where it does not say.

    Raises:
        PictureError: It cannot be read.
    """
    dataset, _ = open_header(path, ("ReferencedSeriesSequence",))
    return next((str(one.get("SeriesInstanceUID", "")) for one in dataset.get("ReferencedSeriesSequence", [])), "")


def _shared_labels(paths: tuple[Path, ...], series: Path, classes: tuple[str, ...]) -> Volume:
    """Classes of all voxels, upright; the last few are kept, and so is what is wrong with some."""
    key = ("\0".join(map(str, paths)), str(series), classes)
    with _lock:
        found = _kept.get(key)
    if found is None:
        try:
            found = _read_labels(paths, series, classes)
        except PictureError as error:
            found = error
        with _lock:
            _kept[key] = found
            while len(_kept) > _MOST_KEPT:
                _kept.popitem(last=False)
    if isinstance(found, PictureError):
        raise found
    return found


def _read_labels(paths: tuple[Path, ...], series: Path, classes: tuple[str, ...]) -> Volume:
    target = series_at(series)
    whole = np.zeros((target.slices, *target.size_hw), np.uint8)
    for path in paths:
        labels, names = read_segmentation(path, target)
        table = np.array([classes.index(name) if name in classes else VOID for name in names], np.uint8)
        marked = labels > 0
        whole[marked] = table[labels[marked]]
    return Volume(whole[:, None], ("class",), target.geometry, Levels(0, 0, 0, 0), source=str(paths[0])).upright()
