"""Training pictures a second for boxes and masks, beside the loops of torchvision's references."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import Contender, alternate
from benchmarks.tables import ratio, write_table
from benchmarks.throughput import describe

DEFAULT_NETWORK = "timm/tf_efficientnet_lite0"
"""What `striate train` takes on a processor where nobody names a network."""

SCALE = 3
"""Scenes of about 100 x 120 pixels are made this much larger."""


@dataclass(frozen=True, slots=True)
class Case:
    """One task.

    Attributes:
        title: As it stands above the table.
        task: The task.
        script: Contender with the reference's loop.
        striate: Striate's networks.
        peers: Names and networks of the reference's loop: what the reference trains, and the fair peer.
        wanted: Ratio to that peer that is aimed at.
        epochs: Passes in one run: files are read once in Striate and in each pass by the reference's loop, so that one
            pass alone would say little of a training. Faster R-CNN takes a minute for one.
    """

    title: str
    task: str
    script: str
    striate: tuple[str, ...]
    peers: tuple[tuple[str, str], ...]
    wanted: float = 2.0
    epochs: int = 1


CASES = (
    Case(
        "boxes, the default detector",
        "detection",
        "plain_detection.py",
        (DEFAULT_NETWORK, "resnet18"),
        (("Faster R-CNN, ResNet-50 (reference)", "resnet50"), ("Faster R-CNN, ResNet-18", "resnet18")),
    ),
    Case(
        "masks, U-Net on ResNet-18",
        "segmentation",
        "plain_segmentation.py",
        ("resnet18",),
        (("FCN, ResNet-50 (reference)", "fcn_resnet50"), ("the same U-Net, plain loop", "resnet18")),
        epochs=5,
    ),
)


@dataclass(frozen=True, slots=True)
class Amount:
    """How much work there is.

    Attributes:
        pictures: Scenes made; 70 % of them are trained on.
        size: Side of the networks' input, in pixels.
        batch: Pictures in one step.
    """

    pictures: int
    size: int
    batch: int


FULL = Amount(64, 192, 4)
QUICK = Amount(12, 128, 4)


def measure_case(case: Case, folder: Path, rounds: int, amount: Amount) -> dict[str, Any]:
    """Times one task with all contenders in turn."""
    data = make_scenes(folder / f"scenes-{case.task}-{amount.pictures}", case.task, amount.pictures)
    shared = ["--data", str(data.resolve()), "--size", str(amount.size), "--batch", str(amount.batch)]
    shared += ["--epochs", str(case.epochs), "--workers", "2"]
    contenders = [
        Contender(f"Striate, {net.removeprefix('timm/tf_')}", "striate_places.py", [*shared, "--net", net])
        for net in case.striate
    ]
    contenders += [Contender(name, case.script, [*shared, "--net", net]) for name, net in case.peers]
    alternate(contenders, rounds)
    return {
        "title": case.title,
        "wanted": case.wanted,
        "amount": [amount.pictures, amount.size, amount.batch, case.epochs],
        "reference": case.peers[0][0],
        "peer": case.peers[-1][0],
        "rows": [describe(contender) for contender in contenders],
    }


def make_scenes(folder: Path, task: str, count: int) -> Path:
    """Scenes of digits as colour PNG files, with COCO's boxes or masks; a complete folder stays as it is."""
    from PIL import Image

    from striate.data.synthetic import MakeOptions, make_data

    done = folder.with_suffix(".json")
    if done.exists() and folder.is_dir():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    make_data("digits", folder, MakeOptions(images=count, scale=SCALE, task=task))
    for path in (folder / "images").rglob("*.png"):
        # The reference's networks see three channels, and so shall all.
        Image.open(path).convert("RGB").save(path)
    done.write_text(json.dumps({"pictures": count}))
    return folder


def write_case(result: dict[str, Any]) -> str:
    """One task as a table; 1 is the peer."""
    by_name = {row["name"]: row for row in result["rows"]}
    peer, reference = by_name[result["peer"]], by_name[result["reference"]]
    cells = []
    for row in result["rows"]:
        if "images_s" not in row:
            cells.append([row["name"], "-", "-", "-", "-", "-", row["failure"]])
            continue
        cells.append(
            [
                row["name"],
                ratio(row["images_s"], peer.get("images_s")),
                ratio(row["steady_images_s"], peer.get("steady_images_s")),
                ratio(row["images_s"], reference.get("images_s")),
                f"{row['images_s']:.2f}",
                f"{row['spread']:.0%}" if row["rounds"] > 1 else "1 run",
                f"{row['parameters'] / 1e6:.1f} M, {row['detail']}",
            ]
        )
    pictures, size, batch, epochs = result["amount"]
    notes = [
        f"70 % of {pictures} scenes as PNG files, networks' input {size} x {size}, batches of {batch},",
        f"{epochs} epochs; decoding and caches counted, imports and trial steps not. `to peer` and `steady` are",
        f"ratios to {result['peer']}, `to ref.` to what torchvision's reference trains.",
        f"Aim for Striate: {result['wanted']:.0f} times the peer.",
    ]
    header = ["", "to peer", "steady", "to ref.", "images/s", "spread", ""]
    return write_table(f"Training speed: {result['title']}", header, cells, notes)
