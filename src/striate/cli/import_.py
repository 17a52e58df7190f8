"""`striate import`: weights that were trained further in Keras back into their run, and networks from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from striate.cli.output import Answer, facts, say
from striate.errors import RequestError

if TYPE_CHECKING:
    from striate.tools import Exported
    from striate.tools.importing import Imported

_INTO = "Folder of the run that a .keras file came from."
_TASK = "classification, multilabel or segmentation; found out where not given."
_GIVES = "scores, shares (a softmax is in it) or probabilities (a sigmoid is in it); found out where not given."
_CLASSES = "Names of the classes of a network from elsewhere, with commas, or a file with one a line."


def command(
    model: Annotated[
        Path, typer.Argument(help="A .keras, .onnx, .tflite, .xml, .pt2 or TorchScript (.pt) file, or a SavedModel.")
    ],
    into: Annotated[Path | None, typer.Option(metavar="RUN", help=_INTO)] = None,
    classes: Annotated[str | None, typer.Option(metavar="NAMES", help=_CLASSES)] = None,
    size: Annotated[str | None, typer.Option(metavar="N|HxW", help="Height and width of its input, in pixels.")] = None,
    channels: Annotated[int, typer.Option(min=1, help="Channels of its input.")] = 3,
    mean: Annotated[str | None, typer.Option(help="Subtracted from each channel, after --scale; with commas.")] = None,
    std: Annotated[str | None, typer.Option(help="Each channel is divided by it then; with commas.")] = None,
    scale: Annotated[float, typer.Option(help="Stored values are divided by it; 255 for 0 to 1.")] = 1.0,
    task: Annotated[str | None, typer.Option(help=_TASK)] = None,
    gives: Annotated[str | None, typer.Option(help=_GIVES)] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for a network from elsewhere.")] = None,
) -> Answer:
    """Brings a network in: back into the run that it came from, or from elsewhere, to be asked and measured.

    With --into, weights that Keras has trained further go into their run, which is measured anew. The run's own
    weights stay in its folder, as weights/before-import-1.safetensors; its verdict, which was about them, goes.
    Without training in between, the weights come back bit for bit.

    With --classes, a classifier or a segmenter that Striate did not write is copied to --out, with a striate.json that
    tells how to ask it; `striate predict` and `striate evaluate` take that folder in place of a run. A network with one
    output tells two classes apart: --classes no,yes.

    Code in a file is never run.

    Example:
        striate import further.keras --into runs/photos
        striate import mine.onnx --classes cat,dog --size 224 --out mine
        striate evaluate mine photos/
    """
    if (into is None) == (classes is None):
        raise RequestError(
            "expected the run that it came from, or the classes of a network from elsewhere.",
            where=model,
            fix="Add --into RUN, or --classes NAMES --size N --out DIR.",
        )
    if into is not None:
        from striate.tools.importing import import_weights

        return _answer_run(import_weights(model, into, say=say))
    from striate.tools.adopting import adopt

    if size is None or out is None:
        raise RequestError(
            "expected --size and --out with --classes.", where=model, fix="For example: --size 224 --out mine"
        )
    assert classes is not None
    return _answer_adopted(
        adopt(
            model,
            _names(classes),
            out,
            size_hw=_sides(size),
            channels=channels,
            mean=_numbers("--mean", mean),
            std=_numbers("--std", std),
            scale=scale,
            task=task,
            gives=gives,
        )
    )


def _answer_run(done: Imported) -> Answer:
    figures = {name: found.headline for name, found in done.evaluations.items()}
    document = {
        "run": str(done.run.path),
        "weights": done.weights,
        "changed": done.changed,
        "before": str(done.before),
        "measured": {name: {"name": one.name, "value": one.value} for name, one in figures.items()},
    }

    def show(console: Console) -> None:
        rows = [("weights", f"{done.weights} read, {done.changed} of them changed"), ("before", str(done.before))]
        rows += [
            (name, f"{one.name} {one.value:.4f} ({one.low:.4f} to {one.high:.4f})") for name, one in figures.items()
        ]
        console.print(facts(rows))

    return Answer(document, show)


def _answer_adopted(model: Exported) -> Answer:
    from striate.tools.meaning import GIVES

    folder, entry = model.file.parent, model.input_entry
    document = {
        "folder": str(folder),
        "task": model.task.name,
        "gives": model.gives,
        "classes": list(model.classes),
        "input": entry,
    }
    rows = [
        ("task", model.task.name),
        ("gives", GIVES[model.gives]),
        ("classes", ", ".join(model.classes)),
        ("input", " x ".join(map(str, entry["shape"][1:]))),
        ("next", f"striate evaluate {folder} DATA, or striate predict {folder} PICTURES"),
    ]
    return Answer(document, lambda console: console.print(facts(rows)))


def _names(text: str) -> list[str]:
    names = Path(text).read_text(encoding="utf-8").splitlines() if Path(text).is_file() else text.split(",")
    return [name.strip() for name in names if name.strip()]


def _sides(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.strip().isdigit() and int(side) for side in sides):
        raise RequestError(
            f"expected a size such as 224 or 224x320, found {text!r}.", where="--size", fix="Height first."
        )
    return int(sides[0]), int(sides[-1])


def _numbers(option: str, text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(one) for one in text.split(",")]
    except ValueError as error:
        raise RequestError(
            f"expected numbers with commas between them, found {text!r}.", where=option, fix="For example: 0.5,0.5,0.5"
        ) from error
