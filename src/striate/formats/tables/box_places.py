"""Where the boxes of a table stand, told by names of columns and by cells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from striate.formats.tables.rows import Grid

_COLUMN_SETS: tuple[tuple[str, tuple[str, str, str, str]], ...] = (
    ("xyxy", ("xmin", "ymin", "xmax", "ymax")),
    ("xyxy", ("x1", "y1", "x2", "y2")),
    ("xyxy", ("x0", "y0", "x1", "y1")),
    ("xyxy", ("left", "top", "right", "bottom")),
    ("xyxy", ("xtl", "ytl", "xbr", "ybr")),
    ("centre", ("xcenter", "ycenter", "w", "h")),
    ("centre", ("xcenter", "ycenter", "width", "height")),
    ("centre", ("cx", "cy", "w", "h")),
    ("centre", ("cx", "cy", "width", "height")),
    ("xywh", ("x", "y", "w", "h")),
    ("xywh", ("x1", "y1", "w", "h")),
    ("xywh", ("xmin", "ymin", "w", "h")),
    ("xywh", ("left", "top", "w", "h")),
    ("xywh", ("x", "y", "width", "height")),
    ("xywh", ("x1", "y1", "width", "height")),
    ("xywh", ("xmin", "ymin", "width", "height")),
    ("xywh", ("left", "top", "width", "height")),
)
"""Corners come first: a table may tell them and the size of the picture as well."""

_TEXT_COLUMNS = {"bbox": "", "boundingbox": "", "box": "", "bboxes": "", "boxes": ""} | {
    f"{prefix}{meaning}": meaning for prefix in ("", "bbox", "box") for meaning in ("xyxy", "xywh")
}
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
IN_TEXT = re.compile(r"[^\s,;()\[\]]+")
NOTHING = frozenset({"", "nan", "none", "null", "na", "n/a", "[]", "()", "-"})
PIXELS = re.compile(r"[\s_(\[]*(px|pixels?)[)\]]*$", re.I)
_SAMPLE = 400
_MOST_NUMBERS = 6
"""Without a header: a box, a class and a score. More numbers in a row are landmarks or measurements."""


@dataclass(frozen=True, slots=True)
class BoxPlaces:
    """Where boxes stand; the fields are those of `BoxColumns`."""

    meaning: str
    places: tuple[int, ...]
    header: bool


def find_box_places(grid: Grid) -> BoxPlaces | None:
    """The columns of boxes, by name where there is a header, else by content."""
    named = _find_by_name([plain_name(name) for name in grid.rows[0]])
    if named is not None:
        return BoxPlaces(*named, header=True)
    places = _find_by_content(grid)
    return None if places is None else BoxPlaces("", places, header=False)


def plain_name(name: str) -> str:
    """A column's name without case, separators and units: `xmin` for `X_min [px]`."""
    return re.sub(r"[\W_]+", "", PIXELS.sub("", name).lower()).replace("centre", "center")


def ends_in_coordinates(grid: Grid) -> bool:
    """Whether rows without a header end in four numbers or more, not all of them 0 and 1, as landmarks do."""
    sample = grid.rows[:: max(1, len(grid.rows) // _SAMPLE)]
    columns = [[row[i] for row in sample] for i in range(max(1, len(sample[0]) - 4), len(sample[0]))]
    numeric = len(columns) == 4 and all(map(_all_numbers, columns))
    return numeric and bool({cell for column in columns for cell in column} - {"0", "1", "-1"})


def _find_by_name(plain: Sequence[str]) -> tuple[str, tuple[int, ...]] | None:
    # In `width, height, bbox_x, bbox_y, bbox_width, bbox_height` the first two are the picture's.
    inside = {re.sub(r"^(bbox|box)", "", name): i for i, name in enumerate(plain) if re.match(r"(bbox|box)[^e]", name)}
    positions: Mapping[str, int] = {name: i for i, name in reversed(list(enumerate(plain)))} | inside
    for meaning, names in _COLUMN_SETS:
        places = [_alias(name, positions) for name in names]
        if None not in places:
            return meaning, tuple(place for place in places if place is not None)
    for i, name in enumerate(plain):
        if name in _TEXT_COLUMNS:
            return _TEXT_COLUMNS[name], (i,)
    return None


def _alias(name: str, positions: Mapping[str, int]) -> int | None:
    """Position of a column, also with its words the other way round (`min_x`, `center_x`)."""
    turned = name[1:] + name[0] if name[0] in "xy" and len(name) > 2 else name
    return positions.get(name, positions.get(turned))


def _find_by_content(grid: Grid) -> tuple[int, ...] | None:
    """Four columns of numbers side by side, the last ones where there are more, or one column of four numbers."""
    sample = grid.rows[:: max(1, len(grid.rows) // _SAMPLE)]
    width = len(grid.rows[0])
    numeric = [_all_numbers([row[i] for row in sample]) for i in range(width)]
    windows = [tuple(range(i, i + 4)) for i in range(width - 4, -1, -1) if all(numeric[i : i + 4])]
    if sum(numeric) > _MOST_NUMBERS:
        return None
    if windows:
        # A number for the class may stand before the box or behind it.
        places = next((window for window in windows if _are_corners(sample, window)), windows[0])
        values = {row[i] for row in sample for i in places}
        return places if values - {"0", "1", "-1", ""} else None
    for i in range(width):
        cells = [row[i] for row in sample if row[i].lower() not in NOTHING]
        if cells and all(cell[0] in "[(" and _all_numbers(IN_TEXT.findall(cell), 4) for cell in cells):
            return (i,)
    return None


def _are_corners(rows: Sequence[Sequence[str]], places: Sequence[int]) -> bool:
    filled = [[row[i] for i in places] for row in rows if all(row[i].lower() not in NOTHING for i in places)]
    return all(float(left) < float(right) and float(top) < float(bottom) for left, top, right, bottom in filled)


def _all_numbers(cells: Sequence[str], count: int = 0) -> bool:
    filled = [cell for cell in cells if cell.lower() not in NOTHING]
    return len(filled) >= max(1, count) and all(NUMBER.fullmatch(cell) for cell in filled)
