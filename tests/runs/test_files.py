import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.errors import CheckpointError, StorageError
from striate.runs.files import atomic_write, plain, read_json, write_json


def failing(number):
    def write(file):
        file.write(b"half")
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full; what was there before is intact. Make room"),
        (errno.EACCES, "there is no permission to write here. Choose another place, or change"),
        (errno.EIO, "what was there before is intact"),
    ],
)
def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path, number, words):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"old")
    with pytest.raises(StorageError, match=words) as caught:
        atomic_write(path, failing(number))
    assert caught.value.where == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_any_other_fault_of_the_writer_comes_through_and_leaves_no_rest(tmp_path):
    def write(file):
        raise KeyError("a mistake in a program")

    with pytest.raises(KeyError):
        atomic_write(tmp_path / "a", write)
    with pytest.raises(RuntimeError, match="not about files"):
        atomic_write(tmp_path / "a", lambda file: (_ for _ in ()).throw(RuntimeError("not about files")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_also_through_torch(tmp_path, monkeypatch):
    # torch wraps the failure of its file into a RuntimeError, which must not hide the cause.
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"old")
    opened = Path.open

    def full(self, mode="r", **options):
        return opened(Path("/dev/full") if self.name.endswith(".partial") else self, mode, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StorageError, match="the disk is full"):
        atomic_write(path, lambda file: torch.save({"weight": torch.zeros(100_000)}, file))
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="no permission"):
        atomic_write(tmp_path / "a", lambda file: None)
    tmp_path.chmod(0o700)


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StorageError, match="this cannot be written"):
        atomic_write(tmp_path / "runs" / "run.json", lambda file: None)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills by signal")
def test_a_kill_while_writing_leaves_old_or_new(tmp_path):
    path = tmp_path / "a.json"
    program = f"""
from pathlib import Path
from striate.runs.files import atomic_write
number = 0
while True:
    number += 1
    atomic_write(Path({str(path)!r}), lambda file: file.write((str(number % 10) * 200_000).encode()))
    print(number, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    for _ in range(5):
        process.stdout.readline()
    process.kill()
    process.wait()
    content = path.read_text()
    assert content == content[0] * 200_000


def test_json_holds_no_number_that_is_not_finite(tmp_path):
    write_json(tmp_path / "a.json", {"value": math.nan, "more": [np.float32(1.5), np.inf, (np.int64(2), tmp_path)]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"value": None, "more": [1.5, None, [2, str(tmp_path)]]}
    assert plain(np.array([1.0, np.nan])) == [1.0, None]


def test_a_missing_or_damaged_file_is_named_with_the_fix(tmp_path):
    with pytest.raises(CheckpointError, match=r"a\.json: this file of the run is missing. Do this."):
        read_json(tmp_path / "a.json", fix="Do this.")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"a\.json: this file is damaged \(.*\). Do this."):
        read_json(tmp_path / "a.json", fix="Do this.")
