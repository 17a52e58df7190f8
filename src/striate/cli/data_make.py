"""`striate data make`: a built-in data set, written as a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli.output import Answer


def command(
    name: Annotated[str, typer.Argument(help="Which one; docs/data.md lists them.")],
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    images: Annotated[
        int | None, typer.Option(help="Number of pictures, equal shares of all classes; all, or 500 scenes.")
    ] = None,
    scale: Annotated[int, typer.Option(help="Factor by which pictures are enlarged.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Which pictures are taken, and how scenes are composed.")] = 0,
    task: Annotated[str, typer.Option(help="classification, detection, segmentation or instances.")] = "classification",
    format: Annotated[
        str | None, typer.Option(help="Format to write; folders, coco (boxes, instances) or masks where not given.")
    ] = None,
) -> Answer:
    """Writes a data set that needs no download: scikit-learn's real handwritten digits.

    For detection, segmentation and instances several digits stand in one picture, and the truth is exact. No digit
    of the test split occurs in training.

    Example:
        striate data make digits digits/
        striate data make digits few/ --images 200 --scale 4
        striate data make digits scenes/ --task detection
        striate data make digits scenes/ --task segment --images 300
    """
    from striate.data.synthetic import MakeOptions, make_data

    folder = make_data(name, out, MakeOptions(images, scale, seed, task, format))
    document = {"name": name, "out": folder}
    return Answer(
        document, lambda console: console.print(f"{name} is in {folder}. Now: striate look {folder}", soft_wrap=True)
    )
