"""DICOM files as pictures: what stored numbers become, and what is refused in which words."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)

from striate.errors import MissingPartError, PictureError
from striate.images import Header, read_header, read_picture, sniff_kind
from striate.images.dicom_files import is_dicom_head
from striate.structures import Picture

Write = Callable[..., Path]
STORED = np.arange(20, dtype=np.int16).reshape(4, 5)


def both(path: Path) -> tuple[Picture, Header]:
    picture, header = read_picture(path), read_header(path)
    assert header.size_hw == picture.size_hw
    assert header.channel_names == picture.channel_names
    assert header.dtype == picture.pixels.dtype.name
    assert header.kind == "dicom"
    return picture, header


@pytest.mark.parametrize(
    ("dtype", "becomes"),
    [("uint8", "uint8"), ("int8", "int16"), ("uint16", "uint16"), ("int16", "int16"), ("uint32", "float32")],
)
def test_stored_values_without_rescale_stay(dicom: Write, dtype: str, becomes: str) -> None:
    picture, header = both(dicom(STORED.astype(dtype), Modality="MR"))
    assert picture.pixels.dtype.name == becomes
    np.testing.assert_array_equal(picture.pixels[0], STORED)
    assert header.notes == (("32-bit values, turned into the nearest float32",) if dtype == "uint32" else ())


@pytest.mark.parametrize(
    ("slope", "intercept", "bits", "becomes"),
    [
        (1, -1024, 12, "int16"),
        (2, 0, 12, "int16"),
        (8, 0, 13, "uint16"),
        (0.5, 0, 12, "float32"),
        (1, 0.25, 12, "float32"),
        (1, -1024, 16, "float32"),
    ],
)
def test_rescaled_values_stay_whole_where_all_that_may_come_fit(
    dicom: Write, slope: float, intercept: float, bits: int, becomes: str
) -> None:
    stored = STORED.astype(np.uint16)
    picture, _ = both(dicom(stored, BitsStored=bits, RescaleSlope=slope, RescaleIntercept=intercept))
    assert picture.pixels.dtype.name == becomes
    np.testing.assert_array_equal(picture.pixels[0], stored.astype(float) * slope + intercept)
    assert picture.levels is not None
    assert picture.levels.unit == "HU"


def test_the_window_of_the_file_in_values_that_are_read(dicom: Write) -> None:
    tags = {"WindowCenter": [40, 600], "WindowWidth": [401, 1600], "RescaleSlope": 1, "RescaleIntercept": 0}
    assert read_picture(dicom(STORED, **tags)).levels.window == (-160.5, 239.5)
    exact = dicom(STORED, **tags, VOILUTFunction="LINEAR_EXACT")
    assert read_picture(exact).levels.window == (-160.5, 240.5)
    assert read_picture(dicom(STORED, WindowCenter=40, WindowWidth=1)).levels.window is None


def test_monochrome1_is_turned_with_its_window(dicom: Write) -> None:
    stored = STORED.astype(np.uint16)
    path = dicom(
        stored, Modality="DX", BitsStored=10, PhotometricInterpretation="MONOCHROME1", WindowCenter=11, WindowWidth=21
    )
    picture, header = both(path)
    np.testing.assert_array_equal(picture.pixels[0], 1023 - stored)
    assert picture.pixels.dtype == np.uint16
    assert picture.levels.window == (1023 - 20.5, 1023 - 0.5)
    assert header.notes == ("MONOCHROME1, turned so that larger is brighter",)


def test_hounsfield_units_are_never_turned(dicom: Write) -> None:
    path = dicom(STORED, PhotometricInterpretation="MONOCHROME1", RescaleIntercept=-1000, RescaleSlope=1, BitsStored=12)
    picture, header = both(path)
    np.testing.assert_array_equal(picture.pixels[0], STORED - 1000)
    assert "kept since its values are measured" in header.notes[0]


def test_spacing_and_padding(dicom: Write) -> None:
    picture, header = both(dicom(STORED, PixelSpacing=[0.5, 0.25], PixelPaddingValue=-2000))
    assert picture.spacing_mm == (0.5, 0.25)
    assert header.notes == ("pixels stored as -2000 are padding",)
    picture, header = both(dicom(STORED, ImagerPixelSpacing=[0.1, 0.2]))
    assert picture.spacing_mm == (0.1, 0.2)
    assert header.notes == ("size of pixels is that at the detector, not in the body",)
    assert read_picture(dicom(STORED)).spacing_mm is None
    assert read_picture(dicom(STORED, PixelSpacing=[0, 1])).spacing_mm is None


@pytest.mark.parametrize("rle", [False, True])
def test_the_first_of_several_frames_is_read(dicom: Write, rle: bool) -> None:
    stored = np.stack([STORED, STORED + 100])
    picture, header = both(dicom(stored, frames=2, rle=rle))
    np.testing.assert_array_equal(picture.pixels[0], STORED)
    assert header.frames == 2
    assert header.notes == ("holds 2 frames, of which the first is read",)


def test_colours(dicom: Write) -> None:
    rgb = np.random.default_rng(2).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    picture, header = both(dicom(rgb, SamplesPerPixel=3, Modality="OT"))
    np.testing.assert_array_equal(picture.pixels, rgb.transpose(2, 0, 1))
    assert picture.levels is None
    ybr = pydicom.pixels.convert_color_space(rgb, "RGB", "YBR_FULL")
    picture, header = both(dicom(ybr, SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL"))
    assert np.abs(picture.pixels.astype(int) - rgb.transpose(2, 0, 1)).max() <= 2
    assert header.notes == ("YBR_FULL, turned into RGB",)
    wide = rgb.astype(np.uint16) * 257
    assert read_picture(dicom(wide, SamplesPerPixel=3)).pixels.dtype == np.uint16


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_becomes_rgb_even_with_more_entries_than_its_colours_have_values(dicom: Write, bits: int) -> None:
    entries, first = 300, 10
    table = np.random.default_rng(3).integers(0, 2**bits, (3, entries)).astype(f"u{bits // 8}")
    stored = np.array([[0, 10, 11, 250], [300, 309, 310, 400]], np.uint16)
    tags = {}
    for colour, values in zip(("Red", "Green", "Blue"), table, strict=True):
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [entries, first, bits]
        tags[f"{colour}PaletteColorLookupTableData"] = values.tobytes()
    picture, header = both(dicom(stored, PhotometricInterpretation="PALETTE COLOR", Modality="US", **tags))
    np.testing.assert_array_equal(picture.pixels, table[:, np.clip(stored.astype(int) - first, 0, entries - 1)])
    assert picture.pixels.dtype.itemsize * 8 == bits
    assert header.notes == ("PALETTE COLOR, turned into RGB",)


def test_a_modality_table_is_applied(dicom: Write) -> None:
    item = pydicom.Dataset()
    item.LUTDescriptor = [20, 0, 16]
    item.add_new("LUTData", "US", [int(value) for value in range(1000, 3000, 100)])
    item.ModalityLUTType = "US"
    picture, _ = both(dicom(STORED.astype(np.uint16), Modality="MR", ModalityLUTSequence=pydicom.Sequence([item])))
    np.testing.assert_array_equal(picture.pixels[0], STORED.astype(int) * 100 + 1000)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_other_encodings(dicom: Write, tmp_path: Path, syntax: str) -> None:
    read = pydicom.dcmread(dicom(STORED))
    dataset = dataset_without_meta(read)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = STORED.astype(">i2").tobytes()
    dataset.file_meta = read.file_meta
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(tmp_path / "b", enforce_file_format=True)
    np.testing.assert_array_equal(both(tmp_path / "b")[0].pixels[0], STORED)


@pytest.mark.parametrize("implicit", [False, True])
def test_files_without_preamble_and_suffix_are_recognised(dicom: Write, tmp_path: Path, implicit: bool) -> None:
    dataset = pydicom.dcmread(dicom(STORED))
    bare = tmp_path / "IM000001"
    with bare.open("wb") as file:
        pydicom.dcmwrite(file, dataset_without_meta(dataset), implicit_vr=implicit, little_endian=True)
    assert bare.read_bytes()[128:132] != b"DICM"
    assert sniff_kind(bare) == "dicom"
    np.testing.assert_array_equal(both(bare)[0].pixels[0], STORED)


def dataset_without_meta(dataset: pydicom.Dataset) -> pydicom.Dataset:
    bare = pydicom.Dataset()
    for element in dataset:
        bare.add(element)
    return bare


def test_other_files_are_not_taken_for_dicom() -> None:
    generator = np.random.default_rng(1)
    assert not any(is_dicom_head(generator.bytes(160)) for _ in range(2000))
    for head in (b"\x08\x00\x05\x00", b"\x08\x00" * 80, b"\x02\x00\x00\x00UL\x04\x00", b"II*\x00" + bytes(156)):
        assert not is_dicom_head(head)


def test_a_preamble_that_is_a_tiff_header_stays_dicom(dicom: Write) -> None:
    path = dicom(STORED)
    data = bytearray(path.read_bytes())
    data[:8] = b"II*\x00\x08\x00\x00\x00"
    path.write_bytes(data)
    assert sniff_kind(path) == "dicom"
    both(path)


def refusal(path: Path) -> PictureError:
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    return caught.value


def test_what_is_no_picture_says_what_it_is(dicom: Write, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(dicom(STORED))
    del dataset.PixelData, dataset.Rows, dataset.Columns
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    dataset.save_as(tmp_path / "b.dcm")
    error = refusal(tmp_path / "b.dcm")
    assert error.kind == "not-a-picture"
    assert "RT Structure Set Storage, DICOM without pixels" in error.what


def test_a_missing_decoder_says_which_syntax_and_what_to_install(
    dicom: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = pydicom.dcmread(dicom(STORED.astype(np.uint8)))
    for syntax, stored, words in (
        (JPEGBaseline8Bit, 8, "python-gdcm"),
        (JPEG2000Lossless, 8, "python-gdcm"),
        (JPEGExtended12Bit, 12, "GPL"),
    ):
        dataset.BitsStored, dataset.BitsAllocated, dataset.HighBit = stored, 16 if stored > 8 else 8, stored - 1
        dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(tmp_path / "b.dcm")
        monkeypatch.setattr(pydicom.pixels.decoders.base.Decoder, "available_plugins", ())
        error = refusal(tmp_path / "b.dcm")
        assert error.kind == "plugin-missing"
        assert syntax.name in error.what
        assert words in error.fix


def test_pydicom_that_is_not_installed(dicom: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dicom(STORED)
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(MissingPartError, match=r'pip install "striate\[scans\]"'):
        read_picture(path)


def test_sizes_are_checked_before_pixels_are_decoded(dicom: Write, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(dicom(STORED, rle=True))
    dataset.Rows = dataset.Columns = 65000
    dataset.save_as(tmp_path / "b.dcm")
    assert refusal(tmp_path / "b.dcm").kind == "too-large"


def test_a_compressed_frame_of_another_size_is_refused_before_it_is_decoded(dicom: Write, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(dicom(STORED.astype(np.uint8)))
    frame = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\xea\x60\xea\x60\x01\x01\x11\x00\xff\xd9"
    dataset.PixelData = pydicom.encaps.encapsulate([frame])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(tmp_path / "b.dcm")
    error = refusal(tmp_path / "b.dcm")
    assert error.kind == "damaged"
    assert "its compressed data 60000 x 60000" in error.what


def test_missing_bytes_are_truncated(dicom: Write, tmp_path: Path) -> None:
    whole = dicom(np.zeros((40, 40), np.uint16))
    (tmp_path / "cut").write_bytes(whole.read_bytes()[:-500])
    assert refusal(tmp_path / "cut").kind == "truncated"
    dataset = pydicom.dcmread(whole)
    dataset.Rows = 41
    dataset.save_as(tmp_path / "short")
    assert refusal(tmp_path / "short").kind == "truncated"
    packed = dicom(np.zeros((40, 40), np.uint16), name="c.dcm", rle=True)
    (tmp_path / "cut").write_bytes(packed.read_bytes()[:-20])
    assert refusal(tmp_path / "cut").kind == "truncated"


def test_nothing_of_the_patient_is_in_any_text(
    dicom: Write, patient: dict[str, str], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Files changed at random: a picture or a `PictureError`, without a word of their tags."""
    caplog.set_level(logging.DEBUG)
    secret = patient["PatientName"]
    path = dicom(
        STORED, WindowCenter=40, WindowWidth=400, RescaleSlope=1, RescaleIntercept=-1024, StudyDescription=secret
    )
    whole = path.read_bytes()
    generator = np.random.default_rng(5)
    told = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for _ in range(300):
            data = bytearray(whole)
            for position in generator.integers(128, len(data), 3):
                data[position] = generator.integers(0, 256)
            path.write_bytes(data)
            for read in (read_header, read_picture):
                try:
                    told.append(repr(read(path)))
                except PictureError as error:
                    told.append("".join(traceback.format_exception(error)))
    texts = "".join((*told, *map(str, warned), caplog.text, *capfd.readouterr()))
    for word in ("Nightingale", "Florence", *patient.values()):
        assert word not in texts


@pytest.mark.parametrize("tag", ["RescaleSlope", "WindowCenter", "PixelSpacing", "NumberOfFrames", "PixelPaddingValue"])
def test_text_where_a_number_belongs(dicom: Write, tmp_path: Path, tag: str, patient: dict[str, str]) -> None:
    dataset = pydicom.dcmread(dicom(STORED))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.add(pydicom.DataElement(tag, "DS", "1", validation_mode=0))
        dataset.save_as(tmp_path / "b.dcm")
    element = pydicom.datadict.tag_for_keyword(tag)
    head = element.to_bytes(4, "big")
    data = (tmp_path / "b.dcm").read_bytes()
    place = data.index(bytes([head[1], head[0], head[3], head[2]]) + b"DS") + 8
    path = tmp_path / "b.dcm"
    path.write_bytes(data[: place - 2] + b"\x0c\x00" + b"Nightingale " + data[place + 2 :])
    try:
        read_picture(path)
    except PictureError as error:
        assert "Nightingale" not in "".join(traceback.format_exception(error))  # noqa: PT017
