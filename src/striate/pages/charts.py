"""How charts look: colours that can be told apart and read on light and dark, and a Plotly template for each."""

from __future__ import annotations

from typing import Any

COLORWAY = ("#2f7fe0", "#d0660c", "#1f9254", "#9467e0", "#d1478c", "#0e8f9c", "#9a7b00", "#7a8490")
"""Series colours; each keeps a contrast of 3:1 against both page colours (WCAG 2.2, 1.4.11)."""

SPLIT_COLORS = {"train": COLORWAY[0], "validation": COLORWAY[1], "test": COLORWAY[2], "": COLORWAY[7]}
"""One colour for each split, the same in every chart of every page."""

GOOD_COLOR, WARNING_COLOR, BAD_COLOR, NEUTRAL_COLOR = "#1f9254", "#b87503", "#d9483b", "#7a8490"
"""Colours with a meaning."""

CHANNEL_COLORS = {"red": "#d9483b", "green": "#1f9254", "blue": "#2f7fe0", "gray": "#7a8490", "alpha": "#9467e0"}
"""Line colours for channels that have a colour of their own."""

PAGE_LIGHT, PAGE_DARK = "#ffffff", "#14171a"
"""Page colours of the stylesheet, on which the charts lie."""

CHART_CONFIG: dict[str, Any] = {
    "responsive": True,
    "displaylogo": False,
    "showLink": False,
    "showSendToCloud": False,
    "showEditInChartStudio": False,
    "plotlyServerURL": "",
    "topojsonURL": "",
    "modeBarButtonsToRemove": ["sendDataToCloud", "lasso2d", "select2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "png", "scale": 2},
}
"""Plotly's configuration: no link, no logo, no server."""


def _template(text: str, muted: str, line: str, scale: list[list[Any]], hover: str) -> dict[str, Any]:
    axis = {
        "gridcolor": line,
        "linecolor": line,
        "zerolinecolor": line,
        "zerolinewidth": 1,
        "tickcolor": line,
        "tickfont": {"color": muted},
        "title": {"font": {"color": muted, "size": 13}, "standoff": 8},
        "automargin": True,
    }
    layout = {
        "font": {"family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", "size": 13, "color": text},
        "title": {"font": {"size": 15}, "x": 0, "xref": "paper", "xanchor": "left"},
        "colorway": list(COLORWAY),
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 16, "t": 40, "b": 48},
        "xaxis": axis,
        "yaxis": axis | {"ticksuffix": " "},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hoverlabel": {"bgcolor": hover, "bordercolor": line, "font": {"color": text}},
        "hovermode": "closest",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": muted, "activecolor": text},
        "bargap": 0.25,
    }
    bar_edge = {"marker": {"line": {"width": 0}}}
    heatmap = {"colorscale": scale, "colorbar": {"outlinewidth": 0, "tickfont": {"color": muted}, "thickness": 12}}
    return {"layout": layout, "data": {"bar": [bar_edge], "heatmap": [heatmap]}}


LIGHT_TEMPLATE = _template(
    "#1b1f24", "#57606a", "#d9dde1", [[0.0, "#f5f6f7"], [0.5, "#7fb0ea"], [1.0, "#0b4a94"]], "#ffffff"
)
DARK_TEMPLATE = _template(
    "#e7eaed", "#a3acb6", "#363c43", [[0.0, "#1d2125"], [0.5, "#2a62a8"], [1.0, "#a9d0ff"]], "#1d2125"
)
