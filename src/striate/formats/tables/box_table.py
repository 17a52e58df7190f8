"""A table of boxes: CSV, TSV and their relatives with one box a row, the columns found by name and content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from striate.errors import DataError, PictureError
from striate.formats.base import FORMATS, Format, Reading, Sniff
from striate.formats.listing import natural_key
from striate.formats.objects import ObjectEntry, ObjectFindings, build_object_reading
from striate.formats.picture_index import (
    PictureIndex,
    keep_in_one_split,
    read_headers,
    report_unlisted,
    take_splits_from_folders,
)
from striate.formats.storing import PictureStore, objects_of, prepare_folder, refuse_strange_names, store_table
from striate.formats.tables.box_columns import (
    BoxColumns,
    Numbers,
    are_shares,
    guess_meaning,
    to_corners,
    understand_box_columns,
)
from striate.formats.tables.box_places import find_box_places
from striate.formats.tables.choosing import INSIDE, Table, choose_tables, understand_tables
from striate.formats.tables.rows import parse_grids, root_of_table, table_files
from striate.formats.tally import Fault, Tally
from striate.images import FileSource, Header
from striate.structures import Boxes, Count, Sample

TABLE_FILE = "boxes.csv"
PICTURES_FOLDER = "pictures"
ONE_CLASS = "object"
_HEAD = 1 << 15
_MEASURED = 300

_FAULTS = {
    "missing-file": Fault(
        "{count:row names|rows name} a picture that is not there ({example}).",
        "The rows are left out.",
        "Correct the path, or add the files.",
    ),
    "ambiguous-file": Fault(
        "{count:row gives|rows give} a name that several pictures have ({example}).",
        "The rows are left out.",
        "Write the folder as well.",
    ),
    "outside-folder": Fault(
        "{count:row names|rows name} a picture out of the folder, and only pictures in there are read ({example}).",
        "The rows are left out.",
        INSIDE,
    ),
    "broken-row": Fault(
        "{count:row holds|rows hold} something else than the four numbers of a box ({example}).",
        "The rows are left out.",
        "Correct them; a row without a box has empty cells.",
    ),
    "unlabelled-box": Fault(
        "{count:box has|boxes have} no class ({example}).", "They are left out.", "Fill the class in."
    ),
    "ragged-row": Fault(
        "{count:line has|lines have} another number of cells than the others ({example}).",
        "They are left out.",
        "Put quotation marks around cells that contain the delimiter.",
    ),
    "unreadable": Fault(
        "{count:picture} cannot be read, so boxes there, which are shares of the size, have no place ({example}).",
        "They are left out.",
        "Replace the files.",
    ),
}


@dataclass(frozen=True, slots=True)
class _Box:
    """One box as the table has it."""

    numbers: Numbers
    name: str
    crowd: bool
    ignore: bool


@dataclass(slots=True)
class _Picture:
    """One picture and its boxes; the meaning of their numbers is that of the table."""

    path: str
    split: str
    group: str | None
    meaning: str
    tally: Tally
    boxes: list[_Box] = field(default_factory=list)


class _BoxTable(Format):
    name = "box-table"
    title = "a CSV or TSV table with one box a row"
    tasks = ("detection",)

    def sniff(self, path: Path) -> Sniff | None:
        files = [file for file in table_files(path) if _may_hold_boxes(file)]
        if not files:
            return None
        index = PictureIndex(path if path.is_dir() else root_of_table(path))
        tables, unclear = understand_tables(files, index, understand_box_columns, _HEAD)
        if not tables:
            return Sniff(0.4, f"{Path(str(unclear[0].where)).name} names pictures and boxes") if unclear else None
        first = tables[0]
        reason = f"{first.name} names pictures in the column {first.column(first.columns.path)} and boxes"
        return Sniff(0.7 if first.columns.share >= 0.5 else 0.4, reason)

    def read(self, path: Path, task: str | None = None) -> Reading:
        del task
        root = path if path.is_dir() else root_of_table(path)
        index = PictureIndex(root)
        tables, unclear = understand_tables(table_files(path), index, understand_box_columns)
        if not tables and unclear:
            raise unclear[0]
        if not tables:
            raise DataError(
                "no table was found here that names pictures and boxes.",
                where=path,
                fix="Write a CSV table with the columns path, class, xmin, ymin, xmax and ymax, in pixels.",
            )
        found = ObjectFindings("detection")
        chosen = choose_tables(path, tables, partial(_contents, root=root, index=index), found.notes)
        tallies = {table.name: Tally(_FAULTS, table.name) for table in chosen}
        pictures = [
            picture for table in chosen for picture in _read_pictures(table, root, index, tallies[table.name], found)
        ]
        take_splits_from_folders(pictures, found.notes)
        read = " and ".join(table.name for table in chosen)
        report_unlisted(index, {one.path for one in pictures}, read, found.problems)
        pixels = any(table.columns.pixels for table in chosen)
        shares = not pixels and are_shares([box.numbers for one in pictures for box in one.boxes])
        _add_entries(root, keep_in_one_split(pictures, found.problems), shares, found)
        found.problems += [problem for tally in tallies.values() for problem in tally.problems()]
        return build_object_reading(self.name, path, found)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes `boxes.csv` and a folder `pictures`; coordinates with all their decimals, groups are kept."""
        annotated = [
            (split, sample, objects_of(sample, Boxes, self.name))
            for split, samples in splits.items()
            for sample in samples
        ]
        refuse_strange_names(classes, self.name)
        every = np.concatenate([boxes.boxes_xyxy for _, _, boxes in annotated] or [np.zeros((0, 4), np.float32)])
        # Small boxes in the corner of their pictures would look like shares of the size.
        unit = "_px" if are_shares([_numbers(row) for row in every]) else ""
        optional = {
            "split": any(split for split, _, _ in annotated),
            "group": any(sample.group is not None for _, sample, _ in annotated),
            "iscrowd": any(boxes.iscrowd.any() for _, _, boxes in annotated),
            "ignore": any(boxes.ignore.any() for _, _, boxes in annotated),
        }
        corners = [f"{name}{unit}" for name in ("xmin", "ymin", "xmax", "ymax")]
        header = ["path", "split", "group", "class", *corners, "iscrowd", "ignore"]
        kept = [name for name in header if optional.get(name, True)]
        prepare_folder(out)
        store = PictureStore()
        rows: list[list[str]] = [kept]
        for split, sample, boxes in annotated:
            file = store.save(sample, out / PICTURES_FOLDER)
            first = [f"{PICTURES_FOLDER}/{file.name}", split, sample.group or ""]
            for rest in _box_cells(boxes, classes):
                cells = dict(zip(header, first + rest, strict=True))
                rows.append([cells[name] for name in kept])
        store_table(out / TABLE_FILE, rows)


