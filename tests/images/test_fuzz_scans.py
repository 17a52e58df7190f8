"""Damaged scans: each is read or refused in words. `python -m benchmarks.fuzz_scans` does thousands."""

from __future__ import annotations

import gzip
import importlib
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile

from striate.errors import PictureError
from striate.images import read_header, read_picture
from striate.images.dicom_files import BoundedFile
from striate.images.volumes import read_volume, read_volume_header

ROOT = Path(__file__).parents[2]
FILES = 60


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> Any:
    if sys.platform != "linux":
        pytest.skip("memory is limited and processes are forked as Linux does")
    pytest.importorskip("pydicom")
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("benchmarks.fuzz_scans")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dicom", "nifti", "tiff"])
def test_damaged_scans_are_read_or_refused(fuzz: Any, shared_data: Path, kind: str) -> None:
    result = fuzz.measure_fuzz(kind, FILES, shared_data, first=10_000)
    assert result["faults"] == []
    assert result["count"] == FILES
    assert result["read"]
    assert result["refused"]


def test_death_silence_memory_and_foreign_errors_are_faults_of_their_seed(
    fuzz: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = importlib.import_module("benchmarks.fuzzing.ways")

    def reach(seed: int) -> None:
        if seed == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        if seed == 2:
            time.sleep(60)
        if seed == 3:
            raise KeyError("Rows")
        if seed == 4:
            np.zeros(3 << 30, np.uint8)

    def run(seed: int) -> Any:
        outcome = ways.Outcome("a.dcm")
        outcome.attempt(lambda: reach(seed), "way")
        return outcome

    monkeypatch.setattr(fuzz, "LIMIT_S", 1.0)
    made = SimpleNamespace(run=run, sounds=[SimpleNamespace(name="a.dcm")])
    monkeypatch.setattr(fuzz, "Fuzz", lambda *_: made)
    result = fuzz.measure_fuzz("dicom", 6, Path())
    assert {one["seed"]: one["faults"][0].partition(" (")[0] for one in result["faults"]} == {
        1: "ended by signal 11",
        2: "nothing after 1 s",
        3: "way: KeyError: 'Rows'",
        4: "way: MemoryError: Unable to allocate 3.00 GiB for an array with shape",
    }


def test_a_seed_makes_the_same_file_again(fuzz: Any, shared_data: Path) -> None:
    sources = importlib.import_module("benchmarks.fuzzing.sources")
    sound = next(sources.tiff_files(shared_data))
    assert sound.damaged(7) == sound.damaged(7) != sound.damaged(8)


def test_a_length_beyond_the_file_takes_no_memory(dicom: Any) -> None:
    pytest.importorskip("pydicom")
    path = dicom(np.zeros((4, 4), np.uint16), PatientComments="abcd")
    tag = b"\x10\x00\x00\x40"
    path.write_bytes(path.read_bytes().replace(tag + b"LT\x04\x00abcd", tag + b"UT\x00\x00\xfe\xff\xff\x7f"))
    with BoundedFile(path) as file:
        assert len(file.read(1 << 40)) == path.stat().st_size
        assert file.read(1 << 40) == b""
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert caught.value.kind == "not-a-picture"


def test_a_tiff_that_claims_gigabytes_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint16), tile=(32, 32), compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["TileWidth"].overwrite(1 << 20)
        file.pages[0].tags["TileLength"].overwrite(1 << 12)
    with pytest.raises(PictureError, match=r"8,192 MiB of values, in a file of [\d,]+ bytes"):
        read_header(path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_nifti_that_claims_more_than_it_can_hold_is_refused_by_its_header(tmp_path: Path, packed: bool) -> None:
    nibabel = pytest.importorskip("nibabel")
    path = tmp_path / ("a.nii.gz" if packed else "a.nii")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), np.uint8), np.eye(4)), path)
    data = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    data[46:48] = (30_000).to_bytes(2, "little")
    path.write_bytes(gzip.compress(data) if packed else data)
    for read in (read_volume_header, read_volume):
        with pytest.raises(PictureError, match="600,000 bytes of voxels are announced") as caught:
            read(path)
        assert caught.value.kind == "truncated"
