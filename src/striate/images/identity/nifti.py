"""NIfTI-1, NIfTI-2 and Analyze: free text of the header, and extensions behind it (Cox et al. 2004)."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from striate.images.identity.base import Holder, Identity, Taken
from striate.images.kinds import damaged, truncated

_TEXT_1 = {"data_type": (4, 10), "db_name": (14, 18), "descrip": (148, 80), "aux_file": (228, 24)}
_TEXT_1 |= {"intent_name": (328, 16)}
_TEXT_2 = {"descrip": (240, 80), "aux_file": (320, 24), "intent_name": (508, 16)}
_TEXT_ANALYZE = {"data_type": (4, 10), "db_name": (14, 18), "descrip": (148, 80), "aux_file": (228, 24)}
_TEXT_ANALYZE |= {"originator": (253, 10), "generated": (263, 10), "scannum": (273, 10), "patient_id": (283, 10)}
_TEXT_ANALYZE |= {"exp_date": (293, 10), "exp_time": (303, 10)}
_TECHNICAL = (b"FSL", b"spm", b"SPM", b"ITK", b"FreeSurfer", b"nibabel", b"Time=", b"TE=", b"mri_", b"dcm2nii")
_VERSION = re.compile(rb"\d{1,3}(\.\d{1,4})+(:[0-9a-f]+)?|none|nil", re.IGNORECASE)
"""What FSL writes: its version, and that there is no auxiliary file."""

_EXTENSIONS = "extensions"
_FILE_NAME = "name in the gzip header"


class _NiftiHolder(Holder):
    """NIfTI in one file, compressed or not, and headers of pairs."""

    name = "nifti"
    title = "NIfTI"

    def recognises(self, path: Path, head: bytes) -> bool:
        name = path.name.lower()
        return name.endswith((".nii", ".nii.gz")) or (name.endswith(".hdr") and _size(head) in (348, 540))

    def find(self, path: Path) -> Identity:
        with path.open("rb") as file:
            gzip_name = _name_in_gzip(file)
        with _opened(path) as file:
            head = _read(path, file, 544)
        names = [name for name, text in _texts(path, head).items() if _names_somebody(text)]
        names += [_EXTENSIONS] if _has_extensions(head) else []
        if gzip_name and gzip_name.partition(".")[0] != path.name.partition(".")[0]:
            names.append(_FILE_NAME)
        return Identity(tuple(names))

    def copier(self) -> Callable[[Path, Path], Taken]:
        return self._strip

    def _strip(self, source: Path, target: Path) -> Taken:
        taken = Taken()
        with source.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if _name_in_gzip(file):
                taken.actions[_FILE_NAME, "removed"] += 1
        with _opened(source) as file:
            data = bytearray(_read(source, file, -1))
        for name, text in _texts(source, bytes(data[:544])).items():
            start, length = _fields(bytes(data[:544]))[name]
            if text and data[start : start + length].strip(b"\0"):
                taken.actions[name, "emptied"] += 1
            data[start : start + length] = bytes(length)
        if _has_extensions(bytes(data[:544])):
            start, end = _size(data), _offset_of_voxels(bytes(data[:544]), len(data))
            # Voxels stay where the header says that they are.
            data[start:end] = bytes(end - start)
            taken.actions[_EXTENSIONS, "removed"] += 1
        # No name and no time in the gzip header.
        target.write_bytes(gzip.compress(bytes(data), 6, mtime=0) if compressed else bytes(data))
        return taken


def _names_somebody(text: bytes) -> bool:
    return bool(text) and not text.startswith(_TECHNICAL) and _VERSION.fullmatch(text) is None


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if compressed else path.open("rb")  # type: ignore[return-value]


def _read(path: Path, file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise truncated(path, str(error)) from error


def _name_in_gzip(file: BinaryIO) -> str:
    """The name that gzip kept (RFC 1952), which renaming a file does not change."""
    head = file.read(1024)
    if len(head) < 10 or head[:2] != b"\x1f\x8b" or not head[3] & 8:
        return ""
    start = 12 + struct.unpack_from("<H", head, 10)[0] if head[3] & 4 else 10
    return head[start:].partition(b"\0")[0].decode("latin-1")


def _order(head: bytes | bytearray) -> str:
    return "<" if struct.unpack_from("<i", head)[0] in (348, 540) else ">"


def _size(head: bytes | bytearray) -> int:
    return int(struct.unpack_from(_order(head) + "i", head)[0]) if len(head) >= 4 else 0


def _fields(head: bytes) -> dict[str, tuple[int, int]]:
    if _size(head) == 540:
        return _TEXT_2
    return _TEXT_1 if head[344:347] in (b"n+1", b"ni1") else _TEXT_ANALYZE


def _texts(path: Path, head: bytes) -> dict[str, bytes]:
    if _size(head) not in (348, 540) or len(head) < 348:
        raise damaged(path, "the header is not one of NIfTI")
    return {name: head[start : start + size].strip(b"\0 ") for name, (start, size) in _fields(head).items()}


def _has_extensions(head: bytes) -> bool:
    size = _size(head)
    return _fields(head) is not _TEXT_ANALYZE and len(head) >= size + 4 and head[size] != 0


def _offset_of_voxels(head: bytes, length: int) -> int:
    if head[344:347] == b"ni1" or head[4:7] == b"ni2":
        # The header of a pair: everything behind it is extensions.
        return length
    code, place = ("q", 168) if _size(head) == 540 else ("f", 108)
    offset = struct.unpack_from(_order(head) + code, head, place)[0]
    return int(offset) if _size(head) <= offset <= length else _size(head)


NIFTI = _NiftiHolder()
