"""DICOM SEG: labels on the grid of their series, written and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest

from striate.errors import PictureError, RequestError
from striate.images.volumes import find_volume_kind, read_volume_header
from striate.images.volumes.dicom import series_at
from striate.images.volumes.dicom_seg import is_segmentation, read_segmentation
from striate.images.volumes.dicom_series import Series

Write = Callable[..., Path]
CLASSES = ("background", "liver", "lesion")


@pytest.fixture
def series(ct_slice: Write, tmp_path: Path) -> Series:
    """Three slices of CT in the folder `ct`."""
    for z, name in ((4, "ct/a"), (0, "ct/b"), (2, "ct/c")):
        ct_slice(z, name, z)
    return series_at(tmp_path / "ct")


def labels_of() -> np.ndarray:
    labels = np.zeros((3, 4, 6), np.uint8)
    labels[0, 1:3, 2:5] = 1
    labels[2, 0, :2] = 2
    labels[2, 3, 5] = 255
    return labels


def write(series: Series, labels: np.ndarray, out: Path) -> Path:
    kind = find_volume_kind(series.path)
    assert kind is not None
    return kind.write_labels(labels, series.path, CLASSES, out)


def test_written_labels_lie_on_the_source_grid_for_highdicom(series: Series, tmp_path: Path) -> None:
    out = write(series, labels_of(), tmp_path / "out")
    assert out.name == "ct_seg.dcm"
    seg = highdicom.seg.segread(out)
    assert [seg.get_segment_description(number).segment_label for number in (1, 2)] == ["liver", "lesion"]
    described = seg.get_segment_description(1)
    assert described.algorithm_identification[0].AlgorithmName == "Striate"
    assert described.segmented_property_type.scheme_designator == "SCT"
    sources = [pydicom.dcmread(path) for path in series.files]
    pixels = seg.get_pixels_by_source_instance(
        [source.SOPInstanceUID for source in sources], combine_segments=True, assert_missing_frames_are_empty=True
    )
    np.testing.assert_array_equal(pixels, np.where(labels_of() == 255, 0, labels_of()))
    assert seg.FrameOfReferenceUID == sources[0].FrameOfReferenceUID
    volume = seg.get_volume(combine_segments=True)
    # Highdicom counts positions as we do (slice, row, column, in LPS), but begins at the other end.
    volume = volume.flip_spatial(0)
    np.testing.assert_allclose(volume.affine, series.geometry.affine, atol=1e-6)
    np.testing.assert_array_equal(volume.array, np.where(labels_of() == 255, 0, labels_of()))


def test_written_labels_are_read_again(series: Series, tmp_path: Path) -> None:
    out = write(series, labels_of(), tmp_path / "out")
    assert is_segmentation(out)
    labels, names = read_segmentation(out, series)
    assert names == CLASSES
    np.testing.assert_array_equal(labels, np.where(labels_of() == 255, 0, labels_of()))
    empty = write(series, np.zeros((3, 4, 6), np.uint8), tmp_path / "empty")
    assert not read_segmentation(empty, series)[0].any()


def test_a_folder_that_is_named_by_a_uid_keeps_its_name(series: Series, tmp_path: Path) -> None:
    series.path.rename(tmp_path / "1.2.840.7")
    out = write(series_at(tmp_path / "1.2.840.7"), labels_of(), tmp_path / "out")
    assert out.name == "1.2.840.7_seg.dcm"


def test_identity_is_that_of_the_source(series: Series, tmp_path: Path, patient: dict[str, str]) -> None:
    seg = pydicom.dcmread(write(series, labels_of(), tmp_path / "out"))
    assert seg.PatientID == patient["PatientID"]
    assert seg.StudyInstanceUID == "1.2.3"
    assert seg.SeriesInstanceUID != "1.2.3.4"
    assert seg.Manufacturer == "Striate"


def test_frames_without_position_go_to_the_slice_that_they_refer_to(series: Series, tmp_path: Path) -> None:
    path = write(series, labels_of(), tmp_path / "out")
    seg = pydicom.dcmread(path)
    for item in seg.PerFrameFunctionalGroupsSequence:
        del item.PlanePositionSequence
    seg.save_as(path)
    np.testing.assert_array_equal(read_segmentation(path, series)[0] > 0, (labels_of() % 255) > 0)
    for item in seg.PerFrameFunctionalGroupsSequence:
        del item.DerivationImageSequence
    seg.save_as(path)
    with pytest.raises(PictureError, match="has no position and refers to no slice"):
        read_segmentation(path, series)


def test_another_grid_is_refused(series: Series, tmp_path: Path, ct_slice: Write) -> None:
    path = write(series, labels_of(), tmp_path / "out")
    for z in (0, 2, 4):
        ct_slice(z + 1, f"moved/{z}")
        ct_slice(z, f"wider/{z}", PixelSpacing=[0.6, 0.75])
    for name, words in (("moved", "begins at no slice"), ("wider", "spaced otherwise")):
        with pytest.raises(PictureError, match=words) as caught:
            read_segmentation(path, series_at(tmp_path / name))
        assert caught.value.kind == "mask-on-another-grid"


def described(number: int, label: str) -> highdicom.seg.SegmentDescription:
    code = highdicom.sr.CodedConcept("85756007", "SCT", "Tissue")
    return highdicom.seg.SegmentDescription(number, label, code, code, "MANUAL")


def made(series: Series, pixels: np.ndarray, kind: str, out: Path) -> Path:
    sources = [pydicom.dcmread(path) for path in series.files]
    for source in sources:
        source.StudyID = source.StudyDate = source.StudyTime = source.AccessionNumber = source.PatientSex = ""
        source.ReferringPhysicianName = ""
    count = pixels.shape[-1] if pixels.ndim == 4 else int(pixels.max())
    seg = highdicom.seg.Segmentation(
        sources,
        pixels,
        kind,
        [described(number, f"part {number}") for number in range(1, count + 1)],
        highdicom.UID(),
        1,
        highdicom.UID(),
        1,
        "m",
        "n",
        "1",
        "0",
    )
    seg.save_as(out)
    return out


def test_overlapping_segments_are_refused(series: Series, tmp_path: Path) -> None:
    pixels = np.zeros((3, 4, 6, 2), np.uint8)
    pixels[1, 1, 1:3, 0] = 1
    pixels[1, 1, 2:4, 1] = 1
    with pytest.raises(PictureError, match="segments overlap in 1 voxels") as caught:
        read_segmentation(made(series, pixels, "BINARY", tmp_path / "s.dcm"), series)
    assert caught.value.kind == "overlapping-segments"


def test_fractional_segments_count_from_half(series: Series, tmp_path: Path) -> None:
    pixels = np.zeros((3, 4, 6), np.float32)
    pixels[1, 1, :3] = 0.4, 0.6, 1.0
    labels, names = read_segmentation(made(series, pixels, "FRACTIONAL", tmp_path / "s.dcm"), series)
    assert labels[1, 1].tolist() == [0, 1, 1, 0, 0, 0]
    assert names == ("background", "part 1")


def test_label_maps(series: Series, tmp_path: Path) -> None:
    wanted = np.where(labels_of() == 255, 0, labels_of())
    labels, names = read_segmentation(made(series, wanted, "LABELMAP", tmp_path / "s.dcm"), series)
    np.testing.assert_array_equal(labels, wanted)
    assert len(names) == 3


def test_a_picture_is_no_segmentation(series: Series) -> None:
    with pytest.raises(PictureError, match="not a DICOM SEG"):
        read_segmentation(series.files[0], series)


def test_a_series_without_place_holds_no_labels(ct_slice: Write, tmp_path: Path) -> None:
    for number in (1, 2):
        ct_slice(0, f"s/{number}", ImagePositionPatient=None, InstanceNumber=number)
    header = read_volume_header(tmp_path / "s")
    with pytest.raises(RequestError, match="does not say where its slices lie"):
        write(series_at(tmp_path / "s"), np.zeros(header.size_shw, np.uint8), tmp_path / "out")
