"""Opening DICOM files (ISO 12052, NEMA PS3) with pydicom: what they are, and what is wrong with them.

Texts of errors, notes and problems hold numbers and the standard's own words, never a value of a tag that is text: any
of these may name the patient. For the same reason what pydicom says is not quoted.
"""

from __future__ import annotations

import io
import logging
import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from striate.errors import MissingPartError, PictureError, StriateError
from striate.images.kinds import damaged, too_large, truncated

MAGIC = b"DICM"
MAGIC_AT = 128
SUFFIXES = (".dcm", ".dicom", ".ima")

LABEL_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""SOP classes of objects that hold labels of another picture: Segmentation, Label Map Segmentation."""

_FIRST_GROUPS = (0x0002, 0x0008)
_SHORT_VRS = re.compile("AE|AS|AT|CS|D[AST]|F[LD]|IS|L[OT]|PN|S[HLST]|TM|U[ILS]")
_LONG_VRS = re.compile("O[BDFLVW]|S[QV]|U[CNRTV]")
_LONGEST_FIRST_VALUE = 1 << 16
_PIXEL_TAGS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_DEFLATED = "1.2.840.10008.1.2.1.99"
_MOST_INFLATED = 1 << 30
_MET_IN_DAMAGED_FILES = (
    ValueError,
    LookupError,
    RuntimeError,
    ArithmeticError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
    zlib.error,
)
_filter: Any = None


def has_dicom_magic(head: bytes) -> bool:
    """Whether DICM stands behind the preamble of 128 bytes, which may be anything."""
    return head[MAGIC_AT : MAGIC_AT + 4] == MAGIC


def is_dicom_head(head: bytes) -> bool:
    """Whether a file that begins with these bytes (160 are enough) is DICOM.

    It is where DICM stands at byte 128. Some old files lack that preamble: they count where they begin with elements
    of group 0002 or 0008, in rising order, whose types and lengths make sense.
    """
    if has_dicom_magic(head):
        return True
    return any(_begins_with_elements(head, order) for order in "<>")


def _begins_with_elements(head: bytes, order: str) -> bool:
    """Whether two elements in a row make sense, or a first one that reaches beyond the head."""
    position, last, seen = 0, -1, 0
    while position + 8 <= len(head):
        group, element = struct.unpack_from(order + "HH", head, position)
        tag = group << 16 | element
        if tag <= last or (not seen and group not in _FIRST_GROUPS):
            return seen > 1
        vr = head[position + 4 : position + 6].decode("latin-1")
        if _SHORT_VRS.fullmatch(vr):
            (length,), step = struct.unpack_from(order + "H", head, position + 6), 8
        elif _LONG_VRS.fullmatch(vr) and position + 12 <= len(head):
            (length,), step = struct.unpack_from(order + "I", head, position + 8), 12
        elif order == "<":
            (length,), step = struct.unpack_from("<I", head, position + 4), 8
        else:
            return False
        # Values have an even length, and the first ones of a file are short.
        if length % 2 or length > _LONGEST_FIRST_VALUE:
            return seen > 1
        seen, last, position = seen + 1, tag, position + step + length
    return seen > 1


def looks_like_dicom(path: Path) -> bool:
    """Whether a file begins like DICOM; never raises, and never waits for a pipe that nobody writes to."""
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            return is_dicom_head(file.read(160) or b"")
    except OSError:
        return False


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def load_pydicom() -> Any:
    """The module pydicom, told to be silent: errors here say the same, without values of tags.

    Raises:
        MissingPartError: It is not installed.
    """
    global _filter
    try:
        import pydicom
    except ImportError as error:
        raise MissingPartError(
            "the package pydicom reads DICOM, and it is not installed.",
            where="pydicom",
            fix='Type: pip install "striate[scans]"',
        ) from error
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    # Not `catch_warnings`: threads that read side by side would restore each other's filters.
    if _filter is None or _filter not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"(pydicom|highdicom|striate\.images)(\..*)?$")
        _filter = warnings.filters[0]
    return pydicom


class BoundedFile(io.BufferedReader):
    """A file that is asked for no more bytes than it has: a damaged length would take gigabytes for a small file."""

    def __init__(self, path: Path) -> None:
        # pydicom joins the name to other text.
        super().__init__(io.FileIO(str(path)))
        self._bytes = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes; all that are left where it is negative."""
        if size is not None and size > 1 << 16:
            size = min(size, max(0, self._bytes - self.tell()))
        return super().read(size)


@contextmanager
def decoding_dicom(path: Path) -> Iterator[None]:
    """Turns what pydicom and its decoders raise on bad files into a `PictureError`.

    Raises:
        PictureError: The file is bad.
        MissingPartError: pydicom is not installed.
    """
    pydicom = load_pydicom()
    try:
        yield
    except StriateError:
        raise
    except MemoryError:
        raise too_large(path) from None
    except EOFError:
        raise truncated(path) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise damaged(path, "its data elements make no sense") from None
    # `from None`: what pydicom says may quote the file.
    except (pydicom.errors.InvalidDicomError, pydicom.errors.BytesLengthException, *_MET_IN_DAMAGED_FILES):
        raise damaged(path, "its data elements make no sense") from None


