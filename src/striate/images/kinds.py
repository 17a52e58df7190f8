"""Kinds of picture file, told apart by their first bytes, and what can be known before decoding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from striate.errors import PictureError
from striate.registry import Registry
from striate.structures import Picture

HEAD_BYTES = 160
"""First bytes a kind is recognised by: enough for DICOM's magic at 128."""

MAX_PIXELS = 178_956_970
"""Largest height x width that is read: twice what Pillow warns at, the size at which Pillow refuses."""

_MOST_GROWTH = 5000
"""Bytes that one byte of a file can become: deflate reaches 1,032, LZW some 1,400, others more on empty pictures."""

_GROWTH_IS_FREE = 512 << 20

_CHANNEL_NAMES = {
    1: ("gray",),
    2: ("gray", "alpha"),
    3: ("red", "green", "blue"),
    4: ("red", "green", "blue", "alpha"),
}


def natural_channel_names(channels: int) -> tuple[str, ...]:
    """Names for the channels of a file that names none and is no photograph with more than four channels."""
    return _CHANNEL_NAMES.get(channels) or numbered_channel_names(channels)


def numbered_channel_names(channels: int) -> tuple[str, ...]:
    """`("channel 0", "channel 1", ...)`."""
    return tuple(f"channel {index}" for index in range(channels))


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture file says about itself, before its pixels are decoded.

    Attributes:
        size_hw: Height and width in pixels, after EXIF orientation.
        channel_names: One name for each channel that reading gives.
        dtype: Data type that reading gives: uint8, uint16, int16 or float32.
        kind: Kind of file, for example `jpeg`.
        frames: Pictures in the file; only the first is read.
        notes: What reading changes or leaves out, one phrase each ("CMYK, turned into RGB").
        orientation: EXIF orientation of the stored pixels, which reading undoes; 1 where they are upright.
        pixels_alone: Whether the file is known to hold nothing that could tell who somebody is, but for its pixels.
    """

    size_hw: tuple[int, int]
    channel_names: tuple[str, ...]
    dtype: str
    kind: str
    frames: int = 1
    notes: tuple[str, ...] = ()
    orientation: int = 1
    pixels_alone: bool = False

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.channel_names)

    @property
    def bit_depth(self) -> int:
        """Bits of one value: 8, 16 or 32."""
        return {"uint8": 8, "uint16": 16, "int16": 16, "float32": 32}[self.dtype]


class PictureKind(ABC):
    """One kind of picture file. A subclass registers an instance in `KINDS` at the end of its file."""

    name: str
    title: str
    suffixes: tuple[str, ...]
    """Lower-case suffixes with their dot, the usual one first."""
    decodes_bytes: bool = False
    """Whether it has a `decode` of its own, from the bytes of a file that was read already."""

    @abstractmethod
    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins with these bytes (at most `HEAD_BYTES`) is of this kind."""

    @abstractmethod
    def read_header(self, path: Path) -> Header:
        """Reads what is known without decoding pixels.

        Raises:
            PictureError: It cannot be read.
        """

    @abstractmethod
    def read(self, path: Path, at_least_hw: tuple[int, int] | None = None) -> Picture:
        """Reads the pixels.

        Args:
            path: The file.
            at_least_hw: Height and width that are enough for the caller: a kind that can decode a smaller version
                faster may do so as long as both sides stay at least this long.

        Raises:
            PictureError: It cannot be read.
        """

    def decode(self, path: Path, data: bytes, at_least_hw: tuple[int, int] | None = None) -> tuple[Header, Picture]:
        """Header and pixels of a file whose bytes are in memory, for kinds that say `decodes_bytes`.

        Raises:
            PictureError: It cannot be read.
        """
        raise NotImplementedError(f"{self.name} files are read from disk")


KINDS: Registry[PictureKind] = Registry("kind of picture file", "striate.images")


def check_size(path: Path, size_hw: tuple[int, int]) -> None:
    """Refuses pictures that are too large to decode into memory.

    Raises:
        PictureError: Larger than `MAX_PIXELS`, or without any pixel.
    """
    height, width = size_hw
    if height <= 0 or width <= 0:
        raise PictureError(
            f"the header says {height} x {width} pixels, so there is nothing to see.",
            where=path,
            fix="Get the file again from its origin, or delete it.",
            kind="truncated",
        )
    if height * width > MAX_PIXELS:
        raise PictureError(
            f"the picture has {height} x {width} = {height * width / 1e6:.0f} million pixels; "
            f"at most {MAX_PIXELS / 1e6:.0f} million are read, because a damaged or hostile file can claim any size.",
            where=path,
            fix="Cut it into tiles or scale it down first.",
            kind="too-large",
        )


def check_growth(path: Path, decoded: int) -> None:
    """Refuses files far too small for what they claim to hold, before memory is taken for it.

    Args:
        path: The file.
        decoded: Bytes that its header says to come out of decoding.

    Raises:
        PictureError: No compression packs so tightly.
    """
    stored = path.stat().st_size
    if decoded > max(_GROWTH_IS_FREE, _MOST_GROWTH * stored):
        raise damaged(path, f"its header says {decoded / 2**20:,.0f} MiB of values, in a file of {stored:,} bytes")


def too_large(path: Path) -> PictureError:
    """The error for a picture that does not fit in memory."""
    return PictureError(
        "decoding it takes more memory than there is.",
        where=path,
        fix="Cut it into tiles or scale it down first.",
        kind="too-large",
    )


def truncated(path: Path, detail: str = "") -> PictureError:
    """The error for a file that ends before its pixels do."""
    return PictureError(
        "the file ends before the picture does" + (f" ({detail})" if detail else "") + ".",
        where=path,
        fix="It was probably not copied or downloaded to the end: get it again from its origin.",
        kind="truncated",
    )


def damaged(path: Path, detail: str) -> PictureError:
    """The error for a file of a known kind that does not decode."""
    return PictureError(
        f"the file is damaged and cannot be decoded ({detail.strip().rstrip('.')}).",
        where=path,
        fix="Get it again from its origin, or open it in a picture viewer and save it anew.",
        kind="damaged",
    )


def unsupported(path: Path, detail: str) -> PictureError:
    """The error for a sound file that uses something that is not read."""
    return PictureError(
        f"{detail}, which is not supported.",
        where=path,
        fix="Convert it to PNG or TIFF with a picture program.",
        kind="unsupported",
    )
