"""What every registered kind of picture file must satisfy."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image

from striate.errors import PictureError
from striate.images import KINDS, PICTURE_SUFFIXES, PictureKind, read_header, read_picture, sniff_kind
from striate.images.kinds import HEAD_BYTES

PIXELS = np.random.default_rng(1).integers(0, 255, (20, 30, 3), dtype=np.uint8)


def by_pillow(name: str) -> Callable[[], bytes]:
    def make() -> bytes:
        out = io.BytesIO()
        Image.fromarray(PIXELS).save(out, name)
        return out.getvalue()

    return make


def tiff() -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, PIXELS, photometric="rgb")
    return out.getvalue()


def dicom() -> bytes:
    dataset = pydicom.Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = "1.2.3"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PlanarConfiguration = 20, 30, 3, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PhotometricInterpretation = "RGB"
    dataset.PixelData = PIXELS.tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


SAMPLES: dict[str, Callable[[], bytes]] = {
    "jpeg": by_pillow("JPEG"),
    "png": by_pillow("PNG"),
    "webp": by_pillow("WEBP"),
    "bmp": by_pillow("BMP"),
    "gif": by_pillow("GIF"),
    "netpbm": by_pillow("PPM"),
    "tiff": tiff,
    "dicom": dicom,
}
"""A colour picture of 20 x 30 pixels of each kind. A new kind adds its own here."""

kinds = pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: kind.name)


@kinds
def test_it_is_described(kind: PictureKind) -> None:
    assert kind.name in SAMPLES, "add a sample of the new kind above"
    assert kind.title
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in kind.suffixes)
    assert set(kind.suffixes) <= PICTURE_SUFFIXES
    others = {suffix for other in KINDS if other is not kind for suffix in other.suffixes}
    assert not others & set(kind.suffixes)


@kinds
def test_it_recognises_its_own_and_nothing_else(tmp_path: Path, kind: PictureKind) -> None:
    for name, make in SAMPLES.items():
        assert kind.recognises(make()[:HEAD_BYTES]) == (name == kind.name)
    for junk in (b"", b"\0", b"B", b"P", b"II", b"RIFF", b"some words of text in a file", bytes(HEAD_BYTES)):
        assert not kind.recognises(junk)
    path = tmp_path / "misnamed.xyz"
    path.write_bytes(SAMPLES[kind.name]())
    assert sniff_kind(path) == kind.name


@kinds
def test_header_and_pixels_agree(tmp_path: Path, kind: PictureKind) -> None:
    path = tmp_path / f"a{kind.suffixes[0]}"
    path.write_bytes(SAMPLES[kind.name]())
    header, picture = read_header(path), read_picture(path)
    assert header.kind == kind.name
    assert header.size_hw == picture.size_hw == (20, 30)
    assert header.channel_names == picture.channel_names == ("red", "green", "blue")
    assert header.dtype == picture.pixels.dtype.name == "uint8"
    assert picture.pixels.flags["C_CONTIGUOUS"]
    assert read_picture(path, (1, 1)).channels == 3
    assert min(read_picture(path, (9, 9)).size_hw) >= 9


@kinds
@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.8])
def test_a_cut_file_is_a_picture_error(tmp_path: Path, kind: PictureKind, share: float) -> None:
    whole = SAMPLES[kind.name]()
    path = tmp_path / "cut"
    path.write_bytes(whole[: max(4, int(len(whole) * share))])
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert caught.value.kind in ("truncated", "damaged", "not-a-picture")
    assert str(path) in str(caught.value)
    assert caught.value.fix


@kinds
def test_noise_never_gives_another_error(tmp_path: Path, kind: PictureKind) -> None:
    """Bytes changed at random: a picture or a `PictureError`, nothing else."""
    whole = SAMPLES[kind.name]()
    generator = np.random.default_rng(3)
    path = tmp_path / "noisy"
    for _ in range(60):
        data = bytearray(whole)
        for position in generator.integers(0, len(data) if generator.random() < 0.5 else 200, 4):
            data[position] = generator.integers(0, 256)
        path.write_bytes(data)
        for read in (read_header, read_picture):
            try:
                read(path)
            except PictureError as error:
                assert error.fix  # noqa: PT017
