"""Stacks of planes in TIFF and NumPy files, read as volumes.

TIFF: an axis Z, as ImageJ and OME name it, becomes the slices, and time becomes channels beside the channels; without
Z, time or the pages become the slices. Samples and the axes C and Q are channels. One plane, whatever its channels, is
a picture and no volume (`striate.images.tiff`). Sizes of voxels are those of OME (PhysicalSizeX, Y, Z) and ImageJ
(spacing, unit, resolution); the order of the file counts as upright.

Arrays: three axes are slices, rows and columns. Of four, the shortest one of the first, the second and the last is the
channels, the last and then the second where they are equal. `(height, width, 3 or 4)` and `(height, width, 1)` are a
picture. A first axis of the length 1 is a batch of one: four more are channels, slices, rows and columns (or channels
last, where these are fewer), and three more slices, rows and columns, unless the last one has the length of colours. An
npz file is a volume where it holds one array, of such a shape.
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError
from striate.images.arrays import MET_IN_DAMAGED_ARRAYS, array_shapes, read_array
from striate.images.kinds import damaged, natural_channel_names, numbered_channel_names, truncated, unsupported
from striate.images.tiff import check_claims, check_stored, decoding_tiff
from striate.images.tiff_values import TiffValues
from striate.images.volumes.base import VOLUME_KINDS, VolumeHeader, VolumeKind, store_labels, volume_of
from striate.images.volumes.limits import check_voxels
from striate.images.volumes.values import likely_type, narrowest
from striate.structures import Geometry, Volume

_TIFF_HEADS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_CHANNEL_AXES = "CSQ"
_FEWEST_OF_A_STACK = 5
"""An array whose last axis is shorter than this is a picture with channels."""
_COLOURS = (3, 4)
"""Lengths of a last axis that are colours, even after a batch of one."""

_MILLIMETRES = {
    "nm": 1e-6,
    "µm": 1e-3,
    "um": 1e-3,
    "micron": 1e-3,
    "microns": 1e-3,
    "micrometer": 1e-3,
    "\\u00b5m": 1e-3,
    "mm": 1.0,
    "millimeter": 1.0,
    "cm": 10.0,
    "m": 1000.0,
    "inch": 25.4,
}
_NO_SIZES = "it says nothing of the size of voxels, so they count as cubes of 1 mm"


@dataclass(frozen=True, slots=True, eq=False)
class _Planes:
    """How the axes of a TIFF series become those of a volume.

    Attributes:
        axes: Letters of the series.
        shape: Their lengths.
        slices: The letter that becomes slices.
        values: What values mean.
    """

    axes: str
    shape: tuple[int, ...]
    slices: str
    values: TiffValues

    def length(self, letters: str) -> int:
        return math.prod(size for axis, size in zip(self.axes, self.shape, strict=True) if axis in letters)

    @property
    def times(self) -> str:
        """Letters that become further channels: every one that is nothing else."""
        return "".join(axis for axis in self.axes if axis not in "YX" + _CHANNEL_AXES + self.slices)

    @property
    def channel_names(self) -> tuple[str, ...]:
        channels = self.values.channels(self.length(_CHANNEL_AXES))
        names = _channel_names(channels, colour=self.values.is_colour)
        times = self.length(self.times)
        if times == 1:
            return names
        return tuple(
            f"time {time}" if len(names) == 1 else f"time {time} {name}" for time in range(times) for name in names
        )


def _channel_names(channels: int, *, colour: bool) -> tuple[str, ...]:
    # Two and four channels of a microscope are not transparent, whatever a picture of as many would be.
    return (
        natural_channel_names(channels)
        if channels == 1 or (channels == 3 and colour)
        else numbered_channel_names(channels)
    )


class _TiffStack(VolumeKind):
    """TIFF with several planes."""

    name = "tiff-stack"
    title = "TIFF stack"
    suffixes = (".tif", ".tiff")

    def recognises(self, path: Path) -> bool:
        import tifffile

        if not path.name.lower().endswith(self.suffixes) or not path.is_file():
            return False
        try:
            with path.open("rb") as stream:
                if stream.read(4) not in _TIFF_HEADS:
                    return False
            with decoding_tiff(path), tifffile.TiffFile(path) as file:
                return len(file.pages) > 0 and _slice_axis(file.series[0]) is not None
        except (PictureError, OSError):
            return False

    def read_header(self, path: Path) -> VolumeHeader:
        import tifffile

        with decoding_tiff(path), tifffile.TiffFile(path) as file:
            planes = _planes(path, file)
            return _tiff_header(file, planes, likely_type(np.dtype(planes.values.interpreted_type)))

    def read(self, path: Path) -> Volume:
        import tifffile

        with decoding_tiff(path), tifffile.TiffFile(path) as file:
            planes = _planes(path, file)
            check_stored(path, file.series[0].pages)
            stored = np.asarray(file.series[0].asarray())
            colours = getattr(file.pages[0], "colormap", None)
            voxels = narrowest(_interpreted(stored, planes, colours))
            header = _tiff_header(file, planes, voxels.dtype.name)
        return volume_of(voxels, header, stored.dtype, path)

    def write_labels(self, labels: npt.NDArray[np.uint8], like: Path, classes: tuple[str, ...], out: Path) -> Path:
        """Writes `NAME_seg.tif`, a stack as ImageJ reads it, with the size of voxels and the class names."""
        import tifffile

        slices, rows, columns = (1000.0 * side for side in self.read_header(like).geometry.spacing_mm)
        return store_labels(
            out / f"{like.stem}_seg.tif",
            lambda target: tifffile.imwrite(
                target,
                labels,
                imagej=True,
                resolution=(1.0 / columns, 1.0 / rows),
                compression="zlib",
                metadata={"axes": "ZYX", "spacing": slices, "unit": "um", "Info": "; ".join(classes)},
            ),
        )


class _ArrayStack(VolumeKind):
    """NumPy arrays of three to five axes."""

    name = "array-stack"
    title = "NumPy stack"
    suffixes = (".npy", ".npz")

    def recognises(self, path: Path) -> bool:
        if not path.name.lower().endswith(self.suffixes) or not path.is_file():
            return False
        try:
            _, shape, stored = _array_of(path)
        except (PictureError, OSError):
            return False
        return _is_stack(shape) and stored.kind in "iufb"

    def read_header(self, path: Path) -> VolumeHeader:
        _, shape, stored = self._checked(path)
        return _array_header(shape, likely_type(stored))

    def read(self, path: Path) -> Volume:
        key, shape, stored = self._checked(path)
        values = read_array(path, key)
        if values.shape != shape:
            raise damaged(path, "its array has another shape than its header says")
        voxels = narrowest(_ordered(values))
        return volume_of(voxels, _array_header(shape, voxels.dtype.name), stored, path)

    def _checked(self, path: Path) -> tuple[str, tuple[int, ...], np.dtype[Any]]:
        key, shape, stored = _array_of(path)
        if not _is_stack(shape):
            raise unsupported(path, f"it holds an array of {' x '.join(map(str, shape)) or 'no axes'}")
        if stored.kind not in "iufb" or stored.itemsize > 8:
            raise unsupported(path, f"its values are of the type {stored}")
        check_voxels(path, shape)
        there = _bytes_of(path, key)
        if there < math.prod(shape) * stored.itemsize:
            raise truncated(path, f"{there:,} bytes are there")
        return key, shape, stored

    def write_labels(
        self,
        labels: npt.NDArray[np.uint8],
        like: Path,
        classes: tuple[str, ...],  # noqa: ARG002
        out: Path,
    ) -> Path:
        """Writes `NAME_seg.npy`, `(S, H, W)`; class names have no place there."""
        return store_labels(out / f"{like.stem}_seg.npy", lambda target: np.save(target, labels))


def _slice_axis(series: Any) -> str | None:
    """The letter of a series that becomes slices; `None` where it holds one plane."""
    long = [axis for axis, size in zip(series.axes, series.shape, strict=True) if size > 1]
    outer = [axis for axis in long if axis not in "YX" + _CHANNEL_AXES]
    if "Z" in outer:
        return "Z"
    return outer[-1] if outer else None


def _planes(path: Path, file: Any) -> _Planes:
    series = file.series[0]
    slices = _slice_axis(series)
    if slices is None:
        raise unsupported(path, "it holds one plane, which is a picture and no volume")
    if any(series.axes.count(axis) != 1 for axis in "YX" + slices):
        raise unsupported(path, f"its axes are {series.axes}")
    check_voxels(path, series.shape)
    page = file.pages[0].aspage()
    values = TiffValues.of(path, page)
    check_claims(path, page, series.shape)
    return _Planes(series.axes, tuple(map(int, series.shape)), slices, values)


def _interpreted(stored: npt.NDArray[Any], planes: _Planes, colours: Any) -> npt.NDArray[Any]:
    """`(S, C, H, W)`."""

    def places(letters: str) -> list[int]:
        return [index for index, axis in enumerate(planes.axes) if axis in letters]

    order = places(planes.slices) + places(planes.times) + places(_CHANNEL_AXES) + places("Y") + places("X")
    height, width = planes.length("Y"), planes.length("X")
    samples = planes.length(_CHANNEL_AXES)
    each = stored.transpose(order).reshape(-1, samples, height, width)
    found = np.stack([planes.values.interpret(plane, colours) for plane in each])
    return found.reshape(planes.length(planes.slices), -1, height, width)


def _tiff_header(file: Any, planes: _Planes, dtype: str) -> VolumeHeader:
    notes: list[str] = []
    if planes.slices != "Z":
        notes.append("it has no axis of depth: its times or pages count as slices")
    if len(file.series) > 1:
        notes.append(f"holds {len(file.series)} series, of which the first is read")
    spacing = _ome_spacing(file) if file.is_ome else _imagej_spacing(file) if file.is_imagej else None
    if spacing is None:
        notes.append(_NO_SIZES)
    size = planes.length(planes.slices), planes.length("Y"), planes.length("X")
    geometry = Geometry.unknown() if spacing is None else Geometry.of(spacing)
    return VolumeHeader(size, planes.channel_names, dtype, "tiff-stack", geometry, notes=tuple(notes))


def _sensible(slices: float, rows: float, columns: float) -> tuple[float, float, float] | None:
    found = (slices, rows, columns)
    return found if all(math.isfinite(side) and 0 < side < 1e6 for side in found) else None


def _ome_spacing(file: Any) -> tuple[float, float, float] | None:
    """Spacing in mm of slices, rows and columns; `None` where OME does not give all three."""
    text = str(file.ome_metadata or "")
    # Entities that are defined inside of a file can grow without bound.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        pixels = next((node for node in ElementTree.fromstring(text).iter() if node.tag.endswith("}Pixels")), None)
        if pixels is None:
            return None
        sides = []
        for axis in "ZYX":
            factor = _MILLIMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
            side = pixels.get(f"PhysicalSize{axis}")
            if factor is None or side is None:
                return None
            sides.append(float(side) * factor)
    except (ElementTree.ParseError, ValueError):
        return None
    return _sensible(*sides)


def _imagej_spacing(file: Any) -> tuple[float, float, float] | None:
    """The same for ImageJ: pixels per unit in the tags of resolution, the distance of slices in its text."""
    about = file.imagej_metadata or {}
    factor = _MILLIMETRES.get(str(about.get("unit", "")).strip().lower())
    tags = file.pages[0].tags
    if factor is None or "spacing" not in about or "XResolution" not in tags or "YResolution" not in tags:
        return None
    try:
        rates = [rate[0] / rate[1] for rate in (tags["YResolution"].value, tags["XResolution"].value)]
        return _sensible(abs(float(about["spacing"])) * factor, factor / rates[0], factor / rates[1])
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


def _array_of(path: Path) -> tuple[str, tuple[int, ...], np.dtype[Any]]:
    """Key, shape and type of the one array of a file, from its header."""
    if path.suffix.lower() == ".npz":
        found = array_shapes(path)
        if len(found) != 1:
            raise unsupported(path, f"it holds {len(found)} arrays and not one")
        key, (shape, stored) = next(iter(found.items()))
        return key, shape, stored
    try:
        with path.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, stored = read(stream)
    except MET_IN_DAMAGED_ARRAYS as error:
        raise damaged(path, str(error)) from error
    return "", tuple(shape), stored


def _bytes_of(path: Path, key: str) -> int:
    """Bytes that a file says to hold for an array, with its header."""
    if not key:
        return path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        return archive.getinfo(f"{key}.npy").file_size


def _is_stack(shape: tuple[int, ...]) -> bool:
    if len(shape) == 3:
        return shape[2] >= _FEWEST_OF_A_STACK
    return len(shape) == 4 or (len(shape) == 5 and shape[0] == 1)


def _channel_axis(shape: tuple[int, ...]) -> int | None:
    """The axis that holds channels; `None` where none does."""
    if len(shape) == 5:
        return 4 if 1 < shape[4] < shape[1] else 1
    if len(shape) == 3:
        return None
    if shape[0] == 1:
        return 3 if shape[3] in _COLOURS else None
    return min((3, 1, 0), key=lambda axis: shape[axis])


def _places(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes that are slices, rows and columns."""
    channels = _channel_axis(shape)
    return tuple(axis for axis in range(len(shape)) if axis != channels)[-3:]


def _ordered(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`(S, C, H, W)`."""
    channels = _channel_axis(values.shape)
    if channels is None:
        return values.reshape(values.shape[-3:])[:, None]
    moved = np.moveaxis(values, channels, -3)
    return moved.reshape(moved.shape[-4:])


def _array_header(shape: tuple[int, ...], dtype: str) -> VolumeHeader:
    axis = _channel_axis(shape)
    slices, rows, columns = (int(shape[place]) for place in _places(shape))
    notes = [_NO_SIZES]
    if axis is not None:
        notes.append(f"its axis {axis + 1} of {len(shape)} counts as channels")
    return VolumeHeader(
        (slices, rows, columns),
        _channel_names(1 if axis is None else shape[axis], colour=axis == 3),
        dtype,
        "array-stack",
        Geometry.unknown(),
        notes=tuple(notes),
    )


VOLUME_KINDS.add(_TiffStack.name, _TiffStack())
VOLUME_KINDS.add(_ArrayStack.name, _ArrayStack())
