"""Many digits on one huge picture, seen in tiles: is each counted once, and how much memory does it take?"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.ops import box_iou

from benchmarks.tables import write_table
from striate.data.framing import Preparation
from striate.data.scenes import divide_digits, enlarge
from striate.data.synthetic import MakeOptions, make_data
from striate.recipe import Recipe
from striate.runs.run import Run
from striate.structures import DetectedObjects
from striate.training import train
from striate.training.progress import Lines

SIDE, DIGITS = 6000, 200
MINUTES, QUICK_MINUTES = 15.0, 1.0
SCENES = 1000
DIGIT_SIDES = (18, 40)
"""Well inside of the sizes in the scenes from which the detector learned."""

SPACING = 60
"""Least distance between the middles of two digits, in pixels."""

ON_SEAMS = 60
"""Digits whose middle lies on the edge of a tile."""

SAME = 0.5


def measure_large(folder: Path, quick: bool) -> dict[str, Any]:
    """Asks the default detector, trained on small scenes, about one picture of 36 million pixels."""
    minutes = QUICK_MINUTES if quick else MINUTES
    place = (folder / f"large-{minutes:.0f}").resolve()
    run = prepare_detector(place, minutes)
    truth, on_seam = compose(place / "large.png", run)
    began = time.monotonic()
    answer = _ask(run, place / "large.png")
    seconds = time.monotonic() - began
    sure = _counted(answer["boxes"], run)
    found = sure.boxes_xyxy
    overlap = box_iou(torch.from_numpy(truth), torch.from_numpy(found).double()).numpy()
    times = (overlap >= SAME).sum(1)
    return {
        "map50": run.metrics.headline.value,
        "tiles": len(_tiles(run)),
        "digits": DIGITS,
        "counted": len(sure),
        "found": int((times > 0).sum()),
        "twice": int((times > 1).sum()),
        "elsewhere": int((overlap.max(0, initial=0) < SAME).sum()),
        "on_seams": int(on_seam.sum()),
        "found_on_seams": int((times[on_seam] > 0).sum()),
        "twice_on_seams": int((times[on_seam] > 1).sum()),
        "seconds": seconds,
        "peak_gib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20,
    }


def prepare_detector(place: Path, minutes: float) -> Run:
    """The default detector, trained on scenes of digits; kept from one call to the next."""
    if not (place / "run" / "evaluation.json").exists():
        shutil.rmtree(place, ignore_errors=True)
        data = make_data("digits", place / "scenes", MakeOptions(images=SCENES, task="detection"))
        recipe = Recipe().with_values({"optimisation.minutes": minutes})
        train(data, recipe, run=place / "run", progress=Lines())
    return Run.open(place / "run", "cpu")


def _counted(boxes: list[dict[str, Any]], run: Run) -> DetectedObjects:
    """What the table of `striate predict` counts."""
    corners = np.array([box["xyxy"] for box in boxes], np.float32).reshape(-1, 4)
    classes = np.array([run.classes.index(box["class"]) for box in boxes], np.int64)
    scores = np.array([box["score"] for box in boxes], np.float32)
    return DetectedObjects(corners, classes, scores, run.classes).counted(run.count_from)


def _ask(run: Run, picture: Path) -> dict[str, Any]:
    """What a process of its own says, as a user would ask; its memory is its own."""
    command = [sys.executable, "-m", "striate", "predict", str(run.path), str(picture), "--json"]
    answers: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return answers[0]


def _tiles(run: Run) -> list[tuple[int, int, int, int]]:
    """The part of the large picture that each tile alone answers for: left, top, right, bottom."""
    preparation = Preparation.of(run.recipe.input, run.facts.choice(run.recipe))
    return [place.owned_xyxy or (0, 0, SIDE, SIDE) for place in preparation.place((SIDE, SIDE))]


def compose(path: Path, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Writes the picture; gives the digits' boxes `(N, 4)` and which of them lie on a seam."""
    from sklearn.datasets import load_digits

    random = np.random.default_rng(0)
    known = load_digits()
    # Digits that stood in no scene of training.
    pool = divide_digits(known.target, 0)["test"]
    y, x = np.mgrid[:SIDE, :SIDE] / 100.0
    canvas = (125 + 12 * np.cos(0.7 * x + 0.3 * y) + 6 * np.cos(2.1 * x - 1.3 * y)).astype(np.float32)
    tiles = _tiles(run)
    # Across and down.
    seams = [sorted({tile[axis] for tile in tiles if SPACING < tile[axis] < SIDE - SPACING}) for axis in (0, 1)]
    middles: list[np.ndarray] = []
    boxes: list[tuple[int, ...]] = []
    on_seam: list[bool] = []
    while len(boxes) < DIGITS:
        middle = random.uniform(SPACING, SIDE - SPACING, 2)
        axis = int(random.integers(2))
        wants_seam = len(boxes) < ON_SEAMS and bool(seams[axis])
        if wants_seam:
            middle[axis] = random.choice(seams[axis])
        if any(np.abs(middle - other).max() < SPACING for other in middles):
            continue
        side = int(random.integers(*DIGIT_SIDES))
        ink = enlarge(known.images[random.choice(pool)] / 16, side)
        left, top = (round(at - length / 2) for at, length in zip(middle, ink.shape[::-1], strict=True))
        patch = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
        patch += ink * random.choice([-90.0, 90.0])
        middles.append(middle)
        boxes.append((left, top, left + ink.shape[1], top + ink.shape[0]))
        on_seam.append(wants_seam)
    canvas += random.standard_normal(canvas.shape, np.float32) * 4
    Image.fromarray(canvas.round().clip(0, 255).astype(np.uint8)).save(path)
    return np.array(boxes, np.float64), np.array(on_seam)


def write_large(result: dict[str, Any]) -> str:
    """The table."""
    cells = [
        ["digits", str(result["digits"])],
        ["counted", str(result["counted"])],
        ["found at their place", str(result["found"])],
        ["found twice", str(result["twice"])],
        ["found where none is", str(result["elsewhere"])],
        ["on a seam", f"{result['found_on_seams']} of {result['on_seams']} found, {result['twice_on_seams']} twice"],
        ["peak memory", f"{result['peak_gib']:.2f} GiB"],
        ["time", f"{result['seconds']:.0f} s, {result['tiles']} tiles"],
    ]
    notes = [f"{SIDE} x {SIDE} pixels; the detector has a mAP50 of {result['map50']:.1%} on its own test scenes."]
    return write_table("Many objects on one huge picture", ["", ""], cells, notes)
