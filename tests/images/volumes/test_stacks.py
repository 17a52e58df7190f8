"""TIFF and NumPy stacks as volumes, and what stays a picture."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from striate.errors import PictureError
from striate.images import read_header, read_picture
from striate.images.volumes import VOLUME_KINDS, find_volume_kind, read_volume, read_volume_header


def values(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(3).integers(0, 200, shape).astype(dtype)


def name_of(path: Path) -> str | None:
    kind = find_volume_kind(path)
    return None if kind is None else kind.name


def save_imagej(path: Path, axes: str, *shape: int, **about: Any) -> Path:
    tifffile.imwrite(path, values(*shape), imagej=True, metadata={"axes": axes, **about}, resolution=(2.0, 4.0))
    return path


@pytest.mark.parametrize(
    ("axes", "shape", "order", "names"),
    [
        ("ZYX", (5, 6, 7), (0, 1, 2), ("gray",)),
        ("TYX", (5, 6, 7), (0, 1, 2), ("gray",)),
        ("ZCYX", (5, 2, 6, 7), (0, 1, 2, 3), ("gray", "alpha")),
        ("TZYX", (3, 5, 6, 7), (1, 0, 2, 3), ("time 0", "time 1", "time 2")),
    ],
)
def test_axes_of_imagej(
    tmp_path: Path, axes: str, shape: tuple[int, ...], order: tuple[int, ...], names: tuple[str, ...]
) -> None:
    path = save_imagej(tmp_path / "a.tif", axes, *shape)
    assert name_of(path) == "tiff-stack"
    volume, header = read_volume(path), read_volume_header(path)
    expected = values(*shape).transpose(order)
    np.testing.assert_array_equal(volume.voxels, expected if expected.ndim == 4 else expected[:, None])
    assert (header.size_shw, header.dtype) == (volume.size_shw, "uint16")
    if axes != "ZCYX":
        assert volume.channel_names == header.channel_names == names
    else:
        assert volume.channel_names == ("channel 0", "channel 1")


def test_sizes_of_imagej(tmp_path: Path) -> None:
    volume = read_volume(save_imagej(tmp_path / "a.tif", "ZYX", 5, 6, 7, spacing=3.0, unit="um"))
    np.testing.assert_allclose(volume.geometry.spacing_mm, (0.003, 0.00025, 0.0005), rtol=1e-6)
    assert volume.geometry.known
    assert volume.geometry.letters == "SPL"
    unsaid = read_volume(save_imagej(tmp_path / "b.tif", "ZYX", 5, 6, 7))
    assert not unsaid.geometry.known
    assert any("size of voxels" in note for note in unsaid.notes)


def test_ome(tmp_path: Path) -> None:
    about = {
        "axes": "TCZYX",
        **{f"PhysicalSize{axis}": size for axis, size in zip("XYZ", (0.5, 0.25, 2000), strict=True)},
        "PhysicalSizeZUnit": "nm",
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", values(2, 3, 4, 5, 6), ome=True, metadata=about)
    volume = read_volume(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(volume.voxels, values(2, 3, 4, 5, 6).transpose(2, 0, 1, 3, 4).reshape(4, 6, 5, 6))
    assert volume.channel_names[3] == "time 1 channel 0"
    np.testing.assert_allclose(volume.geometry.spacing_mm, (0.002, 0.00025, 0.0005))


def test_pages_are_slices_and_stay_a_picture_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for page in values(4, 6, 7, 3, dtype="uint8"):
            file.write(page, photometric="rgb", metadata=None)
    volume = read_volume(path)
    assert volume.channel_names == ("red", "green", "blue")
    np.testing.assert_array_equal(volume.voxels, values(4, 6, 7, 3, dtype="uint8").transpose(0, 3, 1, 2))
    assert read_header(path).frames == 4
    np.testing.assert_array_equal(read_picture(path).pixels, volume.voxels[0])


def test_dark_and_light_swapped(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values(4, 6, 7), photometric="miniswhite", metadata=None)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.tif").voxels[:, 0], 65535 - values(4, 6, 7))


def test_one_plane_is_a_picture(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values(6, 7))
    tifffile.imwrite(tmp_path / "b.tif", values(5, 6, 7))
    save_imagej(tmp_path / "c.tif", "CYX", 5, 6, 7)
    for path in sorted(tmp_path.iterdir()):
        assert name_of(path) is None
        assert read_picture(path).pixels.shape[1:] == (6, 7)
        with pytest.raises(PictureError):
            read_volume(path)


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((5, 6, 7), "SHW"),
        ((5, 6, 7, 2), "SHWC"),
        ((5, 2, 6, 7), "SCHW"),
        ((2, 5, 6, 7), "CSHW"),
        ((9, 4, 4, 4), "SHWC"),
        ((3, 3, 4, 4), "SCHW"),
        ((1, 5, 6, 7), "BSHW"),
        ((1, 6, 7, 3), "SHWC"),
        ((1, 4, 2, 5, 1), "BCSHW"),
        ((1, 6, 7, 8, 2), "BSHWC"),
        ((6, 7, 3), None),
        ((6, 7), None),
        ((2, 3, 4, 5, 6), None),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays(tmp_path: Path, shape: tuple[int, ...], order: str | None, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, values(*shape))
    else:
        np.savez_compressed(path, scan=values(*shape))
    if order is None:
        assert name_of(path) is None
        return
    assert name_of(path) == "array-stack"
    volume = read_volume(path)
    wanted = np.einsum(f"{order}->{'SCHW' if 'C' in order else 'SHW'}", values(*shape))
    np.testing.assert_array_equal(volume.voxels, wanted if wanted.ndim == 4 else wanted[:, None])
    header = read_volume_header(path)
    assert (header.size_shw, header.channel_names) == (volume.size_shw, volume.channel_names)


def test_arrays_that_are_no_volume(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[["x"] * 6] * 5] * 4))
    np.save(tmp_path / "b.npy", np.array([[[None] * 6] * 5] * 4), allow_pickle=True)
    np.savez(tmp_path / "c.npz", train=values(5, 6, 7), test=values(5, 6, 7))
    (tmp_path / "d.npy").write_bytes(b"\x93NUMPY\x01\x00")
    for path in sorted(tmp_path.iterdir()):
        assert name_of(path) is None


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.tif"])
def test_files_that_were_cut(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.npy":
        np.save(path, values(50, 60, 70))
    elif name == "a.npz":
        np.savez_compressed(path, values(50, 60, 70))
    else:
        tifffile.imwrite(path, values(50, 60, 70), imagej=True, metadata={"axes": "ZYX"})
    path.write_bytes(path.read_bytes()[:-300_000])
    with pytest.raises(PictureError) as caught:
        read_volume(path)
    assert caught.value.kind in ("truncated", "not-a-picture", "empty")


def test_changed_bytes_never_give_another_error(tmp_path: Path) -> None:
    save_imagej(tmp_path / "a.tif", "ZYX", 5, 6, 7, spacing=3.0, unit="um")
    np.save(tmp_path / "a.npy", values(5, 6, 7))
    np.savez(tmp_path / "a.npz", values(5, 6, 7))
    random = np.random.default_rng(5)
    for whole in sorted(tmp_path.glob("a.*")):
        bytes_ = whole.read_bytes()
        for round_ in range(100):
            data = bytearray(bytes_)
            for place in random.integers(0, min(len(data), 400), 3):
                data[place] = random.integers(256)
            path = tmp_path / f"m{round_}{whole.suffix}"
            path.write_bytes(data)
            with suppress(PictureError):
                read_volume(path)


@pytest.mark.parametrize("kind", ["tiff-stack", "array-stack"])
def test_labels_are_stacks_of_the_same_size(tmp_path: Path, kind: str) -> None:
    if kind == "tiff-stack":
        path = save_imagej(tmp_path / "a.tif", "ZYX", 5, 6, 7, spacing=3.0, unit="um")
    else:
        path = tmp_path / "a.npy"
        np.save(path, values(5, 6, 7))
    labels = (values(5, 6, 7) % 3).astype(np.uint8)
    written = VOLUME_KINDS.get(kind).write_labels(labels, path, ("background", "front", "back"), tmp_path / "out")
    volume = read_volume(written)
    np.testing.assert_array_equal(volume.voxels[:, 0], labels)
    np.testing.assert_allclose(volume.geometry.affine, read_volume(path).geometry.affine, rtol=1e-5)
