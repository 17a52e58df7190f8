"""`striate inside`: a trained network opened up for one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from striate.cli.output import Answer, facts, say, tell_scans
from striate.errors import RequestError

if TYPE_CHECKING:
    from striate.inside import Inside


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or of a network from elsewhere.")],
    picture: Annotated[Path, typer.Argument(help="A picture, or a slice: VOLUME#INDEX.")],
    layer: Annotated[str | None, typer.Option(metavar="NAME", help="Layer to look at closely; an early one.")] = None,
    unit: Annotated[int | None, typer.Option(help="Feature map in it, from 0; the one that says most.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="X,Y", help="Place in that map, across and down; where it says most.")
    ] = None,
    class_name: Annotated[
        str | None,
        typer.Option("--class", metavar="NAME", help="Class to explain, and the truth for one step of learning."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="Pictures to search for what excites the unit; the run's own."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page; in the run folder.")] = None,
) -> Answer:
    """Opens a trained network up for one picture, down to one neuron's sum, as one page that works offline.

    The page shows the picture's channels, the network's layers with their shapes and receptive fields, kernels and
    feature maps, one neuron's arithmetic, one step of learning, what excites that unit, and why the network answered
    as it did: maps of reasons by five methods, each with two checks of whether it means anything.

    Example:
        striate inside runs/photos cat.jpg
        striate inside runs/photos cat.jpg --layer layer1.0.conv1 --at 10,12
        striate inside mine cat.jpg --data photos/
    """
    from striate.inside import look_inside
    from striate.tools.dissection.dissected import in_layers

    model = in_layers(run)
    seen = look_inside(
        model, picture, layer=layer, unit=unit, at_xy=_place(at), class_name=class_name, data=data, page=out, say=say
    )
    return Answer(seen.as_dict(), lambda console: _show(seen, model.facts.scans, console))


def _place(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.replace(" ", "").split(",")
    if len(parts) != 2 or not all(part.lstrip("-").isdigit() for part in parts):
        raise RequestError(
            f"expected two whole numbers with a comma between them, found {text!r}.",
            where="--at",
            fix="Type --at 10,12.",
        )
    return int(parts[0]), int(parts[1])


def _show(seen: Inside, scans: bool, console: Console) -> None:
    neuron = seen.neuron
    steps = "".join(f"; after {step.layer} {step.value:.6g}" for step in neuron.steps)
    good = [reason.method for reason in seen.reasons if reason.means_something]
    rows = [
        ("neuron", f"{neuron.layer}, unit {neuron.unit}, x = {neuron.at_yx[1]}, y = {neuron.at_yx[0]}"),
        ("its sum", f"{neuron.formula(2)}; in the network {neuron.computed:.6g}{steps}"),
        ("explained", seen.explained),
        ("maps that pass", ", ".join(good) or "none: believe none of them for this picture"),
        ("page", str(seen.page)),
    ]
    console.print(facts(rows))
    tell_scans(console, scans)
