"""`striate import`: weights that were trained further in Keras, back into their run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from striate.cli.output import Answer, facts, say
from striate.errors import RequestError


def command(
    model: Annotated[Path, typer.Argument(help="A .keras file that came from `striate export RUN --to keras`.")],
    into: Annotated[Path | None, typer.Option(metavar="RUN", help="Folder of the run that it came from.")] = None,
) -> Answer:
    """Brings weights that Keras has trained further back into their run, and measures it anew.

    The run's own weights stay in its folder, as weights/before-import-1.safetensors; its verdict, which was about
    them, goes. Without training in between, the weights come back bit for bit. Code in the file is never run.

    Example:
        striate import further.keras --into runs/photos
        striate evaluate runs/photos
    """
    from striate.tools.importing import import_weights

    if into is None:
        raise RequestError("expected the folder of a run.", where="--into", fix="Add --into RUN.")
    done = import_weights(model, into, say=say)
    figures = {name: found.headline for name, found in done.evaluations.items()}
    document = {
        "run": str(done.run.path),
        "weights": done.weights,
        "changed": done.changed,
        "before": str(done.before),
        "measured": {name: {"name": one.name, "value": one.value} for name, one in figures.items()},
    }

    def show(console: Console) -> None:
        rows = [("weights", f"{done.weights} read, {done.changed} of them changed"), ("before", str(done.before))]
        rows += [
            (name, f"{one.name} {one.value:.4f} ({one.low:.4f} to {one.high:.4f})") for name, one in figures.items()
        ]
        console.print(facts(rows))

    return Answer(document, show)
