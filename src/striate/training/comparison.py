"""Several networks on the same pictures with the same budget, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from striate.data import Dataset, open_by_recipe
from striate.errors import RequestError
from striate.evaluation import Estimate
from striate.evaluation.evaluate import compare_scores
from striate.evaluation.words import in_words, title_of
from striate.networks import resolve_network
from striate.pages import Section, chart, note, render_page, table, write_page
from striate.recipe import Recipe
from striate.runs.run import Run
from striate.runs.structures import SplitScores
from striate.structures import statement
from striate.training.lifecycle import train
from striate.training.progress import Progress, Silent
from striate.training.trainable import refuse_untrainable

DEFAULT_NETS = ("lenet5", "alexnet", "vgg11_bn", "googlenet", "resnet18")
"""One network of each classic family."""

DEFAULT_MINUTES_EACH = 2.0


@dataclass(frozen=True, slots=True)
class Row:
    """One network of a comparison.

    Attributes:
        net: Its name.
        run: Its run.
        behind: How much better the best network is on the same pictures (paired bootstrap); `None` for the best.
    """

    net: str
    run: Run
    behind: Estimate | None

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        measured, facts, verdict = self.run.metrics, self.run.facts, self.run.verdict
        return {
            "net": self.net,
            "run": str(self.run.path),
            "headline": _plain(measured.headline),
            "baseline": _plain(measured.baseline),
            "behind": None if self.behind is None else _plain(self.behind),
            "split": measured.split,
            "verdict": None if verdict is None else verdict.state,
            "weights": facts.weights.get("name", "none"),
            "parameters": facts.parameters,
            "epochs": facts.epochs,
            "seconds": facts.seconds,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Networks on the same data, the best first.

    Attributes:
        rows: One for each network.
        page: The page that shows them.
    """

    rows: tuple[Row, ...]
    page: Path

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return {"networks": [row.as_dict() for row in self.rows], "page": str(self.page)}


def compare(
    data: Dataset | str | Path,
    nets: Sequence[str] = DEFAULT_NETS,
    recipe: Recipe | None = None,
    *,
    folder: str | Path = "runs/comparison",
    progress: Progress | None = None,
) -> Comparison:
    """Trains each network on the same splits with the same recipe and budget.

    Args:
        data: A data set or its path.
        nets: Names of networks.
        recipe: Shared by all; its `optimisation.minutes` is the time of each network.
        folder: Gets one run folder for each network, and the page.
        progress: Told what goes on.

    Raises:
        UnknownNameError: No such network; nothing has been trained then.
        RequestError: The folder holds something already, or fewer than two networks are named.
    """
    recipe, progress, folder = recipe or Recipe(), progress or Silent(), Path(folder)
    _check(nets, folder)
    refuse_untrainable(data, recipe.data.task, recipe.data.format)
    if recipe.optimisation.minutes is None and recipe.optimisation.epochs is None:
        recipe = recipe.with_values({"optimisation.minutes": DEFAULT_MINUTES_EACH})
    dataset = open_by_recipe(data, recipe, progress=partial(progress.part, "checking pictures"))
    runs: list[tuple[str, Run]] = []
    for number, net in enumerate(nets, start=1):
        progress.say(f"network {number} of {len(nets)}: {net}")
        own = recipe.with_values({"network.name": net})
        runs.append((net, train(dataset, own, run=folder / net.replace("/", "-"), progress=progress)))
    rows = _ranked(runs)
    return Comparison(rows, write_page(_page(rows, dataset), folder / "comparison.html"))


def _check(nets: Sequence[str], folder: Path) -> None:
    if len(set(nets)) < 2:
        raise RequestError(
            f"a comparison needs at least two different networks, found {', '.join(nets) or 'none'}.",
            where="--nets",
            fix="Name several: --nets lenet5,resnet18.",
        )
    for net in nets:
        resolve_network(net)
    if folder.exists() and any(folder.iterdir()):
        raise RequestError("this folder is not empty.", where=folder, fix="Choose another one with --out.")


def _ranked(runs: list[tuple[str, Run]]) -> tuple[Row, ...]:
    runs = sorted(runs, key=lambda pair: -pair[1].metrics.headline.value)
    best_scores = _scores(runs[0][1])
    rows = [Row(runs[0][0], runs[0][1], None)]
    for net, run in runs[1:]:
        own = _scores(run)
        behind = compare_scores(run.task, own.scores, best_scores.scores, own.targets)
        rows.append(Row(net, run, behind))
    return tuple(rows)


def _scores(run: Run) -> SplitScores:
    found = run.folder.read_scores(run.metrics.split)
    if found is None:
        raise RequestError("the scores of this run are missing.", where=run.path, fix="Compare again.")
    return found


def _page(rows: tuple[Row, ...], data: Dataset) -> str:
    best = rows[0]
    headline = best.run.metrics.headline
    title = title_of(headline.name)
    shown = [_shown(row) for row in rows]
    figure = go.Figure(
        go.Bar(
            x=[row.net for row in rows],
            y=[row.run.metrics.headline.value for row in rows],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [row.run.metrics.headline.high - row.run.metrics.headline.value for row in rows],
                "arrayminus": [row.run.metrics.headline.value - row.run.metrics.headline.low for row in rows],
            },
        )
    )
    figure.update_layout(yaxis_title=title, xaxis_title="network")
    figure.add_hline(y=best.run.metrics.baseline.value, line_dash="dot", annotation_text="ignores the picture")
    sections = [
        Section("Side by side", [chart(figure, f"{title} of each network with its 95 % interval"), table(shown)]),
        Section(
            "How to read this",
            note(
                "All networks saw the same training pictures for the same time and were measured on the same pictures. "
                "'Behind the best' is measured picture by picture; where its interval holds 0, chance may have decided."
            ),
        ),
    ]
    lead = f"{best.net} is best: {title.lower()} {in_words(headline)} on the {best.run.metrics.split} split."
    return render_page(f"Networks compared on {data.root.name}", sections, lead=lead, statement=statement(data.scans))


def _shown(row: Row) -> dict[str, object]:
    plain = row.as_dict()
    return {
        "network": row.net,
        title_of(row.run.metrics.headline.name): in_words(row.run.metrics.headline),
        "behind the best": "" if row.behind is None else in_words(row.behind),
        "verdict": plain["verdict"] or "",
        "weights": plain["weights"],
        "parameters": plain["parameters"],
        "epochs": plain["epochs"],
        "minutes": round(row.run.facts.seconds / 60, 1),
    }


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {"name": estimate.name, "value": estimate.value, "low": estimate.low, "high": estimate.high}
