"""`striate evaluate`: how good a trained network is, on its own test split or on other data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from striate.cli.output import RUNTIME_HELP, Answer, facts, further_rows, say, table, tell_scans
from striate.cli.train import estimate_document

if TYPE_CHECKING:
    from rich.table import Table

    from striate.evaluation import Evaluation

MOST_CLASSES = 30
"""Classes listed on the terminal; `--json` and the report list all."""


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or an exported network.")],
    data: Annotated[Path | None, typer.Argument(help="Other pictures with the same classes; the run's own.")] = None,
    split: Annotated[str | None, typer.Option(help="Split to measure on: train, validation, test or all.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps; the run's own.")] = None,
    runtime: Annotated[str | None, typer.Option(metavar="NAME", help=RUNTIME_HELP)] = None,
) -> Answer:
    """Measures a trained network, every figure with its 95 % interval.

    Without DATA on the run's test split, which took no part in training; with DATA on other pictures. What another
    runtime than PyTorch gives is shown and not kept in the run's folder.

    Example:
        striate evaluate runs/photos
        striate evaluate runs/photos other_photos/ --json
    """
    from striate.structures import Problem
    from striate.tools.exported import open_model

    problems: list[Problem] = []
    model = open_model(run, device, runtime=runtime, say=say)
    measured = model.evaluate(data, split, problems=problems)
    for problem in problems:
        say(problem.told)
    return Answer(_document(measured), lambda console: _show(measured, model.facts.scans, console))


def _document(measured: Evaluation) -> dict[str, Any]:
    return {
        "split": measured.split,
        "images": measured.images,
        "headline": estimate_document(measured.headline),
        "baseline": estimate_document(measured.baseline),
        "metrics": {each.name: {"value": each.value, "low": each.low, "high": each.high} for each in measured.metrics},
        "per_class": measured.per_class,
        "mistakes": measured.mistakes,
        "cases": measured.cases,
        "point": measured.point,
        "warnings": measured.warnings,
    }


def _show(measured: Evaluation, scans: bool, console: Console) -> None:
    from striate.evaluation.words import in_words, of_split, title_of

    rows = [(measured.unit, f"{measured.images}{of_split(measured.split)}")]
    rows += [(title_of(each.name), in_words(each)) for each in measured.metrics]
    told = {title for title, _ in rows}
    rows += [row for row in further_rows(measured) if row[0] not in told]
    rows.append(
        ("for comparison", f"{title_of(measured.baseline.name)} of {in_words(measured.baseline)} without looking")
    )
    console.print(facts(rows))
    if measured.per_class:
        figures = [name for name in measured.per_class[0] if name not in ("class", "count")]
        shown = table("class", "pictures", *map(title_of, figures), right=["pictures", *map(title_of, figures)])
        for row in measured.per_class[:MOST_CLASSES]:
            shown.add_row(str(row["class"]), str(row["count"]), *(_cell(name, row.get(name)) for name in figures))
        console.print()
        console.print(shown)
        if len(measured.per_class) > MOST_CLASSES:
            console.print(f"and {len(measured.per_class) - MOST_CLASSES} classes more; --json lists all.")
    if measured.mistakes:
        console.print()
        console.print(_mistakes(measured))
    for warning in measured.warnings:
        console.print(f"\nMind: {warning}")
    tell_scans(console, scans)


def _cell(name: str, value: float | None) -> str:
    """A figure of a class; whole numbers are counts."""
    from striate.evaluation.words import format_metric

    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else format_metric(name, value)


def _mistakes(measured: Evaluation) -> Table:
    """Mistakes by kind; those of the last column are what mAP50 would gain without them."""
    shown = table("mistakes", "number", "points to gain", right=["number", "points to gain"])
    for row in measured.mistakes:
        shown.add_row(row["kind"], str(row["count"]), f"{100 * row['gain']:.1f}")
    return shown
