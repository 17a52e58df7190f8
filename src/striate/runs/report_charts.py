"""The figures of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from striate.evaluation import EpochRecord
from striate.evaluation.calibration import ReliabilityBin
from striate.evaluation.curves import evaluated, loss_turn
from striate.evaluation.operating import RocCurve
from striate.pages import BAD_COLOR, COLORWAY, GOOD_COLOR, NEUTRAL_COLOR, SPLIT_COLORS
from striate.tasks.metric_names import metric_info

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_LABELLED_CELLS = 20
"""Classes up to which every cell of a confusion matrix holds its number."""

_LEGEND_BELOW = {"legend": {"y": -0.24, "yanchor": "top"}, "margin": {"t": 48, "b": 84}}


def metric_chart(history: Sequence[EpochRecord], headline: str, best_epoch: int, baseline: float | None) -> Figure:
    """The deciding metric on training and validation pictures, by epoch."""
    from plotly import graph_objects

    figure = graph_objects.Figure()
    known = [one for one in history if one.train is not None or one.validation is not None]
    for split in ("train", "validation"):
        rows = [(one.epoch, value) for one in known if (value := getattr(one, split)) is not None]
        figure.add_scatter(**_line(rows, split, "%{y:.1%}"))
    if baseline is not None and known:
        figure.add_scatter(
            x=[known[0].epoch, known[-1].epoch],
            y=[baseline, baseline],
            name="ignoring the picture",
            mode="lines",
            line={"color": NEUTRAL_COLOR, "dash": "dot", "width": 1.5},
            hovertemplate="%{y:.1%}",
        )
    if best_epoch:
        figure.add_vline(x=best_epoch, line={"color": NEUTRAL_COLOR, "width": 1}, layer="below")
        figure.add_annotation(
            x=best_epoch, y=0, yref="paper", text="kept", showarrow=False, yanchor="bottom", xanchor="right", xshift=-3
        )
    figure.update_layout(title=metric_info(headline).title, hovermode="x unified", **_LEGEND_BELOW)
    figure.update_yaxes(tickformat=".0%")
    figure.update_xaxes(**_epoch_axis(history))
    return figure


def loss_chart(history: Sequence[EpochRecord]) -> Figure:
    """Plain loss on training and validation pictures, and the loss of the training batches."""
    from plotly import graph_objects

    figure = graph_objects.Figure()
    for split in ("train", "validation"):
        rows = [(one.epoch, value) for one in history if (value := getattr(one, f"{split}_loss")) is not None]
        figure.add_scatter(**_line(rows, split, "%{y:.4f}"))
    figure.add_scatter(
        x=[one.epoch for one in history],
        y=[one.batch_loss for one in history],
        name="training batches, as augmented",
        mode="lines",
        line={"color": NEUTRAL_COLOR, "dash": "dot", "width": 1.5},
        hovertemplate="%{y:.4f}",
    )
    turn = loss_turn(evaluated(history))
    if turn is not None:
        figure.add_annotation(x=turn.epoch, y=_log(turn.lowest), text="lowest", showarrow=True, ay=28, ax=0)
    figure.update_layout(title="loss (logarithmic)", hovermode="x unified", **_LEGEND_BELOW)
    figure.update_yaxes(type="log", dtick="D2", tickformat="~g")
    figure.update_xaxes(**_epoch_axis(history))
    return figure


def rate_chart(history: Sequence[EpochRecord]) -> Figure:
    """Learning rate at the end of each epoch."""
    from plotly import graph_objects

    figure = graph_objects.Figure()
    figure.add_scatter(
        x=[one.epoch for one in history],
        y=[one.learning_rate for one in history],
        mode="lines+markers",
        line={"color": COLORWAY[3]},
        hovertemplate="epoch %{x}: %{y:.2e}<extra></extra>",
    )
    figure.update_layout(title="learning rate", showlegend=False)
    figure.update_yaxes(rangemode="tozero", tickformat=".1~e")
    figure.update_xaxes(**_epoch_axis(history))
    return figure


def confusion_chart(table: npt.NDArray[np.int64], classes: tuple[str, ...]) -> Figure:
    """Share of each true class (row) answered as each class (column)."""
    from plotly import graph_objects

    count = table.sum(axis=1, keepdims=True)
    shares = np.divide(table, count, out=np.zeros(table.shape), where=count > 0)
    names = [_short(name) for name in classes]
    figure = graph_objects.Figure()
    labelled = len(classes) <= MOST_LABELLED_CELLS
    figure.add_heatmap(
        z=shares.tolist(),
        x=list(range(len(classes))),
        y=list(range(len(classes))),
        customdata=table.tolist(),
        text=[[str(value) if value else "" for value in row] for row in table.tolist()] if labelled else None,
        texttemplate="%{text}" if labelled else None,
        zmin=0,
        zmax=1,
        xgap=1,
        ygap=1,
        colorbar={"tickformat": ".0%"},
        hovertemplate="shows %{y}, answered %{x}<br>%{customdata} pictures, %{z:.1%} of the class<extra></extra>",
    )
    axis: dict[str, Any] = {"showgrid": False, "zeroline": False}
    ticks = (
        {"tickvals": list(range(len(classes))), "ticktext": names} if len(classes) <= 60 else {"showticklabels": False}
    )
    figure.update_xaxes(title="answered", side="bottom", constrain="domain", **axis, **ticks)
    figure.update_yaxes(title="shown", autorange="reversed", scaleanchor="x", constrain="domain", **axis, **ticks)
    figure.update_layout(height=int(min(900, max(320, 120 + 34 * len(classes)))), margin={"t": 16})
    return figure


def reliability_chart(bins: Sequence[ReliabilityBin]) -> Figure:
    """Share of right answers against score: on the diagonal, scores mean what they say."""
    from plotly import graph_objects

    most = max((one.count for one in bins), default=1)
    figure = graph_objects.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": NEUTRAL_COLOR, "dash": "dot", "width": 1.5},
        name="scores that mean what they say",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[one.score for one in bins],
        y=[one.right for one in bins],
        customdata=[[one.count] for one in bins],
        mode="lines+markers",
        name="this network (size: number of answers)",
        line={"color": SPLIT_COLORS["test"], "width": 1.5},
        marker={"size": [6 + 22 * (one.count / most) ** 0.5 for one in bins], "opacity": 0.85},
        hovertemplate="score %{x:.1%}, right %{y:.1%}<br>%{customdata[0]} answers<extra></extra>",
    )
    figure.update_xaxes(title="score of the answer", range=[-0.03, 1.05], tickformat=".0%")
    figure.update_yaxes(title="right", range=[-0.03, 1.05], tickformat=".0%")
    figure.update_layout(**_LEGEND_BELOW)
    return figure


def score_chart(bins: Sequence[ReliabilityBin]) -> Figure:
    """How many answers have which score, right and wrong ones."""
    from plotly import graph_objects

    figure = graph_objects.Figure()
    for name, color, counts in (
        ("right", GOOD_COLOR, [round(one.count * one.right) for one in bins]),
        ("wrong", BAD_COLOR, [one.count - round(one.count * one.right) for one in bins]),
    ):
        figure.add_bar(
            x=[(one.low + one.high) / 2 for one in bins],
            y=counts,
            width=[0.9 * (one.high - one.low) for one in bins],
            name=name,
            marker={"color": color},
            hovertemplate=f"%{{y}} {name}, score near %{{x:.0%}}<extra></extra>",
        )
    figure.update_xaxes(title="score of the answer", range=[0, 1.02], tickformat=".0%")
    figure.update_yaxes(title="answers")
    figure.update_layout(barmode="stack", bargap=0, **_LEGEND_BELOW)
    return figure


def roc_chart(curve: RocCurve, threshold: float) -> Figure:
    """Sensitivity against false alarms as the threshold moves, with its band.

    Args:
        curve: The curve.
        threshold: One that is marked.
    """
    from plotly import graph_objects

    grid = np.linspace(0, 1, len(curve.low))
    figure = graph_objects.Figure()
    figure.add_scatter(
        x=[*grid.tolist(), *grid[::-1].tolist()],
        y=[*curve.high, *curve.low[::-1]],
        fill="toself",
        fillcolor=SPLIT_COLORS["test"],
        opacity=0.18,
        mode="lines",
        line={"width": 0},
        name="95 %",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": NEUTRAL_COLOR, "dash": "dot", "width": 1.5},
        name="guessing",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=curve.alarms,
        y=curve.found,
        customdata=curve.thresholds,
        mode="lines",
        line={"color": SPLIT_COLORS["test"], "shape": "hv"},
        name="this network",
        hovertemplate="threshold %{customdata:.3f}<br>found %{y:.1%}, false alarms %{x:.1%}<extra></extra>",
    )
    # The last threshold that is not below the one to be marked.
    marked = max(0, int(np.searchsorted(-np.array(curve.thresholds), -threshold, side="right")) - 1)
    figure.add_scatter(
        x=[curve.alarms[marked]],
        y=[curve.found[marked]],
        mode="markers",
        marker={"size": 11, "color": SPLIT_COLORS["validation"]},
        name=f"threshold {threshold:.3g}",
        hovertemplate=f"threshold {threshold:.3g}<br>found %{{y:.1%}}, false alarms %{{x:.1%}}<extra></extra>",
    )
    figure.update_xaxes(title="false alarms (1 - specificity)", range=[-0.03, 1.03], tickformat=".0%")
    figure.update_yaxes(title="found (sensitivity)", range=[-0.03, 1.03], tickformat=".0%")
    figure.update_layout(**_LEGEND_BELOW)
    return figure


def _line(rows: Sequence[tuple[int, float]], split: str, hover: str) -> dict[str, Any]:
    return {
        "x": [epoch for epoch, _ in rows],
        "y": [value for _, value in rows],
        "name": {"train": "training"}.get(split, split),
        "mode": "lines+markers" if len(rows) <= 40 else "lines",
        "line": {"color": SPLIT_COLORS[split]},
        "hovertemplate": hover,
    }


def _epoch_axis(history: Sequence[EpochRecord]) -> dict[str, Any]:
    return {"title": "epoch", "tickformat": "d", **({"dtick": 1} if len(history) <= 12 else {})}


def _log(value: float) -> float:
    return float(np.log10(max(value, 1e-12)))


def _short(name: str, limit: int = 22) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
