"""What is chosen for scans: the range of values that the network sees, and how volumes are cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from striate.data import Dataset
from striate.errors import PictureError
from striate.images.volumes import SliceSource
from striate.images.windows import NAMED, OFF, range_text
from striate.structures import PLANES, VOID, Levels, Mask, Sample, evenly
from striate.training.defaults import Chooser

AIR_HU = -800.0
"""Scans without a unit whose lowest values lie below this and that are whole numbers look like Hounsfield units."""

MARGIN = 0.25
"""A range of what is to be found is widened by this share at both ends, so that its surroundings show, too."""

LEAST_MARGIN_HU = 100.0
"""At least by so much: of what has one value nothing could be told from its surroundings."""

_SCANS_LOOKED_AT = 24
_SLICES_LOOKED_AT = 160
_VALUES_A_SLICE = 400


def choose_for_scans(chooser: Chooser, data: Dataset, say: Callable[[str], None]) -> None:
    """The window, and what the slices of volumes are, so that the recipe repeats the run.

    Args:
        chooser: Gets the choices.
        data: The data set.
        say: Told where a window that was asked for can hardly fit.
    """
    first = next((sample.source for sample in data["train"] if isinstance(sample.source, SliceSource)), None)
    if first is not None:
        chooser.fill("data.plane", PLANES[first.plane], "how the volumes were cut")
        chooser.fill("data.neighbours", first.neighbours, "slices that lie near show the same things")
    levels = _levels_of_scans(data["train"])
    if not levels:
        chooser.fill("input.window", OFF, "the pictures are no scans")
        return
    asked = chooser.recipe.input.window
    if asked in NAMED and not _in_hounsfield_units(levels):
        low, high = (float(np.median(ends)) for ends in zip(*((one.low, one.high) for one in levels), strict=True))
        say(
            f"mind: the window {asked} is in Hounsfield units, and these scans have none (most values lie between "
            f"{low:g} and {high:g}); percentile or a range LOW..HIGH fits them better"
        )
    if data.bit_depth == 8 and all(one.low >= 0 and one.high > 64 for one in levels):
        chooser.fill("input.window", OFF, "values of 8 bits have been through a window already")
    elif _in_hounsfield_units(levels):
        low, high, why = _range_of_interest(data)
        chooser.fill("input.window", range_text(low, high), why)
    else:
        chooser.fill("input.window", "percentile", "values of such scans have no unit: each scan has its own scale")


def _levels_of_scans(samples: Sequence[Sample]) -> list[Levels]:
    """Levels of some scans, each once."""
    by_case: dict[str, Sample] = {}
    for sample in samples:
        by_case.setdefault(sample.case or sample.name, sample)
    chosen = list(by_case.values())
    found = []
    for index in evenly(len(chosen), _SCANS_LOOKED_AT).tolist():
        try:
            picture = chosen[index].read()
        except PictureError:
            # Whoever reads the pixels for training reports it.
            continue
        if picture.levels is None:
            return []
        found.append(picture.levels)
    return found


def _in_hounsfield_units(levels: Sequence[Levels]) -> bool:
    if all(one.unit == "HU" for one in levels):
        return True
    return all(not one.unit for one in levels) and float(np.median([one.low for one in levels])) < AIR_HU


def _range_of_interest(data: Dataset) -> tuple[float, float, str]:
    """The range of what is to be found, by its pixels; of all pixels where there are no masks (Isensee et al. 2021)."""
    learned = data["train"]
    values = [_values_of(learned[index]) for index in evenly(len(learned), _SLICES_LOOKED_AT).tolist()]
    found = np.concatenate([one for one, _ in values if len(one)] or [np.zeros(0)])
    if len(found) and any(inside for _, inside in values):
        low, high = np.percentile(found, [0.5, 99.5]).tolist()
        margin = max(MARGIN * (high - low), LEAST_MARGIN_HU)
        return low - margin, high + margin, "the values of what is to be found, with a margin"
    low, high = np.percentile(found, [0.5, 99.5]).tolist() if len(found) else (0.0, 0.0)
    if high - low < LEAST_MARGIN_HU:
        return -1000.0, 1000.0, "from air to bone"
    return low, high, "all but the lowest and highest of 200 values of the training scans"


def _values_of(sample: Sample) -> tuple[npt.NDArray[np.float64], bool]:
    """Some values of a picture: those of its foreground where it has a mask, and whether it has."""
    try:
        picture = sample.read()
        annotation = sample.read_annotation()
    except PictureError:
        return np.zeros(0), False
    middle = picture.pixels[len(picture.pixels) // 2]
    inside = isinstance(annotation, Mask)
    flat = middle.ravel()
    if isinstance(annotation, Mask) and annotation.size_hw == picture.size_hw:
        flat = middle[(annotation.classes != 0) & (annotation.classes != VOID)]
    flat = flat[np.isfinite(flat)].astype(np.float64)
    return flat[:: max(1, len(flat) // _VALUES_A_SLICE)], inside
