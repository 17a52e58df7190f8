"""What was seen of the channels, on a terminal and on a page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import numpy as np

from striate.data.channel_facts import ChannelFacts, ChannelLook
from striate.data.channel_probe import Share
from striate.pages import (
    COLORWAY,
    Column,
    Part,
    Section,
    Thumbnail,
    chart,
    gallery,
    heading,
    lines,
    note,
    table,
    thumbnail,
)
from striate.structures import Count, Picture

_MOST_LINES = 16
_MOST_IN_MATRIX = 8
_NAME = 16
_INDENT, _TABLE = 11, 4
_DIGITS = 8
_SIDE = 96
_MOST_SHOWN = 16


def channel_lines(seen: ChannelLook, width: int) -> Iterator[str]:
    """A table of the channels, their correlations, and what follows, for a terminal.

    Args:
        seen: The channels.
        width: Characters in a line, 60 or more; 80 hold everything.
    """
    yield f"  channels {seen.rule}, of {Count(seen.pictures):training picture}"
    room = max(len(_short(one.name)) for one in seen.channels)
    tells = "tells alone" if seen.probe.together is not None else ""
    head = f"{'':{_TABLE}}{'':{room}} {'least':>8} {'greatest':>8} {'mean':>8} {'std':>8} {'constant':>8}  {tells}"
    yield head.rstrip()
    for one in seen.channels[:_MOST_LINES]:
        values = " ".join(f"{_number(value):>8}" for value in (one.low, one.high, one.mean, one.std))
        told = "" if one.tells is None else _told(one.tells)
        yield f"{'':{_TABLE}}{_short(one.name):{room}} {values} {one.constant:>8.0%}  {told}".rstrip()
    if len(seen.channels) > _MOST_LINES:
        yield f"{'':{_TABLE}}... {len(seen.channels) - _MOST_LINES} more channels"
    if 1 < len(seen.channels) <= _MOST_IN_MATRIX:
        yield "  alike    correlation over pixels, 1 is the same"
        for index, one in enumerate(seen.channels):
            row = " ".join(f"{value:>6.2f}" for value in seen.correlation[index, : index + 1])
            yield f"{'':{_TABLE}}{_short(one.name):{room}} {row}"
    title = "so"
    for sentence in seen.sentences():
        opening = f"  {title:<{_INDENT - 2}}"
        yield from textwrap.wrap(sentence, width, initial_indent=opening, subsequent_indent=" " * _INDENT)
        title = ""


def channel_section(seen: ChannelLook) -> Section:
    """The channels on a page: values, what each tells, how alike they are, and some pictures one channel at a time."""
    parts: list[str | Part] = [lines(seen.sentences()), _values(seen)]
    if seen.probe.together is not None:
        told = f"All channels together: {seen.probe.together}. The commonest class: {seen.probe.baseline:.1%}."
        parts.append(note(f"{told} A linear probe on 8 x 8 pixels, cross-validated; a network may see more."))
    if len(seen.channels) > 1:
        parts.append(_matrix(seen))
    for picture in seen.shown:
        parts.append(heading(picture.source))
        parts.append(gallery(_one_by_one(picture)))
    return Section("Channels", parts)


def _values(seen: ChannelLook) -> Part:
    rows = [_row(one) for one in seen.channels]
    columns = [
        Column("channel"),
        Column("least"),
        Column("greatest"),
        Column("mean"),
        Column("std", "deviation"),
        Column("constant", "constant in", ".0%"),
        *([Column("tells", "tells alone")] if seen.probe.together is not None else []),
    ]
    return table(rows, columns, caption=f"Each channel, over {seen.pictures} training pictures", sortable=True)


def _row(one: ChannelFacts) -> dict[str, object]:
    return {
        "channel": one.name,
        "least": one.low,
        "greatest": one.high,
        "mean": one.mean,
        "std": one.std,
        "constant": one.constant,
        "tells": None if one.tells is None else str(one.tells),
    }


def _matrix(seen: ChannelLook) -> Part:
    import plotly.graph_objects as go

    names = [one.name for one in seen.channels]
    figure = go.Figure(
        go.Heatmap(
            z=np.round(seen.correlation, 3).tolist(),
            x=names,
            y=names,
            zmin=-1,
            zmax=1,
            colorscale=[[0, COLORWAY[1]], [0.5, "#ffffff"], [1, COLORWAY[0]]],
            texttemplate="%{z:.2f}" if len(names) <= 2 * _MOST_IN_MATRIX else None,
            hovertemplate="%{y} and %{x}: %{z:.2f}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(type="category")
    height_px = min(900, 160 + 34 * len(names))
    return chart(figure, "Colours: how alike channels are, by their correlation over pixels.", height_px=height_px)


def _one_by_one(picture: Picture) -> list[Thumbnail]:
    pieces = [thumbnail(picture, "together", max_side=_SIDE)] if picture.channels > 1 else []
    for index, name in enumerate(picture.channel_names[:_MOST_SHOWN]):
        pieces.append(thumbnail(Picture(picture.pixels[index : index + 1], (name,)), name, max_side=_SIDE))
    return pieces


def _told(share: Share) -> str:
    return f"{share.value:.0%} ({100 * share.low:.0f}-{100 * share.high:.0f})"


def _number(value: float) -> str:
    text = f"{value:.4g}"
    return text if len(text) <= _DIGITS else f"{value:.2g}"


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 3]}..."
