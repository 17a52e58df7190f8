"""`striate predict`: what a trained network says about pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from striate.cli.output import Answer, percent, say, table
from striate.cli.progress import TerminalProgress
from striate.errors import PictureError

if TYPE_CHECKING:
    from striate.runs.structures import PicturePrediction
    from striate.structures import Problem


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Pictures, or folders of pictures.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write each picture with its answer here.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Classes to name for each picture, the likeliest first.")] = 3,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps; the run's own.")] = None,
) -> Answer:
    """Asks a trained network about pictures.

    Pictures that cannot be read are named and left out. So are pictures that `--out` wrote, where it lies inside the
    folder that is searched; give one by name to ask about it all the same.

    Example:
        striate predict runs/photos cat.jpg
        striate predict runs/photos new/ --out answers/ --top 1
    """
    from striate.runs.run import Run

    trained = Run.open(run, device)
    problems: list[Problem] = []
    answers: list[PicturePrediction] = []
    with TerminalProgress() as progress:
        for answer in trained.predict_each(paths, problems):
            answers.append(answer)
            progress.part("pictures answered", len(answers), 0)
            if out is not None:
                _write_overlay(answer, top, out)
    _tell_problems(problems, answers)
    if out is not None:
        say(f"Pictures with their answers ({len(answers)}) are in {out}.")
    return Answer([each.as_dict(top) for each in answers], lambda console: _show(answers, top, console))


def _write_overlay(answer: PicturePrediction, top: int, out: Path) -> None:
    from striate.images import read_picture
    from striate.runs.overlay import draw_labels, write_overlay

    picture = read_picture(Path(answer.path))
    write_overlay(draw_labels(picture, answer.prediction.ranked(top)), answer.path, out)


def _tell_problems(problems: list[Problem], answers: list[PicturePrediction]) -> None:
    if problems and not answers:
        first = problems[0]
        raise PictureError(first.detail, where=first.path, fix="Give a picture that can be read.", kind=first.kind)
    for problem in problems:
        say(f"{problem.path}: {problem.detail} It was left out.")


def _show(answers: list[PicturePrediction], top: int, console: Console) -> None:
    shown = table("picture", "answer", "score", "then", right=("score",))
    for answer in answers:
        (name, score), *others = answer.prediction.ranked(top)
        rest = ", ".join(f"{other} {percent(value)}" for other, value in others)
        shown.add_row(answer.path, name, percent(score), rest)
    console.print(shown)
