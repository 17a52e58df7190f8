"""Seconds until 98 % of the test digits are right, from PNG files on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers import REPOSITORY
from benchmarks.pictures import make_mnist
from benchmarks.processes import Contender, alternate
from benchmarks.tables import ratio, write_table
from benchmarks.throughput import PLAIN, build_contenders, keep_better_loader

SOURCE = REPOSITORY.parent / "shared" / "data" / "mnist_idx_t10k"
TARGET = 0.98
SCHEDULES = (2, 3, 4, 5, 6)
"""Epochs that each contender tries, the shortest first."""


def measure_race(folder: Path, peers: Path | None, rounds: int) -> dict[str, Any]:
    """Lets all contenders train LeNet-5 on the same files, each with the shortest schedule that gets there."""
    if not SOURCE.exists():
        return {"missing": f"{SOURCE.name} is not beside the repository; nothing was measured."}
    data = make_mnist(folder / "mnist", SOURCE)
    arguments = ["--data", str(data.resolve()), "--net", "lenet5", "--size", "28", "--batch", "64", "--epochs", "6"]
    arguments += ["--rate", "0.01", "--target", str(TARGET)]
    contenders = build_contenders(arguments, peers, small=True)
    alternate(contenders, rounds, lambda each: keep_better_loader(each, "seconds"), find_schedule)
    return {"target": TARGET, "rows": [_describe(contender) for contender in contenders]}


def find_schedule(contender: Contender) -> None:
    """Leaves a contender with the shortest schedule that reached the target, or with the longest one."""
    for epochs in SCHEDULES:
        contender.changes = {"epochs": epochs}
        if contender.run()["reached_s"] is not None:
            break
    contender.results.clear()


def _describe(contender: Contender) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": contender.name, "versions": contender.versions, "failure": contender.failure}
    if contender.failure or not contender.results:
        return facts
    reached = [result["reached_s"] for result in contender.results if result["reached_s"] is not None]
    return facts | {
        "reached": len(reached),
        "rounds": len(contender.results),
        "seconds": contender.median("reached_s") if len(reached) == len(contender.results) else None,
        "spread": contender.spread(lambda result: float(result["reached_s"]))
        if len(reached) == len(contender.results)
        else None,
        "epochs": contender.results[-1]["accuracies"] and len(contender.results[-1]["epoch_s"]),
        "accuracies": [max(result["accuracies"]) for result in contender.results],
        "detail": contender.results[-1]["detail"],
    }


def write_race(result: dict[str, Any]) -> str:
    """The race as a table; ratios are to the fastest peer."""
    title = "Time to 98 % test accuracy on mnist_idx_t10k, LeNet-5 (the fastest peer = 1)"
    if "missing" in result:
        return f"{title}\n  {result['missing']}"
    times = [row["seconds"] for row in result["rows"] if row.get("seconds") and row["name"] != "Striate"]
    fastest = min(times, default=None)
    cells = []
    for row in result["rows"]:
        if "reached" not in row:
            cells.append([row["name"], "-", "-", "-", "-", "-", row["failure"]])
            continue
        seconds = row["seconds"]
        cells.append(
            [
                row["name"],
                ratio(seconds, fastest),
                "-" if seconds is None else f"{seconds:.2f} s",
                "-" if row["spread"] is None else f"{row['spread']:.0%}",
                f"{row['reached']}/{row['rounds']}",
                str(row["epochs"]),
                f"best {', '.join(f'{accuracy:.2%}' for accuracy in row['accuracies'])}",
            ]
        )
    notes = [
        "From the first look at the folder: decoding, caches and Striate's trial steps counted; imports, compilation",
        "and evaluations not. Peers stop at the first epoch at the target; Striate is judged by its last epoch.",
        f"All: batches of 64, one cycle up to 0.01, AdamW ({PLAIN}, Keras, Striate) or fastai's Adam; shifts of one",
        f"pixel; each with the shortest schedule of {SCHEDULES[0]} to {SCHEDULES[-1]} epochs that reached the target "
        "when tried once. Aim for Striate: 0.50.",
    ]
    return write_table(title, ["", "ratio", "median", "spread", "reached", "epochs", ""], cells, notes)
