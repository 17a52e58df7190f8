"""Which range of a scan's values a network or a reader is shown: a rule that is stated, never a change of the file.

A window maps the values from its low to its high end onto 0..1 as float32, what lies beyond becomes 0 or 1. The
windows with names are in Hounsfield units; their centres and widths are those that radiologists use (A. Murphy,
"Windowing (CT)", Radiopaedia, 2017).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import RecipeError
from striate.structures import Levels

NAMED: dict[str, tuple[float, float]] = {
    "brain": (0.0, 80.0),
    "bone": (-500.0, 1300.0),
    "lung": (-1350.0, 150.0),
    "liver": (-45.0, 105.0),
    "mediastinum": (-125.0, 225.0),
    "soft-tissue": (-150.0, 250.0),
}
"""Low and high end in Hounsfield units."""

MEASURED = ("file", "percentile", "z-score")
"""Windows that each scan has of its own: what its file asks for, all but 1 of 200 values at each end, its deviation.

Channels without a unit in common, as the sequences of magnetic resonance, have each its own (Isensee et al. 2021).
"""

OFF = "none"

HELP = f"none, {', '.join(MEASURED)}, {', '.join(NAMED)}, or LOW..HIGH in the scan's own values (-150..250)"

_RANGE = re.compile(r"\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*\.\.\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*", re.I)


@dataclass(frozen=True, slots=True)
class Window:
    """A rule for a range of values.

    Attributes:
        rule: One of `MEASURED`, or empty for a range that is the same for all scans.
        low: Low end of that range.
        high: High end.
    """

    rule: str
    low: float = 0.0
    high: float = 1.0

    def ends(self, levels: Levels) -> tuple[float, float]:
        """The values that become 0 and 1 in a scan with these levels."""
        if self.rule == "file" and levels.window is not None:
            return levels.window
        if self.rule in ("file", "percentile"):
            return levels.low, levels.high
        if self.rule == "z-score":
            return levels.mean, levels.mean + levels.std
        return self.low, self.high

    def apply(self, pixels: npt.NDArray[Any], levels: Levels | None) -> npt.NDArray[np.float32]:
        """Windowed values, float32 of the same shape.

        Args:
            pixels: `(C, H, W)` of any number type; where channels have levels of their own, all of them, once or for
                several slices one after the other.
            levels: Of the whole scan; measured on the pixels themselves where they are no part of one.
        """
        levels = Levels.of(pixels) if levels is None else levels
        if not self.rule or not levels.channels:
            return self._between(pixels, *self.ends(levels))
        return np.concatenate(
            [
                self._between(pixels[index : index + 1], *self.ends(levels.channels[index % len(levels.channels)]))
                for index in range(len(pixels))
            ]
        )

    def _between(self, pixels: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.float32]:
        width = high - low
        if not width > 0:
            # A scan of one value has no contrast to show.
            return np.zeros(pixels.shape, np.float32)
        # In double precision, since values up to a million must not lose their differences before they are scaled.
        shown = (pixels.astype(np.float64) - low) / width
        if self.rule != "z-score":
            shown = np.clip(shown, 0.0, 1.0)
        return shown.astype(np.float32)


def parse_window(text: str | None) -> Window | None:
    """The window that a text names; `None` for none.

    Raises:
        RecipeError: It names none.
    """
    if text is None or text == OFF:
        return None
    if text in MEASURED:
        return Window(text)
    if text in NAMED:
        return Window("", *NAMED[text])
    match = _RANGE.fullmatch(text)
    if match is not None:
        low, high = _number(match[1]), _number(match[2])
        if math.isfinite(low) and math.isfinite(high) and low < high:
            return Window("", low, high)
    raise RecipeError(f"{text!r} is no window of values.", where="input.window", fix=f"Say {HELP}.")


def range_text(low: float, high: float) -> str:
    """How a range is written in a recipe."""
    return f"{low:.6g}..{high:.6g}"


def in_words(text: str | None) -> str:
    """A window for people: `soft-tissue (-150 to 250)`."""
    window = parse_window(text)
    if window is None:
        return "values as they are"
    if window.rule:
        return {"file": "the window that the file asks for", "percentile": "0.5 to 99.5 % of the scan's values"}.get(
            window.rule, "mean 0 and deviation 1 in each scan"
        )
    span = f"{window.low:g} to {window.high:g}"
    return f"{text} ({span})" if text in NAMED else span


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
