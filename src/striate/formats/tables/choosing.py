"""Which tables of a folder are meant: those that can be understood, one for all pictures or one for each split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from striate.errors import DataError
from striate.formats.folder_names import split_of
from striate.formats.picture_index import PictureIndex
from striate.formats.tables.rows import Grid, parse_grids, split_of_table
from striate.structures import Count

INSIDE = "Give the folder that holds the table and the pictures, or put the pictures beside the table."
"""What to do about rows that lead out of the folder."""


class AnyColumns(Protocol):
    """What the columns of every table of pictures are for; see `Columns` and `BoxColumns`."""

    @property
    def path(self) -> int:
        """Position of the column that names pictures."""

    @property
    def split(self) -> int | None:
        """Position of the column that names splits."""

    @property
    def group(self) -> int | None:
        """Position of the column that names groups."""

    @property
    def header(self) -> bool:
        """Whether the first row is a header."""

    @property
    def share(self) -> float:
        """Share of a sample of rows whose picture is there."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""


ColumnsT = TypeVar("ColumnsT", bound=AnyColumns)


@dataclass(slots=True)
class Table(Generic[ColumnsT]):
    """One table, understood.

    Attributes:
        grid: Its cells.
        columns: What they are for.
        split: The split that its name or folder says; empty where neither does.
        near: Its folder relative to the root of the data set; empty for the root.
    """

    grid: Grid
    columns: ColumnsT
    split: str
    near: str

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.grid.file.name

    def body(self) -> list[tuple[str, ...]]:
        """Rows without the header."""
        return self.grid.rows[1:] if self.columns.header else self.grid.rows

    def column(self, position: int) -> str:
        """Name of a column in quotation marks."""
        return repr(self.columns.names[position])

    def split_of(self, cells: Sequence[str]) -> str:
        """The split of a row: of its cell, else of the table."""
        place = self.columns.split
        return (None if place is None else split_of(cells[place])) or self.split

    def group_of(self, cells: Sequence[str]) -> str | None:
        """The group of a row."""
        place = self.columns.group
        return None if place is None else cells[place] or None

    def sources(self) -> str:
        """Where splits and groups come from, for the end of a sentence; empty where nowhere."""
        places = (("splits", self.columns.split), ("groups", self.columns.group))
        return "".join(f", {what} from {self.column(place)}" for what, place in places if place is not None)

    def note_encoding(self, notes: list[str]) -> None:
        """Says so where letters may have been misread."""
        if self.grid.encoding == "latin-1":
            notes.append(f"{self.name} is not UTF-8; it was read as Latin-1.")

    def nothing_found(self, root: Path, outside: Sequence[str] = ()) -> DataError:
        """The refusal of a table none of whose pictures is there.

        Args:
            root: Where they were looked for.
            outside: Cells that lead out of there.
        """
        body, place = self.body(), self.columns.path
        if outside:
            return DataError(
                f"no picture named in the column {self.column(place)} was found in {root}; {len(outside)} of "
                f"{Count(len(body)):row leads|rows lead} out of it, such as {outside[0]!r}.",
                where=self.grid.file,
                fix=INSIDE,
            )
        return DataError(
            f"{Count(len(body)):picture is|pictures are} named in the column {self.column(place)}, and none was found "
            f"below {root}, such as {body[0][place]!r}.",
            where=self.grid.file,
            fix="Put the pictures beside the table, or into a folder beside it, under the names that the table gives.",
        )


def understand_tables(
    files: Sequence[Path],
    index: PictureIndex,
    understand: Callable[[Grid, PictureIndex, str], ColumnsT | None],
    most: int = 0,
) -> tuple[list[Table[ColumnsT]], list[DataError]]:
    """The tables whose columns can be told apart, and why others that name pictures are not clear.

    Args:
        files: Tables.
        index: The pictures.
        understand: Tells the columns of a grid apart, given the pictures and the folder of the table; `None` where it
            is a table of something else.
        most: Bytes at the beginning of a table that are enough; 0 is the whole file.
    """
    tables, unclear = [], list[DataError]()
    for file in files:
        near = file.resolve().parent.relative_to(index.root.resolve()).as_posix().strip(".")
        try:
            for grid in parse_grids(file, most):
                columns = understand(grid, index, near)
                if columns is not None:
                    tables.append(Table(grid, columns, split_of_table(file, index.root), near))
                    break
        except DataError as error:
            unclear.append(error)
    return tables, unclear


def choose_tables(
    path: Path,
    tables: Sequence[Table[ColumnsT]],
    contents: Callable[[Table[ColumnsT]], object],
    notes: list[str],
) -> list[Table[ColumnsT]]:
    """The one table, or one for each split.

    Args:
        path: The data set, for the error.
        tables: All that could be meant.
        contents: Everything that a table says, for comparison.
        notes: Takes down what is left aside.

    Raises:
        DataError: Several tables could be meant.
    """
    resolved = [table for table in tables if table.columns.share > 0] or list(tables)
    by_split = [table for table in resolved if table.split]
    rest = [table for table in resolved if not table.split]
    different = len({table.split for table in by_split}) == len(by_split)
    if by_split and different and (len(by_split) > 1 or not rest):
        if rest:
            left = ", ".join(table.name for table in rest)
            notes.append(f"{left} is left aside: other tables are for the single splits.")
        return by_split
    if len(rest) == 1 and not by_split:
        return rest
    said = [contents(table) for table in resolved]
    if all(one == said[0] for one in said):
        others = ", ".join(table.name for table in resolved[1:])
        notes.append(f"{others} says the same as {resolved[0].name} and is left aside.")
        return resolved[:1]
    raise DataError(
        f"several tables could be meant: {', '.join(table.name for table in resolved)}.",
        where=path,
        fix="Give the path of one table, or name them train.csv, validation.csv and test.csv.",
    )
