"""The figures of a report that are about single classes and found objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from striate.pages import BACKGROUND_COLOR, COLORWAY, background_index, class_color
from striate.structures import SHOWN_FROM, evenly
from striate.tasks.matching import PrecisionRecall

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_POINTS = 300


def gain_chart(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """What mAP50 would gain without each kind of mistake, in points."""
    from plotly import graph_objects

    figure = graph_objects.Figure(
        graph_objects.Bar(
            y=[row["kind"] for row in rows],
            x=[100 * row["gain"] for row in rows],
            customdata=[row["count"] for row in rows],
            orientation="h",
            marker_color=COLORWAY[0],
            hovertemplate="%{y}: %{customdata} mistakes, a gain of %{x:.1f} points<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(title="points of mAP50 to gain", rangemode="tozero")
    figure.update_layout(margin={"t": 12})
    return figure


def precision_recall_chart(curves: Mapping[str, PrecisionRecall], classes: Sequence[str]) -> Figure:
    """Precision against recall as the limit on the score falls, a line a class, a dot at the limit of what is drawn."""
    from plotly import graph_objects

    figure = graph_objects.Figure()
    for name, curve in curves.items():
        color = class_color(classes.index(name))
        kept = evenly(len(curve.score), _MOST_POINTS).tolist()
        figure.add_scatter(
            x=curve.recall[kept].tolist(),
            y=curve.precision[kept].tolist(),
            customdata=curve.score[kept].tolist(),
            mode="lines",
            name=name,
            legendgroup=name,
            line={"color": color, "width": 1.8},
            hovertemplate=_hover(name, "from a score of %{customdata:.2f} on"),
        )
        shown = int((curve.score >= SHOWN_FROM).sum()) - 1
        if shown >= 0:
            figure.add_scatter(
                x=[float(curve.recall[shown])],
                y=[float(curve.precision[shown])],
                mode="markers",
                legendgroup=name,
                showlegend=False,
                marker={"size": 9, "color": color, "line": {"width": 1, "color": "#14171a"}},
                hovertemplate=_hover(name, f"from a score of {SHOWN_FROM} on, as drawn"),
            )
    figure.update_xaxes(title="recall: objects found", range=[-0.02, 1.03], tickformat=".0%")
    figure.update_yaxes(title="precision: of what is found, right", range=[-0.02, 1.05], tickformat=".0%")
    figure.update_layout(legend={"y": -0.22, "yanchor": "top"}, margin={"t": 12, "b": 84})
    return figure


def class_bars_chart(rows: Sequence[Mapping[str, Any]], key: str, title: str) -> Figure:
    """One figure of each class as a bar, in the colour that the class has over pictures."""
    from plotly import graph_objects

    names = [str(row["class"]) for row in rows]
    background = background_index(names)
    figure = graph_objects.Figure(
        graph_objects.Bar(
            y=names,
            x=[row[key] for row in rows],
            orientation="h",
            marker_color=[BACKGROUND_COLOR if k == background else class_color(k) for k in range(len(names))],
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(title=title, range=[0, 1.02], tickformat=".0%")
    figure.update_layout(margin={"t": 12})
    return figure


def _hover(name: str, limit: str) -> str:
    return name.replace("%", "") + ": recall %{x:.1%}, precision %{y:.1%}<br>" + limit + "<extra></extra>"
