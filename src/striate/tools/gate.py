"""The gate: an exported network passes only where it answers real pictures as PyTorch does.

In fp32 that means the same outputs, answers and metric. A lower precision moves every output, and now and then an
answer between two classes that scored alike: it is judged by the metric, which may not fall.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.data.pixels import normalise
from striate.evaluation.scoring import takes_stored_pixels
from striate.evaluation.words import plural
from striate.runs.environment import describe_processor
from striate.runs.model import Model
from striate.runs.run import Run
from striate.structures import ClassScores, DetectedObjects, Prediction, Problem, Sample, SegmentedPicture, evenly
from striate.tools.base import EXACT
from striate.tools.differences import Difference, Gaps, look_differences, looked_again, place_of
from striate.tools.exported import Exported
from striate.tools.fed import pixels_apart, sidecar_apart
from striate.tools.meaning import SCORES

PICTURES = 64
"""Pictures that both are asked about."""

METRIC_PICTURES = 400
"""Pictures of the validation split on which both are measured, at most."""

TOLERANCE = 1e-4
"""Largest difference of an output that counts as rounding, as a share of the largest value of that output.

Runtimes add up in another order and fuse layers. float32 holds seven digits; sums of thousands of products through
dozens of layers keep five to six of them.
"""

METRIC_TOLERANCE = 0.002

LOWER_METRIC_PICTURES = 1000
"""The same for lower precisions, for which the metric alone decides."""

ALLOWED_FALL = 0.005
"""By how much the metric may fall in a lower precision: half a point."""

SAME_PIXELS = 0.999
"""Share of a picture's pixels that must get the same class; along edges two classes may score the same to rounding."""

