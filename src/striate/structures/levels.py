"""What the values of a scan are like."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

_COLOURS = ("red", "green", "blue")


@dataclass(frozen=True, slots=True)
class Levels:
    """What the values of a whole scan are like, which a single slice of it does not tell.

    Attributes:
        low: Value that 0.5 % of the voxels lie below.
        high: Value that 0.5 % lie above.
        mean: Mean of the voxels.
        std: Their standard deviation.
        unit: `HU` for Hounsfield units; empty where values have no unit.
        window: Low and high end of the range that the file asks to be shown; `None` where it does not say.
        channels: The same of each channel, where channels have no scale in common; none where they have.
    """

    low: float
    high: float
    mean: float
    std: float
    unit: str = ""
    window: tuple[float, float] | None = None
    channels: tuple[Levels, ...] = ()

    @classmethod
    def of_channels(cls, voxels: npt.NDArray[Any], names: tuple[str, ...], unit: str = "") -> Levels:
        """Of a volume `(S, C, H, W)`; of each channel, too, but for colours and channels that share a unit."""
        whole = cls.of(voxels, unit)
        if unit or len(names) == 1 or names == _COLOURS:
            return whole
        return replace(whole, channels=tuple(cls.of(voxels[:, channel]) for channel in range(voxels.shape[1])))

    @classmethod
    def of(cls, values: npt.NDArray[Any], unit: str = "", window: tuple[float, float] | None = None) -> Levels:
        """Measured on at most a million of the values, evenly spread; values that are not finite do not count."""
        flat = values.ravel()
        flat = flat[:: max(1, flat.size // 1_000_000)].astype(np.float64)
        flat = flat[np.isfinite(flat)]
        if not flat.size:
            return cls(0.0, 0.0, 0.0, 0.0, unit, window)
        low, high = np.percentile(flat, [0.5, 99.5]).tolist()
        return cls(low, high, float(flat.mean()), float(flat.std()), unit, window)
