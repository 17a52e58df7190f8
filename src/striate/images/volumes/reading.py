"""Volumes, read once for all of their slices."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from striate.errors import PictureError
from striate.images.volumes.addresses import files_of
from striate.images.volumes.base import VOLUME_KINDS, VolumeHeader, VolumeKind
from striate.structures import Volume

_KEPT_BYTES = 512 << 20
_Key = tuple[str, int, int]

_lock = threading.Lock()
_kept: OrderedDict[_Key, Volume] = OrderedDict()
_failed: dict[_Key, PictureError] = {}
"""What is wrong with volumes that cannot be read: each of their slices would find it out again."""


def find_volume_kind(path: Path) -> VolumeKind | None:
    """The kind of a volume; `None` where a path is none."""
    return next((kind for kind in VOLUME_KINDS if kind.recognises(path)), None)


def read_volume_header(path: Path) -> VolumeHeader:
    """What a volume says about itself, without decoding it, in the order of the file.

    Raises:
        PictureError: It is no volume, or cannot be read.
    """
    return _kind(path).read_header(path)


def read_volume(path: str | Path) -> Volume:
    """Reads a volume as it is stored, in the order of the file.

    Raises:
        PictureError: It is no volume, or cannot be read.
    """
    return _kind(Path(path)).read(Path(path))


def shared_volume(path: Path) -> Volume:
    """An upright volume that the slices of this process share; do not write to it.

    The last ones read are kept, up to half a gigabyte of them.

    Raises:
        PictureError: It cannot be read.
    """
    states = [file.stat() for file in files_of(path) if file.exists()]
    key = (str(path), max((one.st_mtime_ns for one in states), default=0), sum(one.st_size for one in states))
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
        if key in _failed:
            raise _failed[key]
    # Outside the lock: threads read different volumes side by side. That two may read the same one does no harm.
    try:
        volume = read_volume(path).upright()
    except PictureError as error:
        _failed[key] = error
        raise
    volume.voxels.flags.writeable = False
    with _lock:
        _kept[key] = volume
        while len(_kept) > 1 and sum(one.voxels.nbytes for one in _kept.values()) > _KEPT_BYTES:
            _kept.popitem(last=False)
    return volume


def _kind(path: Path) -> VolumeKind:
    kind = find_volume_kind(path)
    if kind is not None:
        return kind
    for file in files_of(path):
        if not file.exists():
            raise PictureError("there is no such file or folder.", where=file, fix="Check the path.", kind="missing")
    if path.is_file() and path.stat().st_size == 0:
        raise PictureError("the file is empty.", where=path, fix="Get it again from its origin.", kind="empty")
    raise PictureError(
        "this is no volume that is read, or it is damaged.",
        where=path,
        fix="Volumes are NIfTI, NRRD, a folder of DICOM slices, a TIFF or NumPy stack.",
        kind="not-a-picture",
    )