SAME_BOX = 0.98
_SAME_SCORE = 0.01
_ROUNDS = 7
_BATCH = 8
_FRAMES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Parity:
    """What the gate found.

    Attributes:
        tool: Name of the tool.
        runtime: Its packages with their versions.
        origin: What it was compared with, in words: PyTorch, or the tool that a network from elsewhere came in.
        precision: In which the tool computes.
        machine: The processor, by which it is known whether this holds elsewhere: fast whole numbers differ.
        pictures: Real pictures that both were asked about.
        outputs: Differences of the outputs.
        others: Further runtimes of the tool, with the largest difference of an output in each, as a share of the
            output's largest value.
        agreeing: Pictures with the same final answer, from the file on.
        apart: The first picture with another answer, and what both say; empty where there is none.
        metric: Name of the deciding metric.
        metric_pictures: Pictures on which it was measured.
        metric_on: What these are: "validation picture" of the run, or "picture" of other data.
        metric_here: Its value with what it was made from.
        metric_there: Its value with the tool.
        milliseconds_here: For one picture, with what it was made from; network alone.
        milliseconds_there: The same with the tool.
        rate_here: Pictures a second in batches of 8, with what it was made from.
        rate_there: The same with the tool.
        place: Where in the network the tool begins to differ, in words; empty where it does not.
        bytes: Size of the artefact.
        tolerance: What counts as rounding; `None` where outputs are not judged.
        allowed_fall: By how much the metric may fall.
        reasons: Why it does not pass; empty where it passes.
    """

    tool: str
    runtime: str
    origin: str
    precision: str
    machine: str
    pictures: int
    outputs: tuple[Difference, ...]
    others: dict[str, float]
    agreeing: int
    apart: str
    metric: str
    metric_pictures: int
    metric_on: str
    metric_here: float
    metric_there: float
    milliseconds_here: float
    milliseconds_there: float
    rate_here: float
    rate_there: float
    place: str
    bytes: int
    tolerance: float | None
    allowed_fall: float
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the artefact may be handed over."""
        return not self.reasons

    @property
    def exact(self) -> bool:
        """Whether it was held to the outputs that it was made from."""
        return self.precision == EXACT

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"passed": self.passed, **asdict(self)}


def check(
    run: Model,
    exported: Exported,
    runtime: str,
    samples: list[Sample],
    say: Callable[[str], None] = lambda _: None,
) -> Parity:
    """Asks both about pictures and compares what they say.

    Args:
        run: The run, on the processor, or a network from elsewhere.
        exported: The artefact that was made from it.
        runtime: What runs it, in words.
        samples: Pictures with their truth, in the classes of the network.
        say: Told what goes on.

    Raises:
        ExportError: The artefact cannot be run.
        PictureError: A picture cannot be read.
    """
    origin = run.tool.title.partition(" (")[0] if isinstance(run, Exported) else "PyTorch"
    kind = "validation picture" if isinstance(run, Run) else "picture"
    chosen = [samples[index] for index in evenly(len(samples), PICTURES).tolist()]
    say(f"asking both about {plural(len(chosen), kind)}")
    stored, unlike = _frames(run, exported, chosen)
    outputs = (
        *_differences(run, exported, exported.network, stored),
        *(look_differences(run, exported, stored[:_FRAMES_AT_ONCE]) if isinstance(run, Run) else ()),
    )
    others = {
        name: max(one.relative for one in _differences(run, exported, exported.network_of(runner), stored))
        for name, runner in exported.tool.others(exported.file).items()
    }
    exact = exported.tool.precision == EXACT
    # A lower precision differs from the first layer on.
    place = _place_of(run, exported, stored[:1], outputs) if exact and isinstance(run, Run) else ""
    agreeing, apart = _compare_answers(run, exported, chosen, origin)
    measured = samples[: METRIC_PICTURES if exact else LOWER_METRIC_PICTURES]
    say(f"measuring both on {plural(len(measured), kind)}")
    here, there = (_headline(model, measured) for model in (run, exported))
    one, many = stored[:1], stored[np.arange(_BATCH) % len(stored)]
    single, batch = _speeds(run, exported, one), _speeds(run, exported, many)
    if exact:
        judged = _reasons(outputs, others, place, len(chosen) - agreeing, apart, here, there, origin)
        reasons = [*_before(unlike), *judged]
    else:
        reasons = [*_before(unlike), *_fall(run.task.headline, here, there, len(measured), exported.tool.precision)]
    return Parity(
        tool=exported.tool.name,
        runtime=runtime,
        origin=origin,
        precision=exported.tool.precision,
        machine=describe_processor(),
        pictures=len(chosen),
        outputs=outputs,
        others=others,
        agreeing=agreeing,
        apart=apart,
        metric=run.task.headline,
        metric_pictures=len(measured),
        metric_on=kind,
        metric_here=here,
        metric_there=there,
        milliseconds_here=1000 * single[0],
        milliseconds_there=1000 * single[1],
        rate_here=_BATCH / batch[0],
        rate_there=_BATCH / batch[1],
        place=place,
        bytes=_bytes_of(exported.file),
        tolerance=TOLERANCE if exact else None,
        allowed_fall=METRIC_TOLERANCE if exact else ALLOWED_FALL,
        reasons=tuple(reasons),
    )


def _frames(run: Model, exported: Exported, samples: Sequence[Sample]) -> tuple[Tensor, str]:
    """What the artefact is fed of some pictures, `(F, C, H, W)`, and the first one that the run is fed otherwise."""
    frames, unlike = [], ""
    for sample in samples:
        picture = sample.read()
        own, given = run.answering.shown(picture)[1], exported.answering.shown(picture)[1]
        frames.append(given)
        if not unlike and (words := pixels_apart(own, _for_run(run, exported, given))):
            why = sidecar_apart(run, exported) if isinstance(run, Run) else ""
            unlike = f"{sample.name} comes to the tool {words}. {why}".strip()
    return torch.cat(frames), unlike


def _for_run(run: Model, exported: Exported, given: Tensor) -> Tensor:
    """What the artefact is fed, as the network takes it that was exported: normalisation went inside on the way."""
    if takes_stored_pixels(run.network) == takes_stored_pixels(exported.network):
        return given
    return normalise(given.clone(), run.recipe.input)


@torch.inference_mode()
def _differences(run: Model, exported: Exported, network: nn.Module, stored: Tensor) -> list[Difference]:
    """Largest and mean difference of every output, over all frames."""
    gaps = Gaps(exported.file)
    for part in torch.split(stored, _FRAMES_AT_ONCE):
        here, there = run.network(_for_run(run, exported, part)), network(part)
        if exported.gives != SCORES:
            # Logarithms of shares next to nothing would be the largest values.
            here, there = exported.task.scores(here), exported.task.scores(there)
        gaps.add(here, there)
    return gaps.found()


def _place_of(run: Run, exported: Exported, stored: Tensor, outputs: Sequence[Difference]) -> str:
    """Where the first output that differs begins to."""
    for one in outputs:
        if not one.relative <= TOLERANCE:
            return place_of(run, exported, stored, one.output, TOLERANCE)
    return ""


def _compare_answers(run: Model, exported: Exported, samples: Sequence[Sample], origin: str) -> tuple[int, str]:
    """How many pictures get the same answer, from the file on, and the first that does not."""
    problems: list[Problem] = []
    pairs = zip(
        run.answering.predict(samples, run.classes, problems),
        exported.answering.predict(samples, exported.classes, problems),
        strict=True,
    )
    agreeing, apart = 0, ""
    for (sample, _, one), (_, _, other) in pairs:
        if words := answers_apart(one, other, run.count_from, origin):
            apart = apart or f"{sample.name}: {words}"
        else:
            agreeing += 1
    return agreeing, apart


def answers_apart(one: Prediction, other: Prediction, count_from: float, origin: str = "PyTorch") -> str:
    """How two answers for a picture differ, in words; empty where they are the same but for rounding.

    Args:
        one: That of the network that was exported.
        other: The tool's.
        count_from: Score from which objects count.
        origin: What gave the first.
    """
    if isinstance(one, ClassScores) and isinstance(other, ClassScores):
        here, there = _named(one), _named(other)
        return "" if here == there else f"{origin} says {here}, the tool {there}"
    if isinstance(one, SegmentedPicture) and isinstance(other, SegmentedPicture):
        share = float((one.mask == other.mask).mean()) if one.mask.shape == other.mask.shape else 0.0
        return "" if share >= SAME_PIXELS else f"{share:.2%} of the pixels get the same class"
    if isinstance(one, DetectedObjects) and isinstance(other, DetectedObjects):
        lost, new = _unmatched(one, other, count_from), _unmatched(other, one, count_from)
        return f"{lost} of {origin}'s objects are missing, {new} are new" if lost or new else ""
    return f"{origin} gives {type(one).__name__}, the tool {type(other).__name__}"


def _named(answer: ClassScores) -> str:
    if not answer.several:
        return answer.label
    return ", ".join(name for name, score in answer.ranked() if score >= answer.threshold) or "nothing"


def _unmatched(ours: DetectedObjects, others: DetectedObjects, count_from: float) -> int:
    """Objects that have no counterpart; one that scores next to the limit may lie on either side of it."""
    from torchvision.ops import box_iou

    ours, others = ours.surer_than(count_from), others.surer_than(count_from - _SAME_SCORE)
    if not len(ours):
        return 0
    if not len(others):
        return len(ours)
    overlap = box_iou(torch.from_numpy(ours.boxes_xyxy), torch.from_numpy(others.boxes_xyxy)).numpy()
    overlap[ours.classes[:, None] != others.classes[None]] = 0
    return int((overlap.max(1) < SAME_BOX).sum())


def _headline(model: Model, samples: list[Sample]) -> float:
    _, scores, targets = model.scores_of(samples, "validation", [])
    return float(model.task.headline_value(scores, targets))


@torch.inference_mode()
def _speeds(run: Model, exported: Exported, stored: Tensor) -> tuple[float, float]:
    """Seconds of one pass through each, by turns, medians; the network alone."""
    shown = _for_run(run, exported, stored)
    works: tuple[Callable[[], Any], ...] = (
        lambda: looked_again(run.network(shown)),
        lambda: looked_again(exported.network(stored)),
    )
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS):
        for work, taken in zip(works, seconds, strict=True):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    # The first pass also makes ready.
    return statistics.median(seconds[0][1:]), statistics.median(seconds[1][1:])


def _bytes_of(file: Path) -> int:
    """Size of an artefact, with what lies beside it under the same name."""
    parts = {file, *file.parent.glob(f"{file.stem}.*")}
    files = [path for part in parts for path in (part.rglob("*") if part.is_dir() else [part])]
    return sum(path.stat().st_size for path in files if path.is_file())


def _before(unlike: str) -> list[str]:
    """What is wrong with the pixels that come to the tool."""
    return [f"Before the network: {unlike}"] if unlike else []


def _fall(metric: str, here: float, there: float, pictures: int, precision: str) -> list[str]:
    """Why a lower precision costs too much."""
    if there >= here - ALLOWED_FALL:
        return []
    return [
        f"In {precision} the deciding metric {metric} falls by {100 * (here - there):.1f} points, from {here:.4f} to "
        f"{there:.4f} on {plural(pictures, 'validation picture')}; {100 * ALLOWED_FALL:.1f} are allowed."
    ]


def _reasons(
    outputs: Sequence[Difference],
    others: dict[str, float],
    place: str,
    apart_count: int,
    apart: str,
    here: float,
    there: float,
    origin: str,
) -> list[str]:
    """Why an artefact in fp32 does not pass, the earliest place first."""
    found = []
    for one in outputs:
        if not one.relative <= TOLERANCE:
            found.append(
                f"In the network: the output {one.output} differs by {one.largest:.3g}, {one.relative:.1e} of its "
                f"largest value; {TOLERANCE:.0e} is allowed{f'; {place}' if place else ''}."
            )
            # Of the first alone: those after it begin to differ no earlier.
            place = ""
    found += [
        f"With {name} an output differs by {relative:.1e} of its largest value; {TOLERANCE:.0e} is allowed."
        for name, relative in others.items()
        if not relative <= TOLERANCE
    ]
    if apart_count:
        found.append(f"Pictures with another answer: {apart_count}. {apart}.")
    if not abs(here - there) <= METRIC_TOLERANCE:
        found.append(f"The deciding metric is {there:.4f}, with {origin} {here:.4f}.")
    return found
