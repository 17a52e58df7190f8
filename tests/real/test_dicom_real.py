"""Real DICOM: pixels against pydicom, places against SimpleITK, labels against highdicom and the NRRD beside them."""

from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

from striate.errors import PictureError
from striate.images import read_header, read_picture
from striate.images.volumes import find_volume_kind, read_volume, read_volume_header
from striate.images.volumes.dicom_seg import is_segmentation, read_segmentation, write_segmentation
from striate.images.volumes.dicom_series import find_series
from striate.structures import Problem

SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"
SHARED = Path(__file__).parents[2] / ".." / "shared" / "data" / "dcmqi_ct_seg"
SEGMENTATIONS = SHARED / "segmentations"

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]

shared = pytest.mark.skipif(not SHARED.exists(), reason="dcmqi_ct_seg is not here")


def dicom_files(root: Path) -> list[Path]:
    return sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and path.suffix in (".dcm", ".seg", "") and "TINY_ALPHA" not in path.parts
    )


def expected_of(path: Path) -> np.ndarray:
    """What pydicom's own functions give, `(C, H, W)`, with MONOCHROME1 turned as we say it is."""
    dataset = pydicom.dcmread(path, force=True)
    stored = pixel_array(dataset, index=0)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        return np.moveaxis(apply_color_lut(stored, dataset), -1, 0)
    if stored.ndim == 3:
        return np.moveaxis(stored, -1, 0)
    values = apply_modality_lut(stored, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        highest = 2**dataset.BitsStored - 1
        values = highest * dataset.get("RescaleSlope", 1) + 2 * dataset.get("RescaleIntercept", 0) - values
    return values[None]


@pytest.mark.parametrize(("root", "least"), [(SAMPLES, 80), (SHARED, 18)], ids=["pydicom", "dcmqi"])
def test_pixels_are_those_of_pydicom_to_the_last_bit(root: Path, least: int) -> None:
    if not root.exists():
        pytest.skip(f"no {root}")
    equal, refused = 0, {}
    for path in dicom_files(root):
        try:
            header, picture = read_header(path), read_picture(path)
        except PictureError as error:
            refused[path.name] = error.kind
            continue
        assert (header.size_hw, header.channel_names) == (picture.size_hw, picture.channel_names)
        assert header.dtype == picture.pixels.dtype.name
        expected = expected_of(path)
        if picture.pixels.dtype == np.float32:
            expected = expected.astype(np.float32)
        np.testing.assert_array_equal(picture.pixels, expected, err_msg=path.name)
        equal += 1
    assert equal >= least
    # Whatever is refused, pydicom cannot read either, or it is no picture.
    assert set(refused.values()) <= {"not-a-picture", "truncated", "damaged", "plugin-missing"}
    if root == SAMPLES:
        assert refused["JPGExtended.dcm"] == "plugin-missing"
        assert refused["MR_truncated.dcm"] == "truncated"
        assert refused["test-SR.dcm"] == refused["rtstruct.dcm"] == refused["DICOMDIR"] == "not-a-picture"
        damaged = {name for name, kind in refused.items() if kind == "damaged"}
        assert damaged == {"badVR.dcm", "JPEG2000-embedded-sequence-delimiter.dcm"}


@pytest.mark.parametrize(
    "folder",
    [
        SAMPLES / "dicomdirtests" / "98892001" / "CT5N",
        SAMPLES / "dicomdirtests" / "77654033" / "CT2",
        *(SEGMENTATIONS / name for name in ("ct-3slice", "24x38x3/image", "23x38x3/image")),
    ],
    ids=lambda folder: folder.name,
)
def test_series_lie_where_simpleitk_has_them(folder: Path) -> None:
    if not folder.exists():
        pytest.skip(f"no {folder}")
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    theirs = reader.Execute()
    volume = read_volume(folder)
    np.testing.assert_array_equal(volume.voxels[:, 0], SimpleITK.GetArrayFromImage(theirs))
    assert_same_place(volume.geometry.affine, theirs)
    assert read_volume_header(folder).size_shw == volume.size_shw


def assert_same_place(affine: np.ndarray, image: SimpleITK.Image) -> None:
    """Spacing, origin and directions of an image against an affine of (slice, row, column)."""
    columns = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    np.testing.assert_allclose(affine[:3, 2::-1], columns, atol=1e-5)
    np.testing.assert_allclose(affine[:3, 3], image.GetOrigin(), atol=1e-5)


@shared
@pytest.mark.parametrize("size", ["23x38x3", "24x38x3"])
def test_a_file_of_several_frames_is_the_series_of_single_ones(size: str) -> None:
    folder = SEGMENTATIONS / size
    single, many = read_volume(folder / "image"), read_volume(folder / "multiframe" / "mf.dcm")
    np.testing.assert_array_equal(single.voxels, many.voxels)
    np.testing.assert_allclose(single.geometry.affine, many.geometry.affine, atol=1e-6)
    assert_same_place(many.geometry.affine, SimpleITK.ReadImage(str(folder / "multiframe" / "mf.dcm")))


@shared
def test_what_is_in_the_folder_is_told() -> None:
    problems: list[Problem] = []
    found = {one.path.relative_to(SHARED).as_posix(): one.slices for one in find_series(SHARED, problems)}
    assert found["segmentations/ct-3slice"] == 3
    assert found["segmentations/24x38x3/multiframe/mf.dcm"] == 3
    assert [problem.path for problem in problems] == ["sr-example/rwvm.dcm", "sr-example/sr.dcm"]


@shared
def test_liver_of_the_seg_is_that_of_the_nrrd() -> None:
    (series,) = find_series(SEGMENTATIONS / "ct-3slice")
    labels, names = read_segmentation(SEGMENTATIONS / "liver.dcm", series)
    assert names == ("background", "Liver")
    nrrd = SimpleITK.ReadImage(str(SEGMENTATIONS / "liver_seg.nrrd"))
    np.testing.assert_array_equal(labels > 0, SimpleITK.GetArrayFromImage(nrrd) > 0)
    with pytest.raises(PictureError, match="segments overlap"):
        read_segmentation(SEGMENTATIONS / "partial_overlaps.dcm", series)


@shared
@pytest.mark.parametrize("size", ["23x38x3", "24x38x3"])
def test_small_segs_are_those_of_highdicom(size: str) -> None:
    folder = SEGMENTATIONS / size
    (series,) = find_series(folder / "image")
    assert is_segmentation(folder / "seg" / "label.seg")
    labels, _ = read_segmentation(folder / "seg" / "label.seg", series)
    seg = highdicom.seg.segread(folder / "seg" / "label.seg")
    uids = [pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in series.files]
    theirs = seg.get_pixels_by_source_instance(uids, combine_segments=True, ignore_spatial_locations=True)
    np.testing.assert_array_equal(labels, theirs)


@shared
# Not 23x38x3: where bits of frames do not fill whole bytes, GDCM 3.0 within ITK makes up the last few.
@pytest.mark.parametrize("name", ["ct-3slice", "24x38x3/image", "24x38x3/multiframe/mf.dcm"])
def test_a_written_seg_lies_on_the_source_grid(name: str, tmp_path: Path) -> None:
    (series,) = find_series((SEGMENTATIONS / name).parent if name.endswith(".dcm") else SEGMENTATIONS / name)
    wanted = np.zeros((series.slices, *series.size_hw), np.uint8)
    wanted[0, 2:9, 3:7], wanted[1, 10:12, 5:20], wanted[2, -3:, -4:] = 1, 2, 1
    kind = find_volume_kind(series.path)
    assert kind is not None
    out = kind.write_labels(wanted, series.path, ("background", "liver", "spot"), tmp_path)
    labels, _ = read_segmentation(out, series)
    np.testing.assert_array_equal(labels, wanted)

    by_highdicom = highdicom.seg.segread(out).get_volume(combine_segments=True).flip_spatial(0)
    np.testing.assert_allclose(by_highdicom.affine, series.geometry.affine, atol=1e-4)
    np.testing.assert_array_equal(by_highdicom.array, wanted)

    # ITK knows nothing of segments, but reads one alone as a volume; highdicom begins it at the other end.
    one = kind.write_labels((wanted == 1).astype(np.uint8), series.path, ("background", "liver"), tmp_path / "one")
    image = SimpleITK.Flip(SimpleITK.ReadImage(str(one)), (False, False, True))
    assert_same_place(series.geometry.affine, image)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image) > 0, wanted == 1)


@shared
def test_one_slice_holds_labels(tmp_path: Path) -> None:
    (series,) = find_series(SHARED / "paramaps")
    assert series.slices == 1
    write_segmentation(np.ones((1, *series.size_hw), np.uint8), series, ("background", "all"), tmp_path / "a.dcm")
    assert read_segmentation(tmp_path / "a.dcm", series)[0].all()
