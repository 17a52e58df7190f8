"""A table of pictures and labels: CSV, TSV and their relatives, with columns found by their content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from striate.errors import DataError, RequestError
from striate.formats.base import FORMATS, Format, Reading, Sniff
from striate.formats.foreign import names_outlines
from striate.formats.labelled import Entry, Findings, build_reading
from striate.formats.listing import natural_key
from striate.formats.picture_index import PictureIndex, take_splits_from_folders
from striate.formats.storing import PictureStore, label_indices, prepare_folder, store_table
from striate.formats.tables.box_places import ends_in_coordinates, find_box_places
from striate.formats.tables.choosing import INSIDE, Table, choose_tables, understand_tables
from striate.formats.tables.label_columns import Columns, is_set, understand_columns
from striate.formats.tables.rows import (
    Grid,
    find_path_column,
    root_of_table,
    table_files,
)
from striate.images import FileSource
from striate.structures import Count, Labels, Problem, Sample

TABLE_FILE = "labels.csv"
PICTURES_FOLDER = "pictures"
_LISTED = 20


@dataclass(slots=True)
class _Row:
    """One picture as a table has it."""

    path: str
    labels: tuple[str, ...]
    split: str
    group: str | None


class _TableFormat(Format):
    name = "table"
    title = "a CSV or TSV table of pictures and labels"
    tasks = ("classification", "multilabel")

    def sniff(self, path: Path) -> Sniff | None:
        files = table_files(path)
        if not files:
            return None
        index = PictureIndex(path if path.is_dir() else root_of_table(path))
        tables, unclear = understand_tables(files, index, understand_labels)
        if not tables:
            # Reading says which columns could be the label.
            return Sniff(0.6, f"{Path(str(unclear[0].where)).name} names pictures") if unclear else None
        first = tables[0]
        # A table of a few of the pictures is about something else, or needs the user's word.
        rows = sum(len(table.body()) for table in tables)
        sure = 0.9 if first.columns.share >= 0.5 and rows >= 0.3 * len(index.paths) else 0.4
        return Sniff(sure, f"{first.name} names pictures in the column {first.column(first.columns.path)}")

    def read(self, path: Path, task: str | None = None) -> Reading:
        del task
        root = path if path.is_dir() else root_of_table(path)
        index = PictureIndex(root)
        tables, unclear = understand_tables(table_files(path), index, understand_labels)
        if not tables and unclear:
            raise unclear[0]
        if not tables:
            raise DataError(
                "no table was found here that names pictures and their labels.",
                where=path,
                fix="Write a CSV table with a column `path` (relative to the table) and a column `label`.",
            )
        found = Findings()
        tables = choose_tables(path, tables, partial(_contents, index=index), found.notes)
        rows = [row for table in tables for row in _read_rows(table, index, found)]
        take_splits_from_folders(rows, found.notes)
        _settle_labels(tables, rows, found)
        for row in _without_repeats(rows, found):
            source = FileSource(root / row.path, row.path)
            found.splits.setdefault(row.split, []).append(Entry(source, row.labels, row.group))
        for entries in found.splits.values():
            entries.sort(key=lambda entry: natural_key(entry.source.name))
        return build_reading(self.name, path, found)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes `labels.csv` and a folder `pictures`; several labels as one 0/1 column for each class."""
        several = any(isinstance(sample.annotation, Labels) for part in splits.values() for sample in part)
        rows = [
            (split, sample, label_indices(sample.annotation, sample.name, self.name))
            for split, samples in splits.items()
            for sample in samples
        ]
        if several and len(classes) < 2:
            raise RequestError("one 0/1 column is no table of several labels; two classes are needed.", where=self.name)
        has_split = any(splits[split] for split in splits if split)
        has_group = any(sample.group is not None for _, sample, _ in rows)
        prepare_folder(out)
        store = PictureStore()
        first = ["path", *(["split"] if has_split else []), *(["group"] if has_group else [])]
        table = [first + (list(classes) if several else ["label"])]
        for split, sample, indices in rows:
            file = store.save(sample, out / PICTURES_FOLDER)
            cells = [f"{PICTURES_FOLDER}/{file.name}"]
            cells += [split] if has_split else []
            cells += [sample.group or ""] if has_group else []
            cells += [str(int(i in indices)) for i in range(len(classes))] if several else [classes[indices[0]]]
            table.append(cells)
        store_table(out / TABLE_FILE, table)


def understand_labels(grid: Grid, index: PictureIndex, near: str) -> Columns | None:
    """What the columns of a table of labels are for; `None` where it names nothing that the index finds."""
    found = find_path_column(grid, index, near)
    if found is None or find_box_places(grid) is not None:
        return None
    if names_outlines({name.lower() for name in grid.rows[0]}) if found.header else ends_in_coordinates(grid):
        return None
    return understand_columns(grid, found)


def _contents(table: Table[Columns], index: PictureIndex) -> list[tuple[str, tuple[str, ...]]]:
    """Everything a table says, for comparison."""
    return sorted((row.path, row.labels) for row in _read_rows(table, index, Findings()))


