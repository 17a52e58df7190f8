"""What the columns of a table mean, told by their names and their cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from striate.errors import DataError
from striate.formats.folder_names import split_of
from striate.formats.listing import is_picture_name
from striate.formats.tables.rows import Grid, PathColumn

_LABEL_NAME = re.compile(
    r"(^|[_\s.-])(label|labels|class|classes|classname|category|categories|target|targets|diagnosis|species|breed|"
    r"tag|tags|truth|grade|y|dx)(es)?($|[_\s.-])",
    re.I,
)
_PLURAL = re.compile(r"(^|[_\s.-])(labels|classes|categories|tags|targets|attributes|findings)($|[_\s.-])", re.I)
_GROUP_NAME = re.compile(
    r"^(patient|subject|group|case|study|participant|person|specimen)([_\s.-]?(id|nr|no|number))?$", re.I
)
_SPLIT_NAME = re.compile(r"^(split|subset|set|partition|phase|usage|fold|dataset)$", re.I)
_PARTITION_FILE = re.compile(r"(partition|split)s?$", re.I)
_ZERO_ONE = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True, "-1": False}
_SEPARATORS = ("|", ";", ",")
_MOST_CLASSES = 0.5


@dataclass(frozen=True, slots=True)
class Columns:
    """What each column is for.

    Attributes:
        path: Position of the column that names pictures.
        label: Position of the label column, `None` where there are 0/1 columns.
        flags: Positions of the 0/1 columns, one for each class.
        split: Position of the column that names splits.
        group: Position of the column that names patients or other groups.
        separator: What stands between several labels in one cell; empty where each cell is one label.
        names: Header, or `column 1`, `column 2`, ...
        header: Whether the first row is a header.
        share: Share of a sample of rows whose picture is there.
    """

    path: int
    label: int | None
    flags: tuple[int, ...]
    split: int | None
    group: int | None
    separator: str
    names: tuple[str, ...]
    header: bool
    share: float


def understand_columns(grid: Grid, found: PathColumn) -> Columns | None:
    """Tells the columns apart; `None` where none can be a label.

    Raises:
        DataError: Several columns could be the label.
    """
    width = len(grid.rows[0])
    header = tuple(grid.rows[0]) if found.header else ()
    names = tuple(header[i] if header and header[i] else f"column {i + 1}" for i in range(width))
    body = grid.rows[1:] if found.header else grid.rows
    if not body:
        return None
    cells = {i: [row[i] for row in body] for i in range(width) if i != found.column}
    split = _first(i for i in cells if _is_split(names[i], cells[i]))
    flags = tuple(i for i in cells if i != split and all(cell.lower() in _ZERO_ONE for cell in cells[i]))
    # A class may be called "person"; then its cells are 0 and 1.
    group = _first(i for i in cells if header and i not in (split, *flags) and _GROUP_NAME.match(names[i]))
    rest = [i for i in cells if i not in (split, group) and any(cells[i]) and not _names_pictures(cells[i])]
    named = [i for i in rest if header and _LABEL_NAME.search(names[i])]
    if not header and len(rest) == 1 and _PARTITION_FILE.search(grid.file.stem):
        return None
    if header and len(flags) >= 2 and not [i for i in named if i not in flags]:
        return Columns(found.column, None, flags, split, group, "", names, found.header, found.share)
    label = _choose_label(grid, rest, named, cells, names)
    if label is None:
        return None
    separator = _separator_in(names[label], cells[label])
    return Columns(found.column, label, (), split, group, separator, names, found.header, found.share)


def is_set(cell: str) -> bool:
    """Whether the cell of a 0/1 column says that the class is there."""
    return _ZERO_ONE[cell.lower()]


def _first(positions: Iterable[int]) -> int | None:
    return next(iter(positions), None)


def _names_pictures(cells: Sequence[str]) -> bool:
    """Whether cells are pictures too, masks for example."""
    return 2 * sum(is_picture_name(cell) for cell in cells) > len(cells)


def _is_split(name: str, cells: Sequence[str]) -> bool:
    values = set(cells) - {""}
    known = bool(values) and all(split_of(value) is not None for value in values)
    return known and (len(values) > 1 or _SPLIT_NAME.match(name) is not None)


def _choose_label(
    grid: Grid, rest: list[int], named: list[int], cells: dict[int, list[str]], names: tuple[str, ...]
) -> int | None:
    candidates = [i for i in named if not _is_measure(cells[i])] or [i for i in rest if _is_categorical(cells[i])]
    if not candidates and len(rest) == 1 and not _is_measure(cells[rest[0]]):
        candidates = rest
    candidates = _without_codes(candidates, cells)
    if not candidates:
        return None
    if len(candidates) > 1:
        listed = ", ".join(repr(names[i]) for i in candidates)
        raise DataError(
            f"several columns could be the label: {listed}.",
            where=grid.file,
            fix="Call the column that is meant `label`, and delete or rename the others.",
        )
    return candidates[0]


def _is_measure(cells: Sequence[str]) -> bool:
    """Whether cells are numbers with fractions, which are no classes."""
    fractions = 0
    for cell in cells:
        try:
            fractions += not float(cell).is_integer()
        except (ValueError, OverflowError):
            return False
    return fractions > 0


def _is_categorical(cells: Sequence[str]) -> bool:
    """Whether values repeat, as classes do and names, dates and measures do not."""
    different = len(set(cells) - {""})
    return 2 <= different <= max(2, _MOST_CLASSES * len(cells)) and not _is_measure(cells)


def _without_codes(candidates: list[int], cells: dict[int, list[str]]) -> list[int]:
    """Leaves out columns that say the same as another in other words; text stays rather than numbers."""
    kept: list[int] = []
    ordered = sorted(candidates, key=lambda i: all(cell.lstrip("-").isdecimal() for cell in cells[i]))
    for i in ordered:
        if not any(_correspond(cells[i], cells[j]) for j in kept):
            kept.append(i)
    return sorted(kept)


def _correspond(first: Sequence[str], second: Sequence[str]) -> bool:
    pairs = set(zip(first, second, strict=True))
    return len(pairs) == len(set(first)) == len(set(second))


def _separator_in(name: str, cells: Sequence[str]) -> str:
    """What stands between several labels in one cell; empty where cells are single labels."""
    for separator in _SEPARATORS:
        if any(separator in cell for cell in cells) and _shares_words(cells, separator):
            return separator
    several = [cell for cell in cells if " " in cell]
    if not several:
        return ""
    alone = {cell for cell in cells if " " not in cell}
    plural = _PLURAL.search(name) is not None and _shares_words(cells, " ")
    return " " if plural or all(word in alone for cell in several for word in cell.split()) else ""


def _shares_words(cells: Sequence[str], separator: str) -> bool:
    """Whether splitting cells gives words that occur in other cells as well, as labels do."""
    whole = set(cells) - {""}
    parts = [word.strip() for cell in whole for word in cell.split(separator) if word.strip()]
    return len(set(parts)) < len(parts)
