"""`striate demo`: the whole road on real handwritten digits, at all levels, each step as a user would type it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from striate.cli import data_make, evaluate, look, predict, train
from striate.cli.output import Answer, facts, message_console, percent, say
from striate.errors import RequestError

PICTURES = 5
"""Test pictures that are shown to each trained network at the end."""


@dataclass(frozen=True, slots=True)
class Level:
    """One kind of question about pictures.

    Attributes:
        task: Name of the task.
        word: The same as `striate data make --task` takes it.
        minutes: Time for training in which two cores come to good answers, in minutes.
        images: Pictures that are made; `None` for all digits there are.
        files: Kinds of files that answers are written as.
        format: Format that the pictures are written in; `None` is the task's usual one.
    """

    task: str
    word: str
    minutes: float
    images: int | None
    files: tuple[str, ...]
    format: str | None = None


LEVELS = (
    Level("classification", "classify", 0.35, None, ("overlays", "csv")),
    Level("detection", "detect", 1.35, 600, ("overlays", "coco")),
    Level("segmentation", "segment", 1.4, 400, ("overlays", "masks")),
    # Label images name no class: which pixels belong together is learned in the time, ten classes besides are not.
    Level("instances", "instances", 1.3, 400, ("overlays", "masks"), "label-images"),
)
_WORDS = ", ".join(level.word for level in LEVELS)


def command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the pictures, the runs and the answers.")] = Path(
        "demo"
    ),
    minutes: Annotated[
        float | None, typer.Option(help="Time for training, in minutes, shared out among the tasks; 4.4 for all four.")
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help=f"Only this: {_WORDS}; repeatable.")] = None,
    images: Annotated[
        int | None, typer.Option(min=10, help="Pictures to make for each task; enough for good answers.")
    ] = None,
) -> Answer:
    """Goes the whole road on real handwritten digits: what is in a picture, where it is, and which pixels are of it.

    scikit-learn's 1,797 scanned digits are written as a folder of PNG files for classification, and composed into
    scenes for detection, segmentation and instance segmentation. Each is read as any folder of yours would be: look,
    train, evaluate, predict. Each step says the command that does the same. On two cores all of it takes about five
    minutes.

    Example:
        striate demo
        striate demo --task detect --minutes 3
    """
    levels = _choose(task)
    usual = sum(level.minutes for level in levels)
    document: dict[str, Any] = {}
    for level in levels:
        allowed = level.minutes if minutes is None else minutes * level.minutes / usual
        document[level.task] = _go(level, out / level.task, round(allowed, 2), images or level.images)
    return Answer(document, lambda console: _show(document, console))


def _choose(words: Sequence[str] | None) -> tuple[Level, ...]:
    known = {name for level in LEVELS for name in (level.word, level.task)}
    for word in words or ():
        if word not in known:
            raise RequestError(f"the demo shows no {word!r}.", where="--task", fix=f"Choose from {_WORDS}.")
    return tuple(level for level in LEVELS if not words or level.word in words or level.task in words)


def _go(level: Level, out: Path, minutes: float, images: int | None) -> dict[str, Any]:
    """The road for one task; gives what each step answered."""
    from striate.runs import RunFolder
    from striate.runs.run import Run

    data, answers = out / "digits", out / "answers"
    document: dict[str, Any] = {"data": data}
    if not data.is_dir():
        asked = (f" --images {images}" if images else "") + (f" --format {level.format}" if level.format else "")
        _step(
            f"data make digits {data} --task {level.word}{asked}",
            lambda: data_make.command("digits", data, images=images, task=level.word, format=level.format),
        )
    run = RunFolder.create(out, data="digits", net="run").path
    document["look"] = _step(f"look {data}", lambda: look.command(data, page=out / "look.html"))
    document["train"] = _step(
        f"train {data} --minutes {minutes:g} --run {run}",
        lambda: train.command(data=data, run=run, minutes=minutes),
    )
    document["evaluate"] = _step(f"evaluate {run}", lambda: evaluate.command(run))
    names = RunFolder.open(run).read_splits()["test"]
    chosen = dict.fromkeys(names[index * len(names) // PICTURES] for index in range(PICTURES))
    pictures = [data / name for name in chosen]
    kinds = " ".join(f"--as {kind}" for kind in level.files)
    answers = answers if not answers.exists() else out / f"answers-{run.name}"
    document["predict"] = list(
        _step(
            f"predict {run} PICTURE... --out {answers} {kinds}",
            lambda: predict.command(run, pictures, out=answers, kinds=list(level.files), json=True),
        )
    )
    document["answers"], document["report"] = answers, Run.open(run).report
    return document


def _step(typed: str, work: Callable[[], Answer]) -> Any:
    """Says what a user would have typed, does it, and shows the answer."""
    say(f"\n$ striate {typed}\n")
    answer = work()
    answer.show(message_console())
    return answer.document


def _show(document: dict[str, Any], console: Console) -> None:
    from striate.evaluation.words import title_of

    console.print("\nWhat the networks reached on test pictures that they never saw:")
    rows = []
    for task, done in document.items():
        headline = done["train"]["headline"]
        rows.append((task, f"{title_of(headline['name'])} {percent(headline['value'])}, report {done['report']}"))
    console.print(facts(rows))
    console.print("Reports open in any browser. Now with pictures of your own: striate look FOLDER")
