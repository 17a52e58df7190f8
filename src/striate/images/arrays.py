"""Pictures inside an array file: NumPy's npz and npy, and MNIST's IDX, compressed or not."""

from __future__ import annotations

import gzip
import math
import struct
import threading
import tokenize
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError
from striate.images.kinds import natural_channel_names
from striate.structures import Picture

IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MET_IN_DAMAGED_ARRAYS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    # NumPy parses the header as an expression of Python; zip has passwords and methods that are not known.
    SyntaxError,
    tokenize.TokenError,
    RuntimeError,
)
"""What NumPy and zipfile raise on damaged files."""

_KEPT_ARRAYS = 8

_lock = threading.Lock()
_kept: OrderedDict[tuple[str, str, int, int], npt.NDArray[Any]] = OrderedDict()


def load_array(path: Path, key: str = "") -> npt.NDArray[Any]:
    """An array of a file, read once in a process and shared from then on; do not write to it.

    Args:
        path: npz, npy, or IDX with or without gzip.
        key: Name of the array in an npz file.

    Raises:
        PictureError: It cannot be read.
    """
    try:
        status = path.stat()
        name = (str(path), key, status.st_mtime_ns, status.st_size)
        with _lock:
            if name not in _kept:
                _kept[name] = read_array(path, key)
                _kept[name].flags.writeable = False
                while len(_kept) > _KEPT_ARRAYS:
                    _kept.popitem(last=False)
            return _kept[name]
    except OSError as error:
        raise PictureError(
            f"the array file cannot be read ({error.strerror or error}).",
            where=path,
            fix="Check that it is there and complete.",
            kind="missing" if isinstance(error, FileNotFoundError) else "unreadable",
        ) from error


def array_shapes(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and type of every array in an npz file, read from its headers alone.

    Raises:
        PictureError: It is not a sound npz file.
    """
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.namelist():
                if not entry.endswith(".npy"):
                    continue
                with archive.open(entry) as file:
                    version = np.lib.format.read_magic(file)
                    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else _read_header_2_0
                    shape, _, dtype = read(file)
                found[entry.removesuffix(".npy")] = (tuple(shape), dtype)
    except (*MET_IN_DAMAGED_ARRAYS, OSError) as error:
        raise _broken(path, error) from error
    return found


def _read_header_2_0(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    return np.lib.format.read_array_header_2_0(file)


def read_idx_header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Shape and type of an IDX file (LeCun's MNIST page, 1998); `None` where it is none."""
    try:
        with _open_idx(path) as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX_DTYPES or not 1 <= head[3] <= 4:
                return None
            sizes = file.read(4 * head[3])
    except (EOFError, zlib.error, OSError):
        return None
    if len(sizes) < 4 * head[3]:
        return None
    return tuple(int(size) for size in np.frombuffer(sizes, ">u4")), np.dtype(IDX_DTYPES[head[2]])


def _open_idx(path: Path) -> Any:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else path.open("rb")


def read_array(path: Path, key: str = "") -> npt.NDArray[Any]:
    """The same, read anew.

    Raises:
        PictureError: It is damaged.
        OSError: It cannot be opened.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(6)
        if magic.startswith(b"PK"):
            with np.load(path, allow_pickle=False) as arrays:
                return np.asarray(arrays[key])
        if magic == b"\x93NUMPY":
            return np.asarray(np.load(path, allow_pickle=False))
    except MET_IN_DAMAGED_ARRAYS as error:
        raise _broken(path, error) from error
    return _read_idx(path)


def _read_idx(path: Path) -> npt.NDArray[Any]:
    header = read_idx_header(path)
    if header is None:
        raise _broken(path, ValueError("it does not begin like an IDX file"))
    shape, dtype = header
    try:
        with _open_idx(path) as file:
            file.read(4 + 4 * len(shape))
            data = file.read()
    except (EOFError, zlib.error) as error:
        raise _broken(path, error) from error
    expected = math.prod(shape) * dtype.itemsize
    if len(data) < expected:
        raise _broken(path, ValueError(f"{len(data)} bytes of values where {expected} belong"))
    values = np.frombuffer(data, dtype, count=math.prod(shape)).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def _broken(path: Path, error: Exception) -> PictureError:
    return PictureError(
        f"the array file is damaged or incomplete ({error}).",
        where=path,
        fix="Get it again from its origin.",
        kind="truncated",
    )


@dataclass(frozen=True, slots=True)
class ArraySource:
    """A picture that is one entry of an array `(N, H, W)` or `(N, H, W, C)`, loaded once per process.

    Attributes:
        path: The array file.
        key: Name of the array in an npz file; empty for others.
        index: Position along the first axis.
        name: `file#index`, or `file#key/index`.
    """

    path: Path
    key: str
    index: int
    name: str

    def read(self) -> Picture:
        """Reads the picture.

        Raises:
            PictureError: The file cannot be read, or its values have a type that pictures do not have.
        """
        pixels = read_entries([self])[0]
        return Picture(pixels, natural_channel_names(len(pixels)), source=self.name)

    def array(self) -> npt.NDArray[Any]:
        """The whole array, shared by all sources of this process; do not write to it.

        Raises:
            PictureError: It cannot be read.
        """
        return load_array(self.path, self.key)


def read_entries(sources: Sequence[ArraySource]) -> npt.NDArray[Any]:
    """Pixels `(N, C, H, W)` of pictures of one array, read together.

    Raises:
        PictureError: The file cannot be read, or its values have a type that pictures do not have.
    """
    values = sources[0].array()[[source.index for source in sources]]
    nchw = values[:, None] if values.ndim == 3 else values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(_as_pixels(nchw, sources[0].path))


def _as_pixels(values: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    """Values in a type that pictures have: the rules of `striate.images.tiff`."""
    name = values.dtype.name
    if name in ("uint8", "uint16", "int16", "float32"):
        return values
    if name == "bool":
        return values.astype(np.uint8) * np.uint8(255)
    if name == "int8":
        return values.astype(np.int16)
    if values.dtype.kind in "iuf":
        return values.astype(np.float32)
    raise PictureError(
        f"its values are of the type {name}; pictures have numbers.",
        where=path,
        fix="Save the array as uint8, uint16, int16 or float32.",
        kind="unsupported",
    )
