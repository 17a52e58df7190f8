"""DICOM files made by code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid

PATIENT = {"PatientName": "Nightingale^Florence", "PatientID": "FN-1820-05-12", "PatientBirthDate": "18200512"}
"""What must never be in a text of ours."""


def make_dicom(stored: np.ndarray, rle: bool = False, **tags: Any) -> pydicom.Dataset:
    """A CT slice (or another picture by its tags) with these stored values: (H, W), (H, W, 3) or (F, H, W)."""
    dataset = pydicom.Dataset()
    colour = tags.get("SamplesPerPixel", 1) == 3
    frames = tags.pop("frames", 1)
    shape = stored.shape[-3:-1] if colour else stored.shape[-2:]
    values = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": generate_uid(entropy_srcs=[str(tags), str(stored.tobytes()[:64])]),
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "FrameOfReferenceUID": "1.2.3.5",
        "Modality": "CT",
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "SamplesPerPixel": 1,
        "Rows": shape[0],
        "Columns": shape[1],
        "BitsAllocated": stored.dtype.itemsize * 8,
        "PixelRepresentation": int(stored.dtype.kind == "i"),
        **PATIENT,
        **tags,
    }
    values.setdefault("BitsStored", values["BitsAllocated"])
    values.setdefault("HighBit", values["BitsStored"] - 1)
    if frames > 1:
        values["NumberOfFrames"] = frames
    if colour:
        values["PlanarConfiguration"] = 0
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = values["SOPClassUID"]
    dataset.file_meta.MediaStorageSOPInstanceUID = values["SOPInstanceUID"]
    data = stored.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if values["BitsAllocated"] <= 8 else "OW"
    if rle:
        dataset.compress(RLELossless, generate_instance_uid=False)
    return dataset


@pytest.fixture
def patient() -> dict[str, str]:
    """Tags that name a patient, which every made file has."""
    return dict(PATIENT)


@pytest.fixture
def dicom(tmp_path: Path) -> Callable[..., Path]:
    """Writes a DICOM file: `dicom(stored, name="a.dcm", rle=False, **tags)`."""

    def write(stored: np.ndarray, name: str = "a.dcm", **tags: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make_dicom(stored, **tags).save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def ct_slice(dicom: Callable[..., Path]) -> Callable[..., Path]:
    """Writes an axial CT slice at a height: `ct_slice(z, name, value=0, **tags)`, 4 x 6 pixels of 0.5 x 0.75 mm."""

    def write(z: float, name: str, value: int = 0, **tags: Any) -> Path:
        stored = np.full((4, 6), value, np.int16)
        stored[0, 0] = 7
        given = {
            "ImagePositionPatient": [-10.0, 20.0, z],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [0.5, 0.75],
            "SliceThickness": 2.0,
            "RescaleSlope": 1,
            "RescaleIntercept": -1024,
            "BitsStored": 12,
            **tags,
        }
        return dicom(stored, name, **given)

    return write
