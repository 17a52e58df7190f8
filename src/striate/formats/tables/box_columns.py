"""What the columns of a table of boxes mean, told by their names and their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from striate.formats.picture_index import PictureIndex
from striate.formats.tables.box_places import IN_TEXT, NOTHING, NUMBER, PIXELS, find_box_places, plain_name
from striate.formats.tables.label_columns import understand_columns
from striate.formats.tables.rows import Grid, find_path_column

Numbers = tuple[float, float, float, float]

_CROWD, _IGNORE = frozenset({"iscrowd", "isgroupof", "crowd"}), frozenset({"ignore", "difficult", "isdifficult"})
_ASIDE = (
    *("width", "height", "depth", "w", "h", "imagewidth", "imageheight", "imgwidth", "imgheight", "channels", "area"),
    *("confidence", "score", "index", "unnamed0", "annotationid", "boxid", "objectid", "pose", "source"),
    *("occluded", "isoccluded", "truncated", "istruncated", "isdepiction", "isinside", "url", "segmentation"),
)
_FARTHEST = 1e9
_MOSTLY = 0.95


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
        if all(word.lower() in NOTHING for word in words):
            return None
        if len(words) == 1:
            words = IN_TEXT.findall(words[0])
        if len(words) != 4 or not all(NUMBER.fullmatch(word) for word in words):
            raise ValueError(" ".join(words)[:60])
        left, top, right, bottom = (float(word) for word in words)
        if not all(abs(value) < _FARTHEST for value in (left, top, right, bottom)):
            raise ValueError(" ".join(words)[:60])
        return left, top, right, bottom


def understand_box_columns(grid: Grid, index: PictureIndex, near: str) -> BoxColumns | None:
    """Tells the columns apart; `None` where there are no pictures or no boxes.

    Raises:
        DataError: Several columns could be the class.
    """
    found = find_box_places(grid)
    if found is None or len(grid.rows) <= found.header:
        return None
    plain = [plain_name(name) for name in grid.rows[0]]
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
        pixels=header and all(PIXELS.search(grid.rows[0][place]) for place in places),
        split=None if split is None else rest[split],
        group=None if group is None else rest[group],
        crowd=crowd,
        ignore=ignore,
        header=header,
        names=names,
        share=path.share,
    )


def _position(plain: Sequence[str], names: frozenset[str]) -> int | None:
    return next((i for i, name in enumerate(plain) if name in names), None)


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
