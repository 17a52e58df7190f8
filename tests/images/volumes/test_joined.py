"""Volumes whose channels lie in files of their own."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel
import numpy as np
import pytest

from striate.errors import PictureError
from striate.images.volumes import (
    SliceSource,
    address_beside,
    channels_of,
    files_of,
    find_volume_kind,
    read_volume,
    read_volume_header,
    shared_volume,
    without_channels,
)

AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])


def save(path: Path, value: int, size: tuple[int, ...] = (6, 5, 4), dtype: str = "int16") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.full(size, value, dtype), AFFINE), path)


@pytest.fixture
def address(tmp_path: Path) -> Path:
    for value, name in enumerate(("t1", "t2", "flair"), start=1):
        save(tmp_path / f"p.1_{name}.nii.gz", value)
    return tmp_path / "p.1_{t1,t2,flair}.nii.gz"


def test_an_address_is_what_a_shell_expands(address: Path) -> None:
    assert [file.name for file in files_of(address)] == ["p.1_t1.nii.gz", "p.1_t2.nii.gz", "p.1_flair.nii.gz"]
    assert channels_of(address) == ("t1", "t2", "flair")
    assert without_channels(f"a/{address.name}") == "a/p.1.nii.gz"
    assert address_beside(address.with_name("p.1_t2.nii.gz"), ("t1", "t2", "flair")) == address
    assert address_beside(address.with_name("p.1_t1ce.nii.gz"), ("t1", "t2", "flair")) is None
    bare = address.with_name("{t1,t2,flair}.nii.gz")
    assert address_beside(address.with_name("t1.nii.gz"), ("t1", "t2", "flair")) == bare
    assert address_beside(address.with_name("pt1.nii.gz"), ("t1", "t2", "flair")) is None


def test_braces_in_the_name_of_a_file_that_is_there_mean_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a{1,2}.nii.gz"
    save(path, 7)
    assert (files_of(path), channels_of(path), without_channels("a.nii.gz")) == ((path,), (), "a.nii.gz")
    assert read_volume(path).voxels.max() == 7


def test_channels_come_in_the_order_of_the_address(address: Path) -> None:
    kind = find_volume_kind(address)
    assert kind is not None
    assert kind.name == "channel-files"
    header, volume = read_volume_header(address), read_volume(address)
    assert header.channel_names == volume.channel_names == ("t1", "t2", "flair")
    assert header.size_shw == volume.size_shw == (4, 5, 6)
    assert (header.dtype, volume.voxels.dtype) == ("int16", np.dtype("int16"))
    assert header.kind == "nifti"
    assert [np.unique(volume.voxels[:, channel]).tolist() for channel in range(3)] == [[1], [2], [3]]
    source = SliceSource(address, address.name, 0, 2)
    assert source.paths == files_of(address)
    assert source.read().channel_names == ("t1", "t2", "flair")


def test_a_file_that_changes_is_read_again(address: Path) -> None:
    assert shared_volume(address).voxels[0, 1].max() == 2
    save(files_of(address)[1], 1000, dtype="float32")
    assert shared_volume(address).voxels[0, 1].max() == 1000


def test_types_come_to_one_that_holds_both(tmp_path: Path) -> None:
    save(tmp_path / "a_x.nii.gz", 40_000, dtype="uint16")
    save(tmp_path / "a_y.nii.gz", -5)
    volume = read_volume(tmp_path / "a_{x,y}.nii.gz")
    assert (volume.voxels.min(), volume.voxels.max()) == (-5, 40_000)


def test_files_on_two_grids_are_refused(address: Path) -> None:
    save(files_of(address)[2], 3, (6, 5, 3))
    words = re.escape("its voxels (3 x 5 x 6) lie elsewhere than those of p.1_t1.nii.gz (4 x 5 x 6)")
    with pytest.raises(PictureError, match=words) as found:
        read_volume(address)
    assert found.value.kind == "channel-sizes"


def test_a_missing_file_is_named(address: Path) -> None:
    files_of(address)[1].unlink()
    assert find_volume_kind(address) is None
    with pytest.raises(PictureError, match=r"p\.1_t2\.nii\.gz"):
        read_volume(address)


def test_labels_are_named_after_the_whole(address: Path, tmp_path: Path) -> None:
    kind = find_volume_kind(address)
    assert kind is not None
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 2, 3] = 1
    written = kind.write_labels(labels, address, ("background", "lesion"), tmp_path / "out")
    assert written.name == "p.1_seg.nii.gz"
    found = nibabel.load(written)
    np.testing.assert_array_equal(found.affine, AFFINE)
    assert np.argwhere(np.asarray(found.dataobj)).tolist() == [[3, 2, 1]]
