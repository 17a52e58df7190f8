"""`striate export`: the trained network in another tool, compared with PyTorch before it is handed over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from striate.cli.output import Answer, facts, say, tell_scans
from striate.errors import RequestError

if TYPE_CHECKING:
    from striate.tools import Export, Exported


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or of a network from elsewhere.")],
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
    data: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="Pictures with labels that a network from elsewhere is compared on."),
    ] = None,
) -> Answer:
    """Writes a trained network for another tool, and refuses it where the answers are not the same.

    The folder gets the network with normalisation inside, striate.json (classes, and how pictures are fed to it), an
    example script that needs no Striate, and parity.json and parity.html: what PyTorch and the tool say about the
    run's own validation pictures. `striate predict` and `striate evaluate` take the folder in place of a run.

    A precision below fp32 moves all outputs a little. It is judged by the metric on validation pictures, and refused
    where that falls by more than half a point. int8 is calibrated on pictures of the training split.

    A network from elsewhere, which striate import took in, goes from its tool to others that read its files, and is
    compared on --data: from PyTorch to ONNX and OpenVINO, from ONNX to OpenVINO, from Keras to TensorFlow and LiteRT,
    from TensorFlow to LiteRT.

    Example:
        striate export runs/photos --to onnx
        striate export runs/photos --to openvino --precision int8
        striate predict runs/photos/exports/onnx cat.jpg
    """
    from striate.tools import TOOLS, Exported, export

    if to is None:
        raise RequestError("expected the name of a tool.", where="--to", fix=f"Tools: {', '.join(TOOLS.names())}.")
    file = Exported.find(run)
    if file is not None:
        return _answer(_converted(Exported(file), to, out, data, precision), scans=False)
    if data is not None:
        raise RequestError(
            "a run is compared on its own pictures.", where="--data", fix="Leave it out; it is for other networks."
        )
    from striate.runs import RunFolder

    done = export(run, to, out, precision=precision, say=say)
    return _answer(done, scans=RunFolder.open(run).read_facts().scans)


def _converted(model: Exported, to: str, out: Path | None, data: Path | None, precision: str) -> Export:
    from striate.tools.converting import convert

    if out is None or data is None:
        raise RequestError(
            "expected --data and --out with a network from elsewhere.",
            where=model.file,
            fix="Name pictures with labels in its classes, and a new folder: --data photos/ --out mine-onnx",
        )
    if precision != "fp32":
        raise RequestError(
            "a network from elsewhere is written in fp32 only.", where=f"--precision {precision}", fix="Leave it out."
        )
    return convert(model, to, out, data, say=say)


def _answer(done: Export, *, scans: bool) -> Answer:
    document = {"folder": str(done.folder), "file": str(done.file), "page": str(done.page), **done.parity.as_dict()}
    return Answer(document, lambda console: _show(done, scans, console))


def _show(done: Export, scans: bool, console: Console) -> None:
    from striate.structures import plural

    parity = done.parity
    worst = max(parity.outputs, key=lambda one: one.relative)
    allowed = "" if parity.tolerance is None else f" ({parity.tolerance:.0e} allowed)"
    rows = [
        ("passed", f"{parity.agreeing} of {parity.pictures} real pictures get the same answer"),
        ("outputs", f"differ by {worst.relative:.0e} of their largest value at most{allowed}"),
        (
            parity.metric,
            f"{parity.metric_there:.4f}, with {parity.origin} {parity.metric_here:.4f} "
            f"({plural(parity.metric_pictures, parity.metric_on)})",
        ),
        (
            "speed",
            f"{parity.milliseconds_there:.1f} ms for one picture, {parity.origin} {parity.milliseconds_here:.1f} ms; "
            f"{parity.rate_there:.0f} pictures/s in batches, {parity.origin} {parity.rate_here:.0f}",
        ),
        *((name, f"outputs differ by {one:.0e} at most") for name, one in parity.others.items()),
        ("file", f"{done.file} ({parity.bytes / 2**20:.1f} MiB)"),
        ("page", str(done.page)),
    ]
    console.print(facts(rows))
    tell_scans(console, scans)
