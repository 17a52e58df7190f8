"""What is asked of every volume before its voxels are read: a size that is possible, a reader that is installed."""

from __future__ import annotations

import gzip
import importlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from striate.errors import MissingPartError, PictureError
from striate.images.kinds import damaged, truncated
from striate.images.volumes.base import MOST_VOXELS

_STEP = 1 << 20
_DEFLATE_REACHES = 1032
"""Bytes that one byte of deflate or gzip can become, at most."""


def check_voxels(path: Path, sizes: Sequence[int]) -> None:
    """Refuses what cannot be, before memory is taken for it.

    Args:
        path: The file.
        sizes: Voxels along each axis, as its header says.

    Raises:
        PictureError: No voxels, or more than `MOST_VOXELS`.
    """
    words = " x ".join(map(str, sizes))
    if not sizes or any(side <= 0 for side in sizes):
        raise damaged(path, f"its header says {words or 'no'} voxels")
    if math.prod(sizes) > MOST_VOXELS:
        raise PictureError(
            f"its header says {words} voxels; at most {MOST_VOXELS / 1e6:,.0f} million are read, "
            "because a damaged or hostile file can claim any size.",
            where=path,
            fix="Cut it into parts first.",
            kind="too-large",
        )


def check_there(path: Path, there: int, wanted: int, gzipped: bool) -> None:
    """Refuses a file too small for the voxels that its header says, before anybody counts on its slices.

    Args:
        path: The file, for errors.
        there: Bytes that may hold voxels.
        wanted: Bytes of all voxels.
        gzipped: Whether those that are there are gzip.

    Raises:
        PictureError: Not all voxels can be there.
    """
    if wanted > max(there, 0) * (_DEFLATE_REACHES if gzipped else 1):
        packed = " gzip" if gzipped else ""
        raise truncated(path, f"{wanted:,} bytes of voxels are announced, {max(there, 0):,} bytes{packed} are there")


def read_bytes(path: Path, stream: BinaryIO | gzip.GzipFile, skip: int, count: int) -> bytearray:
    """Bytes of a stream, compressed or not; memory grows with what is there, not with what a header claims.

    Args:
        path: The file, for errors.
        stream: Where to read.
        skip: Bytes to pass over first.
        count: Bytes wanted.

    Raises:
        PictureError: The stream ends before.
    """
    while skip > 0:
        passed = len(stream.read(min(skip, _STEP)))
        if not passed:
            raise truncated(path, f"{skip:,} bytes before the voxels are missing")
        skip -= passed
    found = bytearray()
    while len(found) < count:
        part = stream.read(min(count - len(found), _STEP))
        if not part:
            raise truncated(path, f"{len(found):,} of {count:,} bytes of voxels are there")
        found += part
    return found


def part_of_scans(module: str, title: str) -> Any:
    """A package of the extra `scans`.

    Args:
        module: Its name in Python.
        title: What it reads.

    Raises:
        MissingPartError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingPartError(
            f"{title} is read by the package {module}, and it is not installed.",
            where=title,
            fix='pip install "striate[scans]"',
        ) from error
