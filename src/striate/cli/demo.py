"""`striate demo`: the whole road on real handwritten digits, each step as a user would type it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from striate.cli import evaluate, look, predict, train
from striate.cli.output import Answer, message_console, say

PICTURES = 5
"""Test pictures that are shown to the trained network at the end."""


def command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the pictures, the run and the answers.")] = Path(
        "demo"
    ),
    minutes: Annotated[float, typer.Option(help="Time for training, in minutes.")] = 1.0,
) -> Answer:
    """Goes the whole road on scikit-learn's 1,797 scanned handwritten digits.

    They are written as a folder of PNG files and read as any folder of yours would be: look, train, evaluate, predict.
    Each step says the command that does the same.

    Example:
        striate demo
        striate demo --out /tmp/demo --minutes 3
    """
    from striate.data.synthetic import make_digits
    from striate.runs import RunFolder
    from striate.runs.run import Run

    digits = out / "digits"
    if not digits.is_dir():
        make_digits(digits)
    run = RunFolder.create(out, data="digits", net="run").path
    document: dict[str, Any] = {"data": digits}
    document["look"] = _step(f"look {digits}", lambda: look.command(digits, page=out / "look.html"))
    document["train"] = _step(
        f"train {digits} --minutes {minutes:g} --run {run}",
        lambda: train.command(data=digits, run=run, minutes=minutes),
    )
    document["evaluate"] = _step(f"evaluate {run}", lambda: evaluate.command(run))
    names = RunFolder.open(run).read_splits()["test"]
    pictures = [digits / names[index * len(names) // PICTURES] for index in range(PICTURES)]
    answers = out / "answers"
    document["predict"] = _step(
        f"predict {run} PICTURE... --out {answers}", lambda: predict.command(run, pictures, out=answers)
    )
    document["report"] = Run.open(run).report
    return Answer(document, lambda console: _show(document, console))


def _step(typed: str, work: Callable[[], Answer]) -> Any:
    """Says what a user would have typed, does it, and shows the answer."""
    say(f"\n$ striate {typed}\n")
    answer = work()
    answer.show(message_console())
    return answer.document


def _show(document: dict[str, Any], console: Console) -> None:
    console.print(f"\nThe network, its figures and the verdict are in {document['train']['run']}.", soft_wrap=True)
    console.print(f"The report, to open in a browser: {document['report']}", soft_wrap=True)
    console.print("Now with pictures of your own, each class in a folder of its own: striate look FOLDER")
