"""DICOM series as data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid  # noqa: E402

from striate.data import open_dataset  # noqa: E402
from striate.formats import find_format, read_folder  # noqa: E402
from striate.images.volumes.dicom import series_at  # noqa: E402
from striate.images.volumes.dicom_seg import write_segmentation  # noqa: E402
from striate.structures import Mask  # noqa: E402


def make_series(folder: Path, patient: str, seed: int = 0, slices: int = 4) -> np.ndarray:
    """A CT of 8 x 6 pixels whose files are named against the order of its slices; returns its values."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    values = rng.integers(-900, 900, (slices, 8, 6)).astype(np.int16)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for index in range(slices):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = CTImageStorage
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid()
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, frame
        one.PatientID, one.PatientName, one.PatientBirthDate, one.PatientSex = patient, "Doe^Jane", "19700101", ""
        one.StudyID, one.AccessionNumber, one.ReferringPhysicianName = "1", "", ""
        one.StudyDate, one.StudyTime, one.Manufacturer, one.PositionReferenceIndicator = "", "", "", ""
        one.Modality, one.SeriesNumber, one.InstanceNumber = "CT", 1, index + 1
        one.Rows, one.Columns, one.SamplesPerPixel, one.PhotometricInterpretation = 8, 6, 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
        one.RescaleSlope, one.RescaleIntercept, one.RescaleType = 1, -1024, "HU"
        one.PixelSpacing, one.SliceThickness = [0.5, 0.5], 2
        one.ImageOrientationPatient, one.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 2.0 * index]
        one.PixelData = (values[index] + 1024).astype(np.uint16).tobytes()
        one.save_as(folder / f"{slices - index}", enforce_file_format=True)
    return values


def make_labels(folder: Path, out: Path, name: str = "lesion") -> np.ndarray:
    labels = np.zeros((4, 8, 6), np.uint8)
    labels[1:3, 2:5, 1:4] = 1
    write_segmentation(labels, series_at(folder), ("background", name), out)
    return labels


def test_series_and_their_seg_files_are_pictures_and_masks(tmp_path: Path) -> None:
    values = make_series(tmp_path / "a" / "ct", "P1")
    labels = make_labels(tmp_path / "a" / "ct", tmp_path / "a" / "seg.dcm")
    assert find_format(tmp_path)[0].name == "volumes"
    reading = read_folder(tmp_path)
    assert (reading.task, reading.classes) == ("segmentation", ("background", "lesion"))
    samples = reading.splits[""]
    assert [sample.name for sample in samples] == [f"a/ct#{index}" for index in range(4)]
    for index, sample in enumerate(samples):
        picture, mask = sample.read(), sample.read_annotation()
        assert np.array_equal(picture.pixels[1], values[index])
        assert picture.levels is not None
        assert picture.levels.unit == "HU"
        assert picture.spacing_mm == (0.5, 0.5)
        assert isinstance(mask, Mask)
        assert np.array_equal(mask.classes, labels[index])


def test_one_patient_is_one_group_and_is_not_named(tmp_path: Path) -> None:
    for number in range(6):
        make_series(tmp_path / f"s{number}", f"SECRET{number // 2}", seed=number)
        make_labels(tmp_path / f"s{number}", tmp_path / f"s{number}.dcm")
    data = open_dataset(tmp_path)
    groups = {name: {sample.group for sample in part} for name, part in data.splits.items()}
    assert sum(map(len, groups.values())) == 3
    assert "SECRET" not in repr(data)


def test_a_table_may_name_patients(tmp_path: Path) -> None:
    for number in range(6):
        make_series(tmp_path / f"s{number}", f"SECRET{number}", seed=number)
    rows = "\n".join(f"SECRET{number},{'ill' if number % 2 else 'healthy'}" for number in range(6))
    (tmp_path / "labels.csv").write_text(f"patient_id,diagnosis\n{rows}\n")
    reading = read_folder(tmp_path)
    assert (reading.task, reading.classes) == ("classification", ("healthy", "ill"))
    assert len(reading.splits[""]) == 6 * 4
    assert "SECRET" not in repr(reading)


def test_classes_are_the_folders_in_which_series_differ(tmp_path: Path) -> None:
    for number in range(4):
        kind = "ill" if number % 2 else "healthy"
        make_series(tmp_path / "data" / kind / f"patient{number}" / "ct", f"P{number}", seed=number)
    reading = read_folder(tmp_path)
    assert (reading.task, reading.classes) == ("classification", ("healthy", "ill"))


def test_a_seg_without_its_series_and_the_reverse_are_named(tmp_path: Path) -> None:
    make_series(tmp_path / "a", "P1", seed=1)
    make_labels(tmp_path / "a", tmp_path / "a.dcm")
    make_series(tmp_path / "b", "P2", seed=2)
    make_series(tmp_path.parent / "elsewhere", "P3", seed=3)
    make_labels(tmp_path.parent / "elsewhere", tmp_path / "stray.dcm")
    problems = {problem.kind: problem for problem in read_folder(tmp_path).problems}
    assert problems["mask-without-picture"].path == "stray.dcm"
    assert problems["picture-without-mask"].path == "b"
