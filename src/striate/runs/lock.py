"""One process trains one run: a lock on its folder."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from striate.errors import RequestError
from striate.runs.files import storage_error

LOCK_NAME = ".training.lock"
"""Name of the lock file in a run folder. The file stays behind; only the system's lock on it counts."""

MARKER_NAME = ".training.held"
"""The file that is there only while the run is trained, on file systems without locks."""

_PATIENCE_S = 0.5
"""A process that was just killed may need a moment to let go."""

_NO_LOCKS_HERE = {
    getattr(errno, name) for name in ("ENOSYS", "ENOLCK", "EOPNOTSUPP", "ENOTSUP") if hasattr(errno, name)
}


@contextmanager
def hold_run(folder: Path) -> Iterator[None]:
    """Keeps other processes from training the run in a folder for as long as the `with` lasts.

    The operating system holds the lock, so it ends with the process, `kill -9` included. On file systems without
    locks (some network ones) the mere presence of a file is the lock: what a killed process leaves of it is recognised
    on the same machine, and elsewhere the sentence that refuses the next process says which file to delete.

    Args:
        folder: The run folder; it exists.

    Raises:
        RequestError: Another process holds it.
        StorageError: The lock file cannot be written.
    """
    held = _acquire(folder)
    try:
        yield
    finally:
        held.release()


def refuse_held(folder: Path) -> None:
    """Refuses a run that another process is training. Nothing is written where there is no lock file yet.

    Raises:
        RequestError: It is held.
        StorageError: The lock file cannot be opened for writing.
    """
    if (folder / LOCK_NAME).exists():
        _acquire(folder).release()


def _acquire(folder: Path) -> BaseFileLock:
    path = folder / LOCK_NAME
    with warnings.catch_warnings():
        # filelock warns where it falls back to a SoftFileLock by itself; what that means is said when it matters.
        warnings.simplefilter("ignore")
        try:
            return _acquired(FileLock(path))
        except NotImplementedError:
            return _by_presence(folder / MARKER_NAME)
        except OSError as error:
            if error.errno not in _NO_LOCKS_HERE:
                raise storage_error(path, error) from error
            return _by_presence(folder / MARKER_NAME)


def _by_presence(path: Path) -> BaseFileLock:
    try:
        return _acquired(SoftFileLock(path))
    except OSError as error:
        raise storage_error(path, error) from error


def _acquired(lock: BaseFileLock) -> BaseFileLock:
    try:
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout as error:
        path = Path(lock.lock_file)
        fix = f"Wait until it has ended, or stop it; then: striate train --resume {path.parent}"
        if isinstance(lock, SoftFileLock):
            fix += f". If no such process is left (this file system has no locks of its own), delete {path} first"
        raise RequestError("another process is training this run.", where=path.parent, fix=f"{fix}.") from error
    return lock
