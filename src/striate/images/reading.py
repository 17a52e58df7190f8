"""Picture files: recognised by their first bytes, read as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from striate.errors import PictureError
from striate.images.damage import FIX, PNG_DAMAGED
from striate.images.dicom_files import has_dicom_magic
from striate.images.kinds import HEAD_BYTES, KINDS, Header, PictureKind
from striate.structures import Picture

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".tif", ".tiff", ".webp", ".bmp", ".dib", ".gif"}
    | {".pgm", ".ppm", ".pbm", ".pnm", ".pfm", ".dcm", ".dicom", ".ima"}
)
"""Lower-case suffixes of picture files; `KINDS` has the same ones, this set is known without loading them."""

_MOST_FILES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
"""The first bytes of PNG and JPEG: nearly all files, told without asking every kind in turn."""

_LOOKALIKES = (
    ((b"<!doctype", b"<html", b"<?xml", b"<svg", b"<head"), "a web page or XML", "the download probably failed"),
    ((b"version https://git-lfs",), "a Git LFS pointer", "run `git lfs pull` where the files were cloned"),
    ((b"%pdf",), "a PDF", "export its pictures first"),
    ((b"pk\x03\x04",), "a ZIP archive", "unpack it first"),
    ((b"\x1f\x8b",), "a gzip archive", "unpack it first"),
)


def is_picture_path(path: Path) -> bool:
    """Whether a file name ends like a picture's. The file is not opened; hidden files are no pictures."""
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def sniff_kind(path: Path) -> str | None:
    """Kind of a picture file by its first bytes, whatever its name; `None` where they are no picture's.

    Raises:
        OSError: The file cannot be opened.
    """
    kind = _kind_of_head(_read_head(path))
    return None if kind is None else kind.name


def read_header(path: Path) -> Header:
    """Reads size, channels and data type of a picture, without decoding its pixels.

    Raises:
        PictureError: It cannot be read.
    """
    try:
        return _find_kind(path).read_header(path)
    except OSError as error:
        raise _cannot_open(path, error) from error


def read_picture(path: str | Path, at_least_hw: tuple[int, int] | None = None) -> Picture:
    """Reads a picture as it is stored: its bit depth, its channels, upright by its EXIF orientation.

    Args:
        path: The file. Its first bytes say what it is, not its name.
        at_least_hw: Height and width that are enough. A JPEG may then come at 1/2, 1/4 or 1/8 of its size, which is
            faster, with both sides at least this long.

    Raises:
        PictureError: It cannot be read; `kind` is one of `missing`, `no-permission`, `empty`, `truncated`,
            `not-a-picture`, `line-endings-damaged`, `damaged`, `too-large`, `unsupported`, `plugin-missing`.
    """
    path = Path(path)
    try:
        return _find_kind(path).read(path, at_least_hw)
    except OSError as error:
        raise _cannot_open(path, error) from error


def read_with_header(path: Path, at_least_hw: tuple[int, int] | None = None) -> tuple[Header, Picture]:
    """What `read_header` and `read_picture` give, from one look at the file where its kind allows.

    Raises:
        PictureError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            kind = _kind_of_head(head)
            data = head + file.read() if kind is not None and kind.decodes_bytes else b""
        if kind is None:
            kind = _find_kind(path)
        if kind.decodes_bytes:
            return kind.decode(path, data, at_least_hw)
        return kind.read_header(path), kind.read(path, at_least_hw)
    except OSError as error:
        raise _cannot_open(path, error) from error


@dataclass(frozen=True, slots=True)
class FileSource:
    """A picture in a file of its own.

    Attributes:
        path: The file.
        name: Path relative to the root of the data set, with forward slashes.
        kept: The picture, where it was read before and is small enough to stay in memory.
    """

    path: Path
    name: str
    kept: Picture | None = field(default=None, compare=False, repr=False)

    def read(self) -> Picture:
        """Reads the picture.

        Raises:
            PictureError: It cannot be read.
        """
        return read_picture(self.path) if self.kept is None else self.kept


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _kind_of_head(head: bytes) -> PictureKind | None:
    if head.startswith(_MOST_FILES):
        return KINDS.get("png" if head[0] == 0x89 else "jpeg")
    if has_dicom_magic(head):
        # Its preamble may make it a TIFF as well, often without any page.
        return KINDS.get("dicom")
    return next((kind for kind in KINDS if kind.recognises(head)), None)


def _find_kind(path: Path) -> PictureKind:
    head = _read_head(path)
    kind = _kind_of_head(head)
    if kind is not None:
        return kind
    if not head:
        raise PictureError(
            "the file is empty (0 bytes).", where=path, fix="Get it again from its origin, or delete it.", kind="empty"
        )
    if head.startswith(PNG_DAMAGED):
        raise PictureError(
            "a PNG whose line endings were converted (CR LF and LF exchanged), which destroys it.",
            where=path,
            fix=FIX,
            kind="line-endings-damaged",
        )
    raise _not_a_picture(path, head)


def _not_a_picture(path: Path, head: bytes) -> PictureError:
    start = head.lstrip().lower()
    for magics, what, advice in _LOOKALIKES:
        if start.startswith(magics):
            seen, fix = f"it is {what}", f"Perhaps {advice}; else delete it."
            break
    else:
        text = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)
        seen = "it holds text" if text else f"it begins with {head[:8].hex(' ')}, which no known kind does"
        fix = "Delete it, or save the picture again as PNG, JPEG or TIFF."
    return PictureError(f"not a picture: {seen}.", where=path, fix=fix, kind="not-a-picture")


def _cannot_open(path: Path, error: OSError) -> PictureError:
    if isinstance(error, FileNotFoundError):
        return PictureError("there is no such file.", where=path, fix="Check the path.", kind="missing")
    if isinstance(error, IsADirectoryError):
        return PictureError("a folder, not a picture file.", where=path, fix="Name a file in it.", kind="not-a-picture")
    if isinstance(error, PermissionError):
        kind, fix = "no-permission", "Give yourself the right to read it."
    else:
        kind, fix = "unreadable", "Check the disk or the network drive."
    return PictureError(f"the file cannot be opened ({error.strerror}).", where=path, fix=fix, kind=kind)
