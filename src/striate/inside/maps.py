"""Feature maps as pictures, and how much of them is zero, saturated or dead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.inside.recording import ACTIVATION_TYPES, Call
from striate.networks.layers import ScaledTanh

SATURATED = 0.95
"""Share of an activation's range beyond which it counts as saturated: its slope is next to nothing there."""

_RANGES: dict[type[nn.Module], tuple[float, float]] = {
    nn.Sigmoid: (0.0, 1.0),
    nn.Tanh: (-1.0, 1.0),
    ScaledTanh: (-1.7159, 1.7159),
    nn.ReLU6: (0.0, 6.0),
}
_CUT_AT_ZERO = (nn.ReLU, nn.ReLU6)


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


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """What an activation layer did over several pictures.

    Attributes:
        name: Name of the layer.
        kind: Class of the activation.
        pictures: Pictures seen.
        zeros: Share of values that are zero.
        saturated: Share of values near the ends of the range; `None` where it has no two ends.
        largest: `(C,)` largest value of each unit.
        smallest: `(C,)` smallest value of each unit.
    """

    name: str
    kind: str
    pictures: int
    zeros: float
    saturated: float | None
    largest: npt.NDArray[np.float64]
    smallest: npt.NDArray[np.float64]

    @property
    def dead(self) -> npt.NDArray[np.int64]:
        """Units that never said anything but one value, whatever the picture and the place."""
        return np.flatnonzero(self.largest - self.smallest <= 1e-12)


@dataclass(slots=True)
class _Tally:
    module: nn.Module
    pictures: int = 0
    values: int = 0
    zeros: int = 0
    saturated: int = 0
    largest: Tensor | None = None
    smallest: Tensor | None = None

    def add(self, given: Tensor) -> None:
        flat = given.detach().float().flatten(2) if given.ndim > 2 else given.detach().float()[..., None]
        high, low = flat.amax((0, 2)), flat.amin((0, 2))
        self.largest = high if self.largest is None else torch.maximum(self.largest, high)
        self.smallest = low if self.smallest is None else torch.minimum(self.smallest, low)
        self.pictures += len(given)
        self.values += flat.numel()
        self.zeros += int((flat == 0).sum())
        if ends := _RANGES.get(type(self.module)):
            margin = (ends[1] - ends[0]) * (1 - SATURATED)
            beyond = flat > ends[1] - margin
            if not isinstance(self.module, _CUT_AT_ZERO):
                beyond |= flat < ends[0] + margin
            self.saturated += int(beyond.sum())


def measure_activity(network: nn.Module, batches: Iterable[Tensor]) -> list[Activity]:
    """How much every activation layer cuts off, layer by layer in the order in which they run.

    Args:
        network: In evaluation mode.
        batches: Pictures as the network expects them, `(N, C, H, W)`; enough of them that a unit without an answer to
            any is called dead with reason.
    """
    tallies: dict[str, _Tally] = {}
    with _tallying(network, tallies), torch.inference_mode():
        for batch in batches:
            network(batch)
    found = []
    for name, tally in tallies.items():
        if tally.largest is None or tally.smallest is None:
            continue
        bounded = type(tally.module) in _RANGES
        found.append(
            Activity(
                name,
                type(tally.module).__name__,
                tally.pictures,
                tally.zeros / tally.values,
                tally.saturated / tally.values if bounded else None,
                tally.largest.double().cpu().numpy(),
                tally.smallest.double().cpu().numpy(),
            )
        )
    return found


@contextmanager
def _tallying(network: nn.Module, tallies: dict[str, _Tally]) -> Iterator[None]:
    def watch(name: str, module: nn.Module) -> None:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.ndim in (2, 4):
                # Entered when it first runs, so that the order is that of the work.
                tallies.setdefault(name, _Tally(module)).add(output)

        handles.append(module.register_forward_hook(hook))

    handles: list[torch.utils.hooks.RemovableHandle] = []
    for name, module in network.named_modules():
        if isinstance(module, ACTIVATION_TYPES):
            watch(name, module)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
