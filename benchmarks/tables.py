"""Tables of plain text, at most 100 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

WIDTH = 100


def write_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """A title, aligned columns (the first to the left, the others to the right) and the notes below as one paragraph.

    The last column is free text, to the left, and is cut at the width of the page.
    """
    columns = list(zip(header, *rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    lines = [title, "-" * min(WIDTH, len(title))]
    for row in (header, *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        lines.append("  ".join([*cells, row[-1]])[:WIDTH].rstrip())
    wrapped = textwrap.wrap(" ".join(notes), WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([*lines, *wrapped])


def ratio(value: float | None, base: float | None) -> str:
    """A ratio with two digits; a dash where one of the two is missing."""
    return "-" if value is None or not base else f"{value / base:.2f}"
