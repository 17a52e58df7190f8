"""The piece of HTML from which pages are built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from markupsafe import Markup, escape


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a page, escaped already.

    Attributes:
        html: The HTML.
        charts: Whether it holds a chart, so that the page must carry the chart library.
        scripts: JavaScript that it needs; a page carries each text once, behind its sections.
    """

    html: Markup
    charts: bool = False
    scripts: tuple[str, ...] = ()

    def __html__(self) -> Markup:
        # Plain text would be escaped a second time by `Markup.format`.
        return self.html


Body: TypeAlias = "str | Part | Iterable[str | Part]"
"""What can stand in a section: text (escaped, one paragraph), a part, or several of them."""


def join(body: Body) -> Part:
    """One part from text, a part or several of them, in their order."""
    if isinstance(body, str):
        return Part(Markup("<p>{}</p>").format(body)) if body else Part(Markup(""))
    if isinstance(body, Part):
        return body
    parts = [join(piece) for piece in body]
    return Part(
        Markup("\n").join(part.html for part in parts),
        any(part.charts for part in parts),
        tuple(script for part in parts for script in part.scripts),
    )


def attributes(**values: object) -> Markup:
    """HTML attributes, escaped, with a space before each; `None` and empty text are left out."""
    pairs = [(name.rstrip("_").replace("_", "-"), value) for name, value in values.items() if value not in (None, "")]
    return Markup("").join(Markup(' {}="{}"').format(Markup(name), escape(str(value))) for name, value in pairs)
