"""DICOM files as pictures (ISO 12052), read by pydicom.

One frame is read, the first. What its numbers become is said in `striate.images.dicom_values`; `Picture.levels` has the
window that the file asks to be shown and the unit. Which decoder is used is said in `striate.images.dicom_pixels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.images.dicom_files import (
    LABEL_CLASSES,
    SUFFIXES,
    check_is_image,
    decoding_dicom,
    is_dicom_head,
    open_header,
    open_whole,
)
from striate.images.dicom_pixels import decode_frames, stack_order
from striate.images.dicom_values import Form, Meaning, colours_of_palette, palette_form, spacing_of
from striate.images.kinds import KINDS, Header, PictureKind, check_size, damaged, natural_channel_names
from striate.structures import Levels, Picture


@dataclass(frozen=True, slots=True)
class DicomLook:
    """What a DICOM file says about its pixels.

    Attributes:
        form: How they are stored.
        meaning: What the numbers of its first frame stand for.
        header: What reading the first frame gives.
        spacing_mm: Height and width of a pixel, where known.
    """

    form: Form
    meaning: Meaning
    header: Header
    spacing_mm: tuple[float, float] | None

    @classmethod
    def of(cls, path: Path, dataset: Any, pixels: bool = True) -> DicomLook:
        """Looks at the elements of a file, those before its pixels are enough.

        Args:
            path: The file.
            dataset: Its elements.
            pixels: Whether pixel data follows.

        Raises:
            PictureError: It holds no picture, or one that cannot be read.
        """
        with decoding_dicom(path):
            check_is_image(path, dataset, pixels)
            form = Form.of(path, dataset)
            check_size(path, (form.rows, form.columns))
            meaning = Meaning.of(dataset, form)
            spacing, notes = spacing_of(dataset)
            if form.is_palette:
                names, dtype = palette_form(dataset)
            elif form.samples == 3:
                names, dtype = natural_channel_names(3), _colour_type(path, form)
            else:
                names, dtype = natural_channel_names(1), meaning.dtype(form)
            notes = (*_notes(dataset, form, meaning, dtype), *notes)
            header = Header((form.rows, form.columns), names, dtype, "dicom", form.frames, notes)
            return cls(form, meaning, header, spacing)


class _Dicom(PictureKind):
    """DICOM with or without its preamble."""

    name = "dicom"
    title = "DICOM"
    suffixes = SUFFIXES

    def recognises(self, head: bytes) -> bool:
        return is_dicom_head(head)

    def read_header(self, path: Path) -> Header:
        dataset, pixels = open_header(path)
        return DicomLook.of(path, dataset, pixels).header

    def read(self, path: Path, at_least_hw: tuple[int, int] | None = None) -> Picture:  # noqa: ARG002
        # The elements before the pixels first: what they claim is checked before anything large is read.
        DicomLook.of(path, *open_header(path))
        dataset = open_whole(path)
        look = DicomLook.of(path, dataset)
        with decoding_dicom(path):
            (stored,) = decode_frames(path, dataset, look.form, [0])
            pixels = frame_pixels(path, dataset, look.form, look.meaning, stored)
            if len(pixels) != look.header.channels:
                raise damaged(path, f"{len(pixels)} channels where its header says {look.header.channels}")
        levels = Levels.of(pixels, look.meaning.unit, look.meaning.window) if len(pixels) == 1 else None
        return Picture(pixels, look.header.channel_names, look.spacing_mm, str(path), levels)


def frame_pixels(
    path: Path, dataset: Any, form: Form, meaning: Meaning, stored: npt.NDArray[Any], fitting: bool = False
) -> npt.NDArray[Any]:
    """Pixels `(C, H, W)` of one decoded frame.

    Args:
        path: The file, for errors.
        dataset: Its elements.
        form: How its pixels are stored.
        meaning: What the numbers of this frame stand for.
        stored: `(H, W)` or `(H, W, 3)`.
        fitting: As in `Meaning.apply`.
    """
    if form.is_palette:
        pixels = colours_of_palette(stored, path, dataset)
    elif form.samples == 3:
        pixels = stored if stored.dtype.name in ("uint8", "uint16") else stored.astype(np.float32)
    else:
        pixels = meaning.apply(stored, form, fitting)
    return np.ascontiguousarray(stack_order(pixels))


def _colour_type(path: Path, form: Form) -> str:
    if form.signed or form.allocated == 1:
        raise damaged(path, "its colours are said to be signed or of one bit")
    return {8: "uint8", 16: "uint16"}.get(form.allocated, "float32")


def _notes(dataset: Any, form: Form, meaning: Meaning, dtype: str) -> tuple[str, ...]:
    notes = [] if form.frames == 1 else [f"holds {form.frames} frames, of which the first is read"]
    if str(dataset.get("SOPClassUID")) in LABEL_CLASSES:
        notes.append("holds labels of another picture")
    if form.is_palette:
        notes.append("PALETTE COLOR, turned into RGB")
    elif form.samples == 3 and form.photometric != "RGB":
        notes.append(f"{_known_word(form.photometric)}, turned into RGB")
    else:
        notes += meaning.notes
    if form.allocated >= 32 and dtype == "float32" and not (form.real and form.allocated == 32):
        notes.append(f"{form.allocated}-bit values, turned into the nearest float32")
    elif dtype == "float32" and not form.real:
        notes.append("rescaled to values that may need more than 16 bits, so they are float32")
    return tuple(notes)


def _known_word(photometric: str) -> str:
    """A word of the standard; a damaged file may hold any text there."""
    return (
        photometric if photometric.startswith(("YBR_FULL", "YBR_ICT", "YBR_RCT")) and len(photometric) < 13 else "YBR"
    )


KINDS.add(_Dicom.name, _Dicom())
