"""The order of the frames of a DICOM series, and where its voxels lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from striate.structures import Count, Geometry, Problem

_SAME_PLACE_MM = 1e-3
_UNEVEN = 0.02
_WHOLE_STEP = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """One frame.

    Attributes:
        path: Its file.
        index: Its position in the file, from 0.
        position: Where its first pixel lies, in LPS; `None` where the file does not say.
        directions: Of its rows and columns, six numbers.
        number: InstanceNumber, the last resort of an order.
        repeated: Values that tell frames of one position from each other.
    """

    path: Path
    index: int
    position: tuple[float, float, float] | tuple[float, ...] | None
    directions: tuple[float, ...] | None
    number: float
    repeated: tuple[float | None, ...]

    @property
    def last_resort(self) -> tuple[float, str, int]:
        """What orders frames that nothing else does."""
        return self.number, self.path.name, self.index


@dataclass(frozen=True, slots=True)
class Ordered:
    """Frames slice by slice, within a slice channel by channel, and what was odd about them."""

    frames: tuple[Found, ...]
    channel_names: tuple[str, ...]
    geometry: Geometry
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def order_frames(
    found: Sequence[Found],
    spacing_mm: tuple[float, float] | None,
    distance_mm: tuple[float, ...] | None,
    words: Sequence[str],
) -> Ordered:
    """Orders the frames of one series.

    Args:
        found: Frames of one orientation and size.
        spacing_mm: Height and width of a pixel.
        distance_mm: Distance of slices that the file says, used where there is one slice only.
        words: Names of repetitions by each of `Found.repeated`, with a place for the value.
    """
    directions = found[0].directions
    if directions is None or spacing_mm is None or any(one.position is None for one in found):
        return _by_number(found, spacing_mm, distance_mm, directions)
    normal = np.cross(directions[:3], directions[3:])
    stacks = _stacks(found, normal)
    problems: list[Problem] = []
    notes: list[str] = []
    times = len(stacks[0])
    if any(len(stack) != times for stack in stacks):
        crowded = sum(len(stack) > 1 for stack in stacks)
        problems.append(
            Problem(
                "duplicate-position",
                "",
                f"{crowded} of {len(stacks)} positions hold more than one slice, and not all equally many.",
                "The slice of the lowest InstanceNumber is taken at each; separate the series that were mixed.",
            )
        )
        stacks, times = [[min(stack, key=lambda one: one.last_resort)] for stack in stacks], 1
    names: tuple[str, ...] = ("gray",)
    if times > 1:
        stacks, names = _channels(stacks, words)
        notes.append(f"every position occurs {times} times, which became channels")
    places = np.array([stack[0].position for stack in stacks], np.float64)
    step = _step(places, normal, distance_mm, problems, notes)
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = np.array(directions[3:]) * spacing_mm[0]
    affine[:3, 2] = np.array(directions[:3]) * spacing_mm[1]
    affine[:3, 3] = places[0]
    frames = tuple(one for stack in stacks for one in stack)
    return Ordered(frames, names, Geometry(affine), tuple(problems), tuple(notes))


def _by_number(
    found: Sequence[Found],
    spacing_mm: tuple[float, float] | None,
    distance_mm: tuple[float, ...] | None,
    directions: tuple[float, ...] | None,
) -> Ordered:
    frames = tuple(sorted(found, key=lambda one: one.last_resort))
    missing = "size of its pixels" if spacing_mm is None else "orientation" if directions is None else "position"
    note = (
        f"the files do not say the {missing}, so slices are in the order of InstanceNumber and their place is unknown"
    )
    distance = distance_mm[0] if distance_mm and distance_mm[0] > 0 else 1.0
    spacing = spacing_mm or (1.0, 1.0)
    geometry = Geometry.unknown() if spacing_mm is None else Geometry.of((distance, *spacing), known=False)
    problems = () if len(found) == 1 else (Problem("no-position", "", f"{note}.", "Get the original files."),)
    return Ordered(frames, ("gray",), geometry, problems, (note,))


def _stacks(found: Sequence[Found], normal: npt.NDArray[np.float64]) -> list[list[Found]]:
    """Frames at the same place together, from the lowest along the normal."""
    along = np.array([one.position for one in found], np.float64) @ normal
    stacks: list[list[Found]] = []
    last = -np.inf
    for index in np.argsort(along, kind="stable").tolist():
        if along[index] - last > _SAME_PLACE_MM:
            stacks.append([])
            last = along[index]
        stacks[-1].append(found[index])
    return stacks


def _channels(stacks: list[list[Found]], words: Sequence[str]) -> tuple[list[list[Found]], tuple[str, ...]]:
    """Frames of each place in the order of the first value that tells them from each other everywhere."""
    times = len(stacks[0])
    for column, word in enumerate(words):
        values = {one.repeated[column] for stack in stacks for one in stack}
        numbers = sorted(value for value in values if value is not None)
        if len(numbers) != times or None in values:
            continue
        ordered = [sorted(stack, key=lambda one: one.repeated[column] or 0.0) for stack in stacks]
        if all([one.repeated[column] for one in stack] == numbers for stack in ordered):
            return ordered, tuple(word.format(value) for value in numbers)
    return (
        [sorted(stack, key=lambda one: one.last_resort) for stack in stacks],
        tuple(f"time {index}" for index in range(times)),
    )


def _step(
    places: npt.NDArray[np.float64],
    normal: npt.NDArray[np.float64],
    distance_mm: tuple[float, ...] | None,
    problems: list[Problem],
    notes: list[str],
) -> npt.NDArray[np.float64]:
    """From one slice to the next: the mean of all, as ITK has it."""
    if len(places) == 1:
        known = distance_mm is not None and distance_mm[0] > 0
        notes.append("one slice, as thick as the file says" if known else "one slice, whose thickness is unknown: 1 mm")
        return np.asarray(normal * (distance_mm[0] if distance_mm is not None and known else 1.0))
    steps = np.diff(places @ normal)
    usual = float(np.median(steps))
    odd = np.abs(steps - usual) > max(_UNEVEN * usual, _SAME_PLACE_MM)
    ratios = steps / usual
    gaps = odd & (np.abs(ratios - np.rint(ratios)) < _WHOLE_STEP) & (ratios > 1.5)
    if gaps.any():
        missing = int((np.rint(ratios[gaps]) - 1).sum())
        problems.append(
            Problem(
                "missing-slice",
                "",
                f"{Count(missing):slice is|slices are} missing: the usual distance is {usual:g} mm, and "
                f"{Count(int(gaps.sum())):distance is|distances are} a multiple of it, the first behind slice "
                f"{int(np.flatnonzero(gaps)[0]) + 1} of {len(places)}.",
                "Get the missing files; until then slices are read as if they were evenly spaced.",
            )
        )
    if (odd & ~gaps).any():
        problems.append(
            Problem(
                "unequal-spacing",
                "",
                f"distances of neighbouring slices go from {steps.min():g} to {steps.max():g} mm.",
                "Slices are read as if they were evenly spaced; resample the series first to have it right.",
            )
        )
    if odd.any():
        notes.append("slices are not evenly spaced; their mean distance stands for all")
    step: npt.NDArray[np.float64] = (places[-1] - places[0]) / (len(places) - 1)
    sideways = step - normal * (step @ normal)
    if np.linalg.norm(sideways) > _UNEVEN * np.linalg.norm(step):
        notes.append("slices are shifted against each other (a tilted gantry), which the geometry keeps")
    return step
