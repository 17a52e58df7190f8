"""Text tables: encoding, delimiter, header; and which of their cells name pictures."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from striate.errors import DataError
from striate.formats.folder_names import split_in_name, split_of
from striate.formats.listing import holds_pictures, is_picture_name, scan
from striate.formats.picture_index import PictureIndex

TABLE_SUFFIXES = (".csv", ".tsv", ".txt")
_DELIMITERS = ("\t", ";", ",", "|", " ")
_LARGEST = 512 << 20
_SAMPLE = 200
_MOST_COLUMNS = 64
_MOST_TABLES = 20


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells of a table, stripped, all rows equally long.

    Attributes:
        file: The table.
        rows: All rows, a header perhaps among them.
        delimiter: What stands between cells.
        encoding: How the bytes became text.
        ragged: Numbers, from 1, of lines that have another number of cells; they are not among the rows.
    """

    file: Path
    rows: list[tuple[str, ...]]
    delimiter: str
    encoding: str
    ragged: tuple[int, ...] = ()


def table_files(path: Path) -> list[Path]:
    """Tables in a folder and in the folders right below; or the one table that the path is."""
    if path.is_file():
        return [path] if path.suffix.lower() in TABLE_SUFFIXES else []
    listing = scan(path)
    files = [path / name for name in listing.others]
    for folder in listing.folders[:_MOST_TABLES]:
        below = [path / folder / name for name in scan(path / folder, ordered=False).others if is_table(name)]
        # Folders full of text files hold boxes, one file for each picture.
        files += below if len(below) <= 3 else []
    return [file for file in files if is_table(file.name)][:_MOST_TABLES]


def is_table(name: str) -> bool:
    """Whether a file is called like a table, and not like a text about the set."""
    return name.lower().endswith(TABLE_SUFFIXES) and not re.match(r"(readme|license|licence|source)\b", name, re.I)


def root_of_table(table: Path) -> Path:
    """Where to look for the pictures of a table: beside it and below, else beside its folder."""
    beside = table.resolve().parent
    return beside if holds_pictures(beside, 8) else beside.parent


def split_of_table(file: Path, root: Path) -> str:
    """The split that the name of a table says, or the folder it lies in."""
    split = split_in_name(file.stem)
    inside = file.resolve().parent != root.resolve()
    return split or (split_of(file.parent.name) if inside else None) or ""


def decode_text(file: Path, most: int = 0) -> tuple[str, str]:
    """Text of a file and its encoding: UTF-16 with its mark, UTF-8 with or without, else Latin-1.

    Args:
        file: The file.
        most: Bytes that are enough; the lines that end in them are read. 0 is the whole file.

    Raises:
        DataError: It cannot be read, or is too large to be a table of pictures.
    """
    try:
        if not most and file.stat().st_size > _LARGEST:
            raise DataError(f"a table of more than {_LARGEST >> 20} MB.", where=file, fix="Split it up.")
        data = _read_lines(file, most) if most else file.read_bytes()
    except OSError as error:
        raise DataError(
            f"the table cannot be read ({error.strerror}).", where=file, fix="Check the path and its rights."
        ) from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace"), "utf-16"
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def _read_lines(file: Path, most: int) -> bytes:
    """Whole lines at the beginning of a file."""
    with file.open("rb") as opened:
        data = opened.read(most)
        if opened.read(1):
            # UTF-16 has a zero byte on either side of its line ends.
            end = data.rfind(b"\n") + 1
            data = data[: end + (data[end : end + 1] == b"\0")] if end else data
    return data


def parse_grids(file: Path, most: int = 0) -> list[Grid]:
    """All ways to cut a table into at least two columns, the likeliest delimiter first.

    Args:
        file: The table.
        most: Bytes at its beginning that are enough; 0 is the whole file.

    Raises:
        DataError: See `decode_text`.
    """
    text, encoding = decode_text(file, most)
    if "\0" in text[:4096]:
        return []
    grids = []
    for delimiter in _DELIMITERS:
        if delimiter in text:
            grid = _cut(file, text, delimiter, encoding)
            if grid is not None:
                grids.append(grid)
    return sorted(grids, key=lambda grid: len(grid.ragged) > 0)


def _cut(file: Path, text: str, delimiter: str, encoding: str) -> Grid | None:
    lines: list[tuple[int, tuple[str, ...]]] = []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        for row in reader:
            cells = tuple(cell.strip() for cell in row)
            if any(cells):
                lines.append((reader.line_num, cells))
    except csv.Error:
        return None
    if not lines:
        return None
    lengths: dict[int, int] = defaultdict(int)
    for _, cells in lines:
        lengths[len(cells)] += 1
    width = max(lengths, key=lambda length: (lengths[length], length))
    ragged = tuple(number for number, cells in lines if len(cells) != width)
    if width < 2 or len(ragged) * 10 > len(lines):
        return None
    return Grid(file, [cells for _, cells in lines if len(cells) == width], delimiter, encoding, ragged)


@dataclass(frozen=True, slots=True)
class PathColumn:
    """The column that names pictures.

    Attributes:
        column: Its position.
        share: Share of a sample of its cells whose picture was found.
        named: Share of them that end like a picture's name.
        header: Whether the first row is a header.
    """

    column: int
    share: float
    named: float
    header: bool


def find_path_column(grid: Grid, index: PictureIndex, near: str) -> PathColumn | None:
    """The column whose cells are pictures, by content; `None` where no column is like that."""
    body = grid.rows[1:] or grid.rows
    step = max(1, len(body) // _SAMPLE)
    sample = body[::step][: 2 * _SAMPLE]
    best: tuple[tuple[float, float, int, int], PathColumn] | None = None
    # A path stands among the first columns; a table of a thousand columns holds pixels.
    for column in range(min(len(grid.rows[0]), _MOST_COLUMNS)):
        cells = [row[column] for row in sample]
        share = sum(bool(index.find(cell, near)) for cell in cells) / len(cells)
        named = sum(is_picture_name(cell.replace("\\", "/").rsplit("/", 1)[-1]) for cell in cells) / len(cells)
        # Numbers that happen to be names of pictures without their suffix are likelier numbers.
        if max(share, named) < (0.3 if named else 0.8):
            continue
        first = grid.rows[0][column]
        header = not (index.find(first, near) or is_picture_name(first))
        rank = (share, named, len(set(cells)), -column)
        if best is None or rank > best[0]:
            best = (rank, PathColumn(column, share, named, header))
    return None if best is None else best[1]
