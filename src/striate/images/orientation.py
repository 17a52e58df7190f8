"""EXIF orientation: the way a camera was held, undone."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

ORIENTATION_TAG = 0x0112


def apply_orientation(pixels: npt.NDArray[np.generic], orientation: int) -> npt.NDArray[np.generic]:
    """Turns pixels `(..., H, W)` upright.

    Args:
        pixels: As stored in the file.
        orientation: EXIF value (CIPA DC-008, tag 274): 1 upright, 2 mirrored, 3 upside down, 4 flipped,
            5 transposed, 6 to be turned 90 degrees clockwise, 7 transversed, 8 to be turned 90 degrees
            anticlockwise. Any other value counts as 1.
    """
    if orientation == 2:
        return pixels[..., :, ::-1]
    if orientation == 3:
        return pixels[..., ::-1, ::-1]
    if orientation == 4:
        return pixels[..., ::-1, :]
    if orientation == 5:
        return pixels.swapaxes(-1, -2)
    if orientation == 6:
        return pixels.swapaxes(-1, -2)[..., :, ::-1]
    if orientation == 7:
        return pixels.swapaxes(-1, -2)[..., ::-1, ::-1]
    if orientation == 8:
        return pixels.swapaxes(-1, -2)[..., ::-1, :]
    return pixels


def upright_size_hw(size_hw: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Size after `apply_orientation`; also the other way round, since the sides swap or stay."""
    return (size_hw[1], size_hw[0]) if orientation in (5, 6, 7, 8) else size_hw


def orientation_of_exif(exif: bytes) -> int:
    """Orientation in an EXIF block (a TIFF header and its first directory); 1 where there is none or it is broken."""
    exif = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(exif[:4])
    if order is None or len(exif) < 10:
        return 1
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return 1
    (entries,) = struct.unpack_from(order + "H", exif, start)
    for index in range(entries):
        offset = start + 2 + 12 * index
        if offset + 12 > len(exif):
            return 1
        tag, _, _, value = struct.unpack_from(order + "HHIH", exif, offset)
        if tag == ORIENTATION_TAG:
            return int(value) if 1 <= value <= 8 else 1
    return 1
