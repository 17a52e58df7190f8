"""Lists of classes beside masks: names with the values or colours that stand for them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.formats.listing import is_picture_name, scan

VOID_NAMES = frozenset(
    {"void", "unlabeled", "unlabelled", "unlabel", "ignore", "ignored", "ignore_label", "dontcare", "don't care"}
    | {"undefined", "void/unlabeled", "void/unlabelled", "void / unlabelled"}
)
"""Class names, in lower case, that say that nobody knows what a pixel shows."""

_FILE_NAME = re.compile(
    r"_?((obj|seg)?_?(classes|class_?dict|class_?names?|class_?list|label_?colou?rs?|label_?map|labels|label_?names?"
    r"|names|class_?map|codes|palette|colou?r_?map|categories)|dataset_meta|config(_v[\d.]+)?)\.(txt|csv|json|names)"
    r"|labels",
    re.I,
)
_MOST_BYTES = 1_000_000
_MOST_CLASSES = 4096
_INTEGER = re.compile(r"\d{1,9}")
_COLOUR_NAME = re.compile(r"(\d{1,3})[ ,;\t]+(\d{1,3})[ ,;\t]+(\d{1,3})[ ,;\t]+(\S.*)")
_NAME_COLOUR = re.compile(r"(.*?\S)\s*[:;,\t ]\s*(\d{1,3})[ ,;\t]+(\d{1,3})[ ,;\t]+(\d{1,3})(?::.*)?")
_VALUE_NAME = re.compile(r"(\d{1,5})\s*[ ,:;=\t]\s*(\S.*)")


@dataclass(frozen=True, slots=True)
class ListedClass:
    """One line of a list of classes.

    Attributes:
        name: The class.
        value: The value that stands for it in masks, where the list says one.
        colour: Its colour as 0xRRGGBB, where the list says one.
    """

    name: str
    value: int | None = None
    colour: int | None = None

    @property
    def is_void(self) -> bool:
        """Whether the name says that nobody knows what the pixel shows."""
        return self.name.strip().casefold() in VOID_NAMES


def is_class_list(name: str) -> bool:
    """Whether a file is called as lists of classes are."""
    return _FILE_NAME.fullmatch(name) is not None


def find_class_lists(folders: Sequence[Path]) -> list[tuple[Path, tuple[ListedClass, ...]]]:
    """Lists of classes that lie right in these folders, in their order; files of other content are passed over."""
    found = []
    for folder in dict.fromkeys(folders):
        files = [folder / name for name in scan(folder, ordered=False).others if is_class_list(name)]
        # A table says more than a list of names.
        for file in sorted(files, key=lambda file: (file.suffix.lower() != ".csv", file.name)):
            listed = read_class_list(file)
            if listed is not None:
                found.append((file, listed))
    return found


def read_class_list(file: Path) -> tuple[ListedClass, ...] | None:
    """Reads a list of classes.

    Understood are lines `r g b name` (CamVid), `name:r,g,b:parts:actions` (CVAT), `name r g b`, `value name`, plain
    names (the first is value 0); CSV tables with columns for names, values and colours, in any order (Roboflow:
    `Pixel Value, Class`); and JSON with `label_map` (Datumaro) or a list `labels` (Mapillary).

    Returns:
        The classes in the order of the file, or `None` where it is no such list.
    """
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    if file.suffix.lower() == ".json":
        listed = _from_json(text)
    else:
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        listed = (_from_table(text) if file.suffix.lower() == ".csv" else None) or _from_lines(lines)
    return tuple(listed) if listed and len(listed) <= _MOST_CLASSES and _differ(listed) else None


def _differ(listed: Sequence[ListedClass]) -> bool:
    """Whether each name, value and colour stands for one class."""
    for key in ("name", "value", "colour"):
        cells = [getattr(one, key) for one in listed if getattr(one, key) is not None]
        if len(set(cells)) != len(cells):
            return False
    return all(one.name for one in listed)


def _packed(red: Any, green: Any, blue: Any) -> int:
    return (int(red) << 16) | (int(green) << 8) | int(blue)


def _from_lines(lines: Sequence[str]) -> list[ListedClass] | None:
    readers: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], ListedClass]], ...] = (
        (_COLOUR_NAME, lambda found: ListedClass(found[4].strip(), colour=_packed(*found.group(1, 2, 3)))),
        (_NAME_COLOUR, lambda found: ListedClass(found[1].strip(), colour=_packed(*found.group(2, 3, 4)))),
        (_VALUE_NAME, lambda found: ListedClass(found[2].strip(), value=int(found[1]))),
    )
    for pattern, build in readers:
        matches = [match for line in lines if (match := pattern.fullmatch(line))]
        # The first line may be a header.
        if matches and len(matches) >= len(lines) - (len(lines) > 2):
            return [build(match) for match in matches]
    if any(is_picture_name(word) for line in lines for word in re.split(r"[,;\s]+", line)):
        return None
    return [ListedClass(line, value=index) for index, line in enumerate(lines)]


def _from_table(text: str) -> list[ListedClass] | None:
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), skipinitialspace=True) if row]
    except csv.Error:
        return None
    if len(rows) < 2 or len({len(row) for row in rows}) != 1 or any(map(_INTEGER.fullmatch, rows[0])):
        return None
    header, body = [cell.lower() for cell in rows[0]], rows[1:]
    numeric = [index for index in range(len(header)) if all(_INTEGER.fullmatch(row[index]) for row in body)]
    name = next((i for i, cell in enumerate(header) if re.search(r"class|name|label", cell) and i not in numeric), None)
    if name is None:
        name = next((i for i, cell in enumerate(header) if cell in ("class", "name", "label", "classname")), None)
    if name is None:
        return None
    colours = [_column(header, numeric, rf"{colour}|{colour[0]}") for colour in ("red", "green", "blue")]
    others = [index for index in numeric if index not in (*colours, name)]
    value = next((i for i in others if re.search(r"value|index|id|number|code", header[i])), None)
    if value is None and len(others) == 1:
        value = others[0]
    if value is None and None in colours:
        return None
    return [
        ListedClass(
            row[name],
            None if value is None else int(row[value]),
            None if None in colours else _packed(*(row[index] for index in colours if index is not None)),
        )
        for row in body
    ]


def _column(header: Sequence[str], numeric: Sequence[int], pattern: str) -> int | None:
    return next((index for index in numeric if re.fullmatch(pattern, header[index])), None)


def _from_json(text: str) -> list[ListedClass] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    label_map, labels = content.get("label_map"), content.get("labels")
    if isinstance(label_map, dict) and all(re.fullmatch(r"\d{1,5}", str(key)) for key in label_map):
        colours = [_json_colour(one) for one in content.get("segmentation_colors") or ()]
        colours += [None] * (len(label_map) - len(colours))
        named = zip(label_map.items(), colours, strict=False)
        return [ListedClass(str(name), int(key), colour) for (key, name), colour in named]
    if isinstance(labels, list) and all(isinstance(one, dict) and "name" in one for one in labels):
        return [
            ListedClass(str(one.get("readable") or one["name"]), index, _json_colour(one.get("color")))
            for index, one in enumerate(labels)
        ]
    return None


def _json_colour(value: object) -> int | None:
    if isinstance(value, list) and len(value) >= 3 and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return _packed(*value[:3])
    return None
