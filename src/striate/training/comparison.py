"""Several networks on the same pictures with the same budget, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import plotly.graph_objects as go

from striate.data import ALL, Dataset, open_by_recipe, open_unsplit, slicing_of
from striate.errors import RequestError
from striate.evaluation import Estimate, Evaluation
from striate.evaluation.evaluate import compare_scores
from striate.evaluation.words import in_words, listed, of_split, plural, title_of
from striate.networks import resolve_network
from striate.pages import Section, chart, note, render_page, table, write_page
from striate.recipe import Recipe
from striate.runs.known_pictures import with_classes_of
from striate.runs.model import Model
from striate.runs.run import Run
from striate.runs.structures import SplitScores
from striate.structures import statement
from striate.tasks.class_scores import ClassScoresTask
from striate.training.lifecycle import train
from striate.training.progress import Progress, Silent

DEFAULT_NETS = ("lenet5", "alexnet", "vgg11_bn", "googlenet", "resnet18")
"""One network of each classic family."""

DEFAULT_MINUTES_EACH = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """A network that was measured.

    Attributes:
        name: Its name; of one that was not trained here that of its folder.
        model: The run, or the network from elsewhere.
        measured: What was measured.
        scores: What it answered, and the truth.
    """

    name: str
    model: Model
    measured: Evaluation
    scores: SplitScores

    @classmethod
    def of_run(cls, name: str, run: Run) -> Contender:
        """One that was trained just now."""
        found = run.folder.read_scores(run.metrics.split)
        if found is None:
            raise RequestError("the scores of this run are missing.", where=run.path, fix="Compare again.")
        return cls(name, run, run.metrics, found)


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One network of a comparison.

    Attributes:
        network: The network, measured.
        behind: How much better the best network is on the same pictures (paired bootstrap); `None` for the best.
    """

    network: Contender
    behind: Estimate | None

    @property
    def net(self) -> str:
        """Its name."""
        return self.network.name

    @property
    def verdict(self) -> str:
        """State of the verdict; empty where there is none."""
        verdict = self.network.model.verdict if isinstance(self.network.model, Run) else None
        return verdict.state if verdict else ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        measured, facts = self.network.measured, self.network.model.facts
        return {
            "net": self.net,
            "run": str(self.network.model.path),
            "headline": _plain(measured.headline),
            "baseline": _plain(measured.baseline),
            "behind": None if self.behind is None else _plain(self.behind),
            "split": measured.split,
            "verdict": self.verdict or None,
            "weights": facts.weights.get("name", "none"),
            "parameters": facts.parameters,
            "epochs": facts.epochs,
            "seconds": facts.seconds,
        }


@dataclass(frozen=True, slots=True, eq=False)
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
    finished: Mapping[str, Model] = MappingProxyType({}),
    folder: str | Path = "runs/comparison",
    progress: Progress | None = None,
) -> Comparison:
    """Trains each network on the same splits with the same recipe and budget, and measures finished ones beside them.

    Args:
        data: A data set or its path.
        nets: Names of networks.
        recipe: Shared by all; its `optimisation.minutes` is the time of each network.
        finished: Runs and networks from elsewhere with the classes of the data, by their names; they are measured on
            the same pictures.
        folder: Gets one run folder for each network, and the page.
        progress: Told what goes on.

    Raises:
        UnknownNameError: No such network; nothing has been trained then.
        RequestError: The folder holds something already, fewer than two networks are named, or a finished one has
            another task or other classes.
    """
    recipe, progress, folder = recipe or Recipe(), progress or Silent(), Path(folder)
    _check(nets, finished, folder)
    if recipe.optimisation.minutes is None and recipe.optimisation.epochs is None:
        recipe = recipe.with_values({"optimisation.minutes": DEFAULT_MINUTES_EACH})
    dataset = _opened(data, recipe, progress, None if nets else finished)
    # Where nothing is trained pictures may be of some classes only.
    classes = dataset.classes if nets else next(iter(finished.values())).classes
    for name, model in finished.items():
        # Before anything is trained.
        _check_classes(name, model, dataset.task, classes)
    found: list[Contender] = []
    for number, net in enumerate(nets, start=1):
        progress.say(f"network {number} of {len(nets)}: {net}")
        own = recipe.with_values({"network.name": net})
        run = train(dataset, own, run=folder / net.replace("/", "-"), progress=progress)
        found.append(Contender.of_run(net, run))
    for name, model in finished.items():
        progress.say(f"measuring {name}")
        found.append(_measured(name, model, dataset, classes))
    rows = _ranked(found)
    return Comparison(rows, write_page(_page(rows, dataset, finished), folder / "comparison.html"))


def _check(nets: Sequence[str], finished: Mapping[str, Model], folder: Path) -> None:
    named = {*nets, *finished}
    if len(named) < 2 or len(named) < len(nets) + len(finished):
        raise RequestError(
            f"a comparison needs at least two different networks, found {', '.join([*nets, *finished]) or 'none'}.",
            where="--nets and --also" if finished else "--nets",
            fix="Name several: --nets lenet5,resnet18, or one more with --also.",
        )
    for net in nets:
        resolve_network(net)
    if folder.exists() and any(folder.iterdir()):
        raise RequestError("this folder is not empty.", where=folder, fix="Choose another one with --out.")


