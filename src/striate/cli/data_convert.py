"""`striate data convert`: the same data set in another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli.output import Answer, say
from striate.cli.progress import TerminalProgress

if TYPE_CHECKING:
    from striate.data.convert import Conversion


def command(
    data: Annotated[Path, typer.Argument(help="Folder or file of pictures.")],
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="Format to write; docs/data.md lists them.")],
    format: Annotated[str | None, typer.Option(help="Format to read; recognised where not given.")] = None,
) -> Answer:
    """Writes a data set in another format, with the splits that it has.

    Pictures that cannot be read are named and left out; the set itself is not changed.

    Example:
        striate data convert photos/ table/ --to table
    """
    from striate.data.convert import convert

    with TerminalProgress() as progress:
        done = convert(
            data, to, out, format=format, progress=lambda count, total: progress.part("reading pictures", count, total)
        )
    return conversion_answer(done)


def conversion_answer(done: Conversion) -> Answer:
    """What was written, and what was left out."""
    dropped = [problem for problem in done.problems if problem.severity == "dropped"]
    for problem in dropped:
        say(f"{problem.path}: {problem.detail} It was left out.")
    document: dict[str, Any] = {
        "out": done.out,
        "format": done.format,
        "images": done.images,
        "splits": {name or "unsplit": count for name, count in done.splits.items()},
        "problems": [problem.as_dict() for problem in done.problems],
    }
    splits = ", ".join(f"{name} {count}" for name, count in document["splits"].items())
    return Answer(
        document,
        lambda console: console.print(
            f"{done.images} pictures are in {done.out} as {done.format} ({splits}).", soft_wrap=True
        ),
    )
