"""Files of annotation, opened safely: first and last bytes, text, JSON and XML."""

from __future__ import annotations

import codecs
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from striate.errors import DataError

HEAD, TAIL = 1 << 16, 1 << 16


def head_of(file: Path, most: int = HEAD) -> str:
    """First bytes of a file as text, byte by byte; empty where it cannot be opened."""
    try:
        with file.open("rb") as opened:
            return opened.read(most).decode("latin-1")
    except OSError:
        return ""


def ends_of(file: Path) -> str:
    """First and last bytes of a file as text, byte by byte; empty where it cannot be opened."""
    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD)
            size = opened.seek(0, 2)
            opened.seek(max(len(head), size - TAIL))
            return (head + opened.read()).decode("latin-1")
    except OSError:
        return ""


def read_lines(file: Path) -> list[str]:
    """Lines of a text file in UTF-8 or, as Windows also writes it, UTF-16.

    Raises:
        OSError: It cannot be opened.
    """
    data = file.read_bytes()
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if wide else "utf-8-sig", "replace").splitlines()


def read_some_lines(file: Path) -> list[str]:
    """As `read_lines`; nothing where the file cannot be opened."""
    try:
        return read_lines(file)
    except OSError:
        return []


def read_json(file: Path) -> Any:
    """Content of a JSON file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return json.loads(file.read_bytes())
    except OSError as error:
        raise _cannot_be_opened(file, error) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"this is no complete JSON file ({error}).",
            where=file,
            fix="It was perhaps not copied or downloaded to the end: get it again from its origin.",
        ) from error


def read_xml(file: Path) -> ET.Element:
    """The outermost element of an XML file.

    Raises:
        DataError: It cannot be read, or declares entities.
    """
    try:
        data = file.read_bytes()
        if b"<!ENTITY" in data.replace(b"\0", b""):
            raise DataError(
                "it declares XML entities, which can fill the memory and are refused.",
                where=file,
                fix="Take the declarations out of the file if you trust it.",
            )
        return ET.fromstring(data)
    except OSError as error:
        raise _cannot_be_opened(file, error) from error
    except (ET.ParseError, LookupError, ValueError) as error:
        raise DataError(
            f"it is no readable XML ({error}).", where=file, fix="Correct it, or get it again from its origin."
        ) from error


def _cannot_be_opened(file: Path, error: OSError) -> DataError:
    return DataError(f"it cannot be opened ({error.strerror}).", where=file, fix="Check the path and its rights.")
