"""One self-contained page of HTML that works offline."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from striate.errors import StorageError
from striate.pages.charts import CHART_CONFIG, DARK_TEMPLATE, LIGHT_TEMPLATE
from striate.pages.part import Body, Part, join


@dataclass(frozen=True, slots=True)
class Section:
    """A titled section of a page.

    Attributes:
        title: Its heading, also its entry in the contents.
        body: Text, a part, or several of them.
        id: Anchor in the page; made from the title where empty.
    """

    title: str
    body: Body
    id: str = ""


def render_page(
    title: str, sections: Sequence[Section], *, lead: str = "", footer: str = "", statement: str = ""
) -> str:
    """A whole page as one string of HTML.

    Stylesheet, scripts and pictures are inside; a content security policy forbids the browser to fetch anything.
    The chart library is included once, and only if a section holds a chart.

    Args:
        title: Heading and title of the page.
        sections: In their order; with more than two, a list of contents precedes them.
        lead: The answer in one or two sentences, below the heading.
        footer: Small print.
        statement: A sentence that nobody may overlook, in a box below the lead.
    """
    bodies = [join(section.body) for section in sections]
    charts = any(body.charts for body in bodies)
    ids = _unique([section.id or _slug(section.title) for section in sections])
    shown = [replace(section, id=id_, body=body) for section, id_, body in zip(sections, ids, bodies, strict=True)]
    return _template().render(
        title=title,
        lead=lead,
        footer=footer,
        statement=statement,
        sections=shown,
        style=Markup(_asset("page.css")),
        sortable=any('class="sortable"' in body.html for body in bodies),
        tables_script=Markup(_asset("tables.js")),
        charts=charts,
        plotly=_plotly_script() if charts else "",
        themes=json_for_script({"light": LIGHT_TEMPLATE, "dark": DARK_TEMPLATE}),
        config=json_for_script(CHART_CONFIG),
        charts_script=Markup(_asset("charts.js")),
        scripts=[Markup(script) for script in dict.fromkeys(script for body in bodies for script in body.scripts)],
    )


def write_page(page: str, path: str | Path) -> Path:
    """Writes a page, whole or not at all, and returns its path.

    Raises:
        StorageError: The file cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StorageError(
            f"the page cannot be written ({error.strerror or error}).",
            where=path,
            fix="Choose another place, or make room there.",
        ) from error
    return path


def require_writable(path: str | Path) -> None:
    """Makes sure that a page can be written, before the work that is to stand on it.

    Raises:
        StorageError: It cannot: the place is a folder, its folder is missing, or nobody may write there.
    """
    path = Path(path)
    folder = path.parent
    reason = (
        "it is a folder"
        if path.is_dir()
        else f"{folder} is no folder"
        if not folder.is_dir()
        else "nobody may write there"
        if not os.access(folder, os.W_OK)
        else ""
    )
    if reason:
        raise StorageError(f"the page cannot be written ({reason}).", where=path, fix="Choose another place.")


def json_for_script(value: Any) -> Markup:
    """JSON that can stand inside a script element: no `<`, so that nothing in it can end the element."""
    return Markup(json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


def _unique(ids: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    unique = []
    for id_ in ids:
        seen[id_] = seen.get(id_, 0) + 1
        unique.append(id_ if seen[id_] == 1 else f"{id_}-{seen[id_]}")
    return unique


@cache
def _asset(name: str) -> str:
    return (resources.files("striate.pages") / "assets" / name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(_asset("page.html.j2"))


@cache
def _plotly_script() -> Markup:
    script = (resources.files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    # The sequences that end or change the parsing of a script element; inside JavaScript strings `\/` is `/`.
    return Markup(re.sub(r"<(?=/script|!--|script)", r"\\x3c", script, flags=re.IGNORECASE))


__all__ = ["Body", "Part", "Section", "json_for_script", "render_page", "require_writable", "write_page"]
