"""Mask pictures of Pascal VOC: `SegmentationClass` and `SegmentationObject`.

Source: M. Everingham et al., The PASCAL Visual Object Classes Challenge 2012 Development Kit, section 4.3: indexed
PNG files, 0 is background, 255 is void; and its `VOClabelcolormap`, which gives the colour of each index.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from striate.errors import DataError, PictureError
from striate.formats.masks.files import Codes, read_codes
from striate.images import read_header
from striate.structures import MOST_MASK_CLASSES, VOID, Instances, Mask

Colour = tuple[int, int, int]

VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""What the values of VOC's own masks stand for."""

LABEL_MAP = "labelmap.txt"

_ROW = re.compile(r"(?P<name>.+):(?P<colour>(\d+ *, *\d+ *, *\d+)?):[^:]*:[^:]*")
_SHORT_ROW = re.compile(r"(?P<name>.+?):(?P<colour>\d+ *, *\d+ *, *\d+)")
_SAMPLED = 200


def voc_colour(value: int) -> Colour:
    """Colour of a mask value: its bits, dealt out to red, green and blue from the highest bit down."""
    red = green = blue = 0
    for position in range(8):
        red |= (value >> (3 * position) & 1) << (7 - position)
        green |= (value >> (3 * position + 1) & 1) << (7 - position)
        blue |= (value >> (3 * position + 2) & 1) << (7 - position)
    return red, green, blue


VOID_COLOUR = voc_colour(VOID)


@dataclass(frozen=True, slots=True)
class LabelMap:
    """What the values and colours of masks stand for.

    Attributes:
        names: Class names.
        colours: Colour of each mask value.
        classes: Position of each mask value in `names`, or `VOID`.
        listed: Whether a file says so. Its colours then count more than the values, which other tools number anew.
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    classes: tuple[int, ...]
    listed: bool = False

    @classmethod
    def of_names(cls, names: Sequence[str]) -> LabelMap:
        """Values count the names, colours are VOC's."""
        return cls(tuple(names), tuple(map(voc_colour, range(len(names)))), tuple(range(len(names))))

    @property
    def background(self) -> int:
        """Position of the class that means "no object"; -1 where there is none."""
        lower = [name.casefold() for name in self.names]
        if "background" in lower:
            return lower.index("background")
        black = [kind for colour, kind in zip(self.colours, self.classes, strict=True) if colour == (0, 0, 0)]
        return black[0] if black and black[0] != VOID else -1


def read_label_map(path: Path) -> LabelMap:
    """Reads `labelmap.txt`: a line `name:red,green,blue:parts:actions` for each mask value.

    Raises:
        DataError: It cannot be read, or no line is like this.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}).", where=path, fix="Check the file.") from error
    names: list[str] = []
    colours: list[Colour] = []
    classes: list[int] = []
    for line in lines:
        row = _ROW.fullmatch(line.strip()) or _SHORT_ROW.fullmatch(line.strip())
        if row is None or line.lstrip().startswith("#"):
            continue
        red, green, blue = (min(int(part), 255) for part in (row["colour"] or "0,0,0").split(","))
        colour = (red, green, blue) if row["colour"] else voc_colour(len(colours) % 256)
        colours.append(colour)
        classes.append(VOID if colour == VOID_COLOUR else len(names))
        names += [row["name"].strip()] if colour != VOID_COLOUR else []
    if not names:
        raise DataError(
            "a list of classes was expected, and no line is like `cat:64,0,0::`.",
            where=path,
            fix="Write one line `name:red,green,blue::` for each class, or delete the file.",
        )
    return LabelMap(tuple(names), tuple(colours), tuple(classes), listed=True)


def format_label_map(names: Sequence[str]) -> str:
    """Text of a `labelmap.txt` with VOC's colours."""
    rows = [f"{name}:{','.join(map(str, voc_colour(value % VOID)))}::" for value, name in enumerate(names)]
    return "\n".join(["# label:color_rgb:parts:actions", *rows, ""])


