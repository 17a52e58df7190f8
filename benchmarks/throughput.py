"""Training images a second, end to end from files on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.pictures import make_digits, make_photographs, make_small_photographs
from benchmarks.processes import Contender, alternate
from benchmarks.tables import ratio, write_table

PLAIN = "plain PyTorch"


@dataclass(frozen=True, slots=True)
class Case:
    """One network on one kind of picture.

    Attributes:
        title: As it stands above the table.
        net: Network.
        size: Side of its input, in pixels.
        batch: Pictures in one step.
        pictures: Training pictures.
        epochs: Passes over them.
        wanted: Ratio to plain PyTorch that is aimed at.
    """

    title: str
    net: str
    size: int
    batch: int
    pictures: int
    epochs: int
    wanted: float

    def make(self, folder: Path) -> Path:
        """The pictures as files."""
        make = {28: make_digits, 32: make_small_photographs, 224: make_photographs}[self.size]
        return make(folder / f"{self.size}-{self.pictures}", self.pictures)


CASES = (
    Case("LeNet-5, gray PNG files of 28 x 28", "lenet5", 28, 64, 2048, 10, 1.0),
    Case("ResNet-18 (3 x 3 stem), PNG files of 32 x 32", "resnet18", 32, 128, 256, 3, 1.0),
    Case("ResNet-18, JPEG files of 500 x 375, crops of 224", "resnet18", 224, 32, 128, 3, 3.3),
)
QUICK_CASES = (
    Case("LeNet-5, gray PNG files of 28 x 28", "lenet5", 28, 64, 1024, 3, 1.0),
    Case("ResNet-18 (3 x 3 stem), PNG files of 32 x 32", "resnet18", 32, 64, 64, 2, 1.0),
    Case("ResNet-18, JPEG files of 500 x 375, crops of 224", "resnet18", 224, 16, 32, 2, 3.3),
)


def build_contenders(arguments: list[str], peers: Path | None, *, small: bool) -> list[Contender]:
    """Striate, plain PyTorch with and without loader processes, and where there is an environment the peers.

    Args:
        arguments: What all are asked to do.
        peers: Interpreter of the peers; `None` leaves them out.
        small: Steps are short: Keras gets a second entry with many steps per execution.
    """
    contenders = [
        Contender("Striate", "striate_training.py", arguments),
        Contender(f"{PLAIN}, 0 workers", "plain_torch.py", [*arguments, "--workers", "0"]),
        Contender(f"{PLAIN}, 2 workers", "plain_torch.py", [*arguments, "--workers", "2"]),
    ]
    if peers is not None:
        contenders.append(Contender("Keras on TensorFlow", "keras_tensorflow.py", arguments, peers))
        if small:
            tuned = [*arguments, "--variant", "many-steps"]
            contenders.append(Contender("Keras, 16 steps per execution", "keras_tensorflow.py", tuned, peers))
        contenders.append(Contender("fastai", "fastai_learner.py", arguments, peers))
    return contenders


def keep_better_loader(contenders: Sequence[Contender], measure: str) -> Sequence[Contender]:
    """Plain PyTorch once: with the number of loader processes that serves it best."""
    plain = [contender for contender in contenders if contender.name.startswith(PLAIN) and contender.results]
    if len(plain) < 2:
        return contenders
    slower = max(plain, key=lambda contender: contender.median(measure) or float("inf"))
    return [contender for contender in contenders if contender is not slower]


def measure_case(case: Case, folder: Path, peers: Path | None, rounds: int) -> dict[str, Any]:
    """Times one case with all contenders in turn."""
    arguments = ["--data", str(case.make(folder).resolve()), "--net", case.net, "--size", str(case.size)]
    arguments += ["--batch", str(case.batch), "--epochs", str(case.epochs)]
    contenders = build_contenders(arguments, peers, small=case.net == "lenet5")
    # The first round also finds out how many loader processes plain PyTorch wants.
    alternate(contenders, rounds, lambda each: keep_better_loader(each, "seconds"))
    return {
        "title": case.title,
        "batch": case.batch,
        "pictures": case.pictures,
        "epochs": case.epochs,
        "wanted": case.wanted,
        "rows": [describe(contender) for contender in contenders],
    }


def describe(contender: Contender) -> dict[str, Any]:
    """Rates of one contender, or why there are none."""
    facts: dict[str, Any] = {"name": contender.name, "versions": contender.versions, "failure": contender.failure}
    if contender.failure or not contender.results:
        return facts
    rates = [result["images"] / result["seconds"] for result in contender.results]
    steady = [
        result["images"] / len(result["epoch_s"]) / median(result["epoch_s"][1:] or result["epoch_s"])
        for result in contender.results
    ]
    last = contender.results[-1]
    return facts | {
        "images_s": median(rates),
        "steady_images_s": median(steady),
        "spread": (max(rates) - min(rates)) / median(rates),
        "rounds": len(rates),
        "read_s": contender.median("read_s"),
        "setup_s": contender.median("setup_s"),
        "parameters": last["parameters"],
        "detail": last["detail"],
    }


def write_case(result: dict[str, Any]) -> str:
    """One case as a table; ratios are to plain PyTorch."""
    rows = result["rows"]
    measured = [row for row in rows if "images_s" in row]
    entries = [row for row in measured if row["name"].startswith(PLAIN)]
    plain: dict[str, Any] = max(entries, key=lambda row: row["images_s"], default={})
    cells = []
    for row in rows:
        if "images_s" not in row:
            cells.append([row["name"], "-", "-", "-", "-", row["failure"]])
            continue
        cells.append(
            [
                row["name"],
                ratio(row["images_s"], plain.get("images_s")),
                ratio(row["steady_images_s"], plain.get("steady_images_s")),
                f"{row['images_s']:.0f}" if row["images_s"] >= 100 else f"{row['images_s']:.1f}",
                f"{row['spread']:.0%}" if row["rounds"] > 1 else "1 run",
                row["detail"],
            ]
        )
    notes = [
        f"{result['pictures']} pictures, {result['epochs']} epochs, batches of {result['batch']}; decoding and caches "
        "counted,",
        f"imports, compilation and trial steps not. Aim for Striate: {result['wanted']:.1f} and ahead of all.",
    ]
    setups = [f"{row['name'].split(',')[0]} {row['setup_s']:.1f} s" for row in measured if row["setup_s"] > 0.05]
    notes.append(f"Left out that way: {', '.join(setups)}.")
    counts = {row["parameters"] for row in measured}
    if len(counts) > 1:
        notes.append(f"NOT THE SAME NETWORK: parameters {sorted(counts)}")
    header = ["", "end to end", "steady", "images/s", "spread", ""]
    return write_table(f"Training speed: {result['title']} (plain PyTorch = 1)", header, cells, notes)
