"""What all tests share: one computing thread, no network, and where real data may lie."""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# Read by torch and its libraries when they are loaded, so it has to stand before any import of them. Test processes
# run side by side, and tiny networks gain nothing from threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("STRIATE_OFFLINE", "1")
os.environ.setdefault("COLUMNS", "80")

# On a busy machine a slow example says nothing; and what passes once shall pass again.
hypothesis.settings.register_profile("striate", deadline=None, derandomize=True)
hypothesis.settings.load_profile("striate")

ROOT = Path(__file__).parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--slow` asks for the tests that take long, too; where CI is set they run by themselves."""
    parser.addoption("--slow", action="store_true", default=False, help="run slow tests, too, as CI does")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips slow tests on a developer's machine, visibly."""
    if config.getoption("--slow") or os.environ.get("CI"):
        return
    skip = pytest.mark.skip(reason="slow: CI runs it; `make test CI=1` or pytest --slow does here")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches for the network fails; loopback and local sockets are allowed."""
    connect = socket.socket.connect

    def connect_nearby(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "local"
        if host not in ("local", "localhost", "127.0.0.1", "::1"):
            pytest.fail(f"a test tried to connect to {address}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect_nearby)


@pytest.fixture
def narrow_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads of a third of their channels or less: they learn shapes as well, in a tenth of the time."""
    for name in ("points", "one_stage", "two_stage", "mask_rcnn"):
        monkeypatch.setattr(f"striate.networks.heads.{name}.WIDTH", 32)
    monkeypatch.setattr("striate.networks.heads.two_stage.FEATURES", 64)
    monkeypatch.setattr("striate.networks.heads.unet.WIDTHS", (64, 48, 32, 24, 16))


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def made_scans() -> Any:
    """The module that writes files with a made patient in them."""
    place = Path(__file__).with_name("made_scans.py")
    spec = importlib.util.spec_from_file_location("made_scans", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data sets beside the checkout; the test is skipped where there is none."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


@pytest.fixture
def dicom_series() -> Callable[..., Any]:
    """Writes a DICOM series: `dicom_series(folder, patient, seed=0, slices=4)`; see `make`."""
    pytest.importorskip("pydicom")
    import numpy as np
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    def make(folder: Path, patient: str, seed: int = 0, slices: int = 4) -> Any:
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

    return make
