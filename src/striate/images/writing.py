"""Pixels to files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import RequestError, StorageError
from striate.images.kinds import natural_channel_names
from striate.images.tiff import NAMES_KEY
from striate.structures import Picture

WRITABLE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
_JPEG_QUALITY = 95


def lossless_suffix(picture: Picture) -> str:
    """The suffix of the smallest usual kind of file that keeps every value and name: `.png`, else `.tif`."""
    fits_png = picture.pixels.dtype.name in ("uint8", "uint16") and picture.channels <= 4
    return ".png" if fits_png and picture.channel_names == natural_channel_names(picture.channels) else ".tif"


def write_picture(picture: Picture, path: str | Path) -> None:
    """Writes a picture; the suffix says as what.

    PNG and TIFF keep every value. JPEG is lossy (quality 95, no chroma subsampling).

    Args:
        picture: The picture.
        path: The file: `.png` (8 and 16 bit, 1 to 4 channels), `.tif` (everything), `.jpg` (8 bit, gray or RGB).

    Raises:
        RequestError: The kind of file cannot hold the picture, or cannot be written.
        StorageError: The file cannot be written.
    """
    path = Path(path)
    data = _encode(picture, path)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise StorageError(
            f"the picture cannot be written ({error.strerror}).",
            where=path,
            fix="Check that there is space on the disk and that you may write there.",
        ) from error


def _encode(picture: Picture, path: Path) -> bytes:
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        return _encode_tiff(picture)
    if suffix == ".png":
        return _encode_png(picture, path)
    if suffix in (".jpg", ".jpeg"):
        return _encode_jpeg(picture, path)
    raise RequestError(
        f"pictures are not written as {suffix or 'a file without suffix'}.",
        where=path,
        fix=f"Use one of {', '.join(WRITABLE_SUFFIXES)}.",
    )


def _interleaved(picture: Picture) -> npt.NDArray[Any]:
    pixels = picture.pixels[0] if picture.channels == 1 else picture.pixels.transpose(1, 2, 0)
    return np.ascontiguousarray(pixels)


def _encode_png(picture: Picture, path: Path) -> bytes:
    import imagecodecs

    dtype = picture.pixels.dtype.name
    if dtype not in ("uint8", "uint16") or picture.channels > 4:
        raise RequestError(
            f"PNG holds 1 to 4 channels of uint8 or uint16; the picture has {picture.channels} of {dtype}.",
            where=path,
            fix="Write it as .tif.",
        )
    return bytes(imagecodecs.png_encode(_interleaved(picture)))


def _encode_jpeg(picture: Picture, path: Path) -> bytes:
    from PIL import Image

    if picture.pixels.dtype.name != "uint8" or picture.channels not in (1, 3):
        raise RequestError(
            f"JPEG holds 1 or 3 channels of uint8; the picture has {picture.channels} of {picture.pixels.dtype.name}.",
            where=path,
            fix="Write it as .png or .tif.",
        )
    out = io.BytesIO()
    Image.fromarray(_interleaved(picture)).save(out, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return out.getvalue()


def _encode_tiff(picture: Picture) -> bytes:
    import tifffile

    colour = picture.channel_names[:3] == natural_channel_names(3)
    alpha = picture.channel_names[-1] == "alpha" and picture.channels > 1
    extra = picture.channels - (3 if colour else 1)
    samples = ["unspecified"] * (extra - alpha) + ["unassalpha"] * alpha
    out = io.BytesIO()
    tifffile.imwrite(
        out,
        picture.pixels[0] if picture.channels == 1 else picture.pixels,
        photometric="rgb" if colour else "minisblack",
        planarconfig="separate" if picture.channels > 1 else None,
        extrasamples=samples or None,
        compression="zlib",
        metadata={NAMES_KEY: list(picture.channel_names)},
    )
    return out.getvalue()
