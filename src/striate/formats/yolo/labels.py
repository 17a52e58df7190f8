"""One label file of YOLO: an object a line, `class cx cy w h` or `class x1 y1 x2 y2 ...`, in shares of the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from striate.formats.annotation_files import read_lines
from striate.formats.tally import FileTally

_BOX = 4
_MOST_SHARE, _FARTHEST = 100.0, 1e6
_LINE_FIX = (
    "The line is left out, and the picture where no other is left. Write `class cx cy w h`, or "
    "`class x1 y1 x2 y2 x3 y3 ...`, as shares of the picture."
)


@dataclass(frozen=True, slots=True)
class YoloObject:
    """An object: the number of its class, and its box `(cx, cy, w, h)` or its outline `(x1, y1, x2, y2, ...)`."""

    number: int
    values: tuple[float, ...]

    @property
    def is_polygon(self) -> bool:
        """Whether it is an outline."""
        return len(self.values) > _BOX

    def points(self, size_hw: tuple[int, int]) -> npt.NDArray[np.float64]:
        """Outline `(N, 2)` in pixels."""
        return np.array(self.values, np.float64).reshape(-1, 2) * (size_hw[1], size_hw[0])

    def box_xyxy(self, size_hw: tuple[int, int]) -> npt.NDArray[np.float64]:
        """Box in pixels; of an outline the smallest one around it."""
        if self.is_polygon:
            points = self.points(size_hw)
            return np.concatenate([points.min(axis=0), points.max(axis=0)])
        across, down, width, height = self.values
        shares = np.array([across - width / 2, down - height / 2, across + width / 2, down + height / 2], np.float64)
        return shares * (*size_hw[::-1], *size_hw[::-1])


@dataclass(slots=True)
class YoloFile:
    """What one file says.

    Attributes:
        objects: Its objects, in its order.
        bad_lines: Lines that could not be read.
        confidences: Objects with a sixth number, the confidence of a detector.
        repeats: Numbers of lines that say the same as an earlier one.
        outside: Numbers of lines with a value outside 0..1.
    """

    objects: list[YoloObject] = field(default_factory=list)
    bad_lines: int = 0
    confidences: int = 0
    repeats: list[int] = field(default_factory=list)
    outside: list[int] = field(default_factory=list)


def read_yolo_file(path: Path, where: str, tally: FileTally) -> YoloFile | None:
    """Reads one file; `None` where it cannot be opened.

    Args:
        path: The file.
        where: Its path for people.
        tally: Takes down the lines that cannot be read.
    """
    try:
        lines = read_lines(path)
    except OSError as error:
        fix = "The picture is left out. Check the file."
        tally.add("unreadable-annotation", where, f"it cannot be opened ({error.strerror})", fix, "dropped")
        return None
    found = YoloFile()
    seen: set[YoloObject] = set()
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        one = parse_object(words)
        if isinstance(one, str):
            found.bad_lines += 1
            tally.add("bad-line", where, f"line {number}: {one}", _LINE_FIX, "dropped")
            continue
        found.confidences += len(words) == _BOX + 2
        found.outside += [number] if any(not 0 <= value <= 1 for value in one.values) else []
        found.repeats += [number] if one in seen else []
        seen.add(one)
        found.objects.append(one)
    return found


def parse_object(words: list[str]) -> YoloObject | str:
    """The object of a line, or what is wrong with it, a phrase."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        strange = next(word for word in words if not _is_number(word))
        return f"{strange[:20]!r} is no number"
    if not all(map(math.isfinite, numbers)):
        return "a number is not finite"
    if numbers[0] < 0 or not numbers[0].is_integer():
        return f"the class {words[0][:20]!r} is no whole number from 0"
    values = tuple(numbers[1 : _BOX + 1] if len(numbers) == _BOX + 2 else numbers[1:])
    if len(values) < _BOX or len(values) % 2:
        return f"{len(words)} numbers are neither a box (5, or 6 with a confidence) nor an outline (7, 9, 11, ...)"
    # Filling an outline takes memory by its size, however little of it lies in the picture.
    if max(map(abs, values)) > (_MOST_SHARE if len(values) > _BOX else _FARTHEST):
        return f"the value {max(values, key=abs):g}, where shares of the picture (0..1) were expected"
    return YoloObject(int(numbers[0]), values)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
