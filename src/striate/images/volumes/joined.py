"""Volumes whose channels lie in files of their own, all on one grid; see `addresses` for what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError
from striate.images.volumes.addresses import channels_of, files_of, without_channels
from striate.images.volumes.base import VOLUME_KINDS, VolumeHeader, VolumeKind
from striate.images.volumes.reading import find_volume_kind, read_volume, read_volume_header
from striate.images.volumes.values import narrowest
from striate.structures import Levels, Volume


class _Joined(VolumeKind):
    name = "channel-files"
    title = "a file for each channel"
    suffixes = ()

    def recognises(self, path: Path) -> bool:
        return bool(channels_of(path)) and all(find_volume_kind(file) is not None for file in files_of(path))

    def read_header(self, path: Path) -> VolumeHeader:
        headers = [read_volume_header(file) for file in files_of(path)]
        _check_grids(path, headers)
        first = headers[0]
        return VolumeHeader(
            first.size_shw,
            _names(path, [header.channel_names for header in headers]),
            _common_type([header.dtype for header in headers]),
            first.kind,
            first.geometry,
            first.modality,
            tuple(dict.fromkeys(note for header in headers for note in header.notes)),
        )

    def read(self, path: Path) -> Volume:
        files = files_of(path)
        _check_grids(path, [read_volume_header(file) for file in files])
        volumes = [read_volume(file) for file in files]
        voxels = narrowest(np.concatenate([volume.voxels for volume in volumes], axis=1))
        names = _names(path, [volume.channel_names for volume in volumes])
        units = {volume.levels.unit for volume in volumes}
        return Volume(
            voxels,
            names,
            volumes[0].geometry,
            Levels.of_channels(voxels, names, units.pop() if len(units) == 1 else ""),
            notes=tuple(dict.fromkeys(note for volume in volumes for note in volume.notes)),
            source=str(path),
        )

    def write_labels(self, labels: npt.NDArray[np.uint8], like: Path, classes: tuple[str, ...], out: Path) -> Path:
        """Writes them as the kind of the first file does: `p1_seg.nii.gz` for `p1_{t1,t2}.nii.gz`."""
        first = files_of(like)[0]
        kind = find_volume_kind(first)
        if kind is None:
            raise PictureError("this volume is gone.", where=first, fix="Put it back.", kind="missing")
        written = kind.write_labels(labels, first, classes, out)
        whole, after = without_channels(like.name), like.name.rpartition("}")[2]
        own = written.name.removeprefix(first.name.removesuffix(after))
        return written.rename(written.with_name(whole.removesuffix(after) + own))


def _common_type(names: Sequence[str]) -> str:
    common = np.result_type(*map(np.dtype, names)).name
    return common if common in ("uint8", "int16", "uint16") else "float32"


def _names(path: Path, own: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(
        channel if len(names) == 1 else f"{channel} {name}"
        for channel, names in zip(channels_of(path), own, strict=True)
        for name in names
    )


def _check_grids(path: Path, headers: Sequence[VolumeHeader]) -> None:
    first, files = headers[0], files_of(path)
    for file, header in zip(files, headers, strict=True):
        known = header.geometry.known and first.geometry.known
        if header.size_shw == first.size_shw and (not known or header.geometry.same_grid(first.geometry)):
            continue
        own, other = (" x ".join(map(str, one.size_shw)) for one in (header, first))
        raise PictureError(
            f"its voxels ({own}) lie elsewhere than those of {files[0].name} ({other}), and both are channels of one "
            "volume.",
            where=file,
            fix="Resample all channels of a volume onto one grid.",
            kind="channel-sizes",
        )


VOLUME_KINDS.add(_Joined.name, _Joined())
