"""`striate data split`: a data set with the splits that training would use, on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli.data_convert import conversion_answer
from striate.cli.output import Answer
from striate.cli.progress import TerminalProgress


def command(
    data: Annotated[Path, typer.Argument(help="Folder or file of pictures.")],
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    validation_share: Annotated[float, typer.Option(help="Share of the pictures to choose by.")] = 0.15,
    test_share: Annotated[float, typer.Option(help="Share of the pictures for the final figure.")] = 0.15,
    seed: Annotated[int, typer.Option(min=0, help="Fixes the division.")] = 0,
    format: Annotated[str | None, typer.Option(help="Format to read; recognised where not given.")] = None,
    to: Annotated[str | None, typer.Option(metavar="FORMAT", help="Format to write; the one it was read from.")] = None,
    task: Annotated[str | None, typer.Option(help="Task to write it for; read off the annotation.")] = None,
) -> Answer:
    """Writes a data set with the splits that training would use, so that every tool uses the same.

    Splits that the folder gives are kept; others are made with equal shares of each class, duplicates together.

    Example:
        striate data split photos/ divided/ --test-share 0.2
    """
    from striate.data.convert import write_splits
    from striate.data.survey import SplitWishes

    with TerminalProgress() as progress:
        done = write_splits(
            data,
            out,
            format=format,
            to_format=to,
            task=task,
            wishes=SplitWishes(validation_share, test_share, seed),
            progress=lambda count, total: progress.part("reading pictures", count, total),
        )
    return conversion_answer(done)