def guess_labels(masks: Sequence[Path], strange_names: bool) -> tuple[LabelMap, str]:
    """What mask values stand for where no file says it, and a sentence about it.

    Args:
        masks: The masks. Some are opened, and all where the values of those are not VOC's.
        strange_names: Whether XML files name classes that VOC does not have.
    """
    step = max(1, len(masks) // _SAMPLED)
    most = max((_largest(path) for path in masks[::step]), default=0)
    if most < len(VOC_CLASSES) and not strange_names:
        return LabelMap.of_names(VOC_CLASSES), (
            f"No {LABEL_MAP} says what the mask values mean; those seen are 0 to {most}, so they count as VOC's "
            f"{len(VOC_CLASSES)} classes."
        )
    most = max(map(_largest, masks), default=0)
    names = [f"class-{value}" for value in range(most + 1)]
    return LabelMap.of_names(names), (
        f"No {LABEL_MAP} says what the mask values mean; they are called class-0 to class-{most}."
    )


@dataclass(frozen=True, slots=True)
class ClassMask:
    """Class of every pixel, in a picture of its own."""

    path: Path
    name: str
    labels: LabelMap

    def read(self) -> Mask:
        """Reads the mask.

        Raises:
            PictureError: It cannot be read, or holds values or colours that stand for no class.
        """
        return Mask(_read_classes(self.path, self.labels))


@dataclass(frozen=True, slots=True)
class ObjectMask:
    """Single objects in one picture, their classes in another; positions leave the background out."""

    path: Path
    classes: Path
    name: str
    labels: LabelMap

    def read(self) -> Instances:
        """Reads both masks. An object without a pixel of any class is marked to be ignored.

        Raises:
            PictureError: One of them cannot be read, or they are of different sizes.
        """
        objects, kinds = _read_objects(self.path), _read_classes(self.classes, self.labels)
        if objects.shape != kinds.shape:
            raise PictureError(
                f"the mask of objects has {objects.shape} pixels (height, width), the one of classes {kinds.shape}.",
                where=self.path,
                fix="Make both masks of the same size as the picture.",
                kind="mask-size",
            )
        background = self.labels.background
        known = (kinds != VOID) & (kinds != background)
        numbers = np.unique(objects[objects > 0])
        votes = np.array(
            [np.bincount(kinds[(objects == number) & known], minlength=VOID) for number in numbers], np.int64
        ).reshape(-1, VOID)
        found = votes.argmax(axis=1)
        if background >= 0:
            found = np.where(found > background, found - 1, found)
        masks = objects[None] == numbers[:, None, None]
        return Instances.from_dense(masks, found, ignore=votes.sum(axis=1) == 0)


def write_mask(values: npt.NDArray[np.uint8], path: Path) -> None:
    """Writes `(H, W)` values as an indexed PNG with VOC's colours.

    Raises:
        OSError: It cannot be written.
    """
    from PIL import Image

    image = Image.fromarray(values)
    image.putpalette([part for value in range(256) for part in voc_colour(value)])
    image.save(path, format="PNG")


def _largest(path: Path) -> int:
    """Largest mask value but for void; 0 where the file cannot be read, which is told when it is needed."""
    everything = LabelMap.of_names([""] * MOST_MASK_CLASSES)
    try:
        values = _read_classes(path, everything)
    except PictureError:
        return 0
    return int(values[values != VOID].max(initial=0))


def _pack(colour: Colour) -> int:
    red, green, blue = colour
    return (red << 16) | (green << 8) | blue


def _read_classes(path: Path, labels: LabelMap) -> npt.NDArray[np.uint8]:
    codes = read_codes(path)
    used = codes.distinct()
    by_colour = {**dict(zip(map(_pack, labels.colours), labels.classes, strict=True)), _pack(VOID_COLOUR): VOID}
    by_value = {**dict(enumerate(labels.classes)), VOID: VOID}
    kinds = [by_value.get(value) for value in used.tolist()]
    # A colour file in which only greys occur is still one of colours.
    shows_colours = codes.palette is not None or read_header(path).channels >= 3
    if codes.coloured or (labels.listed and shows_colours):
        colours = Codes(used, codes.coloured, codes.palette).packed()
        coloured = [by_colour.get(colour) for colour in colours.tolist()]
        kinds = coloured if codes.coloured or None not in coloured else kinds
    if None in kinds:
        value = int(used[kinds.index(None)])
        seen = f"the colour {value >> 16},{value >> 8 & 255},{value & 255}" if codes.coloured else f"value {value}"
        raise PictureError(
            f"the mask holds {seen}, which stands for none of the {len(labels.names)} classes.",
            where=path,
            fix=f"List its class in {LABEL_MAP} (`name:red,green,blue::`), or correct the mask.",
            kind="unknown-mask-value",
        )
    return np.array(kinds, np.uint8)[np.searchsorted(used, codes.values)]


def _read_objects(path: Path) -> npt.NDArray[np.int64]:
    """`(H, W)`: 0 where there is no object or nobody knows, else a number for each."""
    codes = read_codes(path)
    numbers = codes.values.astype(np.int64)
    # More than a byte counts objects beyond 255, which is then a number like any other.
    if codes.coloured or codes.bits <= 8:
        numbers[numbers == (_pack(VOID_COLOUR) if codes.coloured else VOID)] = 0
    return numbers
