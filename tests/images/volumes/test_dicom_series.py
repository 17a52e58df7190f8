"""DICOM series: which files belong together, in which order, where voxels lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.sequence import Sequence

from striate.errors import PictureError
from striate.images.volumes import find_volume_kind, read_volume, read_volume_header, shared_volume
from striate.images.volumes.dicom_series import find_series, patient_of
from striate.structures import Problem

Write = Callable[..., Path]


def kinds(problems: list[Problem]) -> list[str]:
    return sorted(problem.kind for problem in problems)


def test_slices_are_sorted_by_position_and_never_by_name(ct_slice: Write, tmp_path: Path) -> None:
    for z, name, value in ((4.0, "s/1", 30), (0.0, "s/2.dcm", 10), (2.0, "s/a.ima", 20)):
        ct_slice(z, name, value, InstanceNumber=int(100 - z))
    (tmp_path / "s" / "notes.txt").write_text("nothing")
    problems: list[Problem] = []
    (series,) = find_series(tmp_path, problems)
    assert problems == []
    assert series.path == tmp_path / "s"
    assert [path.name for path in series.files] == ["2.dcm", "a.ima", "1"]
    assert find_volume_kind(series.path).name == "dicom"
    volume, header = read_volume(series.path), read_volume_header(series.path)
    assert volume.voxels[:, 0, 1, 1].tolist() == [10 - 1024, 20 - 1024, 30 - 1024]
    assert volume.voxels.dtype == np.int16
    assert header.size_shw == volume.size_shw == (3, 4, 6)
    assert header.dtype == "int16"
    assert header.modality == volume.modality == "CT"
    assert volume.levels.unit == "HU"
    assert volume.geometry.known
    assert volume.geometry.letters == "SPL"
    np.testing.assert_allclose(volume.geometry.spacing_mm, (2.0, 0.5, 0.75))
    np.testing.assert_allclose(volume.geometry.affine[:3, 3], (-10, 20, 0))
    np.testing.assert_allclose(volume.geometry.affine @ (2, 3, 5, 1), (-10 + 5 * 0.75, 20 + 3 * 0.5, 4, 1))


def test_a_coronal_series_becomes_upright_by_whole_axes(ct_slice: Write, tmp_path: Path) -> None:
    for index in range(3):
        ct_slice(
            0.0,
            f"{index}.dcm",
            index,
            ImagePositionPatient=[0.0, 3.0 * index, 50.0],
            ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
        )
    volume = read_volume(tmp_path)
    assert volume.geometry.letters == "PIL"
    assert shared_volume(tmp_path).geometry.letters == "SPL"
    assert shared_volume(tmp_path).size_shw == (4, 3, 6)


def test_each_slice_has_its_own_slope(ct_slice: Write, tmp_path: Path) -> None:
    tags = {"Modality": "PT", "RescaleIntercept": 0}
    ct_slice(0, "a", 100, RescaleSlope=0.5, **tags)
    ct_slice(2, "b", 100, RescaleSlope=0.25, **tags)
    ct_slice(4, "c", 100, RescaleSlope=2, **tags)
    volume = read_volume(tmp_path)
    assert volume.voxels.dtype == np.float32
    assert volume.voxels[:, 0, 2, 2].tolist() == [50.0, 25.0, 200.0]


def test_sixteen_stored_bits_stay_whole_where_the_values_fit(ct_slice: Write, tmp_path: Path) -> None:
    for z in (0, 1):
        ct_slice(z, f"{z}", 5, BitsStored=16)
    assert read_volume(tmp_path).voxels.dtype == np.int16


def test_mixed_series_are_told_apart_and_addressed_by_a_file(ct_slice: Write, tmp_path: Path) -> None:
    for z in range(3):
        ct_slice(z, f"b{z}", 1)
        ct_slice(z, f"a{z}", 2, SeriesInstanceUID="1.2.3.9")
    problems: list[Problem] = []
    series = find_series(tmp_path, problems)
    assert kinds(problems) == ["mixed-series"]
    assert [one.path.name for one in series] == ["a0", "b0"]
    for one, value in zip(series, (2, 1), strict=True):
        assert find_volume_kind(one.path).name == "dicom"
        assert read_volume(one.path).voxels[1, 0, 1, 1] == value - 1024
    with pytest.raises(PictureError, match=r"2 series lie in this folder \(3 slices, 3 slices\)") as caught:
        read_volume(tmp_path)
    assert caught.value.kind == "mixed-series"


def test_one_series_of_two_orientations_is_two(ct_slice: Write, tmp_path: Path) -> None:
    for z in range(3):
        ct_slice(z, f"{z}")
    ct_slice(0, "scout", ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    assert [one.slices for one in find_series(tmp_path)] == [3, 1]


def test_a_folder_of_single_pictures_is_no_volume(ct_slice: Write, tmp_path: Path) -> None:
    paths = [ct_slice(0, f"{n}.dcm", SeriesInstanceUID=f"1.2.{n}") for n in range(4)]
    assert find_volume_kind(tmp_path) is None
    assert find_volume_kind(paths[0]) is None
    assert [one.slices for one in find_series(tmp_path)] == [1] * 4


def test_a_slice_whose_series_is_alone_in_its_folder_is_a_picture(ct_slice: Write, tmp_path: Path) -> None:
    paths = [ct_slice(z, f"{z}.dcm") for z in range(2)]
    assert find_volume_kind(paths[0]) is None
    assert find_volume_kind(tmp_path) is not None


def test_a_missing_slice_is_reported(ct_slice: Write, tmp_path: Path) -> None:
    for z in (0, 2, 4, 8, 10):
        ct_slice(z, f"{z}")
    problems: list[Problem] = []
    (series,) = find_series(tmp_path, problems)
    assert kinds(problems) == ["missing-slice"]
    assert "1 slice is missing: the usual distance is 2 mm" in problems[0].detail
    assert "behind slice 3 of 5" in problems[0].detail
    assert problems[0].path == "."
    assert "slices are not evenly spaced" in read_volume(series.path).notes[0]


def test_unequal_spacing_is_reported_and_the_mean_taken(ct_slice: Write, tmp_path: Path) -> None:
    for z in (0, 2, 4, 6.5, 9):
        ct_slice(z, f"{z}")
    problems: list[Problem] = []
    (series,) = find_series(tmp_path, problems)
    assert kinds(problems) == ["unequal-spacing"]
    assert "go from 2 to 2.5 mm" in problems[0].detail
    assert series.geometry.spacing_mm[0] == pytest.approx(9 / 4)


def test_a_tilted_gantry_is_kept(ct_slice: Write, tmp_path: Path) -> None:
    for index in range(3):
        ct_slice(0, f"{index}", ImagePositionPatient=[0.0, 0.5 * index, 2.0 * index])
    volume = read_volume(tmp_path)
    np.testing.assert_allclose(volume.geometry.affine[:3, 0], (0, 0.5, 2))
    assert "tilted gantry" in volume.notes[0]


@pytest.mark.parametrize(
    ("tag", "values", "names"),
    [
        ("EchoTime", (20.0, 5.0), ("echo 5 ms", "echo 20 ms")),
        ("DiffusionBValue", (1000.0, 0.0), ("b 0", "b 1000")),
        ("TemporalPositionIdentifier", (2, 1), ("time 1", "time 2")),
        ("InstanceNumber", (2, 1), ("time 0", "time 1")),
    ],
)
def test_repeated_positions_become_channels(
    ct_slice: Write, tmp_path: Path, tag: str, values: tuple[float, float], names: tuple[str, str]
) -> None:
    for place, value in enumerate(values):
        for z in range(3):
            ct_slice(z, f"{place}{z}", 10 * place + z, **{tag: value}, RescaleIntercept=0)
    (series,) = find_series(tmp_path)
    assert series.channel_names == names
    volume = read_volume(series.path)
    assert volume.channel_names == read_volume_header(series.path).channel_names == names
    assert volume.voxels[:, :, 1, 1].tolist() == [[10, 0], [11, 1], [12, 2]]


def test_positions_that_repeat_unequally_are_reported(ct_slice: Write, tmp_path: Path) -> None:
    for z in range(3):
        ct_slice(z, f"{z}", 1, InstanceNumber=1)
    ct_slice(1, "again", 2, InstanceNumber=2)
    problems: list[Problem] = []
    (series,) = find_series(tmp_path, problems)
    assert kinds(problems) == ["duplicate-position"]
    assert read_volume(series.path).voxels[:, 0, 1, 1].tolist() == [-1023] * 3


def test_copies_and_what_is_no_picture_are_left_out(ct_slice: Write, tmp_path: Path) -> None:
    paths = [ct_slice(z, f"{z}.dcm") for z in range(3)]
    (tmp_path / "copy.dcm").write_bytes(paths[0].read_bytes())
    (tmp_path / "cut.dcm").write_bytes(paths[0].read_bytes()[:-10])
    (tmp_path / "text.dcm").write_text("no DICOM")
    report = pydicom.dcmread(paths[0])
    del report.PixelData, report.Rows, report.Columns
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    report.save_as(tmp_path / "report")
    problems: list[Problem] = []
    (series,) = find_series(tmp_path, problems)
    assert series.slices == 3
    assert kinds(problems) == ["duplicate", "not-a-picture", "not-a-picture", "truncated"]
    assert all(problem.severity == "dropped" for problem in problems)
    assert any("Basic Text SR Storage" in problem.detail for problem in problems)


def test_a_series_in_several_folders_is_reported(ct_slice: Write, tmp_path: Path) -> None:
    for z in range(4):
        ct_slice(z, f"{z % 2}/{z}")
    problems: list[Problem] = []
    assert len(find_series(tmp_path, problems)) == 2
    assert kinds(problems) == ["series-in-several-folders"]


def test_no_position_is_a_note_and_an_unknown_geometry(ct_slice: Write, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        ct_slice(0, f"{9 - number}", number, ImagePositionPatient=None, InstanceNumber=number)
    problems: list[Problem] = []
    (series,) = find_series(tmp_path, problems)
    assert kinds(problems) == ["no-position"]
    volume = read_volume(series.path)
    assert not volume.geometry.known
    assert volume.geometry.spacing_mm == (2.0, 0.5, 0.75)
    assert volume.voxels[:, 0, 1, 1].tolist() == [-1023, -1022, -1021]
    assert "do not say the position" in volume.notes[0]


def test_the_patient_is_a_group_without_a_name(ct_slice: Write, tmp_path: Path, patient: dict[str, str]) -> None:
    for z in range(2):
        ct_slice(z, f"a/{z}")
        ct_slice(z, f"b/{z}", SeriesInstanceUID="1.2.77", StudyInstanceUID="1.2.78")
        ct_slice(z, f"c/{z}", SeriesInstanceUID="1.2.88", StudyInstanceUID="1.2.89", PatientID="")
    first, second, third = find_series(tmp_path)
    assert first.patient == second.patient == patient_of(patient["PatientID"], "")
    assert third.patient != first.patient
    assert len(first.patient) == 12
    shown = repr([first, second, third]) + repr(read_volume(first.path).notes)
    for word in (*patient.values(), "1.2.3.4"):
        assert word not in shown


def enhanced(path: Path, order: tuple[int, ...]) -> None:
    """A multi-frame file with functional groups; frames in the order of these heights."""
    dataset = pydicom.dcmread(path)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
        del dataset[keyword]
    del dataset.RescaleIntercept, dataset.SliceThickness

    def item(**values: object) -> pydicom.Dataset:
        made = pydicom.Dataset()
        for keyword, value in values.items():
            setattr(made, keyword, Sequence([value]) if isinstance(value, pydicom.Dataset) else value)
        return made

    dataset.SharedFunctionalGroupsSequence = Sequence(
        [
            item(
                PixelMeasuresSequence=item(PixelSpacing=[0.5, 0.75], SliceThickness=2.0),
                PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
            )
        ]
    )
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        [
            item(
                PlanePositionSequence=item(ImagePositionPatient=[0, 0, 2.0 * height]),
                PixelValueTransformationSequence=item(RescaleSlope=1, RescaleIntercept=1000 * height, RescaleType="HU"),
                FrameVOILUTSequence=item(WindowCenter=40, WindowWidth=401),
            )
            for height in order
        ]
    )
    dataset.NumberOfFrames = len(order)
    dataset.PixelData = b"".join(np.full((4, 6), height, np.int16).tobytes() for height in order)
    dataset.save_as(path)


def test_a_file_of_several_frames_is_a_volume(ct_slice: Write, tmp_path: Path) -> None:
    path = ct_slice(0, "many.dcm")
    enhanced(path, (2, 0, 1))
    ct_slice(0, "other", SeriesInstanceUID="1.2.9")
    assert find_volume_kind(path).name == "dicom"
    volume = read_volume(path)
    assert volume.voxels[:, 0, 1, 1].tolist() == [0, 1001, 2002]
    np.testing.assert_allclose(volume.geometry.spacing_mm, (2.0, 0.5, 0.75))
    assert volume.levels.window == (-160.5, 239.5)
    assert volume.levels.unit == "HU"


def test_frames_that_no_file_of_its_size_can_hold(ct_slice: Write, tmp_path: Path) -> None:
    path = ct_slice(0, "many.dcm", NumberOfFrames=2_000_000_000)
    assert find_volume_kind(path) is not None
    with pytest.raises(PictureError, match="2000000000 frames are announced"):
        read_volume(path)


def test_colour_frames_without_position(dicom: Write) -> None:
    rgb = np.random.default_rng(4).integers(0, 255, (3, 4, 6, 3), dtype=np.uint8)
    volume = read_volume(dicom(rgb, SamplesPerPixel=3, Modality="US", frames=3))
    np.testing.assert_array_equal(volume.voxels, rgb.transpose(0, 3, 1, 2))
    assert volume.channel_names == ("red", "green", "blue")
    assert not volume.geometry.known


def test_a_folder_without_a_series(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("x")
    assert find_volume_kind(tmp_path) is None
    assert find_series(tmp_path) == []
