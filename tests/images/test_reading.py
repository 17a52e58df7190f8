"""Every kind of file that a person may bring, read as it is stored."""

from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import PictureError
from striate.images import (
    KINDS,
    PICTURE_SUFFIXES,
    FileSource,
    is_picture_path,
    read_header,
    read_picture,
    sniff_kind,
)


def ramp(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 250, shape).astype(dtype)


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, colour: int, rows: list[bytes], extra: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + extra + body + chunk(b"IEND", b"")


def agrees_with_header(path: Path) -> None:
    picture, header = read_picture(path), read_header(path)
    assert header.size_hw == picture.size_hw
    assert header.channel_names == picture.channel_names
    assert header.dtype == picture.pixels.dtype.name
    assert header.bit_depth == picture.bit_depth
    assert header.channels == picture.channels


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".gif", ".tif", ".ppm"])
def test_colour_in_every_kind(tmp_path: Path, suffix: str) -> None:
    pixels = np.zeros((5, 9, 3), np.uint8)
    pixels[:, 4:] = (200, 100, 40)
    path = save(tmp_path / f"picture{suffix}", pixels)
    picture = read_picture(path)
    assert picture.size_hw == (5, 9)
    assert picture.channel_names == ("red", "green", "blue")
    assert picture.source == str(path)
    if suffix not in (".jpg", ".webp"):
        np.testing.assert_array_equal(picture.pixels, pixels.transpose(2, 0, 1))
    agrees_with_header(path)


def test_lossless_webp_with_alpha(tmp_path: Path) -> None:
    pixels = ramp(6, 7, 4)
    path = save(tmp_path / "a.webp", pixels, lossless=True, exact=True)
    np.testing.assert_array_equal(read_picture(path).pixels, pixels.transpose(2, 0, 1))
    agrees_with_header(path)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "quality": 97}])
def test_jpeg_equals_pillow_to_the_last_bit(tmp_path: Path, mode: str, options: dict[str, object]) -> None:
    pixels = ramp(37, 51) if mode == "L" else ramp(37, 51, 3)
    path = save(tmp_path / "a.jpg", pixels, **options)
    expected = np.asarray(Image.open(path)).reshape(37, 51, -1).transpose(2, 0, 1)
    np.testing.assert_array_equal(read_picture(path).pixels, expected)
    agrees_with_header(path)


def test_jpeg_that_stores_rgb_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(ramp(16, 16, 3)).save(path, keep_rgb=True, quality=100)
    expected = np.asarray(Image.open(path)).transpose(2, 0, 1)
    np.testing.assert_array_equal(read_picture(path).pixels, expected)


