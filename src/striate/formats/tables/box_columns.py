"""What the columns of a table of boxes mean, told by their names and their cells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from striate.formats.tables.label_columns import understand_columns
from striate.formats.tables.rows import Grid, PictureIndex, find_path_column

Numbers = tuple[float, float, float, float]

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
_CROWD, _IGNORE = frozenset({"iscrowd", "isgroupof", "crowd"}), frozenset({"ignore", "difficult", "isdifficult"})
_ASIDE = (
    *("width", "height", "depth", "w", "h", "imagewidth", "imageheight", "imgwidth", "imgheight", "channels", "area"),
    *("confidence", "score", "index", "unnamed0", "annotationid", "boxid", "objectid", "pose", "source"),
    *("occluded", "isoccluded", "truncated", "istruncated", "isdepiction", "isinside", "url", "segmentation"),
)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_IN_TEXT = re.compile(r"[^\s,;()\[\]]+")
_NOTHING = frozenset({"", "nan", "none", "null", "na", "n/a", "[]", "()", "-"})
_PIXELS = re.compile(r"[\s_(\[]*(px|pixels?)[)\]]*$", re.I)
_FARTHEST = 1e9
_SAMPLE = 400
_MOSTLY = 0.95
_MOST_NUMBERS = 6
"""Without a header: a box, a class and a score. More numbers in a row are landmarks or measurements."""


@dataclass(frozen=True, slots=True)
class BoxColumns:
    """What each column is for.

    Attributes:
        path: Position of the column that names pictures.
        label: Position of the column that names classes; `None` where there is none.
        places: Positions of the four columns that make the box, or of the one that holds it as text.
        meaning: `xyxy` for corners, `xywh` for corner and size, `centre` for centre and size; empty where names do not
            tell.
        pixels: Whether names say that coordinates are pixels.
        split: Position of the column that names splits.
        group: Position of the column that names patients or other groups.
        crowd: Position of the 0/1 column for boxes around many objects.
        ignore: Position of the 0/1 column for objects that need not be found.
        header: Whether the first row is a header.
        names: Header, or `column 1`, `column 2`, ...
        share: Share of a sample of rows whose picture is there.
    """

    path: int
    label: int | None
    places: tuple[int, ...]
    meaning: str
    pixels: bool
    split: int | None
    group: int | None
    crowd: int | None
    ignore: int | None
    header: bool
    names: tuple[str, ...]
    share: float

    def box_of(self, cells: Sequence[str]) -> Numbers | None:
        """The four numbers of a row; `None` where it has no box.

        Raises:
            ValueError: There is something else.
        """
        words = [cells[place] for place in self.places]
        if all(word.lower() in _NOTHING for word in words):
            return None
        if len(words) == 1:
            words = _IN_TEXT.findall(words[0])
        if len(words) != 4 or not all(_NUMBER.fullmatch(word) for word in words):
            raise ValueError(" ".join(words)[:60])
        left, top, right, bottom = (float(word) for word in words)
        if not all(abs(value) < _FARTHEST for value in (left, top, right, bottom)):
            raise ValueError(" ".join(words)[:60])
        return left, top, right, bottom


@dataclass(frozen=True, slots=True)
class BoxPlaces:
    """Where boxes stand; the fields are those of `BoxColumns`."""

    meaning: str
    places: tuple[int, ...]
    header: bool


def find_box_places(grid: Grid) -> BoxPlaces | None:
    """The columns of boxes, by name where there is a header, else by content."""
    named = _find_by_name([_plain(name) for name in grid.rows[0]])
    if named is not None:
        return BoxPlaces(*named, header=True)
    places = _find_by_content(grid)
    return None if places is None else BoxPlaces("", places, header=False)


def understand_box_columns(grid: Grid, index: PictureIndex, near: str) -> BoxColumns | None:
    """Tells the columns apart; `None` where there are no pictures or no boxes.

    Raises:
        DataError: Several columns could be the class.
    """
    found = find_box_places(grid)
    if found is None or len(grid.rows) <= found.header:
        return None
    plain = [_plain(name) for name in grid.rows[0]]
    meaning, places, header = found.meaning, found.places, found.header
    crowd, ignore = (_position(plain, names) if header else None for names in (_CROWD, _IGNORE))
    aside = {*places, crowd, ignore} | {i for i, name in enumerate(plain) if header and name in _ASIDE}
    rest = [i for i in range(len(plain)) if i not in aside]
    if not rest:
        return None
    others = replace(grid, rows=[tuple(row[i] for i in rest) for row in grid.rows])
    path = find_path_column(others, index, near)
    if path is None or path.header != header or not (header or path.named > 0.5):
        return None
    # Without any other column nothing can be a class, so one is added to be found and forgotten.
    padded = replace(others, rows=[(*row, "object" if number else "label") for number, row in enumerate(others.rows)])
    known = understand_columns(others, path) or understand_columns(padded, path)
    label, split, group = (None, None, None) if known is None else (known.label, known.split, known.group)
    names = grid.rows[0] if header else tuple(f"column {i + 1}" for i in range(len(plain)))
    return BoxColumns(
        path=rest[path.column],
        label=None if label is None or label >= len(rest) else rest[label],
        places=places,
        meaning=meaning,
        pixels=header and all(_PIXELS.search(grid.rows[0][place]) for place in places),
        split=None if split is None else rest[split],
        group=None if group is None else rest[group],
        crowd=crowd,
        ignore=ignore,
        header=header,
        names=names,
        share=path.share,
    )


def _plain(name: str) -> str:
    """A name without case, separators and units: `xmin` for `X_min [px]`."""
    return re.sub(r"[\W_]+", "", _PIXELS.sub("", name).lower()).replace("centre", "center")


def _position(plain: Sequence[str], names: frozenset[str]) -> int | None:
    return next((i for i, name in enumerate(plain) if name in names), None)


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
        cells = [row[i] for row in sample if row[i].lower() not in _NOTHING]
        if cells and all(cell[0] in "[(" and _all_numbers(_IN_TEXT.findall(cell), 4) for cell in cells):
            return (i,)
    return None


def _are_corners(rows: Sequence[Sequence[str]], places: Sequence[int]) -> bool:
    filled = [[row[i] for i in places] for row in rows if all(row[i].lower() not in _NOTHING for i in places)]
    return all(float(left) < float(right) and float(top) < float(bottom) for left, top, right, bottom in filled)


def _all_numbers(cells: Sequence[str], count: int = 0) -> bool:
    filled = [cell for cell in cells if cell.lower() not in _NOTHING]
    return len(filled) >= max(1, count) and all(_NUMBER.fullmatch(cell) for cell in filled)


def guess_meaning(boxes: Sequence[tuple[Numbers, tuple[float, float] | None]], named: bool) -> str:
    """Whether four numbers without a name are corners, or corner and size.

    Numbers that are no corners in any order decide, then those that as a size reach beyond their picture. Where both
    fit, a column called "bbox" is taken as corner and size, as COCO has it, and columns without a header as corners.

    Args:
        boxes: Numbers, and height and width of the picture in the same unit where known.
        named: Whether a column is called "bbox" or the like.
    """
    if any(right <= left or bottom <= top for (left, top, right, bottom), _ in boxes):
        return "xywh"
    for (left, top, width, height), size_hw in boxes:
        if size_hw is not None and (left + width > size_hw[1] or top + height > size_hw[0]):
            return "xyxy"
    return "xywh" if named else "xyxy"


def to_corners(box: Numbers, meaning: str) -> Numbers:
    """Left, top, right and bottom."""
    first, second, third, fourth = box
    if meaning == "xyxy":
        return box
    if meaning == "xywh":
        return first, second, first + third, second + fourth
    return first - third / 2, second - fourth / 2, first + third / 2, second + fourth / 2


def are_shares(boxes: Sequence[Numbers]) -> bool:
    """Whether coordinates are shares of width and height: within 0..1, and not all of them whole numbers.

    A few may lie a little outside, as boxes that leave their picture do.
    """
    values = np.array(boxes, np.float64)
    if not values.size or (values == np.rint(values)).all() or values.min() < -1 or values.max() > 2:
        return False
    return bool(((values >= 0) & (values <= 1)).mean() >= _MOSTLY)
