"""Real volumes against reference readers: voxels to the last bit, places to a nanometre."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.formats import read_folder
from striate.images.volumes import VOLUME_KINDS, find_volume_kind, read_volume, read_volume_header
from striate.structures import Geometry

nibabel: Any = pytest.importorskip("nibabel")
sitk: Any = pytest.importorskip("SimpleITK")

pytestmark = pytest.mark.real


def files(shared_data: Path, name: str, pattern: str) -> list[Path]:
    # Files that a desktop leaves beside the real ones begin with a dot.
    found = [path for path in sorted((shared_data / name).rglob(pattern)) if not path.name.startswith(".")]
    if not found:
        pytest.skip(f"no {name}")
    return found


def assert_same_place(geometry: Geometry, image: Any) -> None:
    spacing, direction = np.array(image.GetSpacing()), np.array(image.GetDirection()).reshape(3, 3)
    expected = np.eye(4)
    expected[:3, :3] = (direction * spacing)[:, ::-1]
    expected[:3, 3] = image.GetOrigin()
    # NIfTI keeps single precision; ITK makes directions orthonormal.
    np.testing.assert_allclose(geometry.affine, expected, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(geometry.spacing_mm, spacing[::-1], rtol=1e-6)


@pytest.mark.slow
def test_hippocampus(shared_data: Path) -> None:
    paths = files(shared_data, "msd_hippocampus_nifti", "*.nii.gz")
    assert len(paths) > 260
    for path in paths:
        volume, header = read_volume(path), read_volume_header(path)
        expected = np.asarray(nibabel.load(path).dataobj)
        np.testing.assert_array_equal(volume.voxels[:, 0], expected.transpose(2, 1, 0))
        assert header.size_shw == volume.size_shw
        image = sitk.ReadImage(str(path))
        np.testing.assert_array_equal(volume.voxels[:, 0], sitk.GetArrayViewFromImage(image))
        assert_same_place(volume.geometry, image)


def test_brats_with_four_channels(shared_data: Path) -> None:
    for path in files(shared_data, "datumaro_format_zoo", "BRATS*.nii.gz"):
        expected = np.asarray(nibabel.load(path).dataobj)
        axes = (2, 3, 1, 0) if expected.ndim == 4 else (2, 1, 0)
        volume = read_volume(path)
        np.testing.assert_array_equal(volume.voxels.squeeze(), expected.transpose(axes).squeeze())


def test_nrrd(shared_data: Path) -> None:
    for path in files(shared_data, "dcmqi_ct_seg", "*.nrrd"):
        volume, image = read_volume(path), sitk.ReadImage(str(path))
        stored = sitk.GetArrayFromImage(image)
        assert volume.voxels.dtype == stored.dtype
        np.testing.assert_array_equal(volume.voxels[:, 0], stored)
        assert_same_place(volume.geometry, image)


def test_arrays_of_a_batch_of_one(shared_data: Path) -> None:
    for path in files(shared_data, "datumaro_format_zoo", "HGG_*_cropped.npy"):
        stored, volume = np.load(path)[0], read_volume(path)
        wanted = stored.transpose(1, 0, 2, 3) if stored.ndim == 4 else stored[:, None]
        np.testing.assert_array_equal(volume.voxels, wanted)


def test_stacks_of_a_set(shared_data: Path) -> None:
    reading = read_folder(shared_data / "datumaro_format_zoo" / "brats_numpy_dataset")
    assert (reading.format, len(reading.splits[""])) == ("volumes", 4)
    assert reading.classes == ("overall tumor", "necrotic and non-enhancing tumor", "edema", "enhancing tumor")


@pytest.mark.parametrize(
    ("name", "pattern"), [("msd_hippocampus_nifti", "hippocampus_00*.nii.gz"), ("dcmqi_ct_seg", "*.nrrd")]
)
def test_written_labels_lie_on_the_source_grid(shared_data: Path, tmp_path: Path, name: str, pattern: str) -> None:
    for path in files(shared_data, name, pattern)[:20]:
        kind = find_volume_kind(path)
        assert kind in tuple(VOLUME_KINDS)
        labels = (read_volume(path).voxels[:, 0] > 0).astype(np.uint8)
        written = sitk.ReadImage(str(kind.write_labels(labels, path, ("background", "there"), tmp_path)))
        source = sitk.ReadImage(str(path))
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(written), labels)
        for ours, theirs in (
            (written.GetSpacing(), source.GetSpacing()),
            (written.GetOrigin(), source.GetOrigin()),
            (written.GetDirection(), source.GetDirection()),
        ):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