def test_cmyk_jpeg_becomes_rgb_by_the_stated_rule(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[..., 0], ink[..., 3] = 255, 51
    Image.fromarray(ink, "CMYK").save(path, quality=100)
    red, green, blue = read_picture(path).pixels[:, 8, 8].tolist()
    # (255 - 255)(255 - 51) / 255 = 0 and (255 - 0)(255 - 51) / 255 = 204, give or take the compression.
    assert abs(red) <= 3
    assert abs(green - 204) <= 3
    assert abs(blue - 204) <= 3
    assert read_header(path).notes == ("CMYK, turned into RGB without its colour profile",)
    agrees_with_header(path)


def test_jpeg_at_reduced_scale_is_never_too_small(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", ramp(400, 300, 3))
    sizes = {want: read_picture(path, (want, want)).size_hw for want in (30, 37, 38, 75, 149, 151, 300, 999)}
    assert sizes[30] == (50, 38)
    assert sizes[75] == (100, 75)
    assert sizes[149] == (200, 150)
    assert sizes[151] == sizes[300] == sizes[999] == (400, 300)
    for want, size_hw in sizes.items():
        assert min(size_hw) >= min(want, 300)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_orientation_is_undone(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = np.zeros((24, 40, 3), np.uint8)
    upright[:8, :8] = 255
    # How a camera stores it: the inverse of what a viewer does for this value.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {".tif": {}, ".jpg": {"quality": 100}}.get(suffix, {"lossless": True})
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, **options)
    picture = read_picture(path)
    assert picture.size_hw == (24, 40)
    np.testing.assert_allclose(picture.pixels.transpose(1, 2, 0), upright, atol=3)
    agrees_with_header(path)
    assert read_header(path).orientation == orientation


@pytest.mark.parametrize("orientation", [1, 6])
def test_reduced_scale_minds_orientation(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.jpg", ramp(80, 400, 3), exif=exif)
    size_hw = (80, 400) if orientation == 1 else (400, 80)
    assert read_picture(path).size_hw == size_hw
    assert read_picture(path, (size_hw[0] // 4, size_hw[1] // 4)).size_hw == (size_hw[0] // 4, size_hw[1] // 4)


def test_png_keeps_16_bits_with_any_channels(tmp_path: Path) -> None:
    words = struct.pack(">4H", 1, 258, 65535, 40000)
    for colour, count, names in ((0, 1, "gray"), (4, 2, "gray alpha"), (2, 3, "red green blue"), (6, 4, "x x x alpha")):
        path = tmp_path / f"{colour}.png"
        path.write_bytes(png(1, 1, 16, colour, [words[: 2 * count]]))
        picture = read_picture(path)
        assert picture.pixels.dtype == np.uint16
        assert picture.pixels[:, 0, 0].tolist() == [1, 258, 65535, 40000][:count]
        assert picture.channels == len(names.split())
        agrees_with_header(path)


def test_png_of_few_bits_is_stretched(tmp_path: Path) -> None:
    cases = {1: ([b"\xa0"], 3, [255, 0, 255]), 2: ([b"\x1b"], 4, [0, 85, 170, 255]), 4: ([b"\x1f"], 2, [17, 255])}
    for depth, (rows, width, expected) in cases.items():
        path = tmp_path / f"{depth}.png"
        path.write_bytes(png(width, 1, depth, 0, rows))
        picture = read_picture(path)
        assert picture.channel_names == ("gray",)
        assert picture.pixels[0, 0].tolist() == expected
        agrees_with_header(path)


def test_png_palette_and_transparent_colours(tmp_path: Path) -> None:
    palette = chunk(b"PLTE", bytes((1, 2, 3, 4, 5, 6)))
    cases = {
        "palette": (png(2, 1, 8, 3, [b"\0\1"], palette), [[1, 4], [2, 5], [3, 6]]),
        "palette and alpha": (
            png(2, 1, 8, 3, [b"\0\1"], palette + chunk(b"tRNS", b"\x80")),
            [[1, 4], [2, 5], [3, 6], [128, 255]],
        ),
        "gray key": (png(2, 1, 8, 0, [b"\x1f\x20"], chunk(b"tRNS", b"\0\x20")), [[31, 32], [255, 0]]),
        "colour key": (
            png(2, 1, 8, 2, [b"\1\2\3\4\5\6"], chunk(b"tRNS", b"\0\1\0\2\0\3")),
            [[1, 4], [2, 5], [3, 6], [0, 255]],
        ),
    }
    for name, (data, expected) in cases.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(data)
        assert read_picture(path).pixels[:, 0].tolist() == expected, name
        agrees_with_header(path)


def test_gif_gives_its_first_frame_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert read_picture(path).pixels[:, 0, 0].tolist() == [255, 0, 0]
    header = read_header(path)
    assert header.frames == 3
    assert header.notes == ("holds 3 frames, of which the first is read",)


def test_gif_transparency_becomes_alpha(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    image.save(path, transparency=1)
    picture = read_picture(path)
    assert picture.channel_names == ("red", "green", "blue", "alpha")
    assert picture.pixels[3, 0].tolist() == [255, 0]
    agrees_with_header(path)


def test_one_bit_bmp(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    Image.fromarray(np.array([[True, False]])).save(path)
    assert read_picture(path).pixels.tolist() == [[[255, 0]]]


@pytest.mark.parametrize(
    ("data", "expected", "dtype"),
    [
        (b"P2 # gray\n2 1\n255\n7 250\n", [[[7, 250]]], "uint8"),
        (b"P5\n2 1\n255\n\x07\xfa", [[[7, 250]]], "uint8"),
        (b"P5\n2 1\n15\n\x00\x0f", [[[0, 255]]], "uint8"),
        (b"P5\n2 1\n65535\n\x01\x02\xff\xff", [[[258, 65535]]], "uint16"),
        (b"P5\n2 1\n4095\n\x0f\xff\x00\x01", [[[4095, 1]]], "uint16"),
        (b"P6\n1 1\n65535\n\x00\x01\x00\x02\x01\x00", [[[1]], [[2]], [[256]]], "uint16"),
        (b"P3\n1 1\n255\n1 2 3", [[[1]], [[2]], [[3]]], "uint8"),
        (b"P1\n3 1\n010", [[[255, 0, 255]]], "uint8"),
        (b"P4\n3 1\n\x40", [[[255, 0, 255]]], "uint8"),
        (b"Pf\n1 2\n-1.0\n" + struct.pack("<2f", 1.5, -2.0), [[[-2.0], [1.5]]], "float32"),
    ],
)
def test_netpbm(tmp_path: Path, data: bytes, expected: list[object], dtype: str) -> None:
    path = tmp_path / "a.pnm"
    path.write_bytes(data)
    picture = read_picture(path)
    assert picture.pixels.tolist() == expected
    assert picture.pixels.dtype.name == dtype
    agrees_with_header(path)


def test_what_a_file_is_counts_and_not_its_name(tmp_path: Path) -> None:
    path = tmp_path / "really.jpg"
    Image.fromarray(ramp(3, 3, 3)).save(path, "PNG")
    assert sniff_kind(path) == "png"
    np.testing.assert_array_equal(read_picture(path).pixels, np.asarray(Image.open(path)).transpose(2, 0, 1))


def test_names_of_pictures() -> None:
    assert is_picture_path(Path("a/B.JPEG"))
    assert not is_picture_path(Path("a/.jpg"))
    assert not is_picture_path(Path("a/._b.jpg"))
    assert not is_picture_path(Path("notes.txt"))
    assert {suffix for kind in KINDS for suffix in kind.suffixes} == PICTURE_SUFFIXES


def whole_jpeg() -> bytes:
    out = io.BytesIO()
    Image.fromarray(ramp(64, 64, 3)).save(out, "JPEG")
    return out.getvalue()


def whole_png() -> bytes:
    out = io.BytesIO()
    Image.fromarray(ramp(64, 64, 3)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".gif", ".webp", ".bmp", ".ppm"])
def test_truncated_files(tmp_path: Path, suffix: str, share: float) -> None:
    whole = save(tmp_path / f"whole{suffix}", ramp(64, 64, 3)).read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: max(20, int(len(whole) * share))])
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert caught.value.kind in ("truncated", "damaged")
    assert str(path) in str(caught.value)
    assert "again from its origin" in caught.value.fix
    if share > 0.5 and suffix not in (".tif",):
        assert caught.value.kind == "truncated"


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        (b"", "empty", "the file is empty (0 bytes)"),
        (b"just some words\n", "not-a-picture", "it holds text"),
        (b"\n<!DOCTYPE html><html>", "not-a-picture", "it is a web page or XML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not-a-picture", "it is a Git LFS pointer"),
        (b"\x00\x01\x02\x03\x04\x05\x06\x07\x08", "not-a-picture", "begins with 00 01 02 03"),
        (whole_png().replace(b"\r\n", b"\n"), "line-endings-damaged", "line endings were converted"),
        (whole_png().replace(b"\n", b"\r\n"), "line-endings-damaged", "line endings were converted"),
        (whole_png()[:4000] + b"\0\0\0\0" + whole_png()[4004:], "damaged", "damaged and cannot be decoded"),
        (whole_jpeg()[:2] + b"junk" + whole_jpeg()[2:], "not-a-picture", "begins with ff d8"),
        (png(60_000, 60_000, 8, 0, [b""]), "too-large", "60000 x 60000 = 3600 million pixels"),
        (b"P5\n99999 99999\n255\n", "too-large", "at most 179 million are read"),
        (b"P5\n4 4\n255\nabc", "truncated", "3 of 16 values are there"),
        (b"P5\n0 4\n255\n", "truncated", "nothing to see"),
    ],
)
def test_files_that_are_no_pictures(tmp_path: Path, data: bytes, kind: str, says: str) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(data)
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert caught.value.kind == kind
    assert says in str(caught.value)
    assert caught.value.fix


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="there is no such file") as caught:
        read_picture(tmp_path / "nothing.png")
    assert caught.value.kind == "missing"
    with pytest.raises(PictureError):
        read_picture(tmp_path)


def test_a_source_travels_to_another_process(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", ramp(3, 4))
    source = pickle.loads(pickle.dumps(FileSource(path, "class/a.png")))
    assert source.name == "class/a.png"
    assert source.read().size_hw == (3, 4)


def test_errors_travel_to_another_process(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(PictureError) as caught:
        read_picture(tmp_path / "a.png")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.kind, str(copy)) == ("empty", str(caught.value))


def test_import_loads_no_decoder() -> None:
    heavy = ("torch", "PIL", "tifffile", "imagecodecs")
    code = f"import striate.images, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
