"""NRRD (the format of Teem), in one file or with its data beside it; headers are parsed by pynrrd.

The spatial axes of the file, fastest first, become columns, rows and slices. Which axis holds channels is told by
`space directions` (`none` for that axis), else by `kinds` (anything but `domain` and `space`); the last one of four
axes where neither says. Coordinates in RAS and LAS become LPS; a file in no space of the body gives spacing only.

Values are decoded here and not by pynrrd, so that a small file cannot unpack into more than its header says, and so
that a header cannot name a data file outside of its own folder.
"""

from __future__ import annotations

import bz2
import gzip
import math
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError, StorageError
from striate.images.kinds import damaged, natural_channel_names, numbered_channel_names, too_large, truncated
from striate.images.kinds import unsupported as _unsupported
from striate.images.volumes.base import VOLUME_KINDS, VolumeHeader, VolumeKind, store_labels, volume_of
from striate.images.volumes.limits import check_there, check_voxels, part_of_scans, read_bytes
from striate.images.volumes.values import likely_type, narrowest
from striate.structures import Geometry, Volume

_LONGEST_HEADER = 1 << 20
_LPS_SIGNS = {
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}
_MILLIMETRES = {"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1000.0, "um": 0.001, "µm": 0.001, "micron": 0.001}
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_SPATIAL_KINDS, _UNTOLD_KINDS = ("domain", "space"), ("???", "none")
_COLOURS = {"rgb-color": 3, "rgba-color": 4}
_MET_IN_DAMAGED_FILES = (ValueError, LookupError, ArithmeticError, TypeError, AttributeError, StopIteration)


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """A parsed header.

    Attributes:
        fields: As pynrrd gives them.
        begin: Position of the first byte behind the header.
        sizes: Of all axes, fastest first.
        stored: Type of the values.
        spatial: Two or three axes, fastest first.
        channel: The axis of channels; `None` where there is none.
    """

    fields: dict[str, Any]
    begin: int
    sizes: tuple[int, ...]
    stored: np.dtype[Any]
    spatial: tuple[int, ...]
    channel: int | None


class _Nrrd(VolumeKind):
    """NRRD, attached (.nrrd) and detached (.nhdr)."""

    name = "nrrd"
    title = "NRRD"
    suffixes = (".nrrd", ".nhdr")

    def recognises(self, path: Path) -> bool:
        return path.name.lower().endswith(self.suffixes) and path.is_file()

    def read_header(self, path: Path) -> VolumeHeader:
        with _decoding(path):
            file = _open(path)
            _check_there(path, file)
            return _header(file, likely_type(file.stored))

    def read(self, path: Path) -> Volume:
        with _decoding(path):
            file = _open(path)
            _check_there(path, file)
            voxels = narrowest(_to_slices(_values(path, file), file))
            header = _header(file, voxels.dtype.name)
        return volume_of(voxels, header, file.stored, path)

    def write_labels(self, labels: npt.NDArray[np.uint8], like: Path, classes: tuple[str, ...], out: Path) -> Path:
        """Writes `NAME.seg.nrrd` in the space of the volume it answers for, with class names as 3D Slicer reads them.

        Nothing else of its header is taken over: free fields may name the patient.
        """
        nrrd = part_of_scans("nrrd", self.title)
        with _decoding(like):
            source = _open(like)
        target = out / f"{like.name[: -len(like.suffix)].removesuffix('.seg')}.seg.nrrd"
        if target.exists() and target.samefile(like):
            raise StorageError("the labels would replace the volume.", where=target, fix="Name another folder.")
        ordered = labels.transpose(2, 1, 0)[(...,) if len(source.spatial) == 3 else (..., 0)]
        header = _header_of_labels(source, labels, classes)
        return store_labels(target, lambda path: nrrd.write(str(path), ordered, header, index_order="F"))


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Turns what bad files raise into a `PictureError`."""
    nrrd = part_of_scans("nrrd", "NRRD")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PictureError:
        raise
    except EOFError as error:
        raise truncated(path, str(error)) from error
    except MemoryError as error:
        raise too_large(path) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, str(error)) from error
    except OSError as error:
        if error.errno is None:
            raise damaged(path, str(error)) from error
        raise PictureError(
            f"the file cannot be opened ({error.strerror}).",
            where=error.filename or path,
            fix="Check the path and the right to read it.",
            kind="missing" if isinstance(error, FileNotFoundError) else "unreadable",
        ) from error
    except (nrrd.NRRDError, *_MET_IN_DAMAGED_FILES) as error:
        raise damaged(path, str(error) or type(error).__name__) from error


def _open(path: Path) -> _File:
    with path.open("rb") as stream:
        head = stream.read(_LONGEST_HEADER)
    if not head:
        raise PictureError(
            "the file is empty (0 bytes).", where=path, fix="Get it again from its origin, or delete it.", kind="empty"
        )
    if not head.startswith(b"NRRD"):
        raise damaged(path, "it does not begin with NRRD")
    lines: list[bytes] = []
    begin = 0
    for line in head.splitlines(keepends=True):
        lines.append(line)
        begin += len(line)
        if not line.strip():
            break
    else:
        if path.suffix.lower() != ".nhdr":
            raise truncated(path, "its header has no end")
    fields = dict(part_of_scans("nrrd", "NRRD").read_header(lines))
    sizes = tuple(int(size) for size in fields["sizes"])
    if len(sizes) != int(fields["dimension"]):
        raise damaged(path, f"{len(sizes)} sizes for {fields['dimension']} axes")
    check_voxels(path, sizes)
    spatial, channel = _axes(path, fields, sizes)
    return _File(fields, begin, sizes, _stored(path, fields), spatial, channel)


def _stored(path: Path, fields: dict[str, Any]) -> np.dtype[Any]:
    name = str(fields["type"]).lower()
    code = next((code for code, names in _TYPES.items() if name in names), None)
    if code is None:
        raise _unsupported(path, f"its values are of the type {name}")
    order = {"little": "<", "big": ">"}.get(str(fields.get("endian", "")).lower())
    if code[1] != "1" and order is None and _encoding(fields) != "text":
        raise damaged(path, "it does not say which byte of a value comes first")
    return np.dtype((order or "=") + code)


def _encoding(fields: dict[str, Any]) -> str:
    name = str(fields["encoding"]).lower()
    return {"gz": "gzip", "bz2": "bzip2", "txt": "text", "ascii": "text"}.get(name, name)


def _axes(path: Path, fields: dict[str, Any], sizes: tuple[int, ...]) -> tuple[tuple[int, ...], int | None]:
    """Spatial axes, and the one of channels."""
    directions, kinds = fields.get("space directions"), [str(kind).lower() for kind in fields.get("kinds", ())]
    if directions is not None and len(directions) == len(sizes):
        further = [axis for axis, row in enumerate(directions) if not np.isfinite(np.asarray(row, float)).all()]
    else:
        further = [axis for axis, kind in enumerate(kinds) if kind not in _SPATIAL_KINDS + _UNTOLD_KINDS]
    if not further and len(sizes) == 4:
        further = [3]
    spatial = tuple(axis for axis in range(len(sizes)) if axis not in further)
    if len(further) > 1 or len(spatial) not in (2, 3):
        raise _unsupported(path, f"{len(spatial)} of its {len(sizes)} axes lie in space")
    return spatial, further[0] if further else None


def _values(path: Path, file: _File) -> npt.NDArray[Any]:
    """Values with the axes of the file in reverse, as NumPy counts them."""
    holder, begin = _data_file(path, file)
    encoding = _encoding(file.fields)
    count = math.prod(file.sizes)
    skip = int(file.fields.get("byteskip", file.fields.get("byte skip", 0)))
    with holder.open("rb") as raw:
        raw.seek(begin)
        for _ in range(min(int(file.fields.get("lineskip", file.fields.get("line skip", 0))), _LONGEST_HEADER)):
            raw.readline(_LONGEST_HEADER)
        if skip == -1 and encoding == "raw":
            raw.seek(-min(count * file.stored.itemsize, holder.stat().st_size), 2)
            skip = 0
        if skip < 0:
            raise damaged(path, f"it says to skip {skip} bytes")
        if encoding == "text":
            values = np.array(raw.read(32 * count).split()[:count], file.stored)
            if len(values) < count:
                raise truncated(path, f"{len(values):,} of {count:,} values are there")
        else:
            values = np.frombuffer(
                read_bytes(path, _unpacked(path, raw, encoding), skip, count * file.stored.itemsize), file.stored
            )
    return values.reshape(file.sizes[::-1])


def _check_there(path: Path, file: _File) -> None:
    """Of what is packed otherwise, or lies elsewhere, reading finds it out."""
    holder, begin = _data_file(path, file)
    encoding = _encoding(file.fields)
    if encoding in ("raw", "gzip") and holder.exists():
        wanted = math.prod(file.sizes) * file.stored.itemsize
        check_there(path, holder.stat().st_size - begin, wanted, encoding == "gzip")


def _unpacked(path: Path, raw: BinaryIO, encoding: str) -> Any:
    if encoding == "raw":
        return raw
    if encoding == "gzip":
        return gzip.GzipFile(fileobj=raw)
    if encoding == "bzip2":
        return bz2.BZ2File(raw)
    raise _unsupported(path, f"its values are stored as {encoding}")


def _data_file(path: Path, file: _File) -> tuple[Path, int]:
    """The file that holds the values, and where they begin in it."""
    name = str(file.fields.get("data file", file.fields.get("datafile", "")))
    if not name:
        return path, file.begin
    if name.upper().startswith("LIST") or "%" in name:
        raise _unsupported(path, "its values are spread over several files")
    beside = path.parent / name.removeprefix("./")
    # A header that somebody else wrote could name any file of this machine.
    if beside.name != name.removeprefix("./") or "\\" in name or beside.resolve().parent != path.parent.resolve():
        raise PictureError(
            f"its header names a data file elsewhere ({name}); only one in the same folder is read.",
            where=path,
            fix="Put the data file beside the header and correct its line 'data file'.",
            kind="unsupported",
        )
    return beside, 0


def _to_slices(values: npt.NDArray[Any], file: _File) -> npt.NDArray[Any]:
    """`(S, C, H, W)` of values whose axes are those of the file in reverse."""
    last = len(file.sizes) - 1
    order = [last - axis for axis in reversed(file.spatial)]
    moved = values.transpose(*order, *([] if file.channel is None else [last - file.channel]))
    if len(file.spatial) == 2:
        moved = moved[None]
    return (moved[..., None] if file.channel is None else moved).transpose(0, 3, 1, 2)


def _header(file: _File, dtype: str) -> VolumeHeader:
    notes: list[str] = []
    columns, rows, slices = (*(file.sizes[axis] for axis in file.spatial), 1)[:3]
    geometry = _geometry(file, notes)
    return VolumeHeader((slices, rows, columns), _channel_names(file), dtype, "nrrd", geometry, notes=tuple(notes))


def _channel_names(file: _File) -> tuple[str, ...]:
    if file.channel is None:
        return natural_channel_names(1)
    count = file.sizes[file.channel]
    kinds = [str(kind).lower() for kind in file.fields.get("kinds", ())]
    kind = kinds[file.channel] if len(kinds) == len(file.sizes) else ""
    if count == 1 or _COLOURS.get(kind) == count:
        return natural_channel_names(count)
    return tuple(f"time {index}" for index in range(count)) if kind == "time" else numbered_channel_names(count)


def _geometry(file: _File, notes: list[str]) -> Geometry:
    signs = _LPS_SIGNS.get(str(file.fields.get("space", "")).lower())
    directions = _directions(file)
    factor = _factor(file, notes)
    if signs is not None and directions is not None and directions.shape == (3, 3):
        affine = np.eye(4)
        affine[:3, :3] = directions[::-1].T
        origin = np.asarray(file.fields.get("space origin", np.zeros(3)), np.float64)
        affine[:3, 3] = origin if origin.shape == (3,) else 0.0
        affine[:3] = np.array(signs)[:, None] * affine[:3] * factor
        if np.isfinite(affine).all() and abs(np.linalg.det(affine)) >= 1e-12:
            return Geometry(affine)
        notes.append("its geometry makes no sense, so voxels count as cubes of 1 mm")
        return Geometry.unknown()
    spacing = _spacing(file, directions)
    if spacing is None:
        notes.append("it says nothing of the size of voxels, so they count as cubes of 1 mm")
        return Geometry.unknown()
    notes.append("it does not say how its axes lie in the body; only the size of voxels is known")
    columns, rows, slices = (*(factor * spacing).tolist(), 1.0)[:3]
    return Geometry.of((slices, rows, columns), known=False)


def _directions(file: _File) -> npt.NDArray[np.float64] | None:
    """Step along each spatial axis, `(axes, space)`; `None` where the file has none."""
    directions = file.fields.get("space directions")
    if directions is None or len(directions) != len(file.sizes):
        return None
    return np.array([directions[axis] for axis in file.spatial], np.float64)


def _spacing(file: _File, directions: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64] | None:
    """Size of voxels along the spatial axes; `None` where nothing sensible is said."""
    if directions is not None:
        found = np.sqrt((directions**2).sum(1))
    else:
        spacings = np.asarray(file.fields.get("spacings", ()), np.float64)
        if spacings.shape != (len(file.sizes),):
            return None
        found = np.abs(spacings[list(file.spatial)])
    return found if np.isfinite(found).all() and (found > 0).all() else None


def _factor(file: _File, notes: list[str]) -> float:
    units = {str(unit).lower() for unit in file.fields.get("space units", ())} - {"", "none"}
    unit = units.pop() if len(units) == 1 else "mm"
    factor = _MILLIMETRES.get(unit, 1.0)
    if factor != 1.0:
        notes.append(f"lengths in {unit}, turned into mm")
    return factor


def _header_of_labels(source: _File, labels: npt.NDArray[np.uint8], classes: tuple[str, ...]) -> dict[str, Any]:
    fields: dict[str, Any] = {"encoding": "gzip", "kinds": ["domain"] * len(source.spatial)}
    for name in ("space", "space dimension", "space origin", "space units"):
        if name in source.fields:
            fields[name] = source.fields[name]
    directions = _directions(source)
    if directions is not None:
        fields["space directions"] = directions
    elif "spacings" in source.fields:
        fields["spacings"] = [source.fields["spacings"][axis] for axis in source.spatial]
    slices, rows, columns = labels.shape
    fields["Segmentation_MasterRepresentation"] = "Binary labelmap"
    for value, name in list(enumerate(classes))[1:]:
        prefix = f"Segment{value - 1}_"
        fields[prefix + "ID"], fields[prefix + "Name"] = f"Segment_{value}", " ".join(name.split())
        fields[prefix + "LabelValue"], fields[prefix + "Layer"] = str(value), "0"
        fields[prefix + "Extent"] = f"0 {columns - 1} 0 {rows - 1} 0 {slices - 1}"
    return fields


VOLUME_KINDS.add(_Nrrd.name, _Nrrd())
