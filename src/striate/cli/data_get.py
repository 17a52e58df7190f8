"""`striate data get`: a public data set, downloaded on request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli.output import Answer


def command(
    name: Annotated[str, typer.Argument(help="Which one: mnist, cifar10, oxford-pets, ...; docs/data.md lists them.")],
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
) -> Answer:
    """Downloads a public data set with torchvision's or medmnist's own downloader.

    The only command that is there to connect; with STRIATE_OFFLINE=1 it says at once that it may not.

    Example:
        striate data get cifar10 cifar/
        striate data get pneumoniamnist xrays/
    """
    from striate.data.public import get_public

    folder = get_public(name, out)
    document = {"name": name, "out": folder}
    return Answer(
        document, lambda console: console.print(f"{name} is in {folder}. Now: striate look {folder}", soft_wrap=True)
    )
