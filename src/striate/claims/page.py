"""The page of claims: each sentence, its verdict, the numbers and the picture."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate import __version__
from striate.claims.base import Drawing
from striate.claims.bench import QUICK, Effort
from striate.claims.measuring import Measured, measure_claims
from striate.pages import (
    Part,
    Section,
    callout,
    chart,
    details,
    heading,
    lines,
    note,
    render_page,
    require_writable,
    table,
    write_page,
)
from striate.runs.run import Run
from striate.structures import statement

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from striate.data import Dataset

TONES: dict[str, Any] = {"holds": "good", "holds in part": "warning", "does not hold": "bad", "cannot tell": "info"}


def write_claims_page(run: Run, measured: Sequence[Measured], path: str | Path, effort: str) -> Path:
    """Writes the page.

    Raises:
        StorageError: It cannot be written.
    """
    rows = [
        {"claim": one.claim.sentence, "verdict": one.verdict, "why": _summary(one), "seconds": round(one.seconds)}
        for one in measured
    ]
    sections = [Section("The claims", table(rows)), *(_section(one) for one in measured)]
    page = render_page(
        "What people say about CNNs, measured",
        sections,
        lead=f"On {run.facts.net} of the run {run.path.name}, in the {effort} form. A verdict is given only where the "
        "intervals allow one.",
        statement=statement(run.facts.scans),
        footer=f"Written by Striate {__version__}.",
    )
    return write_page(page, path)


def measure_and_write(
    run: Run,
    data: Dataset | str | Path | None,
    path: str | Path | None,
    *,
    only: str | Sequence[str] = (),
    effort: Effort = QUICK,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[list[Measured], Path]:
    """Measures claims as `measure_claims` does, and writes their page.

    Args:
        run: A finished run of classification.
        data: Other pictures with the same classes; the run's own where not given.
        path: File of the page; `claims.html` in the run folder where not given.
        only: Names of claims; all where empty.
        effort: How much to look at.
        seed: Fixes everything that is drawn.
        say: Told what goes on.

    Returns:
        What was measured, and the page.

    Raises:
        StorageError: The page cannot be written there; nothing was measured.
    """
    target = Path(path) if path is not None else run.path / "claims.html"
    # Before minutes of work.
    require_writable(target)
    measured = list(measure_claims(run, data, only=only, effort=effort, seed=seed, say=say))
    return measured, write_claims_page(run, measured, target, effort.name)


def _summary(measured: Measured) -> str:
    return measured.finding.summary if measured.finding is not None else measured.trouble


def _section(measured: Measured) -> Section:
    claim = measured.claim
    body: list[str | Part] = [
        callout(measured.verdict.capitalize(), _summary(measured), tone=TONES[measured.verdict]),
        f"If it were true: {claim.meaning}",
    ]
    finding = measured.finding
    if finding is not None:
        body.append(_chart(finding.drawing))
        rows = [{"measured": one.words, "value": str(one)} for one in finding.measures]
        body.append(details("All numbers, with 95 % intervals where chance plays a part", table(rows)))
        if finding.table:
            body.append(details("Further figures", table(finding.table)))
        body += [note(text) for text in finding.notes]
    body += [heading("Sources"), lines(claim.sources)]
    return Section(f"{claim.number}. {claim.sentence}", body, id=claim.name)


def _chart(drawing: Drawing) -> Part:
    figure = figure_of(drawing)
    return chart(figure, f"{drawing.title_y} by {drawing.title_x or 'what was measured'}.", caption=drawing.caption)


def figure_of(drawing: Drawing) -> Figure:
    """The claim's picture as a chart: bars where places are words, lines where they are numbers."""
    from plotly import graph_objects

    figure = graph_objects.Figure()
    for line in drawing.lines:
        spread = None
        if len(line.low) == len(line.y) and len(line.high) == len(line.y):
            up = [high - value for high, value in zip(line.high, line.y, strict=True)]
            down = [value - low for low, value in zip(line.low, line.y, strict=True)]
            spread = {"type": "data", "symmetric": False, "array": up, "arrayminus": down}
        if any(isinstance(place, str) for place in line.x) and len(line.x) <= 10:
            figure.add_bar(x=list(line.x), y=list(line.y), name=line.name, error_y=spread)
        else:
            figure.add_scatter(x=list(line.x), y=list(line.y), name=line.name, mode="lines+markers", error_y=spread)
    figure.update_xaxes(title=drawing.title_x)
    # A title longer than the axis would be cut at both ends.
    title = "<br>".join(textwrap.wrap(drawing.title_y, 38))
    figure.update_yaxes(title=title, type="log" if drawing.log_y else "linear")
    if drawing.log_y:
        figure.update_yaxes(exponentformat="power")
    return figure
