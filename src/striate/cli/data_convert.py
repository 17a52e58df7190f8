"""`striate data convert`: the same data set in another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli.output import Answer, say
from striate.cli.progress import TerminalProgress

if TYPE_CHECKING:
    from striate.data.convert import Conversion
    from striate.structures import Problem


def command(
    data: Annotated[Path, typer.Argument(help="Folder or file of pictures.")],
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="Format to write; docs/data.md lists them.")],
    format: Annotated[str | None, typer.Option(help="Format to read; recognised where not given.")] = None,
    task: Annotated[
        str | None, typer.Option(help="Task to write it for; instances can be written as detection too.")
    ] = None,
) -> Answer:
    """Writes a data set in another format, with the splits that it has.

    Pictures that cannot be read are named and left out, boxes that leave their picture are cut off, and all of that is
    said; the set itself is not changed.

    Example:
        striate data convert photos/ table/ --to table
        striate data convert outlines/ boxes/ --to yolo --task detection
    """
    from striate.data.convert import convert

    with TerminalProgress() as progress:
        done = convert(
            data,
            to,
            out,
            format=format,
            task=task,
            progress=lambda count, total: progress.part("reading pictures", count, total),
        )
    return conversion_answer(done)


def conversion_answer(done: Conversion) -> Answer:
    """What was written, and what was left out."""
    for problem in done.dropped:
        say(f"{problem.path}: {problem.detail} It was left out.")
    mended: dict[str, list[Problem]] = {}
    for problem in done.mended:
        mended.setdefault(problem.kind, []).append(problem)
    for kind, problems in mended.items():
        first, count = problems[0], len(problems)
        where = "1 picture" if count == 1 else f"{count} pictures"
        say(f"{kind} in {where}; for example {first.path}: {first.detail} {first.fix}")
    document: dict[str, Any] = {
        "out": done.out,
        "format": done.format,
        "task": done.task,
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
