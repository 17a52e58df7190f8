"""DICOM series as volumes: a folder of slices, or one file of several frames.

What numbers become is said in `striate.images.dicom_values`; each slice has its own slope and intercept. Values that
are whole stay int16 or uint16 where they all fit, else the volume is float32. Which files belong together, in which
order, and how one of several series in a folder is addressed is said in `striate.images.volumes.dicom_series`.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import MissingPartError, PictureError
from striate.images.dicom import DicomLook, frame_pixels
from striate.images.dicom_files import SUFFIXES, decoding_dicom, looks_like_dicom, open_header, open_whole
from striate.images.dicom_pixels import decode_frames
from striate.images.dicom_values import Meaning
from striate.images.kinds import damaged
from striate.images.volumes.base import MOST_VOXELS, VOLUME_KINDS, VolumeHeader, VolumeKind
from striate.images.volumes.dicom_seg import write_segmentation
from striate.images.volumes.dicom_series import Series, series_of_files
from striate.structures import Levels, Problem, Volume

_PEEPED_AT = 24
_UIDS = ("SeriesInstanceUID", "NumberOfFrames")


class _DicomSeries(VolumeKind):
    """A series of DICOM slices."""

    name = "dicom"
    title = "DICOM series"
    suffixes = ()

    def recognises(self, path: Path) -> bool:
        """A folder in which files of one series lie, a file of several frames, or a file of one of several series.

        A slice whose series is alone in its folder is a picture: the folder is the volume.
        """
        try:
            if path.is_dir():
                return _holds_a_series(path)
            if not looks_like_dicom(path):
                return False
            uid, frames = _uid_and_frames(path)
            return frames > 1 or _is_one_of_several(path, uid)
        except (PictureError, MissingPartError, OSError):
            return False

    def read_header(self, path: Path) -> VolumeHeader:
        series = series_at(path)
        look = DicomLook.of(series.frames[0][0], *open_header(series.frames[0][0]))
        _check(path, series, look)
        return VolumeHeader(
            (series.slices, *series.size_hw),
            _channel_names(series, look),
            look.header.dtype,
            self.name,
            series.geometry,
            series.modality,
            _notes(series, look),
        )

    def read(self, path: Path) -> Volume:
        series = series_at(path)
        look = DicomLook.of(series.frames[0][0], *open_header(series.frames[0][0]))
        _check(path, series, look)
        frames = _read_frames(series)
        voxels = _stacked(frames)
        times = len(series.channel_names)
        voxels = voxels.reshape(series.slices, times * voxels.shape[1], *series.size_hw)
        levels = Levels.of(voxels, look.meaning.unit, look.meaning.window)
        names = _channel_names(series, look)
        return Volume(voxels, names, series.geometry, levels, series.modality, _notes(series, look), str(path))

    def write_labels(self, labels: npt.NDArray[np.uint8], like: Path, classes: tuple[str, ...], out: Path) -> Path:
        """Writes `NAME_seg.dcm`, a DICOM SEG: see `striate.images.volumes.dicom_seg.write_segmentation`."""
        # Names of folders and files are often UIDs: what follows their last dot is no suffix.
        name = like.stem if like.suffix.lower() in SUFFIXES else like.name
        return write_segmentation(labels, series_at(like), classes, out / f"{name}_seg.dcm")


def series_at(path: Path) -> Series:
    """The series that an address stands for.

    Args:
        path: A folder that holds exactly one series, a file of several frames, or any file of a series.

    Raises:
        PictureError: There is none, or there are several.
    """
    if not path.exists():
        raise PictureError("there is no such file or folder.", where=path, fix="Check the path.", kind="missing")
    folder = path if path.is_dir() else path.parent
    problems: list[Problem] = []
    if path.is_file() and _uid_and_frames(path)[1] > 1:
        found = series_of_files(folder, [path], problems)
    else:
        found = series_of_files(folder, sorted(folder.iterdir()), problems)
    if path.is_file():
        found = [series for series in found if path in series.files]
    if len(found) == 1:
        return found[0]
    if found:
        raise PictureError(
            f"{len(found)} series lie in this folder ({', '.join(f'{one.slices} slices' for one in found[:8])}).",
            where=path,
            fix="Move each into a folder of its own, or name a file of the one that is meant, such as "
            f"{max(found, key=lambda one: one.slices).path.name}.",
            kind="mixed-series",
        )
    spoilt = next((problem for problem in problems if problem.severity == "dropped"), None)
    raise PictureError(
        "no DICOM slices are here that can be read" + (f" ({spoilt.path}: {spoilt.detail})" if spoilt else "") + ".",
        where=path,
        fix="Name the folder of a series.",
        kind="not-a-picture" if spoilt is None else spoilt.kind,
    )


def _uid_and_frames(path: Path) -> tuple[str, int]:
    dataset, pixels = open_header(path, _UIDS)
    with decoding_dicom(path):
        return (str(dataset.get("SeriesInstanceUID") or "") if pixels else ""), int(dataset.get("NumberOfFrames") or 1)


def _uids(paths: Any) -> list[str]:
    """Series of the files that hold pixels and can be read."""
    found = []
    for path in paths:
        try:
            uid = _uid_and_frames(path)[0] if looks_like_dicom(path) else ""
        except PictureError:
            continue
        if uid:
            found.append(uid)
    return found


def _holds_a_series(folder: Path) -> bool:
    """Whether two of the first files belong to one series: a folder of single pictures has a series for each."""
    with os.scandir(folder) as entries:
        files = sorted(islice((Path(one.path) for one in entries if one.is_file()), _PEEPED_AT))
    uids = _uids(files)
    return len(set(uids)) < len(uids)


def _is_one_of_several(path: Path, uid: str) -> bool:
    """Whether other files of its folder belong to its series, and others to another one."""
    same = other = False
    for sibling in sorted(path.parent.iterdir()):
        if sibling != path and sibling.is_file():
            for its in _uids([sibling]):
                same, other = same or its == uid, other or its != uid
            if same and other:
                return bool(uid)
    return False


def _check(path: Path, series: Series, look: DicomLook) -> None:
    voxels = len(series.frames) * series.size_hw[0] * series.size_hw[1] * look.header.channels
    if voxels > MOST_VOXELS:
        raise PictureError(
            f"its headers say {voxels / 1e6:,.0f} million voxels; at most {MOST_VOXELS / 1e6:,.0f} million are read, "
            "because a damaged or hostile file can claim any size.",
            where=path,
            fix="Cut it into parts first.",
            kind="too-large",
        )


def _channel_names(series: Series, look: DicomLook) -> tuple[str, ...]:
    names = look.header.channel_names
    if len(series.channel_names) == 1:
        return names
    if len(names) == 1:
        return series.channel_names
    return tuple(f"{time} {name}" for time in series.channel_names for name in names)


def _notes(series: Series, look: DicomLook) -> tuple[str, ...]:
    """Those of the first slice that hold for all, and those of the series."""
    first = (note for note in look.header.notes if not note.startswith(("holds ", "rescaled ")))
    return tuple(dict.fromkeys((*first, *series.notes)))


def _read_frames(series: Series) -> list[npt.NDArray[Any]]:
    """Pixels `(C, H, W)` of every frame, in the narrowest type that fits each, in the order of the series."""
    positions: dict[Path, list[int]] = {}
    for place, (path, _) in enumerate(series.frames):
        positions.setdefault(path, []).append(place)
    found: dict[int, npt.NDArray[Any]] = {}
    for path, places in positions.items():
        dataset = open_whole(path)
        look = DicomLook.of(path, dataset)
        indices = [series.frames[place][1] for place in places]
        with decoding_dicom(path):
            decoded = decode_frames(path, dataset, look.form, indices)
            for place, index, stored in zip(places, indices, decoded, strict=True):
                meaning = Meaning.of(dataset, look.form, index)
                found[place] = frame_pixels(path, dataset, look.form, meaning, stored, fitting=True)
                if found[place].shape != found.get(0, found[place]).shape:
                    raise damaged(path, "it has other channels than the other slices")
    return [found[place] for place in range(len(series.frames))]


def _stacked(frames: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Frames in one type that holds the values of each."""
    names = {frame.dtype.name for frame in frames}
    name = next(iter(names))
    if len(names) > 1:
        low, high = min(float(frame.min()) for frame in frames), max(float(frame.max()) for frame in frames)
        fitting = ("int16", "uint16") if "float32" not in names else ()
        name = next((one for one in fitting if np.iinfo(one).min <= low and high <= np.iinfo(one).max), "float32")
    return np.stack([frame.astype(name, copy=False) for frame in frames])


VOLUME_KINDS.add(_DicomSeries.name, _DicomSeries())