def _opened(
    data: Dataset | str | Path, recipe: Recipe, progress: Progress, measured: Mapping[str, Model] | None
) -> Dataset:
    """The data, split where networks are trained on it, or one that is only measured was: its test split stays one."""
    told = partial(progress.part, "checking pictures")
    if measured is None or isinstance(data, Dataset):
        return open_by_recipe(data, recipe, progress=told)
    runs = [one for one in measured.values() if isinstance(one, Run)]
    for run in runs:
        if Path(run.facts.data).resolve() == Path(data).resolve():
            return open_by_recipe(data, run.recipe, task=run.facts.task, format=run.facts.data_format, progress=told)
    return open_unsplit(data, task=recipe.data.task, slicing=slicing_of(recipe), progress=told)


def _check_classes(name: str, model: Model, task: str, classes: tuple[str, ...]) -> None:
    if model.facts.task != task:
        raise RequestError(
            f"this network is for {model.facts.task}, and the data for {task}.",
            where=name,
            fix="Compare networks for one task.",
        )
    if set(model.classes) != set(classes):
        raise RequestError(
            f"this network knows {listed(list(model.classes), 12)}; expected {listed(list(classes), 12)}.",
            where=name,
            fix="Compare networks that know the same classes, by the same names.",
        )
    if model.classes != classes and not isinstance(model.task, ClassScoresTask):
        raise RequestError(
            f"this network has its classes in another order ({listed(list(model.classes), 12)}) than "
            f"({listed(list(classes), 12)}), so their answers cannot be held side by side.",
            where=name,
            fix="Name the classes in the network's order.",
        )


def _measured(name: str, model: Model, data: Dataset, classes: tuple[str, ...]) -> Contender:
    """A finished network on the split that networks trained here are measured on, its classes in the order of all."""
    split = next((one for one in ("test", "validation") if data.splits.get(one)), ALL)
    shown = data.samples if split == ALL else list(data.splits[split])
    samples = with_classes_of(shown, data.classes, model.classes)
    measured, scores = model.measure(samples, split)
    if model.classes != classes and isinstance(model.task, ClassScoresTask):
        order = [model.classes.index(one) for one in classes]
        ordered = model.task.in_class_order(scores.scores, scores.targets, order)
        scores = SplitScores(scores.names, *ordered)
    return Contender(name, model, measured, scores)


def _ranked(found: list[Contender]) -> tuple[Row, ...]:
    best, *others = sorted(found, key=lambda one: -one.measured.headline.value)
    rows = [Row(best, None)]
    for one in others:
        if one.scores.names != best.scores.names:
            raise RequestError(
                f"it could be shown {plural(len(one.scores.names), 'picture')}, {best.name} "
                f"{plural(len(best.scores.names), 'picture')}, so they cannot be held side by side.",
                where=one.name,
                fix="See `striate look` for pictures that cannot be read.",
            )
        task = one.model.task
        rows.append(Row(one, compare_scores(task, one.scores.scores, best.scores.scores, one.scores.targets)))
    return tuple(rows)


def _page(rows: tuple[Row, ...], data: Dataset, finished: Mapping[str, Model]) -> str:
    best = rows[0].network
    headline = best.measured.headline
    figures = [row.network.measured.headline for row in rows]
    title = title_of(headline.name)
    shown = [_shown(row) for row in rows]
    figure = go.Figure(
        go.Bar(
            x=[row.net for row in rows],
            y=[one.value for one in figures],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [one.high - one.value for one in figures],
                "arrayminus": [one.value - one.low for one in figures],
            },
        )
    )
    figure.update_layout(yaxis_title=title, xaxis_title="network")
    figure.add_hline(y=best.measured.baseline.value, line_dash="dot", annotation_text="ignores the picture")
    sections = [
        Section("Side by side", [chart(figure, f"{title} of each network with its 95 % interval"), table(shown)]),
        Section(
            "How to read this",
            note(" ".join(_how_to_read(rows, finished))),
        ),
    ]
    shown_to = f"{best.measured.images} {best.measured.unit}{of_split(best.measured.split)}"
    lead = f"{best.name} is best: {title.lower()} {in_words(headline)} on {shown_to}."
    return render_page(f"Networks compared on {data.root.name}", sections, lead=lead, statement=statement(data.scans))


def _how_to_read(rows: tuple[Row, ...], finished: Mapping[str, Model]) -> list[str]:
    words = ["All networks were measured on the same pictures."]
    if len(finished) < len(rows):
        words.append("Those that were trained here saw the same training pictures for the same time.")
    if finished:
        words.append(
            f"{listed(list(finished))} came finished: if such a one learned from these very pictures, its figure says "
            "nothing."
        )
    return [
        *words,
        "'Behind the best' is measured picture by picture; where its interval holds 0, chance may have decided.",
    ]


def _shown(row: Row) -> dict[str, object]:
    plain, facts = row.as_dict(), row.network.model.facts
    headline = row.network.measured.headline
    return {
        "network": row.net,
        title_of(headline.name): in_words(headline),
        "behind the best": "" if row.behind is None else in_words(row.behind),
        "verdict": row.verdict,
        "weights": plain["weights"],
        # Of a network from elsewhere nobody has counted them.
        "parameters": facts.parameters or "",
        "epochs": facts.epochs or "",
        "minutes": round(facts.seconds / 60, 1) or "",
    }


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {"name": estimate.name, "value": estimate.value, "low": estimate.low, "high": estimate.high}
