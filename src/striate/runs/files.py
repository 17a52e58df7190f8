"""Files of a run: written whole or not at all, read with an error that says what to do."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from striate.errors import CheckpointError, StorageError


def atomic_write(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Writes a file so that a kill, a full disk or a power cut leaves the old content or the new one, never a part.

    The content goes to a file beside it, is forced to the disk, and takes the name in one step.

    Args:
        path: The file; its folder is made where missing.
        write: Writes the content to a binary file.

    Raises:
        StorageError: It cannot be written; what was there before is intact.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    file: _Watched | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb", buffering=0) as raw:
            file = _Watched(raw)
            write(file)
            file.flush()
            os.fsync(raw.fileno())
        partial.replace(path)
        _force_folder(path.parent)
    except (OSError, RuntimeError) as error:
        # torch wraps a failed write of the file it was given into a RuntimeError of its own.
        cause = error if isinstance(error, OSError) else file.failure if file is not None else None
        if cause is None:
            raise
        raise storage_error(path, cause) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def remove_partial_files(folder: Path) -> None:
    """Removes what a kill left of files that `atomic_write` was writing; only for whoever holds the folder."""
    for path in folder.rglob(".*.partial"):
        with contextlib.suppress(OSError):
            path.unlink()


def write_json(path: Path, value: Any) -> None:
    """Writes plain data as JSON, atomically; numbers that are not finite become null.

    Raises:
        StorageError: It cannot be written.
    """
    text = json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False)
    atomic_write(path, lambda file: _write_text(file, text + "\n"))


def read_json(path: Path, *, fix: str) -> Any:
    """Reads JSON.

    Args:
        path: The file.
        fix: What to do where it is missing or damaged.

    Raises:
        CheckpointError: It is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError("this file of the run is missing.", where=path, fix=fix) from error
    except OSError as error:
        raise CheckpointError(f"this file cannot be read ({error.strerror}).", where=path, fix=fix) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"this file is damaged ({error}).", where=path, fix=fix) from error


def plain(value: Any) -> Any:
    """Data that JSON can hold: numpy values become Python's, tuples lists, paths text, numbers not finite `None`."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, os.PathLike) else value


def storage_error(path: Path, error: OSError) -> StorageError:
    """A failed write in words."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return StorageError(
            "the disk is full; what was there before is intact.",
            where=path,
            fix="Make room, then go on (training with --resume), or choose another place.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(
            "there is no permission to write here.",
            where=path,
            fix="Choose another place, or change the permission of the folder.",
        )
    return StorageError(
        f"this cannot be written ({error.strerror or error}); what was there before is intact.",
        where=path,
        fix="Choose another place.",
    )


class _Watched(io.BufferedWriter):
    """A file that remembers why writing failed."""

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self.failure = error
            raise


def _write_text(file: BinaryIO, text: str) -> None:
    file.write(text.encode())


def _force_folder(folder: Path) -> None:
    """Forces the new name to the disk where the platform lets a folder be opened (not on Windows)."""
    if os.name == "nt":
        return
    # Some network file systems refuse it; the content itself is safe by then.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