def open_header(path: Path, tags: tuple[str, ...] | None = None) -> tuple[Any, bool]:
    """All elements before the pixels.

    Args:
        path: The file.
        tags: Keywords of the only elements that are needed; all where `None`.

    Returns:
        A pydicom data set, and whether pixel data follows.

    Raises:
        PictureError: Its elements cannot be read, or the file ends within its pixel data.
    """
    pydicom = load_pydicom()
    from pydicom.filereader import read_partial

    seen: list[int] = []
    wanted = [pydicom.tag.Tag(keyword) for keyword in tags] if tags else None

    def stop(tag: Any, vr: str | None, length: int) -> bool:  # noqa: ARG001
        if tag in _PIXEL_TAGS:
            # Pixels begin here; what comes of the reading below goes back to before their tag.
            seen.extend((length, path.stat().st_size - file.tell()))
        return bool(seen)

    with decoding_dicom(path), BoundedFile(path) as file:
        _check_deflated(path)
        dataset = read_partial(file, stop, force=True, specific_tags=wanted)
        if seen and seen[0] != 0xFFFFFFFF and seen[0] > seen[1] and _syntax(dataset) != _DEFLATED:
            raise truncated(path, f"{seen[0]} bytes of pixels are announced, {max(seen[1], 0)} are left")
        _name_syntax(dataset, pydicom)
        return dataset, bool(seen)


def open_whole(path: Path) -> Any:
    """All elements of a file that announces pixels, as a pydicom data set whose transfer syntax is named.

    Raises:
        PictureError: They cannot be read, or the file ends within its pixels.
    """
    pydicom = load_pydicom()
    with decoding_dicom(path), BoundedFile(path) as file:
        _check_deflated(path)
        dataset = pydicom.dcmread(file, force=True)
        if not any(tag in dataset for tag in _PIXEL_TAGS):
            # pydicom passes over an element in which the file ends.
            raise truncated(path)
        _name_syntax(dataset, pydicom)
        return dataset


def check_is_image(path: Path, dataset: Any, pixels: bool) -> None:
    """Refuses DICOM that holds no picture.

    Args:
        path: The file.
        dataset: Its elements.
        pixels: Whether pixel data is among them.

    Raises:
        PictureError: It holds none; says what it is.
    """
    if pixels and "Rows" in dataset and "Columns" in dataset:
        return
    if "Rows" in dataset and "Columns" in dataset and not pixels:
        raise truncated(path, f"it announces {int(dataset.Rows)} x {int(dataset.Columns)} pixels and holds none")
    raise PictureError(
        f"not a picture: {sop_class_in_words(dataset)}, DICOM without pixels.",
        where=path,
        fix="Nothing has to be done where it lies beside the pictures that it belongs to.",
        kind="not-a-picture",
    )


def sop_class_in_words(dataset: Any) -> str:
    """The standard's name for the kind of object: `RT Structure Set Storage`."""
    from pydicom.uid import UID

    meta = getattr(dataset, "file_meta", None)
    for uid in (dataset.get("SOPClassUID"), meta.get("MediaStorageSOPClassUID") if meta is not None else None):
        # The dictionary's words alone: an unknown UID, which is its own name, may be any text.
        if isinstance(uid, str) and (name := UID(str(uid), 0).name) != str(uid):
            return name
    return "an object of an unknown kind"


def _syntax(dataset: Any) -> str:
    meta = getattr(dataset, "file_meta", None)
    return str(meta.get("TransferSyntaxUID", "")) if meta is not None else ""


def _name_syntax(dataset: Any, pydicom: Any) -> None:
    """Files without a header of their own do not name their transfer syntax, but pydicom found out how to read them."""
    if _syntax(dataset):
        return
    implicit, little = dataset.original_encoding
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
    named = pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = named if little is not False else pydicom.uid.ExplicitVRBigEndian


def _check_deflated(path: Path) -> None:
    """Refuses a deflated data set that inflates without end."""
    from pydicom.filereader import read_dataset

    with BoundedFile(path) as file:
        if not has_dicom_magic(file.read(MAGIC_AT + 4)):
            return
        meta = read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
        if str(meta.get("TransferSyntaxUID", "")) != _DEFLATED:
            return
        length = meta.get("FileMetaInformationGroupLength")
        if not isinstance(length, int):
            raise damaged(path, "a deflated file without the length of its header")
        file.seek(MAGIC_AT + 4 + 12 + length)
        inflate, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while block := inflate.unconsumed_tail or file.read(1 << 16):
            total += len(inflate.decompress(block, 1 << 20))
            if total > _MOST_INFLATED:
                raise too_large(path)
            if inflate.eof:
                return
