"""What files tell about a person: found by name, and taken out with the pixels as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.errors import PictureError
from striate.images import read_picture
from striate.images.identity import find_holder, find_identity
from striate.images.identity.tiff import technical_part

pytest.importorskip("pydicom")
pytest.importorskip("dicomanonymizer")

GRAY = np.random.default_rng(0).integers(0, 60000, (9, 7), dtype=np.uint16)
RGB = np.random.default_rng(1).integers(0, 255, (9, 7, 3), dtype=np.uint8)
STACK = np.random.default_rng(2).integers(0, 60000, (3, 9, 7), dtype=np.uint16)

FILES: dict[str, Callable[[Any, Path], Path]] = {
    "a.png": lambda made, path: made.write_png(path, RGB),
    "a.jpg": lambda made, path: made.write_jpeg(path, RGB),
    "a.tif": lambda made, path: made.write_tiff(path, GRAY),
    "big.tif": lambda made, path: made.write_tiff(path, STACK, bigtiff=True, byteorder=">", compression="zlib"),
    "ome.ome.tif": lambda made, path: made.write_tiff(
        path, STACK, metadata={"axes": "CYX", "Description": made.NAME, "Channel": {"Name": ["a", "b", "c"]}}
    ),
    "imagej.tif": lambda made, path: made.write_tiff(
        path, STACK, imagej=True, metadata={"axes": "ZYX", "Info": made.NAME, "Labels": [made.NAME] * 3}
    ),
    "a.nii.gz": lambda made, path: made.write_nifti(path, STACK),
    "a.nii": lambda made, path: made.write_nifti(path, STACK),
    "a.nrrd": lambda made, path: made.write_nrrd(path, STACK),
    "a.dcm": lambda made, path: made.write_dicom(path, GRAY),
}


def plain_bytes(path: Path) -> bytes:
    import gzip

    data = path.read_bytes()
    return data + (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else b"")


def stripped(path: Path) -> Any:
    holder = find_holder(path)
    assert holder is not None
    copy = path.with_name("copy" + "".join(path.suffixes))
    return copy, holder.copier()(path, copy)


@pytest.mark.parametrize("name", FILES)
def test_nothing_of_the_person_is_left(name: str, tmp_path: Path, made_scans: Any) -> None:
    path = FILES[name](made_scans, tmp_path / name)
    found = find_identity(path)
    assert found.names
    assert not any(secret.decode() in " ".join(found.names) for secret in made_scans.SECRETS)
    copy, taken = stripped(path)
    assert taken.actions
    assert [secret for secret in made_scans.SECRETS if secret in plain_bytes(copy)] == []
    assert find_identity(copy).names == ()


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".png", ".jpg", ".tif"))])
def test_pictures_read_the_same(name: str, tmp_path: Path, made_scans: Any) -> None:
    path = FILES[name](made_scans, tmp_path / name)
    before, after = read_picture(path), read_picture(stripped(path)[0])
    np.testing.assert_array_equal(before.pixels, after.pixels)
    assert before.channel_names == after.channel_names


def test_every_page_of_a_tiff_stays(tmp_path: Path, made_scans: Any) -> None:
    import tifffile

    for name in ("big.tif", "ome.ome.tif", "imagej.tif"):
        copy = stripped(FILES[name](made_scans, tmp_path / name))[0]
        np.testing.assert_array_equal(tifffile.imread(copy), STACK)
        with tifffile.TiffFile(copy) as file:
            assert file.series[0].shape == STACK.shape


def test_volumes_keep_voxels_and_geometry(tmp_path: Path, made_scans: Any) -> None:
    import nibabel
    import nrrd

    for name in ("a.nii.gz", "a.nii"):
        path = FILES[name](made_scans, tmp_path / name)
        before, after = nibabel.load(path), nibabel.load(stripped(path)[0])
        np.testing.assert_array_equal(np.asanyarray(before.dataobj), np.asanyarray(after.dataobj))
        np.testing.assert_array_equal(before.affine, after.affine)
    path = FILES["a.nrrd"](made_scans, tmp_path / "a.nrrd")
    np.testing.assert_array_equal(nrrd.read(str(path))[0], nrrd.read(str(stripped(path)[0]))[0])


def test_dicom_by_the_profile(tmp_path: Path, made_scans: Any) -> None:
    import pydicom

    path = made_scans.write_dicom(tmp_path / "a.dcm", GRAY)
    copy, taken = stripped(path)
    after = pydicom.dcmread(copy)
    np.testing.assert_array_equal(after.pixel_array, GRAY)
    assert (after.PatientName, after.PatientID) == ("patient-0001", "patient-0001")
    # X removes, Z empties; the reference keeps its class and gets the new UID of the picture that it names.
    assert "StudyDescription" not in after
    assert after.get("AcquisitionDate", "") in ("", "00010101")
    assert (after.StudyDate, after.PatientBirthDate) == ("", "")
    assert after.SourceImageSequence[0].ReferencedSOPInstanceUID == after.SOPInstanceUID
    assert after.SourceImageSequence[0].ReferencedSOPClassUID == after.SOPClassUID
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert after.ConvolutionKernel == "ANONYMIZED"
    assert taken.actions["ConvolutionKernel", "cleaned"] == 1
    assert (after.PatientIdentityRemoved, after.LongitudinalTemporalInformationModified) == ("YES", "REMOVED")
    assert after.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert (after.PixelSpacing, after.Modality) == ([0.5, 0.5], "CT")


def test_dicom_names_attributes_in_sequences_and_private_groups(tmp_path: Path, made_scans: Any) -> None:
    names = find_identity(made_scans.write_dicom(tmp_path / "a", GRAY)).names
    assert {"PatientName", "PatientID", "PatientBirthDate", "InstitutionName", "RequestAttributesSequence"} <= set(
        names
    )
    assert "private attributes of group 0009" in names
    assert names[-1] == "unique identifiers (UIDs)"


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({}, ()),
        ({"Modality": "US"}, ("is ultrasound (modality US)",)),
        ({"Modality": "US", "BurnedInAnnotation": "NO"}, ()),
        ({"BurnedInAnnotation": "YES"}, ("says itself that text is burnt into its pixels",)),
        ({"ImageType": ["DERIVED", "SECONDARY"]}, ("is derived from other pictures",)),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, ("is a secondary capture",)),
    ],
)
def test_risk_of_text_in_the_pixels(
    attributes: dict[str, Any], words: tuple[str, ...], tmp_path: Path, made_scans: Any
) -> None:
    assert find_identity(made_scans.write_dicom(tmp_path / "a.dcm", GRAY, **attributes)).burnt_in == words


def test_dicom_without_preamble_is_known(tmp_path: Path, made_scans: Any) -> None:
    path = made_scans.write_dicom(tmp_path / "a.dcm", GRAY)
    path.write_bytes(path.read_bytes()[132:])
    assert "PatientName" in find_identity(path).names


def test_technical_descriptions_are_no_text(tmp_path: Path) -> None:
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack", metadata={"axes": "CYX"})
    tifffile.imwrite(tmp_path / "b.tif", STACK, imagej=True)
    tifffile.imwrite(tmp_path / "c.ome.tif", STACK, metadata={"axes": "CYX"})
    assert [find_identity(path).names for path in sorted(tmp_path.iterdir())] == [(), (), ()]
    assert technical_part('{"shape": [3], "who": "Zelphine"}') == '{"shape": [3]}'
    assert technical_part("a picture of Zelphine") == ""


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_end_in_an_error_of_ours(name: str, tmp_path: Path, made_scans: Any) -> None:
    path = FILES[name](made_scans, tmp_path / name)
    data = path.read_bytes()
    random = np.random.default_rng(5)
    told = ""
    for round_ in range(25):
        broken = bytearray(data)
        for place in random.integers(0, min(len(data), 2500), 6):
            broken[place] = random.integers(0, 256)
        path.write_bytes(bytes(broken[: random.integers(1, len(data))] if round_ % 3 == 0 else broken))
        find_identity(path)
        holder = find_holder(path)
        if holder is not None:
            try:
                holder.copier()(path, path.with_name("copy"))
            except PictureError as error:
                told += str(error)
    assert not any(secret.decode() in told for secret in made_scans.SECRETS)


def test_versions_of_programs_in_nifti_name_nobody(tmp_path: Path) -> None:
    import nibabel

    for number, text in enumerate(("5.0.10", "FSL5.0", "6.0.3:b862cdd5", "19470229")):
        image = nibabel.Nifti1Image(STACK.astype(np.int16), np.eye(4))
        image.header["descrip"], image.header["aux_file"] = text, "none"
        nibabel.save(image, tmp_path / f"{number}.nii")
    found = [find_identity(path).names for path in sorted(tmp_path.iterdir())]
    assert found == [(), (), (), ("descrip",)]
