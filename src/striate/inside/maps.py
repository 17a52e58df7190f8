"""Feature maps as pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from striate.inside.recording import Call


@dataclass(frozen=True, slots=True)
class Scale:
    """How values become grey levels: one scale for all maps of a layer, so that they can be compared.

    Attributes:
        low: Value that is drawn darkest.
        high: Value that is drawn brightest.
    """

    low: float
    high: float

    @classmethod
    def of(cls, values: npt.NDArray[np.float64]) -> Scale:
        """From the smallest to the largest finite value; symmetric around zero where there are values on both sides."""
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        if low < 0 < high:
            high = max(high, -low)
            low = -high
        return cls(low, high if high > low else low + 1.0)

    @property
    def two_sided(self) -> bool:
        """Whether zero is in the middle."""
        return self.low == -self.high

    def pixels(self, plane: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
        """`(H, W)` as a picture `(3, H, W)`: grey, or blue for negative and red for positive values."""
        share = np.clip((plane - self.low) / (self.high - self.low), 0.0, 1.0)
        if not self.two_sided:
            return np.repeat((share * 255).round().astype(np.uint8)[None], 3, 0)
        # White is zero; what is far from it is dark, so that both signs stand out alike.
        away = np.abs(share * 2 - 1)
        faded = 1 - away
        positive = share >= 0.5
        red = np.where(positive, 1 - 0.25 * away, faded)
        green = faded
        blue = np.where(positive, faded, 1 - 0.15 * away)
        return (np.stack([red, green, blue]) * 255).round().astype(np.uint8)

    def __str__(self) -> str:
        if self.two_sided:
            return f"{self.low:.3g} (blue) through 0 (white) to {self.high:.3g} (red)"
        return f"{self.low:.3g} (black) to {self.high:.3g} (white)"


def maps_of(call: Call) -> npt.NDArray[np.float64]:
    """The feature maps that a layer gave, `(C, H, W)`; neurons of a linear layer as `(D, 1, 1)`."""
    given = call.given[0].numpy()
    return given if given.ndim == 3 else given[:, None, None]
