"""`striate train`: from a folder of pictures to a trained network and its report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from striate.cli.flags import takes_recipe
from striate.cli.output import Answer, facts, further_rows, tell_scans
from striate.cli.progress import TerminalProgress
from striate.errors import RequestError
from striate.recipe import Recipe

if TYPE_CHECKING:
    from striate.runs.run import Run


@takes_recipe()
def command(
    data: Annotated[Path | None, typer.Argument(help="Folder or file of pictures; not needed with --resume.")] = None,
    *,
    recipe: Recipe,
    changed: tuple[str, ...],
    run: Annotated[Path | None, typer.Option(help="Folder of the new run; made under runs/ where not given.")] = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Go on with the run in this folder.")] = None,
) -> Answer:
    """Trains a network on a folder of pictures, judges it, and writes a report.

    Network, weights, input size, augmentation and schedule are chosen from the data, the machine and the time
    allowed, unless you choose; every choice is printed with its reason and kept in the run's recipe.

    Example:
        striate train photos/ --minutes 5
        striate train photos/ --net resnet18 --epochs 30 --set label_smoothing=0
        striate train --resume runs/photos
    """
    started_s = time.monotonic()
    _check_request(data, run, resume, changed)
    from striate.networks import resolve_network
    from striate.training import train

    if recipe.network.name is not None:
        # Reading the pictures may take minutes; a misspelt name should not wait for it.
        resolve_network(recipe.network.name)
    with TerminalProgress() as progress:
        finished = train(
            data, recipe, run=resume or run, resume=resume is not None, progress=progress, started_s=started_s
        )
    return Answer(describe_run(finished), lambda console: show_run(finished, console))


def describe_run(run: Run) -> dict[str, Any]:
    """The answer of `striate train --json`."""
    measured, verdict, kept = run.metrics, run.verdict, run.facts
    return {
        "run": run.path,
        "task": kept.task,
        "net": kept.net,
        "weights": kept.weights.get("name", "none"),
        "classes": kept.classes,
        "split": measured.split,
        "headline": estimate_document(measured.headline),
        "baseline": estimate_document(measured.baseline),
        "verdict": verdict and {"state": verdict.state, "evidence": verdict.evidence, "advice": verdict.advice},
        "cases": measured.cases,
        "point": measured.point,
        "warnings": measured.warnings,
        "seconds": kept.seconds,
        "epochs": kept.epochs,
        "report": run.report,
    }


def estimate_document(estimate: Any) -> dict[str, Any]:
    """A measured value with its interval, as plain data."""
    return {"name": estimate.name, "value": estimate.value, "low": estimate.low, "high": estimate.high}


def show_run(run: Run, console: Console) -> None:
    """The answer on one screen: the figure, the verdict, what to do next, where the report is."""
    from striate.evaluation.words import in_words, plural, title_of

    measured, verdict = run.metrics, run.verdict
    rows = [
        (
            title_of(measured.headline.name),
            f"{in_words(measured.headline)} on {measured.images} {measured.split} {measured.unit}",
        ),
        ("for comparison", f"{in_words(measured.baseline)} for an answer that never looks at the picture"),
    ]
    rows += further_rows(measured)
    if verdict is not None:
        rows.append(("verdict", verdict.state))
        rows += [("", sentence) for sentence in verdict.evidence]
        rows += [("next" if number == 1 else "", f"{number}. {text}") for number, text in enumerate(verdict.advice, 1)]
    rows += [("mind" if number == 0 else "", text) for number, text in enumerate(measured.warnings)]
    minutes = f"{plural(run.facts.epochs, 'epoch')} in {run.facts.seconds / 60:.1f} minutes"
    rows += [("network", f"{run.facts.net}, {minutes}"), ("run", str(run.path)), ("report", str(run.report))]
    console.print(facts(rows))
    tell_scans(console, run.facts.scans)


def _check_request(data: Path | None, run: Path | None, resume: Path | None, changed: tuple[str, ...]) -> None:
    if resume is None and data is None:
        raise RequestError("no pictures were given.", where="DATA", fix="Give a folder: striate train photos/")
    if resume is not None and data is not None:
        raise RequestError(
            "a resumed run goes on with the data it began with.",
            where="DATA",
            fix="Leave DATA out, or start a new run.",
        )
    if resume is not None and run is not None:
        raise RequestError("a resumed run stays in its folder.", where="--run", fix="Leave --run out.")
    if resume is not None and changed:
        raise RequestError(
            f"a resumed run keeps its recipe, so {', '.join(changed)} cannot change it.",
            where="--resume",
            fix="Leave these options out, or start a new run.",
        )
