"""WebP, BMP and GIF files, decoded by Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from striate.images.kinds import KINDS, Header, PictureKind, check_size, natural_channel_names, truncated
from striate.images.orientation import ORIENTATION_TAG, apply_orientation, upright_size_hw
from striate.images.pillow import channels_of, decoding, open_image, pixels_of
from striate.structures import Picture

if TYPE_CHECKING:
    from PIL import Image


class _PillowKind(PictureKind):
    magic: tuple[bytes, ...]

    def recognises(self, head: bytes) -> bool:
        return head.startswith(self.magic)

    def read_header(self, path: Path) -> Header:
        with decoding(path), open_image(path) as image:
            return self._header(path, image)

    def _header(self, path: Path, image: Image.Image) -> Header:
        size_hw = (image.height, image.width)
        check_size(path, size_hw)
        frames = int(getattr(image, "n_frames", 1))
        notes = (f"holds {frames} frames, of which the first is read",) if frames > 1 else ()
        orientation = _orientation(image)
        return Header(
            upright_size_hw(size_hw, orientation),
            natural_channel_names(channels_of(image, path)),
            "uint8",
            self.name,
            frames,
            notes,
            orientation,
        )

    def read(self, path: Path, at_least_hw: tuple[int, int] | None = None) -> Picture:  # noqa: ARG002
        with decoding(path), open_image(path) as image:
            check_size(path, (image.height, image.width))
            orientation = _orientation(image)
            pixels = np.ascontiguousarray(apply_orientation(pixels_of(image, path), orientation))
        return Picture(pixels, natural_channel_names(len(pixels)), source=str(path))


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(ORIENTATION_TAG, 1)
    return value if isinstance(value, int) else 1


class _WebP(_PillowKind):
    """WebP: lossy and lossless; colour and alpha; of an animation the first frame."""

    name = "webp"
    title = "WebP"
    suffixes = (".webp",)
    magic = (b"RIFF",)

    def recognises(self, head: bytes) -> bool:
        return head.startswith(b"RIFF") and head[8:12] == b"WEBP"

    def read(self, path: Path, at_least_hw: tuple[int, int] | None = None) -> Picture:
        with path.open("rb") as file:
            expected = int.from_bytes(file.read(8)[4:], "little") + 8
        if path.stat().st_size < expected:
            raise truncated(path, f"{path.stat().st_size} of {expected} bytes are there")
        return super().read(path, at_least_hw)


class _Bmp(_PillowKind):
    """BMP: palette, 16 to 32 bits a pixel, run lengths."""

    name = "bmp"
    title = "BMP"
    suffixes = (".bmp", ".dib")
    magic = (b"BM",)

    def recognises(self, head: bytes) -> bool:
        # Two letters prove little; bytes 6 to 10 are reserved and zero in practice, and the header size is small.
        return (
            head.startswith(b"BM") and len(head) >= 18 and head[14:15] in (b"\x0c", b"\x28", b"\x40", b"\x6c", b"\x7c")
        )


class _Gif(_PillowKind):
    """GIF: the first frame."""

    name = "gif"
    title = "GIF"
    suffixes = (".gif",)
    magic = (b"GIF87a", b"GIF89a")


for _kind in (_WebP(), _Bmp(), _Gif()):
    KINDS.add(_kind.name, _kind)
