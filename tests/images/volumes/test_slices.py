"""Slices of volumes as pictures and masks."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.errors import PictureError
from striate.images.volumes import (
    VOLUME_KINDS,
    LabelSlice,
    SliceSource,
    put_slice,
    read_volume,
    read_volume_header,
    upright_size,
)
from striate.structures import VOID

nibabel: Any = pytest.importorskip("nibabel")

AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])


def save(path: Path, stored: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nibabel.save(nibabel.Nifti1Image(stored, affine), path)
    return path


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 120, shape).astype(np.int16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(tmp_path / "a.nii.gz", values(4, 5, 6))


@pytest.mark.parametrize(("plane", "spacing"), [(0, (3.0, 2.0)), (1, (4.0, 2.0)), (2, (4.0, 3.0))])
def test_each_plane(path: Path, plane: int, spacing: tuple[float, float]) -> None:
    upright = read_volume(path).upright()
    assert upright_size(read_volume_header(path)) == upright.size_shw == (6, 5, 4)
    picture = SliceSource(path, "a.nii.gz", plane, 2).read()
    assert picture.spacing_mm == pytest.approx(spacing)
    expected = np.take(upright.voxels[:, 0], 2, axis=plane)
    np.testing.assert_array_equal(picture.pixels[0], expected if plane == 0 else expected[::-1])
    assert picture.levels == upright.levels


def test_neighbours_repeat_at_the_ends(path: Path) -> None:
    upright = read_volume(path).upright().voxels[:, 0]
    picture = SliceSource(path, "a.nii.gz", 0, 0, neighbours=2).read()
    np.testing.assert_array_equal(picture.pixels, upright[[0, 0, 0, 1, 2]])
    assert picture.channel_names[1:4] == ("slice -1", "slice +0", "slice +1")


def test_channels_of_neighbours_are_named(tmp_path: Path) -> None:
    path = save(tmp_path / "t.nii", values(4, 5, 6, 2))
    picture = SliceSource(path, "t.nii", 0, 3, neighbours=1).read()
    assert picture.channel_names[:3] == ("slice -1 time 0", "slice -1 time 1", "slice +0 time 0")
    upright = read_volume(path).upright().voxels
    np.testing.assert_array_equal(picture.pixels, upright[2:5].reshape(6, 5, 4))


def test_one_read_serves_all_slices_and_threads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, reads = VOLUME_KINDS.get("nifti"), []
    original = type(kind).read
    monkeypatch.setattr(type(kind), "read", lambda self, path: reads.append(path) or original(self, path))
    sources = [SliceSource(path, "a.nii.gz", plane, index) for plane in range(3) for index in range(4)]
    sources = pickle.loads(pickle.dumps(sources))
    first = sources[0].read()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(SliceSource.read, sources))
    np.testing.assert_array_equal(found[0].pixels, first.pixels)
    assert len(reads) == 1


def test_a_slice_that_is_gone(path: Path) -> None:
    with pytest.raises(PictureError) as caught:
        SliceSource(path, "a.nii.gz", 0, 6).read()
    assert caught.value.kind == "size-mismatch"


def test_labels_fall_on_their_slices_and_back(path: Path, tmp_path: Path) -> None:
    label = save(tmp_path / "l.nii.gz", (values(4, 5, 6) % 4).astype(np.uint8))
    table = ((0, 0), (2, 1), (3, 2))
    for plane in range(3):
        put = np.zeros((6, 5, 4), np.uint8)
        for index in range(put.shape[plane]):
            put_slice(put, plane, index, LabelSlice(label, "l.nii.gz", plane, index, table).read().classes)
        upright = read_volume(label).upright().voxels[:, 0]
        expected = np.select([upright == 0, upright == 2, upright == 3], [0, 1, 2], VOID)
        np.testing.assert_array_equal(put, expected)


def test_labels_on_a_coarser_grid_take_the_nearest(path: Path, tmp_path: Path) -> None:
    coarse = AFFINE.copy()
    coarse[2, 2], coarse[2, 3] = 8.0, 2.0
    label = save(tmp_path / "l.nii.gz", (values(4, 5, 3) % 2).astype(np.uint8), coarse)
    masks = [LabelSlice(label, "l.nii.gz", 0, index, ((0, 0), (1, 1)), like=path).read().classes for index in range(6)]
    expected = read_volume(label).upright().voxels[:, 0]
    for index in range(6):
        np.testing.assert_array_equal(masks[index], expected[index // 2])


def test_labels_elsewhere_are_refused(path: Path, tmp_path: Path) -> None:
    far = AFFINE.copy()
    far[0, 3] = 500.0
    label = save(tmp_path / "l.nii.gz", (values(4, 5, 6) % 2).astype(np.uint8), far)
    with pytest.raises(PictureError, match="do not belong together") as caught:
        LabelSlice(label, "l.nii.gz", 0, 0, ((0, 0), (1, 1)), like=path).read()
    assert caught.value.kind == "mask-on-another-grid"
