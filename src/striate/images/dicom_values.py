"""What the stored numbers of a DICOM picture stand for.

- Rescale slope and intercept, or the modality LUT, are applied. Where slope and intercept are whole and every value
  that the stored bits can hold fits int16 or uint16, values stay whole; else they become float32.
- MONOCHROME1 (larger is darker) is turned, v -> lowest + highest possible value - v, so that larger is brighter. Values
  that are measured (Hounsfield units; PET, nuclear medicine) stay as they are.
- PALETTE COLOR becomes RGB by its tables, YBR becomes RGB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.images.kinds import damaged, natural_channel_names, unsupported
from striate.images.volumes.values import narrowest

_MEASURED = ("PT", "NM")
_WHOLE = ("uint8", "int16", "uint16")
_BITS = (1, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Form:
    """How pixels are stored.

    Attributes:
        rows: Height.
        columns: Width.
        samples: Values of one pixel.
        frames: Pictures in the file.
        allocated: Bits that a value takes.
        stored: Bits of them that hold it.
        signed: Whether values may be negative.
        photometric: The standard's word for what values mean.
        real: Whether values are floating-point numbers.
    """

    rows: int
    columns: int
    samples: int
    frames: int
    allocated: int
    stored: int
    signed: bool
    photometric: str
    real: bool = False

    @classmethod
    def of(cls, path: Path, dataset: Any) -> Form:
        """What a data set says.

        Raises:
            PictureError: It makes no sense.
        """
        allocated = int(dataset.get("BitsAllocated") or 16)
        form = cls(
            rows=int(dataset.Rows),
            columns=int(dataset.Columns),
            samples=int(dataset.get("SamplesPerPixel") or 1),
            frames=int(dataset.get("NumberOfFrames") or 1),
            allocated=allocated,
            stored=int(dataset.get("BitsStored") or allocated),
            signed=int(dataset.get("PixelRepresentation") or 0) == 1,
            photometric=str(dataset.get("PhotometricInterpretation") or "MONOCHROME2"),
            real="BitsStored" not in dataset and allocated in (32, 64),
        )
        if form.allocated not in _BITS or not 1 <= form.stored <= form.allocated:
            raise damaged(path, f"{form.stored} bits of {form.allocated} are said to hold a value")
        if form.samples not in (1, 3):
            raise unsupported(path, f"its pixels have {form.samples} values each")
        if form.frames < 1:
            raise damaged(path, f"it says that it holds {form.frames} pictures")
        return form

    @property
    def limits(self) -> tuple[int, int]:
        """Lowest and highest number that the stored bits can hold."""
        return (-(1 << self.stored - 1), (1 << self.stored - 1) - 1) if self.signed else (0, (1 << self.stored) - 1)

    @property
    def is_palette(self) -> bool:
        """Whether values are positions in a table of colours."""
        return self.samples == 1 and self.photometric == "PALETTE COLOR"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the stored numbers of one frame stand for.

    Attributes:
        slope: Factor.
        intercept: Added after it.
        table: Data set with a modality LUT, used instead of both; `None` for none.
        unit: `HU`, or empty.
        turned: Whether larger numbers are darker and are turned.
        kept: Whether larger numbers are darker and stay, since they are measured.
        window: Low and high end of the range that the file asks to be shown, in final values.
        notes: What is remarkable about it.
    """

    slope: float
    intercept: float
    table: Any
    unit: str
    turned: bool
    kept: bool
    window: tuple[float, float] | None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Any, form: Form, frame: int = 0) -> Meaning:
        """What a data set says of one of its frames."""
        item = functional_item(dataset, frame, "PixelValueTransformationSequence") or dataset
        table = dataset if dataset.get("ModalityLUTSequence") else None
        slope, intercept = _number(item.get("RescaleSlope"), 1.0), _number(item.get("RescaleIntercept"), 0.0)
        notes: list[str] = []
        if slope == 0:
            slope, intercept = 1.0, 0.0
            notes.append("a rescale slope of 0 makes no sense; values are kept as stored")
        modality = str(dataset.get("Modality") or "")
        hounsfield = item.get("RescaleType") == "HU" or (
            modality == "CT" and "RescaleIntercept" in item and item.get("RescaleType") in (None, "", "HU")
        )
        dark = form.samples == 1 and form.photometric == "MONOCHROME1"
        measured = hounsfield or modality in _MEASURED or form.real or table is not None
        meaning = cls(
            slope, intercept, table, "HU" if hounsfield else "", dark and not measured, dark and measured, None
        )
        window = _window(functional_item(dataset, frame, "FrameVOILUTSequence") or dataset)
        if window is not None and meaning.turned:
            total = sum(meaning.limits(form))
            window = total - window[1], total - window[0]
        padding = dataset.get("PixelPaddingValue")
        if isinstance(padding, int | float):
            notes.append(f"pixels stored as {padding:g} are padding")
        if meaning.turned:
            notes.append("MONOCHROME1, turned so that larger is brighter")
        if meaning.kept:
            notes.append("MONOCHROME1, kept since its values are measured: larger is darker when shown")
        return cls(slope, intercept, table, meaning.unit, meaning.turned, meaning.kept, window, tuple(notes))

    @property
    def whole(self) -> bool:
        """Whether whole numbers stay whole."""
        return self.slope.is_integer() and self.intercept.is_integer()

    def limits(self, form: Form) -> tuple[float, float]:
        """Lowest and highest value that may come out."""
        low, high = sorted(bound * self.slope + self.intercept for bound in form.limits)
        return low, high

    def dtype(self, form: Form) -> str:
        """Type of picture that every value that may come out fits."""
        if form.is_palette:
            raise ValueError("a palette says itself what its colours are")
        if form.real:
            return "float32"
        if self.table is not None:
            return "uint8" if int(self.table.ModalityLUTSequence[0].LUTDescriptor[2]) <= 8 else "uint16"
        if self.slope == 1 and self.intercept == 0:
            kept = {1: "uint8", 8: "int16" if form.signed else "uint8", 16: "int16" if form.signed else "uint16"}
            return kept.get(form.allocated, "float32")
        low, high = self.limits(form)
        for name in ("int16", "uint16"):
            if self.whole and np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                return name
        return "float32"

    def apply(self, stored: npt.NDArray[Any], form: Form, fitting: bool = False) -> npt.NDArray[Any]:
        """The values of a frame.

        Args:
            stored: Any shape.
            form: How they are stored.
            fitting: Take the narrowest type that fits these values, rather than one that fits any that may come.
        """
        if self.table is not None:
            from pydicom.pixels.processing import apply_modality_lut

            return apply_modality_lut(stored, self.table).astype(self.dtype(form))
        values = stored
        if not (self.slope == 1 and self.intercept == 0):
            number = np.int64 if self.whole and stored.dtype.kind in "iub" else np.float64
            values = stored.astype(number) * number(self.slope) + number(self.intercept)
        if self.turned:
            low, high = self.limits(form)
            values = values.astype(np.int64 if values.dtype.kind in "iub" else np.float64)
            values = values.dtype.type(low + high) - values
        return narrowest(values) if fitting else _as_type(values, self.dtype(form))


