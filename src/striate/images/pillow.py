"""What all kinds that Pillow decodes have in common: its errors and its colour modes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError
from striate.images.kinds import MAX_PIXELS, damaged, too_large, truncated, unsupported

if TYPE_CHECKING:
    from PIL import Image


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turns what Pillow raises on bad files into a `PictureError`."""
    import struct
    import zlib

    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise damaged(path, "its header makes no sense") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(
            f"the picture has more than {MAX_PIXELS / 1e6:.0f} million pixels, the most that is read.",
            where=path,
            fix="Cut it into tiles or scale it down first.",
            kind="too-large",
        ) from error
    except MemoryError as error:
        raise too_large(path) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error) as error:
        text = str(error)
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise
        if isinstance(error, EOFError) or "truncated" in text.lower() or "unexpected end" in text.lower():
            raise truncated(path, text) from error
        raise damaged(path, text or type(error).__name__) from error


def open_image(path: Path, data: bytes | None = None) -> Image.Image:
    """Opens a file without decoding it, or its bytes where they were read already."""
    from PIL import Image

    return Image.open(path if data is None else io.BytesIO(data))


def channels_of(image: Image.Image, path: Path) -> int:
    """Number of channels that `pixels_of` gives."""
    transparent = "transparency" in image.info
    if image.mode in ("1", "L"):
        return 2 if transparent else 1
    if image.mode in ("P", "RGB"):
        return 4 if transparent else 3
    known = {"LA": 2, "PA": 4, "RGBA": 4, "RGBX": 3, "CMYK": 3, "YCbCr": 3, "La": 2, "RGBa": 4}
    if image.mode not in known:
        raise unsupported(path, f"its pixels are of the kind {image.mode!r}")
    return known[image.mode]


def pixels_of(image: Image.Image, path: Path) -> npt.NDArray[np.uint8]:
    """Pixels `(C, H, W)` of an opened 8-bit image: palettes resolved, one bit as 0 and 255, transparency as alpha."""
    target = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels_of(image, path)]
    pixels = np.asarray(image if image.mode == target else image.convert(target), dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
