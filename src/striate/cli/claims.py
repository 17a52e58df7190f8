"""`striate claims`: what people say about CNNs, measured on a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from striate.cli.output import Answer, say, table, tell_scans
from striate.errors import RequestError

if TYPE_CHECKING:
    from striate.claims import Claim, Measured


def command(
    run: Annotated[Path | None, typer.Argument(help="Folder of a run of classification.")] = None,
    data: Annotated[Path | None, typer.Argument(help="Other pictures with the same classes; the run's own.")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this claim; repeatable.")] = None,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="More pictures, longer trainings, more of them.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Fixes everything that is drawn.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page; claims.html in the run folder.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the claims and measure nothing.")] = False,
) -> Answer:
    """Measures what people say about CNNs on your own network and pictures, each with a verdict and its numbers.

    Each claim is an experiment with intervals: holds, holds in part, does not hold, or cannot tell on this data. What
    was measured before is kept in the run folder and not measured again, so a command that was cut off goes on.

    Example:
        striate claims --list
        striate claims runs/photos --only rotation --only pooling
    """
    from striate.claims import QUICK, THOROUGH, all_claims
    from striate.claims.page import measure_and_write
    from striate.runs.run import Run

    claims = all_claims(only or ())
    if list_:
        return Answer([_listed(claim) for claim in claims], lambda console: _show_list(claims, console))
    if run is None:
        raise RequestError("expected the folder of a run.", where="RUN", fix="striate claims --list needs none.")
    opened = Run.open(run, "cpu")
    effort = THOROUGH if thorough else QUICK
    say("what is measured is kept: cut off, the same command goes on")
    measured, page = measure_and_write(opened, data, out, only=only or (), effort=effort, seed=seed, say=say)
    document = {"page": str(page), "effort": effort.name, "claims": [one.as_dict() for one in measured]}
    return Answer(document, lambda console: _show(measured, page, opened.facts.scans, console))


def _listed(claim: Claim) -> dict[str, object]:
    return {"number": claim.number, "name": claim.name, "claim": claim.sentence, "meaning": claim.meaning}


def _show_list(claims: Sequence[Claim], console: Console) -> None:
    shown = table("", "name", "claim", right=("",))
    for claim in claims:
        shown.add_row(str(claim.number), claim.name, claim.sentence)
    console.print(shown)


def _show(measured: Sequence[Measured], page: Path, scans: bool, console: Console) -> None:
    for one in measured:
        summary = one.finding.summary if one.finding is not None else one.trouble
        console.print(f"{one.claim.number}. {one.claim.sentence}", style="bold")
        console.print(f"   {one.verdict.upper()}: {summary}\n")
    console.print(f"page  {page}", soft_wrap=True)
    tell_scans(console, scans)