def functional_item(dataset: Any, frame: int, sequence: str) -> Any:
    """Item of a functional group of a frame: its own, or the one shared by all; `None` where there is none."""
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    own = groups[frame].get(sequence) if groups and frame < len(groups) else None
    shared = dataset.get("SharedFunctionalGroupsSequence")
    found = own or (shared[0].get(sequence) if shared else None)
    return found[0] if found else None


def colours_of_palette(stored: npt.NDArray[Any], path: Path, dataset: Any) -> npt.NDArray[Any]:
    """RGB (or RGB and alpha) `(H, W, C)` of positions in the tables of a data set."""
    if "RedPaletteColorLookupTableData" not in dataset:
        from pydicom.pixels.processing import apply_color_lut

        return apply_color_lut(stored, dataset)
    entries, first, _ = (int(value) for value in dataset.RedPaletteColorLookupTableDescriptor)
    entries = entries or 1 << 16
    order = "<" if dataset.original_encoding[1] is not False else ">"
    tables = []
    for colour in ("Red", "Green", "Blue", "Alpha"):
        data = dataset.get(f"{colour}PaletteColorLookupTableData")
        if not data:
            continue
        # Tables of an odd number of bytes are padded by one.
        wide = len(data) >= 2 * entries
        if len(data) < entries:
            raise damaged(path, f"a table of {entries} colours has {len(data)} bytes")
        tables.append(np.frombuffer(data, f"{order}u2" if wide else "u1", entries).astype("u2" if wide else "u1"))
    # pydicom's own function counts positions in the type of the colours, which 8 bits overflow.
    positions = np.clip(stored.astype(np.int64) - first, 0, entries - 1)
    return np.stack([table[positions] for table in tables], axis=-1)


def palette_form(dataset: Any) -> tuple[tuple[str, ...], str]:
    """Channel names and type of the colours of a palette."""
    entries = int(dataset.RedPaletteColorLookupTableDescriptor[0]) or 1 << 16
    data = dataset.get("RedPaletteColorLookupTableData")
    alpha = any(dataset.get(f"{kind}AlphaPaletteColorLookupTableData") for kind in ("", "Segmented"))
    wide = len(data) >= 2 * entries if data else int(dataset.RedPaletteColorLookupTableDescriptor[2]) > 8
    return natural_channel_names(4 if alpha else 3), "uint16" if wide else "uint8"


def spacing_of(dataset: Any, frame: int = 0) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Height and width of a pixel in mm, where the file says so, and a note where it is that at the detector."""
    item = functional_item(dataset, frame, "PixelMeasuresSequence") or dataset
    for keyword, notes in (
        ("PixelSpacing", ()),
        ("ImagerPixelSpacing", ("size of pixels is that at the detector, not in the body",)),
    ):
        values = numbers(item.get(keyword), 2)
        if values is not None and min(values) > 0:
            return (values[0], values[1]), notes
    return None, ()


def numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """A tag's finite numbers; `None` where it has fewer, or others."""
    try:
        found = tuple(float(number) for number in value)[:count]
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and all(map(math.isfinite, found)) else None


def _number(value: Any, default: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return default
    return number if math.isfinite(number) else default


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue" else value


def _window(item: Any) -> tuple[float, float] | None:
    """The first VOI window, by the formulas of PS3.3 C.11.2.1.2."""
    try:
        centre, width = float(_first(item.WindowCenter)), float(_first(item.WindowWidth))
    except (AttributeError, TypeError, ValueError, IndexError):
        return None
    if item.get("VOILUTFunction", "LINEAR") in (None, "", "LINEAR"):
        centre, width = centre - 0.5, width - 1
    low, high = centre - width / 2, centre + width / 2
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None


def _as_type(values: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Values of a type; of a wider one where bits that should be empty are not."""
    if name in _WHOLE and values.dtype.name != name:
        limits = np.iinfo(name)
        if values.min() < limits.min or values.max() > limits.max:
            name = "float32"
    with np.errstate(over="ignore"):
        return values.astype(name)