def _read_rows(table: Table[Columns], index: PictureIndex, found: Findings) -> list[_Row]:
    columns, grid = table.columns, table.grid
    rows: list[_Row] = []
    missing: list[str] = []
    unclear: list[str] = []
    unlabelled: list[str] = []
    outside: list[str] = []
    for cells in table.body():
        split = table.split_of(cells)
        matches = index.find(cells[columns.path], table.near, split)
        if index.leads_out(cells[columns.path], table.near, bool(matches)):
            # A picture of the same name in the folder is another one.
            outside.append(cells[columns.path])
            continue
        if len(matches) != 1:
            (unclear if matches else missing).append(cells[columns.path])
            continue
        labels = row_labels(columns, cells)
        if labels is None:
            unlabelled.append(cells[columns.path])
            continue
        rows.append(_Row(matches[0], labels, split, table.group_of(cells)))
    _note_reading(table, len(rows), found)
    _report(found, "missing-file", table, missing, "there is no such picture", "Correct the path, or add the file.")
    leaves = f"that leads out of {index.root}, and only pictures in there are read"
    _report(found, "outside-folder", table, outside, leaves, INSIDE)
    several = "several pictures are called that"
    _report(found, "ambiguous-file", table, unclear, several, "Write the folder as well.")
    _report(found, "unlabelled", table, unlabelled, "the label is empty", "Fill it in.")
    for line in grid.ragged[:_LISTED]:
        found.problems.append(
            Problem(
                "ragged-row",
                f"{table.name}:{line}",
                f"line {line} has another number of cells than the others ({len(grid.rows[0])}).",
                "It is left out. Put quotation marks around cells that contain the delimiter.",
                "dropped",
            )
        )
    if not rows:
        raise table.nothing_found(index.root, outside)
    return rows


def row_labels(columns: Columns, cells: tuple[str, ...]) -> tuple[str, ...] | None:
    """Labels of a row; `None` where there should be one and is none."""
    if columns.label is None:
        return tuple(columns.names[i] for i in columns.flags if is_set(cells[i]))
    cell = cells[columns.label]
    if columns.separator:
        words = (word.strip() for word in cell.split(columns.separator))
        return tuple(dict.fromkeys(word for word in words if word))
    return (cell,) if cell else None


def _note_reading(table: Table[Columns], count: int, found: Findings) -> None:
    columns = table.columns
    if columns.label is None:
        labels = f"labels from the 0/1 columns {', '.join(columns.names[i] for i in columns.flags)}"
    else:
        labels = f"labels from the column {table.column(columns.label)}"
        labels += f" (several, separated by {columns.separator!r})" if columns.separator else ""
    found.notes.append(
        f"{table.name}: {Count(count):picture} from the column {table.column(columns.path)}, {labels}{table.sources()}."
    )
    table.note_encoding(found.notes)


def _report(found: Findings, kind: str, table: Table[Columns], cells: Sequence[str], what: str, fix: str) -> None:
    for cell in cells[:_LISTED]:
        detail = f"{table.name} names {cell!r}: {what}."
        found.problems.append(Problem(kind, cell, detail, f"The row is left out. {fix}", "dropped"))
    if len(cells) > _LISTED:
        detail = f"{len(cells) - _LISTED} more rows of {table.name} are like that."
        found.problems.append(Problem(kind, table.name, detail, f"They are left out. {fix}", "dropped"))


def _settle_labels(tables: Sequence[Table[Columns]], rows: Sequence[_Row], found: Findings) -> None:
    """Decides between one label and several: 0/1 columns with exactly one 1 in every row are one label."""
    flags = all(table.columns.label is None for table in tables)
    found.several = any(len(row.labels) != 1 for row in rows)
    if flags:
        found.declared = tuple(tables[0].columns.names[i] for i in tables[0].columns.flags)
        if not found.several:
            found.notes.append("Every row has exactly one 1, so each picture has one label.")
        strange = {label for row in rows for label in row.labels} - set(found.declared)
        if strange:
            found.declared = None


def _without_repeats(rows: Sequence[_Row], found: Findings) -> list[_Row]:
    """Each picture once; rows that contradict one another go."""
    by_path: dict[str, list[_Row]] = {}
    for row in rows:
        by_path.setdefault(row.path, []).append(row)
    kept = []
    for path, same in by_path.items():
        labels = {frozenset(row.labels) for row in same}
        splits = sorted({row.split for row in same})
        if len(labels) > 1:
            seen = " and ".join(sorted(" + ".join(sorted(label)) or "none" for label in labels))
            found.problems.append(
                Problem(
                    "conflicting-labels",
                    path,
                    f"{len(same)} rows name it with different labels: {seen}.",
                    "The picture is left out. Keep the row that is right.",
                    "dropped",
                )
            )
            continue
        if len(same) > 1:
            _report_repeat(path, same, splits, found)
        # A picture that is in the test split must not be learned, so the later split keeps it.
        order = ("test", "validation", "", "train")
        kept.append(min(same, key=lambda row: order.index(row.split)))
    return kept


def _report_repeat(path: str, same: Sequence[_Row], splits: Sequence[str], found: Findings) -> None:
    if len(splits) > 1:
        detail = f"it is in several splits: {', '.join(split or 'none' for split in splits)}."
        found.problems.append(
            Problem("leakage", path, detail, "It was taken out of the earlier ones (test keeps it first).")
        )
    else:
        detail = f"{len(same)} rows name it, all with the same label."
        found.problems.append(Problem("duplicate-row", path, detail, "It counts once."))


FORMATS.add(_TableFormat.name, _TableFormat())
