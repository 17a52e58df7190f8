"""One process trains one run."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from striate.errors import RequestError, StorageError
from striate.runs import lock
from striate.runs.lock import LOCK_NAME, MARKER_NAME, hold_run, refuse_held

HOLDER = """
import sys, time
from pathlib import Path
from striate.runs.lock import hold_run
with hold_run(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.slow
def test_a_second_process_is_refused_with_the_run_and_what_to_do(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        with pytest.raises(RequestError) as refused, hold_run(tmp_path):
            pass
        assert str(refused.value) == (
            f"{tmp_path}: another process is training this run. Wait until it has ended, or stop it; then: "
            f"striate train --resume {tmp_path}."
        )
        assert refused.value.exit_code == 2
        with pytest.raises(RequestError, match="another process is training this run"):
            refuse_held(tmp_path)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_process_killed_with_9_lets_go(tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (tmp_path / LOCK_NAME).exists()
    with hold_run(tmp_path):
        pass


def test_it_is_free_again_after_the_with_and_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), hold_run(tmp_path):
        raise KeyboardInterrupt
    refuse_held(tmp_path)
    with hold_run(tmp_path):
        pass


def test_asking_writes_nothing(tmp_path: Path) -> None:
    refuse_held(tmp_path)
    refuse_held(tmp_path / "not there")
    assert list(tmp_path.iterdir()) == []


class NoLocks(FileLock):
    """A lock on a file system that has none."""

    def _acquire(self) -> None:
        raise OSError(errno.ENOLCK, "No locks available")


def test_where_the_file_system_has_no_locks_the_presence_of_a_file_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "FileLock", NoLocks)
    with hold_run(tmp_path):
        assert (tmp_path / MARKER_NAME).exists()
        with pytest.raises(RequestError) as refused, hold_run(tmp_path):
            pass
    told = f"If no such process is left (this file system has no locks of its own), delete {tmp_path / MARKER_NAME}"
    assert told in str(refused.value)
    assert not (tmp_path / MARKER_NAME).exists()
    with hold_run(tmp_path):
        pass


def test_no_permission_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidden(FileLock):
        def _acquire(self) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(lock, "FileLock", Forbidden)
    with pytest.raises(StorageError, match="there is no permission to write here"), hold_run(tmp_path):
        pass
