"""What a command answers, and how it reaches the terminal or the program that asked."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a command.

    Attributes:
        document: Plain data, printed by `--json`.
        show: Prints the same for a person.
    """

    document: Any
    show: Callable[[Console], None]


def answer_console() -> Console:
    """Standard output, for the answer. File and class names are never read as markup."""
    return Console(file=sys.stdout, markup=False, emoji=False, highlight=False, soft_wrap=False)


def message_console() -> Console:
    """Standard error, for everything that is not the answer."""
    return Console(file=sys.stderr, markup=False, emoji=False, highlight=False)


def say(text: str) -> None:
    """One message on standard error: wrapped at words on a terminal, one line elsewhere."""
    console = message_console()
    console.print(text, soft_wrap=not console.is_terminal)


def write_json(document: Any) -> None:
    """Writes one JSON document on standard output. Escaped to ASCII, so that every terminal encoding can hold it."""
    sys.stdout.write(json.dumps(plain(document), indent=2, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """The same value in JSON's own types; numbers that JSON does not know (nan, infinity) become null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return value
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no place in a JSON document")


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """An empty table without a frame; the columns named in `right` hold numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    numbers = set(right)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """Names and values in two columns."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False, show_edge=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(Text(name), Text(value))
    return made


def percent(value: float | None) -> str:
    """A share as a percentage with one decimal."""
    return "-" if value is None or not math.isfinite(value) else f"{100 * value:.1f} %"
