"""Every family of networks in every tool: how far the class scores of real pictures are from PyTorch's."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.families import FAMILIES, build_recipe
from benchmarks.tables import write_table
from striate.data.synthetic import MakeOptions, make_data
from striate.errors import ExportError
from striate.tools import TOOLS, export
from striate.tools.gate import PICTURES, TOLERANCE
from striate.training import train
from striate.training.progress import Silent

PICTURES_MADE = 480
"""Real handwritten digits; 15 % of them are validated on, of which the gate takes 64."""


def measure_parity() -> dict[str, Any]:
    """Trains each family for an epoch and exports it to every tool that is installed."""
    rows: dict[str, dict[str, float]] = {}
    missing = [tool.name for tool in TOOLS if tool.missing]
    with tempfile.TemporaryDirectory() as folder:
        data = make_data("digits", Path(folder) / "digits", MakeOptions(images=PICTURES_MADE, task="classification"))
        for net in FAMILIES:
            run = train(data, build_recipe(net), run=Path(folder) / net, progress=Silent())
            row = rows.setdefault(net, {})
            for tool in TOOLS:
                if tool.missing:
                    continue
                try:
                    found = export(run, tool.name).parity
                except ExportError as error:
                    print(f"  {net}, {tool.name}: {error}", file=sys.stderr, flush=True)
                    row[tool.title] = float("inf")
                    continue
                row[found.runtime] = max(one.relative for one in found.outputs)
                row |= found.others
                print(f"  {net}, {found.runtime}: {row[found.runtime]:.1e}", file=sys.stderr, flush=True)
    largest = max(value for row in rows.values() for value in row.values())
    return {"rows": rows, "largest": largest, "fail": not largest <= TOLERANCE, "missing": missing}


def write_parity(result: dict[str, Any]) -> str:
    """The table: a row for each runtime, a column for each family."""
    runtimes = list(dict.fromkeys(name for row in result["rows"].values() for name in row))
    cells = [[name, *(_cell(row.get(name)) for row in result["rows"].values())] for name in runtimes]
    notes = [
        f"Largest difference of a class score on {PICTURES} real handwritten digits from PyTorch's, as a share of the",
        f"largest score; at most {result['largest']:.1e} where {TOLERANCE:.0e} is allowed. 64 x 64 pixels, one epoch.",
    ]
    if result["missing"]:
        notes.append(f"Not installed: {', '.join(result['missing'])}.")
    return write_table("Every family in every tool, fp32", ["", *result["rows"]], cells, notes)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"
