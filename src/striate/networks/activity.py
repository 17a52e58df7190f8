"""How much activations cut off: values that are zero, saturated ones, units that are dead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.networks.layers import ACTIVATIONS, ScaledTanh
from striate.networks.watching import name_of_call, watching

ACTIVATION_TYPES = tuple({type(build()) for build in ACTIVATIONS} - {nn.Identity})

SATURATED = 0.95
"""Share of an activation's range beyond which it counts as saturated: its slope is next to nothing there."""

_RANGES: dict[type[nn.Module], tuple[float, float]] = {
    nn.Sigmoid: (0.0, 1.0),
    nn.Tanh: (-1.0, 1.0),
    ScaledTanh: (-1.7159, 1.7159),
    nn.ReLU6: (0.0, 6.0),
}
_CUT_AT_ZERO = (nn.ReLU, nn.ReLU6)


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """What an activation layer did over several pictures.

    Attributes:
        name: Name of the layer; the second call of one that is used twice ends with `#2`.
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
    layers = {name: one for name, one in network.named_modules() if isinstance(one, ACTIVATION_TYPES)}
    tallies: dict[str, _Tally] = {}
    times: Counter[str] = Counter()

    def see(name: str, given: Tensor) -> None:
        times[name] += 1
        if given.ndim in (2, 4):
            # Entered when it first runs, so that the order is that of the work. A layer without weights may be used
            # for maps of different channels.
            tallies.setdefault(name_of_call(name, times[name]), _Tally(layers[name])).add(given)

    with watching(layers, see), torch.inference_mode():
        for batch in batches:
            times.clear()
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