def _numbers(row: np.ndarray) -> Numbers:
    left, top, right, bottom = (float(value) for value in row)
    return left, top, right, bottom


def _box_cells(boxes: Boxes, classes: Sequence[str]) -> Iterator[list[str]]:
    """Cells from the class on, for each box; empty ones where there is none."""
    if not len(boxes):
        yield [""] * 7
    for index in range(len(boxes)):
        # The shortest decimals that give the same float32.
        corners = [np.format_float_positional(value, unique=True, trim="-") for value in boxes.boxes_xyxy[index]]
        flags = [str(int(boxes.iscrowd[index])), str(int(boxes.ignore[index]))]
        yield [classes[int(boxes.classes[index])], *corners, *flags]


def _may_hold_boxes(file: Path) -> bool:
    """A look at the first bytes alone, so that a set of other tables need not be walked through."""
    try:
        grids = parse_grids(file, _HEAD)
    except DataError:
        return False
    return any(find_box_places(grid) is not None for grid in grids)


def _contents(table: Table[BoxColumns], root: Path, index: PictureIndex) -> list[tuple[str, list[tuple[Numbers, str]]]]:
    """Everything a table says, for comparison."""
    pictures = _read_pictures(table, root, index, Tally(_FAULTS, table.name), ObjectFindings("detection"))
    return sorted(
        (one.path, sorted((to_corners(box.numbers, one.meaning), box.name) for box in one.boxes)) for one in pictures
    )


def _read_pictures(
    table: Table[BoxColumns], root: Path, index: PictureIndex, tally: Tally, found: ObjectFindings
) -> list[_Picture]:
    columns = table.columns
    pictures: dict[tuple[str, str], _Picture] = {}
    outside: list[str] = []
    for number, cells in enumerate(table.body(), 1 + columns.header):
        split = table.split_of(cells)
        name = cells[columns.path]
        matches = index.find(name, table.near, split)
        if index.leads_out(name, table.near, bool(matches)):
            # A picture of the same name in the folder is another one.
            tally.add("outside-folder", name)
            outside.append(name)
            continue
        if len(matches) != 1:
            tally.add("ambiguous-file" if matches else "missing-file", name)
            continue
        try:
            numbers = columns.box_of(cells)
        except ValueError as error:
            tally.add("broken-row", f"row {number}: {error}")
            continue
        picture = pictures.setdefault(
            (matches[0], split), _Picture(matches[0], split, table.group_of(cells), columns.meaning, tally)
        )
        if numbers is None:
            continue
        label = ONE_CLASS if columns.label is None else cells[columns.label]
        if not label:
            tally.add("unlabelled-box", f"row {number}")
            continue
        picture.boxes.append(_Box(numbers, label, _flag(columns.crowd, cells), _flag(columns.ignore, cells)))
    for line in table.grid.ragged:
        tally.add("ragged-row", f"line {line}")
    if not pictures:
        raise table.nothing_found(root, outside)
    if not columns.meaning:
        _settle_meaning(table, list(pictures.values()), root)
    _note_reading(table, list(pictures.values()), found)
    return list(pictures.values())


