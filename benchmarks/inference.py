"""Pictures a second of a trained ResNet-18: by each runtime alone, and from JPEG files beside the loops of others."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.pictures import make_photographs
from benchmarks.processes import Contender, alternate
from benchmarks.tables import ratio, write_table
from benchmarks.throughput import describe, keep_better_loader

EAGER = "PyTorch, eager, fp32"
PLAIN = "plain PyTorch"
SIZE = 224
BATCHES = (1, 32)
EXPORTS = (
    ("onnx", "fp32"),
    ("onnx", "int8"),
    ("openvino", "fp32"),
    ("openvino", "fp16"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
)
COLOURS = ("brightness", "contrast", "saturation")
WANTED = {"openvino-bf16": 10.0, "openvino-int8": 15.0}
"""Ratios to eager PyTorch that are aimed at on a processor with AMX."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How much work there is.

    Attributes:
        pictures: Trained on, and answered for from their files.
        validation: Pictures by which the exports are judged.
        epochs: Passes of the training before.
    """

    pictures: int
    validation: int
    epochs: int


FULL = Amount(128, 200, 8)
QUICK = Amount(32, 40, 1)


def measure_inference(folder: Path, rounds: int, amount: Amount) -> Iterator[dict[str, Any]]:
    """Trains and exports, then times all contenders in turn: the networks alone, then end to end from files."""
    place = (folder / f"inference-{amount.pictures}").resolve()
    exports = prepare_run(place, amount)
    shared = ["--data", str(place), "--net", "resnet18", "--size", str(SIZE), "--epochs", "1"]
    for batch in BATCHES:
        contenders = _alone([*shared, "--batch", str(batch)], exports)
        alternate(contenders, rounds)
        yield {"kind": "alone", "batch": batch, "exports": exports, "rows": [_described(one) for one in contenders]}
    contenders = _from_files([*shared, "--batch", "32"], exports)
    alternate(contenders, rounds, lambda each: keep_better_loader(each, "seconds"))
    yield {"kind": "files", "batch": 32, "exports": exports, "rows": [_described(one) for one in contenders]}


def prepare_run(place: Path, amount: Amount) -> dict[str, dict[str, Any]]:
    """A trained run, kept from one call to the next, and its exports, made anew: what their gates found, by name."""
    from striate.errors import StriateError
    from striate.recipe import Recipe
    from striate.runs.run import Run
    from striate.tools import TOOLS, export
    from striate.training import train
    from striate.training.progress import Lines

    pictures = make_photographs(place / "pictures", amount.pictures, amount.validation)
    if not (place / "run" / "evaluation.json").exists():
        shutil.rmtree(place / "run", ignore_errors=True)
        # The classes are colours, which are left as they are.
        values: dict[str, object] = {f"augmentation.{name}": 0.0 for name in COLOURS}
        values |= {"network.name": "resnet18", "network.weights": "none", "input.size_hw": [SIZE, SIZE]}
        values |= {"input.fit": "squash", "optimisation.epochs": amount.epochs, "optimisation.batch_size": 8}
        train(pictures, Recipe().with_values(values), run=place / "run", progress=Lines())
    run = Run.open(place / "run", "cpu")
    found: dict[str, dict[str, Any]] = {}
    for name, precision in EXPORTS:
        label = TOOLS.get(name).at(precision).label
        try:
            found[label] = export(run, name, precision=precision).parity.as_dict()
        except StriateError as error:
            found[label] = {"passed": False, "why": str(error)}
            shutil.rmtree(run.path / "exports" / label, ignore_errors=True)
        print(f"  exported {label}: {'passed' if found[label]['passed'] else found[label]['why']}", file=sys.stderr)
    return found


def _alone(arguments: list[str], exports: dict[str, dict[str, Any]]) -> list[Contender]:
    names = ["torch", *(name for name, parity in exports.items() if parity["passed"])]
    return [
        Contender(EAGER, "plain_inference.py", [*arguments, "--variant", "alone"]),
        *(Contender(name, "striate_inference.py", [*arguments, "--variant", f"alone:{name}"]) for name in names),
    ]


def _from_files(arguments: list[str], exports: dict[str, dict[str, Any]]) -> list[Contender]:
    def one(name: str, script: str, variant: str, *more: str) -> Contender:
        return Contender(name, script, [*arguments, "--variant", variant, *more])

    found = [
        one("Striate, --runtime auto", "striate_inference.py", "files:auto"),
        one("Striate, --runtime torch", "striate_inference.py", "files:torch"),
        one(f"{PLAIN} (DataLoader), 0 workers", "plain_inference.py", "loader"),
        one(f"{PLAIN} (DataLoader), 2 workers", "plain_inference.py", "loader", "--workers", "2"),
        one("Ultralytics-style loop", "plain_inference.py", "ultralytics"),
        one("the same, picture by picture", "plain_inference.py", "ultralytics", "--batch", "1"),
    ]
    samples = [("ONNX Runtime loop", "onnx:onnx"), ("OpenVINO sample", "openvino:openvino")]
    samples += [("ONNX Runtime loop, int8", "onnx:onnx-int8"), ("OpenVINO sample, int8", "openvino:openvino-int8")]
    for name, variant in samples:
        if exports[variant.partition(":")[2]]["passed"]:
            found.append(one(name, "runtime_inference.py", variant))
    return found


def _described(contender: Contender) -> dict[str, Any]:
    """Rates, and the processor time that a picture takes: where others share the machine that says more."""
    taken = [1000 * result["cpu_s"] / result["images"] for result in contender.results]
    return describe(contender) | ({"cpu_ms": median(taken)} if taken else {})


def write_inference(result: dict[str, Any]) -> str:
    """One part as a table; 1 is eager PyTorch, alone or in a DataLoader's loop."""
    return _write_alone(result) if result["kind"] == "alone" else _write_files(result)


