"""Copies of whole folders without what tells who somebody is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import striate
from striate.cli import main
from striate.errors import DataError, RequestError

pytest.importorskip("pydicom")
pytest.importorskip("dicomanonymizer")

Capture = pytest.CaptureFixture[str]
RANDOM = np.random.default_rng(0)
GRAY = RANDOM.integers(0, 60000, (9, 7), dtype=np.uint16)
RGB = RANDOM.integers(0, 255, (9, 7, 3), dtype=np.uint8)
STACK = RANDOM.integers(0, 60000, (3, 9, 7), dtype=np.uint16)


@pytest.fixture
def scans(tmp_path: Path, made_scans: Any) -> Path:
    """Two slices of one patient and one of another, a photograph, a volume with labels, a table, a broken file."""
    folder = tmp_path / "scans"
    made_scans.write_dicom(folder / "Quixbury" / "one.dcm", GRAY, 1)
    made_scans.write_dicom(folder / "Quixbury" / "1.2.3.4", GRAY, 2, Modality="US")
    made_scans.write_dicom(
        folder / "b" / "three.dcm", GRAY, 3, PatientID="OTHER-9", PatientName="Orlop^Ann", ConvolutionKernel="H30"
    )
    made_scans.write_jpeg(folder / "photo.jpg", RGB)
    made_scans.write_nifti(folder / "images" / "case_1.nii.gz", STACK)
    made_scans.write_nifti(folder / "labels" / "case_1.nii.gz", STACK)
    (folder / "labels.csv").write_text("file,name\none.dcm,Quixbury\n", encoding="utf-8")
    made_scans.write_dicom(folder / "b" / "broken.dcm", GRAY)
    data = (folder / "b" / "broken.dcm").read_bytes()
    (folder / "b" / "broken.dcm").write_bytes(data[:200])
    (folder / "b" / "cut.png").write_bytes(made_scans.write_png(tmp_path / "cut.png", RGB).read_bytes()[:-20])
    return folder


def test_a_folder(scans: Path, tmp_path: Path, made_scans: Any) -> None:
    import pydicom

    before = {path: path.read_bytes() for path in scans.rglob("*") if path.is_file()}
    done = striate.deidentify(scans, tmp_path / "out")
    assert {path: path.read_bytes() for path in before} == before
    assert dict(done.copied) == {"dicom": 3, "jpeg": 1, "nifti": 2}
    assert sorted(problem.path for problem in done.left_out) == ["b/broken.dcm", "b/cut.png"]
    assert (done.others, done.others_copied) == (["labels.csv"], False)
    assert done.named == ["Quixbury/1.2.3.4", "Quixbury/one.dcm"]
    assert done.burnt_in == {"Quixbury/1.2.3.4": ("is ultrasound (modality US)",)}
    assert done.actions["PatientName", "replaced"] == 3
    one, two, three = (pydicom.dcmread(tmp_path / "out" / name) for name in (*done.named[::-1], "b/three.dcm"))
    # What was one study, series and patient still is; the reference finds the picture in the other file.
    assert one.StudyInstanceUID == two.StudyInstanceUID
    assert two.SourceImageSequence[0].ReferencedSOPInstanceUID == one.SOPInstanceUID
    assert one.PatientID == two.PatientID != three.PatientID
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or not [secret for secret in made_scans.SECRETS if secret in path.read_bytes()]


def test_numbers_for_names(scans: Path, tmp_path: Path) -> None:
    done = striate.deidentify(scans, tmp_path / "out", rename=True, copy_others=True)
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert not any("Quixbury" in name or "case" in name for name in names)
    images, labels = (next(iter((tmp_path / "out" / folder).iterdir())).name for folder in ("images", "labels"))
    assert images == labels
    assert images.endswith(".nii.gz")
    assert len(list((tmp_path / "out" / "folder-001").glob("*.dcm"))) == 2
    assert (done.named, done.others_copied, done.files) == ([], True, 6)


def test_places_that_are_refused(scans: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="this folder lies inside"):
        striate.deidentify(scans, scans / "out")
    with pytest.raises(RequestError, match="there is something here already"):
        striate.deidentify(scans, scans)
    with pytest.raises(RequestError, match="there is something here already"):
        striate.deidentify(scans / "photo.jpg", scans / "photo.jpg")
    with pytest.raises(DataError, match="there is no such file or folder"):
        striate.deidentify(scans / "none", tmp_path / "out")
    with pytest.raises(DataError, match="no file here that names of people can be taken out of"):
        striate.deidentify(scans / "labels.csv", tmp_path / "out")


def test_one_file(scans: Path, tmp_path: Path, made_scans: Any) -> None:
    done = striate.deidentify(scans / "photo.jpg", tmp_path / "new.jpg")
    assert done.files == 1
    assert made_scans.NAME.encode() not in (tmp_path / "new.jpg").read_bytes()


def test_command(scans: Path, tmp_path: Path, capsys: Capture, made_scans: Any) -> None:
    assert main(["data", "deidentify", str(scans), str(tmp_path / "one"), "--json"]) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["files"] == 6
    assert {"entry": "PatientID", "action": "replaced", "count": 3} in document["actions"]
    assert "1 other file was not copied (labels.csv)" in printed.err
    assert "2 paths repeat the patient's name or id" in printed.err
    assert "1 file may show names as text in the pixels (is ultrasound (modality US)), which is never" in printed.err
    assert main(["data", "deidentify", str(scans / "b"), str(tmp_path / "two")]) == 0
    text = capsys.readouterr()
    assert "1 copy is in" in text.out
    assert not any(secret.decode() in text.out + text.err for secret in made_scans.SECRETS)
    assert main(["data", "deidentify", str(scans), str(tmp_path / "two")]) == 2
