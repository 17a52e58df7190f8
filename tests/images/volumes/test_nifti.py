"""NIfTI: values, types, geometry, damage, and labels on the same grid."""

from __future__ import annotations

import gzip
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.errors import MissingPartError, PictureError
from striate.images.volumes import VOLUME_KINDS, find_volume_kind, read_volume, read_volume_header

nibabel: Any = pytest.importorskip("nibabel")
sitk: Any = pytest.importorskip("SimpleITK")

SLANTED = np.array([[0.0, -1.5, 0.1, 3.0], [2.0, 0.0, 0.2, -7.0], [0.1, 0.0, 4.0, 11.0], [0.0, 0.0, 0.0, 1.0]])


def save(path: Path, values: np.ndarray, affine: np.ndarray | None = SLANTED, **header: Any) -> Path:
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units(header.pop("unit", "mm"))
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def values(*shape: int, dtype: str = "int16") -> np.ndarray:
    return np.random.default_rng(3).integers(0, 120, shape).astype(dtype)


def test_axes_and_geometry(tmp_path: Path) -> None:
    stored = values(4, 5, 6)
    volume = read_volume(save(tmp_path / "a.nii.gz", stored))
    assert volume.size_shw == (6, 5, 4)
    np.testing.assert_array_equal(volume.voxels[:, 0], stored.transpose(2, 1, 0))
    place = volume.geometry.affine @ [2, 1, 3, 1]
    np.testing.assert_allclose(place[:3], (SLANTED @ [3, 1, 2, 1])[:3] * [-1, -1, 1], rtol=1e-6)
    header = read_volume_header(tmp_path / "a.nii.gz")
    assert (header.size_shw, header.dtype, header.kind) == ((6, 5, 4), "int16", "nifti")


def test_times_are_channels_and_a_picture_is_one_slice(tmp_path: Path) -> None:
    volume = read_volume(save(tmp_path / "t.nii", values(4, 5, 6, 3)))
    assert volume.voxels.shape == (6, 3, 5, 4)
    assert volume.channel_names == ("time 0", "time 1", "time 2")
    assert read_volume(save(tmp_path / "p.nii", values(4, 5))).voxels.shape == (1, 1, 5, 4)


@pytest.mark.parametrize(
    ("stored", "becomes"),
    [("uint8", "uint8"), ("int8", "int16"), ("uint16", "uint16"), ("int32", "int16"), ("float32", "float32")],
)
def test_types(tmp_path: Path, stored: str, becomes: str) -> None:
    path = save(tmp_path / "a.nii", values(3, 4, 5, dtype=stored))
    volume = read_volume(path)
    assert volume.voxels.dtype.name == becomes
    np.testing.assert_array_equal(volume.voxels[:, 0], values(3, 4, 5).transpose(2, 1, 0))


def test_large_whole_numbers_become_the_nearest_float_and_say_so(tmp_path: Path) -> None:
    volume = read_volume(save(tmp_path / "a.nii", values(3, 4, 5, dtype="int32") * 1_000_003))
    assert volume.voxels.dtype == np.float32
    assert any("int32 values" in note for note in volume.notes)


def test_scale_factors_are_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(values(3, 4, 5), SLANTED)
    image.header.set_slope_inter(2.0, -1024.0)
    # Written by hand: nibabel would divide the values first.
    image.header["scl_slope"], image.header["scl_inter"] = 2.0, -1024.0
    path = save(tmp_path / "a.nii", values(3, 4, 5))
    data = bytearray(path.read_bytes())
    data[112:120] = np.array([2.0, -1024.0], "<f4").tobytes()
    path.write_bytes(data)
    volume = read_volume(path)
    assert volume.voxels.dtype == np.int16
    np.testing.assert_array_equal(volume.voxels[:, 0], values(3, 4, 5).transpose(2, 1, 0) * 2 - 1024)