def _write_alone(result: dict[str, Any]) -> str:
    rows = result["rows"]
    eager = next((row.get("images_s") for row in rows if row["name"] == EAGER), None)
    cells = []
    for row in rows:
        parity = result["exports"].get(row["name"], {})
        if "images_s" not in row:
            cells.append([row["name"], *["-"] * 6, row["failure"]])
            continue
        wanted = WANTED.get(row["name"])
        metric = f"{parity['metric_here']:.4f} > {parity['metric_there']:.4f}" if parity else ""
        size = f"{parity['bytes'] / 2**20:.1f}" if parity else ""
        aim = f"aim with AMX {wanted:.0f}" if wanted else ""
        cells.append([row["name"], ratio(row["images_s"], eager), *_rate(row), size, metric, aim])
    notes = [
        f"The network alone, {SIZE} x {SIZE}, batches of {result['batch']}; normalisation counted. PyTorch's metric >",
        "the tool's, on the validation split. CPU ms: processor time for one picture.",
    ]
    notes += [f"{name}: {parity['why']}" for name, parity in result["exports"].items() if not parity["passed"]]
    header = ["", "ratio", "images/s", "spread", "CPU ms", "MiB", "accuracy", ""]
    return write_table(f"ResNet-18 by each runtime, batch {result['batch']} ({EAGER} = 1)", header, cells, notes)


def _write_files(result: dict[str, Any]) -> str:
    rows = result["rows"]
    plain = max((row["images_s"] for row in rows if row["name"].startswith(PLAIN) and "images_s" in row), default=None)
    cells = []
    for row in rows:
        if "images_s" not in row:
            cells.append([row["name"], *["-"] * 4, row["failure"]])
            continue
        cells.append([row["name"], ratio(row["images_s"], plain), *_rate(row), row["detail"]])
    setups = [f"{row['name']} {row['setup_s']:.1f} s" for row in rows if row.get("setup_s", 0) > 0.05]
    notes = [
        "From finding JPEG files of 500 x 375 to their classes. Not counted: imports, loading, and what auto measures",
        f"before it begins ({', '.join(setups)}). The aim for Striate is to be ahead of all.",
    ]
    header = ["", "ratio", "images/s", "spread", "CPU ms", ""]
    return write_table(f"ResNet-18 end to end from JPEG files ({PLAIN} = 1)", header, cells, notes)


def _rate(row: dict[str, Any]) -> list[str]:
    return [
        f"{row['images_s']:.1f}",
        f"{row['spread']:.0%}" if row["rounds"] > 1 else "1 run",
        f"{row['cpu_ms']:.1f}",
    ]
