"""`striate nets`: the table of networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from striate.cli.output import Answer, facts, table
from striate.cli.progress import TerminalProgress


def command(
    name: Annotated[str | None, typer.Argument(help="One network, in detail; also timm/NAME.")] = None,
) -> Answer:
    """Shows the networks: who published them, how large and deep they are, and what they reached.

    Parameters and multiply-accumulates are those of the network as published.

    Example:
        striate nets
        striate nets resnet18
        striate nets timm/convnext_tiny --json
    """
    from striate.networks import NETWORKS

    if name is not None:
        row = network_row(name, layers=True)
        return Answer(row, lambda console: _show_one(row, console))
    with TerminalProgress() as progress:
        rows = network_rows(NETWORKS.names(), lambda done, total: progress.part("counting", done, total))
    return Answer(rows, lambda console: _show_all(rows, console))


def network_rows(names: Sequence[str], progress: Callable[[int, int], None] | None = None) -> list[dict[str, Any]]:
    """Rows of the table, oldest first.

    Args:
        names: Names of networks.
        progress: Called with the number of networks counted through and the number of all.
    """
    rows = []
    for done, name in enumerate(names, start=1):
        rows.append(network_row(name))
        if progress is not None:
            progress(done, len(names))
    return sorted(rows, key=lambda row: (row["year"], row["family"]))


def network_row(name: str, *, layers: bool = False) -> dict[str, Any]:
    """What is known about one network, as published.

    Args:
        name: A registered name or timm/NAME.
        layers: Whether every layer is listed too.
    """
    import torch

    from striate.networks import NetworkOptions, resolve_network
    from striate.networks.anatomy import describe_network

    info = resolve_network(name)
    options = NetworkOptions(classes=info.classes, channels=info.channels, size_hw=info.size_hw)
    with torch.device("meta"):
        network = info.build(options)
    anatomy = describe_network(network, options)
    row = {
        "name": info.name,
        "family": info.family,
        "year": info.year,
        "authors": info.authors,
        "paper": info.paper,
        "size_hw": info.size_hw,
        "parameters": anatomy.parameters,
        "training_parameters": anatomy.training_parameters,
        "macs": anatomy.macs,
        "depth": anatomy.depth,
        "receptive_field_hw": anatomy.receptive_field_hw,
        "published": [asdict(each) for each in info.published],
        "note": info.note,
        "stages": [asdict(stage) for stage in network.feature_spec],
    }
    return row | ({"layers": [asdict(layer) for layer in anatomy.layers]} if layers else {})


def short_authors(authors: str) -> str:
    """`LeCun et al.` for several authors, the family name for one."""
    first, *others = authors.split(", ")
    return first.split(" ")[-1] + (" et al." if others else "")


def short_count(count: int) -> str:
    """A large number with three digits that count: `60.0k`, `11.7M`, `1.81G`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= limit:
            value = count / limit
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}{unit}"
    return str(count)


def field_words(field_hw: Sequence[int] | None) -> str:
    """A receptive field in pixels: one number where it is square."""
    if field_hw is None:
        return "all"
    height, width = field_hw
    return str(height) if height == width else f"{height} x {width}"


def _show_all(rows: list[dict[str, Any]], console: Console) -> None:
    shown = table(
        "name", "year", "authors", "params", "MACs", "depth", "field", "top-1",
        right=("params", "MACs", "depth", "field", "top-1"),
    )  # fmt: skip
    for row in rows:
        top1 = f"{row['published'][0]['top1']:.2f} %" if row["published"] else "-"
        shown.add_row(
            row["name"],
            str(row["year"]),
            short_authors(row["authors"]),
            short_count(row["parameters"]),
            short_count(row["macs"]),
            str(row["depth"]),
            field_words(row["receptive_field_hw"]),
            top1,
        )
    console.print(shown)
    console.print(
        "\nField: receptive field in pixels. Top-1: the published accuracy; on which data and by whom, "
        "`striate nets NAME` says. Any network of timm: `striate nets timm/NAME`."
    )


def _show_one(row: dict[str, Any], console: Console) -> None:
    height, width = row["size_hw"]
    extra = row["training_parameters"]
    lines = [
        ("name", row["name"]),
        ("paper", f"{row['authors']} ({row['year']}). {row['paper']}."),
        ("input", f"{height} x {width} pixels"),
        ("parameters", f"{row['parameters']:,}" + (f", and {extra:,} used in training only" if extra else "")),
        ("MACs", f"{row['macs']:,}"),
        ("depth", f"{row['depth']} layers with weights"),
        ("field", f"{field_words(row['receptive_field_hw'])} pixels"),
    ]
    lines += [("published", f"{each['top1']:.2f} % on {each['data']} ({each['source']})") for each in row["published"]]
    console.print(facts([*lines, *([("note", row["note"])] if row["note"] else [])]))
    stages = table("stage", "channels", "stride", right=("channels", "stride"))
    for stage in row["stages"]:
        stages.add_row(stage["name"], str(stage["channels"]), str(stage["stride"]))
    console.print()
    console.print(stages)
    layers = table("layer", "kind", "output", "parameters", "MACs", right=("parameters", "MACs"))
    for layer in row["layers"]:
        shape = " x ".join(str(side) for side in layer["output_shape"])
        layers.add_row(layer["name"], layer["kind"], shape, f"{layer['parameters']:,}", f"{layer['macs']:,}")
    console.print()
    console.print(layers)
