"""What stands in a section: tables, facts, callouts, charts, foldable pieces."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup, escape

from striate.pages.page import json_for_script
from striate.pages.part import Body, Part, attributes, join

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Tone = Literal["info", "good", "warning", "bad"]
_TONE_WORDS: dict[Tone, str] = {"info": "Note", "good": "Good", "warning": "Warning", "bad": "Problem"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        key: Key of its value in each row.
        title: Heading; the key where empty.
        format: Format specification of its numbers, for example `.1%`; digits chosen by size where empty.
    """

    key: str
    title: str = ""
    format: str = ""


def table(
    rows: Iterable[Mapping[str, object]],
    columns: Sequence[str | Column] | None = None,
    *,
    caption: str = "",
    sortable: bool = False,
) -> Part:
    """A table; numbers stand right, a value that is absent or `None` is a dash, parts are put in as they are.

    Args:
        rows: One mapping a row.
        columns: Keys of the rows, or columns; the keys of the first row where `None`.
        caption: What the table shows.
        sortable: Whether a click on a heading sorts it.
    """
    rows = list(rows)
    if columns is None:
        columns = list(rows[0]) if rows else []
    wanted = [column if isinstance(column, Column) else Column(column) for column in columns]
    numeric = {column.key: _is_numeric([row.get(column.key) for row in rows]) for column in wanted}
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(
            attributes(class_="number" if numeric[column.key] else ""), column.title or column.key
        )
        for column in wanted
    )
    lines = [
        Markup("<tr>{}</tr>").format(
            Markup("").join(_cell(row.get(column.key), column, numeric[column.key]) for column in wanted)
        )
        for row in rows
    ]
    html = Markup('<div class="scroll" role="region" tabindex="0"{}><table{}>{}<thead><tr>{}</tr></thead>').format(
        attributes(aria_label=caption or "Table"),
        attributes(class_="sortable" if sortable and len(rows) > 1 else ""),
        Markup("<caption>{}</caption>").format(caption) if caption else "",
        head,
    ) + Markup("<tbody>{}</tbody></table></div>").format(Markup("\n").join(lines))
    return Part(html)


def _is_numeric(values: list[object]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(isinstance(value, Real) and not isinstance(value, bool) for value in present)


def _cell(value: object, column: Column, number: bool) -> Markup:
    shown: object = value
    key = None
    if value is None or (isinstance(value, Real) and math.isnan(value)):
        shown = "\N{EN DASH}"
    elif isinstance(value, bool):
        shown = "yes" if value else "no"
    elif isinstance(value, Real):
        shown, key = format_number(value, column.format), repr(float(value))
    return Markup("<td{}>{}</td>").format(attributes(class_="number" if number else "text", data_value=key), shown)


def format_number(value: Real | float, spec: str = "") -> str:
    """A number for people: whole numbers with thin spaces between thousands, others with four digits at most."""
    number = int(value) if isinstance(value, Integral) else float(value)
    if spec:
        return format(number, spec)
    if isinstance(number, int) or (abs(number) >= 1000 and math.isfinite(number)):
        return f"{round(number):,}".replace(",", "\u202f")
    return f"{number:.4g}"


def fact_list(facts: Mapping[str, object] | Iterable[tuple[str, object]]) -> Part:
    """Terms and their values, one a line."""
    return Part(
        Markup('<dl class="facts">{}</dl>').format(
            Markup("").join(
                Markup("<dt>{}</dt><dd>{}</dd>").format(term, _plain(value)) for term, value in _pairs(facts)
            )
        )
    )


def figures(facts: Mapping[str, object] | Iterable[tuple[str, object]]) -> Part:
    """A row of a few values set large, with small terms: the answer at a glance."""
    boxes = [
        Markup("<div><dt>{}</dt><dd{}>{}</dd></div>").format(
            term, attributes(class_="long" if len(str(_plain(value))) > 11 else ""), _plain(value)
        )
        for term, value in _pairs(facts)
    ]
    return Part(Markup('<dl class="figures">{}</dl>').format(Markup("").join(boxes)))


def _pairs(facts: Mapping[str, object] | Iterable[tuple[str, object]]) -> list[tuple[str, object]]:
    return list(facts.items() if isinstance(facts, Mapping) else facts)


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_number(value) if isinstance(value, Real) else value


def lines(items: Iterable[str | Part], *, ordered: bool = False) -> Part:
    """A list, one line an item, numbered where the order means something."""
    tag = Markup("ol" if ordered else "ul")
    parts = [item if isinstance(item, Part) else Part(escape(item)) for item in items]
    inside = Markup("").join(Markup("<li>{}</li>").format(part) for part in parts)
    return Part(Markup('<{0} class="lines">{1}</{0}>').format(tag, inside), any(part.charts for part in parts))


def callout(title: str, body: Body = "", *, tone: Tone = "info") -> Part:
    """A box that is not overlooked; its tone is said in words too, for readers who do not see the colour."""
    inside = join(body)
    html = Markup(
        '<div class="callout {}" role="note"><strong><span class="kind">{}: </span>{}</strong>{}</div>'
    ).format(tone, _TONE_WORDS[tone], title, inside)
    return Part(html, inside.charts)


def note(text: str) -> Part:
    """A quiet sentence, for how something was measured."""
    return Part(Markup('<p class="quiet">{}</p>').format(text))


def heading(text: str) -> Part:
    """A heading inside a section."""
    return Part(Markup("<h3>{}</h3>").format(text))


def code(text: str) -> Part:
    """A command or a file, as it is typed."""
    return Part(Markup("<pre><code>{}</code></pre>").format(text))


def details(summary: str, body: Body, *, opened: bool = False) -> Part:
    """A piece that is folded until somebody wants it."""
    inside = join(body)
    html = Markup("<details{}><summary>{}</summary>{}</details>").format(
        Markup(" open") if opened else "", summary, inside
    )
    return Part(html, inside.charts)


def beside(*bodies: Body) -> Part:
    """Pieces side by side where the window is wide enough, below one another where not."""
    parts = [join(body) for body in bodies]
    inside = Markup("").join(Markup("<div>{}</div>").format(part) for part in parts)
    return Part(Markup('<div class="beside">{}</div>').format(inside), any(part.charts for part in parts))


def chart(figure: Figure, alt: str, *, caption: str = "", height_px: int = 360) -> Part:
    """A Plotly figure. Colours of text, grid and background come from the page's theme.

    WebGL traces (`scattergl`) need code generation at run time, which the page's security policy forbids.

    Args:
        figure: The figure; its own template is replaced.
        alt: What it shows, for readers who cannot see it.
        caption: One sentence below it.
        height_px: Height.

    Raises:
        ValueError: A trace needs WebGL.
    """
    if gl := sorted({trace.type for trace in figure.data if str(trace.type).endswith("gl")}):
        raise ValueError(f"{', '.join(gl)} needs WebGL, which an offline page forbids; use the trace without 'gl'")
    content = json.loads(figure.to_json())
    content.setdefault("layout", {}).pop("template", None)
    content["layout"].setdefault("height", height_px)
    html = Markup('<figure class="chart" role="group"{}><div class="plot" style="min-height:{}px"></div>').format(
        attributes(aria_label=alt), content["layout"]["height"]
    )
    html += Markup('<script type="application/json">{}</script>').format(json_for_script(content))
    html += Markup("<noscript><p>{}</p></noscript>").format(alt)
    html += Markup("<figcaption>{}</figcaption></figure>").format(caption) if caption else Markup("</figure>")
    return Part(html, charts=True)
