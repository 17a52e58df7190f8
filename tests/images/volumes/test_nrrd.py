"""NRRD: spaces, channels, encodings, data files beside the header, and labels."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.errors import PictureError
from striate.images.volumes import VOLUME_KINDS, read_volume, read_volume_header

nrrd: Any = pytest.importorskip("nrrd")
sitk: Any = pytest.importorskip("SimpleITK")

DIRECTIONS = np.array([[0.5, 0.1, 0.0], [0.0, 0.6, 0.2], [0.0, -0.3, 2.0]])


def values(*shape: int, dtype: str = "int16") -> np.ndarray:
    return np.random.default_rng(3).integers(0, 120, shape).astype(dtype)


def save(path: Path, stored: np.ndarray, **header: Any) -> Path:
    fields = {"space": "left-posterior-superior", "space directions": DIRECTIONS, "space origin": [1.0, 2.0, 3.0]}
    fields.update(header)
    nrrd.write(str(path), stored, {name: value for name, value in fields.items() if value is not None})
    return path


@pytest.mark.parametrize("space", ["left-posterior-superior", "RAS", "LAS", "right-anterior-superior"])
@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
def test_equal_to_itk(tmp_path: Path, space: str, encoding: str) -> None:
    path = save(tmp_path / "a.nrrd", values(4, 5, 6), space=space, encoding=encoding)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.voxels[:, 0], values(4, 5, 6).transpose(2, 1, 0))
    assert read_volume_header(path).dtype == volume.voxels.dtype.name == "int16"
    if encoding == "bzip2":
        # ITK is built without it.
        return
    image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(volume.voxels[:, 0], sitk.GetArrayFromImage(image))
    for index in ((0, 0, 0), (3, 1, 4)):
        place = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((volume.geometry.affine @ [*index[::-1], 1])[:3], place, atol=1e-9)


def test_channels(tmp_path: Path) -> None:
    holes = np.vstack([np.full((1, 3), np.nan), DIRECTIONS])
    first = save(
        tmp_path / "a.nrrd",
        values(3, 4, 5, 6, dtype="uint8"),
        **{"space directions": holes, "kinds": ["RGB-color", "domain", "domain", "domain"]},
    )
    volume = read_volume(first)
    assert volume.channel_names == ("red", "green", "blue")
    np.testing.assert_array_equal(volume.voxels, values(3, 4, 5, 6, dtype="uint8").transpose(3, 0, 2, 1))
    last = np.vstack([DIRECTIONS, np.full((1, 3), np.nan)])
    kinds = ["domain", "domain", "domain", "list"]
    second = read_volume(save(tmp_path / "b.nrrd", values(4, 5, 6, 2), **{"space directions": last, "kinds": kinds}))
    assert second.voxels.shape == (6, 2, 5, 4)
    assert second.geometry.known


def test_without_a_space_only_the_spacing_is_known(tmp_path: Path) -> None:
    bare = {"space": None, "space directions": None, "space origin": None}
    volume = read_volume(save(tmp_path / "a.nrrd", values(4, 5, 6), **bare, spacings=[0.5, 0.6, 2.0]))
    assert (volume.geometry.known, volume.geometry.spacing_mm) == (False, (2.0, 0.6, 0.5))
    assert read_volume(save(tmp_path / "b.nrrd", values(4, 5), **bare)).voxels.shape == (1, 1, 5, 4)


def test_data_beside_the_header(tmp_path: Path) -> None:
    nrrd.write(str(tmp_path / "a.nhdr"), values(4, 5, 6), {"encoding": "raw"}, detached_header=True)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nhdr").voxels[:, 0], values(4, 5, 6).transpose(2, 1, 0))


@pytest.mark.parametrize("elsewhere", ["/etc/hostname", "../secret.raw", "sub/secret.raw", "link.raw"])
def test_data_elsewhere_are_never_opened(tmp_path: Path, elsewhere: str) -> None:
    folder = tmp_path / "set"
    (folder / "sub").mkdir(parents=True)
    for place in (tmp_path / "secret.raw", folder / "sub" / "secret.raw"):
        place.write_bytes(bytes(1000))
    (folder / "link.raw").symlink_to(tmp_path / "secret.raw")
    (folder / "a.nhdr").write_text(
        f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 5 6\nencoding: raw\ndata file: {elsewhere}\n"
    )
    with pytest.raises(PictureError, match="elsewhere"):
        read_volume(folder / "a.nhdr")


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (b"sizes: 4 5 6", b"sizes: 40000 50000 60000", "too-large"),
        (b"sizes: 4 5 6", b"sizes: 4 5 60", "truncated"),
        (b"sizes: 4 5 6", b"sizes: 4 five 6", "damaged"),
        (b"type: int16", b"type: block", "unsupported"),
        (b"encoding: gzip", b"encoding: hex", "unsupported"),
        (b"NRRD", b"NARD", "damaged"),
    ],
)
def test_bad_headers(tmp_path: Path, before: bytes, after: bytes, kind: str) -> None:
    path = save(tmp_path / "a.nrrd", values(4, 5, 6))
    data = path.read_bytes()
    assert before in data
    path.write_bytes(data.replace(before, after))
    with pytest.raises(PictureError) as caught:
        read_volume(path)
    assert caught.value.kind == kind


def test_changed_bytes_never_give_another_error(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.nrrd", values(6, 5, 4)).read_bytes()
    random = np.random.default_rng(5)
    for round_ in range(200):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 3):
            data[place] = random.integers(256)
        path = tmp_path / f"m{round_}.nrrd"
        path.write_bytes(data)
        with suppress(PictureError):
            read_volume(path)


def test_labels_lie_on_the_same_grid(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nrrd", values(4, 5, 6), space="RAS", patient="Jane Roe")
    labels = (values(6, 5, 4) % 3).astype(np.uint8)
    written = VOLUME_KINDS.get("nrrd").write_labels(labels, path, ("background", "front", "back"), tmp_path / "out")
    assert written.name == "a.seg.nrrd"
    assert b"Jane" not in written.read_bytes()
    ours, source = sitk.ReadImage(str(written)), sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), labels)
    np.testing.assert_allclose(ours.GetSpacing(), source.GetSpacing())
    np.testing.assert_allclose(ours.GetOrigin(), source.GetOrigin())
    np.testing.assert_allclose(ours.GetDirection(), source.GetDirection())
    assert ours.GetMetaData("Segment1_Name") == "back"
