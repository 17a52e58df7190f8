"""`striate explain`: what a term of the field means."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from striate.cli.output import Answer, table
from striate.errors import RequestError


def command(
    term: Annotated[list[str] | None, typer.Argument(metavar="TERM", help="A term, such as pooling.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List all terms.")] = False,
) -> Answer:
    """Explains a term of the field: two sentences, the formula, its history, and the command that shows it at work.

    Example:
        striate explain pooling
        striate explain --list
    """
    from striate.glossary import TERMS, explain

    if list_:
        terms = sorted(TERMS, key=lambda one: one.name.lower())
        return Answer(
            [one.as_dict() for one in terms], lambda console: _show_list([one.name for one in terms], console)
        )
    if not term:
        raise RequestError("expected a term.", where="TERM", fix="striate explain --list lists all.")
    found = explain(" ".join(term))
    return Answer(found.as_dict(), lambda console: console.print(str(found)))


def _show_list(names: list[str], console: Console) -> None:
    width = max(map(len, names)) + 2
    columns = max(1, console.width // width)
    shown = table(*[""] * columns)
    shown.show_header = False
    for start in range(0, len(names), columns):
        row = names[start : start + columns]
        shown.add_row(*row, *[""] * (columns - len(row)))
    console.print(shown)
