"""`striate compare`: several networks on the same data, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from striate.cli.flags import takes_recipe
from striate.cli.output import Answer, table, tell_scans
from striate.cli.progress import TerminalProgress
from striate.recipe import Recipe

if TYPE_CHECKING:
    from striate.training import Comparison


@takes_recipe(without=("--net",))
def command(
    data: Annotated[Path, typer.Argument(help="Folder or file of pictures.")],
    *,
    recipe: Recipe,
    changed: tuple[str, ...],  # noqa: ARG001 - a comparison is always new
    nets: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME", help="Networks to train; one of each classic family, or none with --also."),
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MODEL", help="A finished run or network from elsewhere, measured beside them; may repeat."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the runs and the page.")] = None,
) -> Answer:
    """Trains several networks on the same pictures and splits, each with the same recipe and time.

    --minutes is the time of each network. How far one is behind the best is measured picture by picture.

    Example:
        striate compare photos/ --nets lenet5,resnet18 --minutes 2
        striate compare photos/ --also runs/photos --also mine
    """
    from striate import api

    names = None if nets is None else [name.strip() for name in nets.split(",") if name.strip()]
    with TerminalProgress() as progress:
        found = api.compare(data, names, also=also or (), recipe=recipe, folder=out, progress=progress)
    return Answer(found.as_dict(), lambda console: _show(found, console))


def _show(found: Comparison, console: Console) -> None:
    from striate.cli.nets import short_count
    from striate.evaluation.words import in_words, of_split, points, title_of

    measured = found.rows[0].network.measured
    title = title_of(measured.headline.name)
    # Networks from elsewhere have no course of training.
    trained = any(row.network.model.facts.parameters for row in found.rows)
    more = ("verdict", "params", "epochs") if trained else ()
    shown = table("network", title, "behind", *more, right=("params", "epochs"))
    for row in found.rows:
        facts = row.network.model.facts
        behind = "" if row.behind is None else points(row.behind.value)
        if row.behind is not None and row.behind.low <= 0:
            behind += " (chance?)"
        counts = (short_count(facts.parameters), str(facts.epochs)) if facts.parameters else ("", "")
        told = (row.verdict, *counts) if trained else ()
        shown.add_row(row.net, in_words(row.network.measured.headline), behind, *told)
    console.print(shown)
    console.print(f"\n{title} on {measured.images} {measured.unit}{of_split(measured.split)}")
    console.print(f"\npage  {found.page}", soft_wrap=True)
    tell_scans(console, any(row.network.model.facts.scans for row in found.rows))