def test_big_endian(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(values(3, 4, 5).astype(">i2"), SLANTED, nibabel.Nifti1Header(endianness=">"))
    nibabel.save(image, tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    assert volume.voxels.dtype.isnative
    np.testing.assert_array_equal(volume.voxels[:, 0], values(3, 4, 5).transpose(2, 1, 0))


def test_units_and_an_unknown_place(tmp_path: Path) -> None:
    volume = read_volume(save(tmp_path / "a.nii", values(3, 4, 5), np.diag([500.0, 500, 900, 1]), unit="micron"))
    np.testing.assert_allclose(volume.geometry.spacing_mm, (0.9, 0.5, 0.5))
    assert any("micron" in note for note in volume.notes)
    path = save(tmp_path / "b.nii", values(3, 4, 5), None)
    assert not read_volume(path).geometry.known
    assert read_volume(path).notes


def test_values_that_are_not_finite_stay(tmp_path: Path) -> None:
    stored = values(3, 4, 5, dtype="float32")
    stored[0, 0, 0], stored[1, 1, 1] = np.nan, np.inf
    assert (~np.isfinite(read_volume(save(tmp_path / "a.nii", stored)).voxels)).sum() == 2


@pytest.mark.parametrize(("how", "kind"), [("cut", "truncated"), ("empty", "empty"), ("noise", "damaged")])
def test_damage(tmp_path: Path, how: str, kind: str) -> None:
    path = save(tmp_path / "a.nii.gz", np.random.default_rng(1).normal(size=(20, 20, 20)).astype(np.float32))
    data = path.read_bytes()
    path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "noise": gzip.compress(b"\x07" * 500)}[how])
    assert find_volume_kind(path) is VOLUME_KINDS.get("nifti")
    with pytest.raises(PictureError) as caught:
        read_volume(path)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("place", "number", "kind"), [(42, [30000, 30000, 30000], "too-large"), (42, [-3, 4, 5], "damaged")]
)
def test_absurd_sizes(tmp_path: Path, place: int, number: list[int], kind: str) -> None:
    path = save(tmp_path / "a.nii", values(3, 4, 5))
    data = bytearray(path.read_bytes())
    data[place : place + 2 * len(number)] = np.array(number, "<i2").tobytes()
    path.write_bytes(data)
    with pytest.raises(PictureError) as caught:
        read_volume_header(path)
    assert caught.value.kind == kind


def test_colours_and_five_axes_are_refused(tmp_path: Path) -> None:
    rgb = np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for name, stored in (("a.nii", rgb), ("b.nii", values(3, 4, 5, 2, 2))):
        nibabel.save(nibabel.Nifti1Image(stored, SLANTED), tmp_path / name)
        with pytest.raises(PictureError) as caught:
            read_volume(tmp_path / name)
        assert caught.value.kind == "unsupported"


@pytest.mark.parametrize("codes", [(1, 1), (2, 0), (0, 1), (0, 0)])
def test_labels_lie_on_the_same_grid(tmp_path: Path, codes: tuple[int, int]) -> None:
    affine = np.diag([-2.0, -2.0, 3.0, 1.0])
    affine[:3, 3] = 5, 6, 7
    path = save(tmp_path / "a b.nii.gz", values(4, 5, 6), affine, sform_code=codes[0], qform_code=codes[1])
    labels = (values(6, 5, 4) % 3).astype(np.uint8)
    written = VOLUME_KINDS.get("nifti").write_labels(labels, path, ("background", "front", "back"), tmp_path / "out")
    assert written.name == "a b_seg.nii.gz"
    ours, source = sitk.ReadImage(str(written)), sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), labels)
    assert ours.GetPixelIDTypeAsString() == "8-bit unsigned integer"
    assert ours.GetSpacing() == source.GetSpacing()
    assert ours.GetOrigin() == source.GetOrigin()
    assert ours.GetDirection() == source.GetDirection()
    header, before = nibabel.load(written).header, nibabel.load(path).header
    assert [int(header[name]) for name in ("sform_code", "qform_code")] == [
        int(before[name]) for name in ("sform_code", "qform_code")
    ]
    assert bytes(header["descrip"]).startswith(b"0 background; 1 front")


def test_a_missing_reader_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.nii", values(3, 4, 5))
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(MissingPartError, match=r'pip install "striate\[scans\]"'):
        read_volume(path)


def test_changed_bytes_never_give_another_error(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.nii", values(6, 5, 4)).read_bytes()
    random = np.random.default_rng(5)
    for round_ in range(150):
        data = bytearray(whole)
        for place in random.integers(0, 352, 4):
            data[place] = random.integers(256)
        path = tmp_path / f"m{round_}.nii"
        path.write_bytes(data)
        with suppress(PictureError):
            read_volume(path)
