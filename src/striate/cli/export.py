"""`striate export`: the trained network in another tool, compared with PyTorch before it is handed over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from striate.cli.output import Answer, facts, say, tell_scans
from striate.errors import RequestError

if TYPE_CHECKING:
    from striate.tools import Export


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    to: Annotated[str | None, typer.Option("--to", metavar="TOOL", help="Tool; see striate tools.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the artefact; exports/TOOL in the run folder.")
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="fp32; fp16: weights take half the room; bf16: for processors that compute in it; int8: whole "
            "numbers, a quarter of the size, the fastest. striate tools says which a tool has."
        ),
    ] = "fp32",
) -> Answer:
    """Writes a trained network for another tool, and refuses it where the answers are not the same.

    The folder gets the network with normalisation inside, striate.json (classes, and how pictures are fed to it), an
    example script that needs no Striate, and parity.json and parity.html: what PyTorch and the tool say about the
    run's own validation pictures. `striate predict` and `striate evaluate` take the folder in place of a run.

    A precision below fp32 moves all outputs a little. It is judged by the metric on validation pictures, and refused
    where that falls by more than half a point. int8 is calibrated on pictures of the training split.

    Example:
        striate export runs/photos --to onnx
        striate export runs/photos --to openvino --precision int8
        striate predict runs/photos/exports/onnx cat.jpg
    """
    from striate.runs import RunFolder
    from striate.tools import TOOLS, export

    if to is None:
        raise RequestError("expected the name of a tool.", where="--to", fix=f"Tools: {', '.join(TOOLS.names())}.")
    done = export(run, to, out, precision=precision, say=say)
    document = {"folder": str(done.folder), "file": str(done.file), "page": str(done.page), **done.parity.as_dict()}
    return Answer(document, lambda console: _show(done, RunFolder.open(run).read_facts().scans, console))


def _show(done: Export, scans: bool, console: Console) -> None:
    parity = done.parity
    worst = max(parity.outputs, key=lambda one: one.relative)
    allowed = "" if parity.tolerance is None else f" ({parity.tolerance:.0e} allowed)"
    rows = [
        ("passed", f"{parity.agreeing} of {parity.pictures} real pictures get the same answer"),
        ("outputs", f"differ by {worst.relative:.0e} of their largest value at most{allowed}"),
        (
            parity.metric,
            f"{parity.metric_there:.4f}, with PyTorch {parity.metric_here:.4f} "
            f"({parity.metric_pictures} validation pictures)",
        ),
        (
            "speed",
            f"{parity.milliseconds_there:.1f} ms for one picture, PyTorch {parity.milliseconds_here:.1f} ms; "
            f"{parity.rate_there:.0f} pictures/s in batches, PyTorch {parity.rate_here:.0f}",
        ),
        *((name, f"outputs differ by {one:.0e} at most") for name, one in parity.others.items()),
        ("file", f"{done.file} ({parity.bytes / 2**20:.1f} MiB)"),
        ("page", str(done.page)),
    ]
    console.print(facts(rows))
    tell_scans(console, scans)
