"""What looking at a set says of people in its files, and whether it shows scans."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.cli import main
from striate.data import open_dataset
from striate.data.look import look, write_look_page
from striate.data.privacy import identity_problems, sum_up
from striate.images import read_header
from striate.structures import NOT_A_MEDICAL_DEVICE, Problem

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def photos(tmp_path: Path, made_scans: Any) -> Path:
    """Twenty-four pictures in two classes; a third of them PNG, JPEG and TIFF with a person's name in them."""
    from PIL import Image

    folder, random = tmp_path / "photos", np.random.default_rng(0)
    for number in range(24):
        pixels = random.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        path = folder / "ab"[number % 2] / f"{number:02d}.png"
        if number % 6 == 0:
            made_scans.write_png(path, pixels)
        elif number % 6 == 1:
            made_scans.write_jpeg(path.with_suffix(".jpg"), pixels, 1)
        elif number == 2:
            made_scans.write_tiff(path.with_suffix(".tif"), pixels)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return folder


def test_look_sums_up_by_entry(photos: Path, tmp_path: Path, made_scans: Any, capsys: Capture) -> None:
    seen = look(photos)
    found = [problem for problem in seen.dataset.problems if problem.kind == "identifying"]
    assert [problem.detail.partition(" may")[0] for problem in found] == ["4 JPEG files", "4 PNG files", "1 TIFF file"]
    assert "text Patient (4 files)" in found[1].detail
    assert "GPS position (4 files)" in found[1].detail
    assert "Software" not in found[1].detail
    assert "DocumentName (1 file)" in found[2].detail
    # Again, from the cache of facts: the same.
    assert [p for p in look(photos).dataset.problems if p.kind == "identifying"] == found
    page = write_look_page(seen, tmp_path / "look.html").read_text(encoding="utf-8")
    assert "CameraOwnerName" in page
    assert NOT_A_MEDICAL_DEVICE not in page
    assert main(["look", str(photos), "--no-page", "--json"]) == 0
    text = capsys.readouterr().out
    kinds = [problem["kind"] for problem in json.loads(text)["problems"]]
    assert kinds.count("identifying") == 3
    assert main(["look", str(photos), "--no-page"]) == 0
    shown = capsys.readouterr().out
    assert "3 identifying: " in shown
    for secret in made_scans.SECRETS:
        assert secret.decode() not in page + text + shown


def test_a_png_is_looked_into_unless_its_chunks_are_pixels_alone(tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "a" / "plain.png"
    picture.parent.mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)
    plain = picture.read_bytes()
    text = b"Patient\0Jane Doe"
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", zlib.crc32(b"tEXt" + text))
    header_ends = 8 + 12 + 13
    for name, data, alone in (
        ("plain", plain, True),
        ("within", plain[:header_ends] + chunk + plain[header_ends:], False),
        ("cut", plain[:-12], False),
    ):
        picture.write_bytes(data)
        assert (name, read_header(picture).pixels_alone) == (name, alone)
        found = [one.detail for one in identity_problems(picture, picture.name, "png")]
        assert found == (["PNG\ntext Patient"] if name == "within" else [])


def test_volumes_and_labels_are_looked_into_once_each(tmp_path: Path, made_scans: Any) -> None:
    random = np.random.default_rng(0)
    for number in range(8):
        voxels = random.integers(0, 900, (10, 10, 6)).astype(np.int16)
        made_scans.write_nifti(tmp_path / "set" / "images" / f"case_{number}.nii.gz", voxels)
        labels = (voxels > 450).astype(np.uint8)
        made_scans.write_nifti(tmp_path / "set" / "labels" / f"case_{number}.nii.gz", labels)
    data = open_dataset(tmp_path / "set")
    found = [problem for problem in data.problems if problem.kind == "identifying"]
    assert len(found) == 1
    assert found[0].detail.startswith("16 NIfTI files may tell who somebody is, by ")
    assert "descrip (16 files)" in found[0].detail
    assert data.scans


def test_risk_of_text_names_the_files_to_look_at() -> None:
    raw = [Problem("burnt-in-text-risk", f"{n}.dcm", "DICOM\nis a secondary capture", "") for n in range(6)]
    (one,) = sum_up(raw)
    assert one.detail == "6 DICOM files may show names as text in the pixels: is a secondary capture (6 files)."
    assert one.fix.startswith("Look at 0.dcm, 1.dcm, 2.dcm, 3.dcm and 2 more: text in pixels is never removed")


def test_the_patient_comes_first_and_uids_last() -> None:
    entries = "DICOM\nunique identifiers (UIDs)\nInstitutionName\nPatientName\nprivate attributes of group 0009"
    (one,) = sum_up([Problem("identifying", "a.dcm", entries, "")])
    names = ["PatientName", "InstitutionName", "private attributes of group 0009", "unique identifiers (UIDs)"]
    assert [one.detail.find(name) for name in names] == sorted(one.detail.find(name) for name in names)


def test_what_counts_as_scans(photos: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays = {
        "train_images": random.integers(0, 256, (30, 8, 8), dtype=np.uint8),
        "train_labels": np.arange(30).reshape(-1, 1) % 2,
    }
    for name in ("pneumoniamnist", "letters"):
        np.savez(tmp_path / f"{name}.npz", **arrays)
    assert open_dataset(tmp_path / "pneumoniamnist.npz").scans
    assert not open_dataset(tmp_path / "letters.npz").scans
    assert not open_dataset(photos).scans
