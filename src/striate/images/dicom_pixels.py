"""Decoding the pixels of DICOM files, with a fixed choice of decoder for each transfer syntax.

Lossy JPEG differs by a bit between decoders, so the first one in this order that is installed and can read the syntax
is used, always: GDCM, OpenJPEG (through pylibjpeg-openjpeg), pydicom's own for run lengths. pylibjpeg-libjpeg, which is
under the GPL, is never used.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError, StriateError
from striate.images.dicom_files import decoding_dicom
from striate.images.dicom_values import Form
from striate.images.kinds import damaged, truncated, unsupported

_JPEG2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")
_OPENJPEG = (*_JPEG2000, *_HTJ2K)
_EXTENDED = "1.2.840.10008.1.2.4.51"
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_J2K_START = b"\xff\x4f\xff\x51"


def decode_frames(path: Path, dataset: Any, form: Form, frames: Sequence[int]) -> Iterator[npt.NDArray[Any]]:
    """Stored values of some frames, `(H, W)`, or `(H, W, 3)` RGB.

    Args:
        path: The file, for errors.
        dataset: It, read whole.
        form: How its pixels are stored.
        frames: Which frames, from 0.

    Raises:
        PictureError: They cannot be decoded: the decoder of their syntax is not installed, bytes are missing or wrong.
    """
    with decoding_dicom(path):
        uid = dataset.file_meta.TransferSyntaxUID
        decoder, plugin = _decoder(path, uid, form)
        if not uid.is_encapsulated:
            _check_length(path, dataset, form)
    for frame in frames:
        try:
            if uid.is_encapsulated:
                _check_codestream(path, dataset, form, frame)
            pixels, properties = next(decoder.iter_array(dataset, indices=[frame], decoding_plugin=plugin))
        except (StriateError, MemoryError):
            raise
        # Decoders raise what they like; their words are not quoted, since they may quote the file.
        except Exception:  # noqa: BLE001
            raise damaged(path, f"the pixels of its frame {frame + 1} of {form.frames} do not decode") from None
        meant = str(properties["photometric_interpretation"])
        if form.samples == 3 and meant != "RGB":
            raise unsupported(path, "its colours are stored as neither RGB nor YBR_FULL")
        if pixels.shape[:2] != (form.rows, form.columns):
            raise damaged(path, f"{pixels.shape[0]} x {pixels.shape[1]} pixels where the header says otherwise")
        yield pixels


def _decoder(path: Path, uid: Any, form: Form) -> tuple[Any, str]:
    from pydicom.pixels.decoders.base import get_decoder

    name = uid.name if uid.name != str(uid) else "an unknown one"
    try:
        decoder = get_decoder(uid)
    except NotImplementedError:
        raise unsupported(path, f"its pixels are compressed by a transfer syntax that is not read ({name})") from None
    if not uid.is_encapsulated:
        return decoder, ""
    for plugin in ("gdcm", "pylibjpeg", "pydicom"):
        if plugin == "pylibjpeg" and uid not in _OPENJPEG:
            continue
        if plugin == "gdcm" and uid == _EXTENDED and form.stored != 8:
            continue
        if plugin in decoder.available_plugins:
            _silence(plugin)
            return decoder, plugin
    if uid == _EXTENDED and form.stored != 8:
        fix = (
            "Decoders of 12-bit JPEG are under the GPL, so none is used: decompress the file first (dcmdjpeg of DCMTK)."
        )
    else:
        package = "pylibjpeg-openjpeg" if uid in _HTJ2K else "python-gdcm"
        fix = f'Type: pip install "striate[scans]" (it brings {package}).'
    raise PictureError(
        f"its pixels are compressed by the transfer syntax {name}, and no decoder of it is installed.",
        where=path,
        fix=fix,
        kind="plugin-missing",
    )


def _silence(plugin: str) -> None:
    """GDCM's own remarks on bad files would go to standard error."""
    if plugin == "gdcm":
        gdcm = importlib.import_module("gdcm")
        gdcm.Trace.WarningOff()
        gdcm.Trace.ErrorOff()
        gdcm.Trace.DebugOff()


def _check_length(path: Path, dataset: Any, form: Form) -> None:
    """Refuses pixels that are stored as they are and are fewer than the header says."""
    values = form.rows * form.columns * form.samples * form.frames
    if form.photometric == "YBR_FULL_422":
        values = values * 2 // 3
    expected = (values * form.allocated + 7) // 8
    for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
        if keyword in dataset:
            found = len(dataset[keyword].value or b"")
            if found < expected:
                raise truncated(path, f"{found} bytes of pixels where {expected} belong")
            return


def _check_codestream(path: Path, dataset: Any, form: Form, frame: int) -> None:
    """Refuses a compressed frame that says another size than the header: decoders take memory for what it says."""
    from pydicom.encaps import get_frame

    try:
        data = get_frame(dataset.PixelData, frame, number_of_frames=form.frames)
    except Exception:  # noqa: BLE001
        raise truncated(path, f"its frame {frame + 1} of {form.frames} is not there") from None
    size_hw = _codestream_size_hw(data)
    if size_hw is not None and size_hw != (form.rows, form.columns):
        raise damaged(
            path,
            f"its header says {form.rows} x {form.columns} pixels, its compressed data {size_hw[0]} x {size_hw[1]}",
        )


def _codestream_size_hw(data: bytes) -> tuple[int, int] | None:
    """Size that JPEG, JPEG-LS or JPEG 2000 data says; `None` where none is found."""
    start = data.find(_J2K_START, 0, 256)
    if start >= 0 and len(data) >= start + 24:
        width, height, left, top = struct.unpack_from(">4I", data, start + 8)
        return height - top, width - left
    position = 2
    while data[:2] == b"\xff\xd8" and position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return height, width
        position += 2 + int(struct.unpack_from(">H", data, position + 2)[0])
    return None


def stack_order(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`(H, W)` or `(H, W, C)` to `(C, H, W)`."""
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
