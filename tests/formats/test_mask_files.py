"""Masks in picture files: what is stored counts, not what a viewer would show."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from striate.errors import PictureError
from striate.formats.masks.files import MaskFile, MaskValues, read_codes
from striate.structures import AnnotationSource

LEVELS = np.array([[0, 1, 2], [3, 1, 0]], np.uint8)
PALETTE = [10, 20, 30, 0, 0, 0, 255, 0, 0, 255, 255, 255]


def palette_image() -> Image.Image:
    image = Image.fromarray(LEVELS, "P")
    image.putpalette(PALETTE)
    return image


def save_png_of_depth(path: Path, bits: int) -> None:
    """A grey PNG of two or four bits, written by hand: no library at hand writes them."""
    import struct
    import zlib

    rows = b""
    for row in LEVELS.tolist():
        number = 0
        for value in row:
            number = number << bits | value
        width = (len(row) * bits + 7) // 8
        rows += b"\x00" + (number << (width * 8 - len(row) * bits)).to_bytes(width, "big")

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 3, 2, bits, 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


WRITERS: dict[str, Callable[[Path], object]] = {
    "palette.png": lambda path: palette_image().save(path),
    "palette4.png": lambda path: palette_image().save(path, bits=2),
    "palette.gif": lambda path: palette_image().save(path),
    "palette.bmp": lambda path: palette_image().save(path),
    "gray.png": lambda path: Image.fromarray(LEVELS).save(path),
    "gray.bmp": lambda path: Image.fromarray(LEVELS).save(path),
    "gray2.png": lambda path: save_png_of_depth(path, 2),
    "gray4.png": lambda path: save_png_of_depth(path, 4),
    "gray16.png": lambda path: path.write_bytes(imagecodecs.png_encode(LEVELS.astype(np.uint16))),
    "alpha.png": lambda path: Image.fromarray(np.dstack([LEVELS, LEVELS * 60])).save(path),
    "rgb.png": lambda path: Image.fromarray(np.dstack([LEVELS] * 3)).save(path),
    "rgba.png": lambda path: Image.fromarray(np.dstack([LEVELS] * 3 + [LEVELS * 60])).save(path),
    "gray.tif": lambda path: tifffile.imwrite(path, LEVELS),
    "gray16.tif": lambda path: tifffile.imwrite(path, LEVELS.astype(np.uint16)),
    "gray32.tif": lambda path: tifffile.imwrite(path, LEVELS.astype(np.int32)),
    "float.tif": lambda path: tifffile.imwrite(path, LEVELS.astype(np.float32)),
    "white-is-zero.tif": lambda path: tifffile.imwrite(path, 255 - LEVELS, photometric="miniswhite"),
    "pages.tif": lambda path: tifffile.imwrite(path, np.stack([LEVELS, LEVELS * 7]), photometric="minisblack"),
    "rgb.tif": lambda path: tifffile.imwrite(path, np.dstack([LEVELS] * 3), photometric="rgb"),
    "palette.tif": lambda path: palette_image().save(path),
    "gray.pgm": lambda path: Image.fromarray(LEVELS).save(path),
    "lossless.webp": lambda path: Image.fromarray(np.dstack([LEVELS] * 3)).save(path, lossless=True),
}


@pytest.mark.parametrize("name", WRITERS)
def test_levels_and_indices_are_read_as_stored(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    codes = read_codes(tmp_path / name)
    assert codes.levels().tolist() == LEVELS.tolist()
    assert not codes.coloured
    assert not codes.lossy
    assert codes.distinct().tolist() == [0, 1, 2, 3]
    if name.startswith("palette"):
        assert codes.packed()[0].tolist() == [0x0A141E, 0, 0xFF0000]


def test_one_bit(tmp_path: Path) -> None:
    bits = np.array([[True, False, True]])
    for name in ("a.png", "a.bmp", "a.tif", "a.gif"):
        Image.fromarray(bits).save(tmp_path / name)
        assert (read_codes(tmp_path / name).levels() > 0).tolist() == bits.tolist()


def test_colours_are_packed(tmp_path: Path) -> None:
    pixels = np.array([[[0, 0, 0], [128, 64, 0], [7, 7, 7]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    codes = read_codes(tmp_path / "a.png")
    assert codes.coloured
    assert codes.packed().tolist() == [[0, 0x804000, 0x070707]]
    assert codes.levels().tolist() == [[0, -1, 7]]


@pytest.mark.parametrize(("name", "lossy"), [("a.jpg", True), ("a.webp", True), ("b.webp", False)])
def test_lossy_kinds_are_known(tmp_path: Path, name: str, lossy: bool) -> None:
    Image.fromarray(np.dstack([LEVELS] * 3)).save(tmp_path / name, **({} if lossy else {"lossless": True}))
    assert read_codes(tmp_path / name).lossy is lossy


def test_compression_tints_no_grey(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = (255, 252, 250)
    Image.fromarray(pixels).save(tmp_path / "a.jpg")
    codes = read_codes(tmp_path / "a.jpg")
    assert not codes.coloured
    assert set(codes.distinct().tolist()) <= {0, *range(248, 256)}


def test_values_become_classes(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 10, 200], [7, 10, 255]], np.uint8)).save(tmp_path / "a.png")
    values = MaskValues(((0, 0), (10, 2), (200, 1), (255, 255)))
    mask = MaskFile(tmp_path / "a.png", "a.png", values)
    assert isinstance(mask, AnnotationSource)
    assert mask.read().classes.tolist() == [[0, 2, 1], [255, 2, 255]]
    assert mask.inspect() == (7,)
    assert pickle.loads(pickle.dumps(mask)) == mask


def test_colours_become_classes_whatever_kind_of_file_has_them(tmp_path: Path) -> None:
    values = MaskValues(((0, 0), (0xFF0000, 1), (0xFFFFFF, 255)), coloured=True)
    palette_image().save(tmp_path / "a.png")
    mask = MaskFile(tmp_path / "a.png", "a.png", values)
    assert mask.read().classes.tolist() == [[255, 0, 1], [255, 0, 255]]
    assert mask.inspect() == (0x0A141E,)
    Image.fromarray(np.array([[0, 255, 3]], np.uint8)).save(tmp_path / "b.png")
    assert MaskFile(tmp_path / "b.png", "b.png", values).read().classes.tolist() == [[0, 255, 255]]


def test_levels_beyond_all_classes_are_void(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 1, 70_000, -5]], np.int32))
    mask = MaskFile(tmp_path / "a.tif", "a.tif", MaskValues(((0, 0), (1, 1))))
    assert mask.read().classes.tolist() == [[0, 1, 255, 255]]
    assert mask.inspect() == (-5, 70_000)


def test_blurred_levels_go_to_the_nearest(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 127, 128, 250]], np.uint8)).save(tmp_path / "a.png")
    mask = MaskFile(tmp_path / "a.png", "a.png", MaskValues(((0, 0), (255, 1)), nearest=True))
    assert mask.read().classes.tolist() == [[0, 0, 1, 1]]
    assert mask.inspect() == ()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [("a.png", b"", "empty"), ("a.png", b"hello", "not-a-picture"), ("a.png", None, "missing")],
)
def test_files_that_are_no_masks(tmp_path: Path, name: str, content: bytes | None, kind: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PictureError) as caught:
        MaskFile(tmp_path / name, name, MaskValues(((0, 0),))).read()
    assert caught.value.kind == kind
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.gif"])
def test_cut_files(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(PictureError) as caught:
        read_codes(tmp_path / name)
    assert caught.value.kind in ("truncated", "damaged")
    assert caught.value.fix


def test_volumes_are_refused(tmp_path: Path) -> None:
    volume = np.zeros((4, 16, 16), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", volume, volumetric=True, tile=(4, 16, 16), photometric="minisblack")
    with pytest.raises(PictureError, match="its first page is a volume, which is not supported"):
        read_codes(tmp_path / "a.tif")


def test_runs_tell_masks_from_photographs(tmp_path: Path) -> None:
    Image.fromarray(np.repeat(np.arange(8, dtype=np.uint8), 8).reshape(8, 8)).save(tmp_path / "mask.png")
    assert read_codes(tmp_path / "mask.png").run_length() == 8
    noise = np.random.default_rng(0).integers(0, 255, (32, 32), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    assert read_codes(tmp_path / "noise.png").run_length() < 1.1