def _flag(place: int | None, cells: Sequence[str]) -> bool:
    return place is not None and cells[place].lower() in ("1", "1.0", "true", "yes")


def _settle_meaning(table: Table[BoxColumns], pictures: Sequence[_Picture], root: Path) -> None:
    """Where no name tells what the four numbers are, the numbers and the sizes of some pictures do."""
    every = [box.numbers for one in pictures for box in one.boxes]
    shares = are_shares(every) and not table.columns.pixels
    some = pictures[:: max(1, len(pictures) // _MEASURED)]
    heads = read_headers(root, [one.path for one in some])
    sizes = {
        one.path: head.size_hw for one, head in zip(some, heads, strict=True) if not isinstance(head, PictureError)
    }
    boxes: list[tuple[Numbers, tuple[float, float] | None]] = []
    for one in pictures:
        size_hw = (1.0, 1.0) if shares else sizes.get(one.path)
        boxes += [(box.numbers, size_hw) for box in one.boxes]
    meaning = guess_meaning(boxes, named=table.columns.header)
    for one in pictures:
        one.meaning = meaning


_MEANINGS = {
    "xyxy": "left, top, right and bottom",
    "xywh": "left, top, width and height",
    "centre": "centre, width and height",
}


def _note_reading(table: Table[BoxColumns], pictures: Sequence[_Picture], found: ObjectFindings) -> None:
    columns = table.columns
    guessed = "" if columns.meaning else ", as the numbers suggest"
    boxes = ", ".join(repr(columns.names[place]) for place in columns.places)
    label = "" if columns.label is None else f", classes from {table.column(columns.label)}"
    count = sum(len(one.boxes) for one in pictures)
    found.notes.append(
        f"{table.name}: {Count(len(pictures)):picture} from the column {table.column(columns.path)}, "
        f"{Count(count):box|boxes} from {boxes} ({_MEANINGS[pictures[0].meaning]}{guessed}){label}{table.sources()}."
    )
    if columns.label is None:
        found.notes.append(f"{table.name} has no column of classes, so all boxes are of one class, {ONE_CLASS!r}.")
    empty = sum(not one.boxes for one in pictures)
    if empty:
        found.notes.append(
            f"{table.name}: {Count(empty):picture has no box and counts|pictures have no box and count} as background."
        )
    table.note_encoding(found.notes)


def _add_entries(root: Path, pictures: Sequence[_Picture], shares: bool, found: ObjectFindings) -> None:
    """Turns rows into boxes in pixels."""
    found.names = sorted({box.name for one in pictures for box in one.boxes}, key=natural_key)
    place = {name: position for position, name in enumerate(found.names)}
    ordered = sorted(pictures, key=lambda one: natural_key(one.path))
    heads: Sequence[Header | PictureError | None] = [None] * len(ordered)
    if shares:
        heads = read_headers(root, [one.path for one in ordered])
        found.notes.append("All coordinates lie within 0 and 1, so they were taken as shares of width and height.")
    for one, head in zip(ordered, heads, strict=True):
        if isinstance(head, PictureError):
            one.tally.add("unreadable", one.path)
            continue
        height, width = (1, 1) if head is None else head.size_hw
        corners = [to_corners(box.numbers, one.meaning) for box in one.boxes]
        boxes = np.array(corners, np.float64).reshape(-1, 4) * (width, height, width, height)
        annotation = Boxes(
            boxes.astype(np.float32),
            np.array([place[box.name] for box in one.boxes], np.int64),
            np.array([box.crowd for box in one.boxes], np.bool_),
            np.array([box.ignore for box in one.boxes], np.bool_),
        )
        source = FileSource(root / one.path, one.path)
        found.splits.setdefault(one.split, []).append(ObjectEntry(source, annotation, one.group))


FORMATS.add(_BoxTable.name, _BoxTable())
