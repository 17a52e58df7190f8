"""The files of VGG Image Annotator, of all versions, as pictures and regions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from striate.errors import DataError
from striate.formats.annotation_files import read_json
from striate.formats.tables.rows import decode_text

_SHAPE_COLUMN = "region_shape_attributes"


@dataclass(frozen=True, slots=True)
class ViaRegion:
    """One region.

    Attributes:
        shape: Its kind and coordinates.
        attributes: What annotators say of it.
    """

    shape: Mapping[str, Any]
    attributes: Mapping[str, Any]


@dataclass(slots=True)
class ViaPicture:
    """One picture.

    Attributes:
        filename: Its name or address.
        regions: Its regions.
        attributes: What annotators say of the picture.
    """

    filename: str
    regions: list[ViaRegion] = field(default_factory=list)
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def agrees(self, other: ViaPicture) -> bool:
        """Whether both say the same of the picture, in any order."""
        return _sorted(self.regions) == _sorted(other.regions)


def _sorted(regions: list[ViaRegion]) -> list[str]:
    return sorted(json.dumps([region.shape, region.attributes], sort_keys=True) for region in regions)


@dataclass(frozen=True, slots=True)
class ViaFile:
    """One file.

    Attributes:
        name: Its path relative to the root.
        rank: 0 for a project, 1 for JSON, 2 for CSV.
        pictures: What it says.
        options: Values that a project lists for each region attribute, in its order.
    """

    name: str
    rank: int
    pictures: list[ViaPicture]
    options: Mapping[str, list[str]] = field(default_factory=dict)


def is_via_text(text: str) -> bool:
    """Whether the first and last bytes of a file are those of a project, of exported JSON or of exported CSV."""
    if '"_via_img_metadata"' in text:
        return True
    if '"filename"' in text and ('"shape_attributes"' in text or '"file_attributes"' in text) and '"regions"' in text:
        return True
    return _SHAPE_COLUMN in text.split("\n", 1)[0]


def read_via_file(file: Path, name: str) -> ViaFile:
    """Reads a file.

    Args:
        file: The file.
        name: Its path relative to the root of the data set.

    Raises:
        DataError: It is damaged, or not as VIA writes it.
    """
    if name.lower().endswith(".csv"):
        return ViaFile(name, 2, _csv_pictures(file))
    content = read_json(file)
    if not isinstance(content, dict):
        raise _strange(file, "its outermost part is no JSON object")
    entries, project = content.get("_via_img_metadata"), True
    if entries is None:
        entries, project = content, False
    if not isinstance(entries, dict | list):
        raise _strange(file, "`_via_img_metadata` is no JSON object")
    pictures = [_picture(entry, file) for entry in (entries.values() if isinstance(entries, dict) else entries)]
    return ViaFile(name, 0 if project else 1, pictures, _options(content) if project else {})


def _strange(file: Path, seen: str) -> DataError:
    return DataError(f"not as VIA writes it: {seen}.", where=file, fix="Export the annotation again.")


def _picture(entry: object, file: Path) -> ViaPicture:
    if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
        raise _strange(file, "an entry has no `filename`")
    regions = entry.get("regions") or []
    if isinstance(regions, dict):
        regions = list(regions.values())
    if not isinstance(regions, list):
        raise _strange(file, f"the `regions` of {entry['filename']} are no list")
    found = [
        ViaRegion(_mapping(region, "shape_attributes"), _mapping(region, "region_attributes")) for region in regions
    ]
    return ViaPicture(_local_name(entry["filename"]), found, _mapping(entry, "file_attributes"))


def _mapping(owner: object, key: str) -> Mapping[str, Any]:
    value = owner.get(key) if isinstance(owner, dict) else None
    return value if isinstance(value, dict) else {}


def _local_name(filename: str) -> str:
    """The path of an address on the web, else the name as it is."""
    return unquote(urlsplit(filename).path) if filename.startswith(("http://", "https://")) else filename


def _options(content: Mapping[str, Any]) -> dict[str, list[str]]:
    declared = _mapping(_mapping(content, "_via_attributes"), "region")
    return {name: [str(one).strip() for one in _mapping(attribute, "options")] for name, attribute in declared.items()}


def _csv_pictures(file: Path) -> list[ViaPicture]:
    """Rows of one region each; a picture without regions has one row with an empty shape."""
    text, _ = decode_text(file)
    rows = csv.DictReader(io.StringIO(text.lstrip("#"), newline=""))
    found: dict[str, ViaPicture] = {}
    # Long outlines are longer than the cells that csv takes by itself; a cell cannot be longer than the file.
    usual = csv.field_size_limit(len(text) + 1)
    try:
        for row in rows:
            name = row.get("filename")
            if not name:
                raise _strange(file, f"line {rows.line_num} names no file")
            picture = found.setdefault(name, ViaPicture(_local_name(name), [], _cell(row, "file_attributes")))
            shape = _cell(row, _SHAPE_COLUMN)
            if shape:
                picture.regions.append(ViaRegion(shape, _cell(row, "region_attributes")))
    except (csv.Error, ValueError, RecursionError) as error:
        raise _strange(file, f"line {rows.line_num} cannot be understood ({error})") from error
    finally:
        csv.field_size_limit(usual)
    return list(found.values())


def _cell(row: Mapping[str, str | None], column: str) -> Mapping[str, Any]:
    value = json.loads(row.get(column) or "{}")
    return value if isinstance(value, dict) else {}
