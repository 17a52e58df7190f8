"""A map to point at: the page itself adds up the neuron under the pointer, from the numbers that are in it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from striate.inside.maps import maps_of
from striate.inside.neuron import Floats, NeuronSum
from striate.inside.recording import Recording
from striate.networks.kernels import Kernels
from striate.pages import Part
from striate.pages.page import json_for_script

MOST_VALUES = 300_000
"""Values of the incoming maps that a page carries, 1.6 MB of text; of more, only what lies around the neuron."""


@dataclass(frozen=True, slots=True)
class Region:
    """Rows and columns of a map.

    Attributes:
        top: First row.
        left: First column.
        bottom: The row after the last.
        right: The column after the last.
    """

    top: int
    left: int
    bottom: int
    right: int

    def of(self, maps: Floats) -> Floats:
        """That part of maps `(..., H, W)`."""
        return maps[..., self.top : self.bottom, self.left : self.right]

    def as_list(self) -> list[int]:
        """Top, left, bottom and right."""
        return [self.top, self.left, self.bottom, self.right]


def pointing_part(recording: Recording, shown: NeuronSum) -> Part | None:
    """The map of a unit to point at, and the incoming channel under its window; `None` where there are no places.

    Args:
        recording: What went through the network.
        shown: The neuron that the page begins with.
    """
    if recording.find(shown.layer).given.ndim != 4:
        return None
    html = Markup('<div class="pointing"><script type="application/json">{}</script></div>')
    script = (resources.files("striate.inside") / "assets" / "pointing.js").read_text(encoding="utf-8")
    return Part(html.format(json_for_script(pointing_data(recording, shown))), scripts=(script,))


def pointing_data(recording: Recording, shown: NeuronSum) -> dict[str, Any]:
    """Everything that the sums at the places of a region need, as plain data; numbers as base64 of float32.

    Args:
        recording: What went through the network.
        shown: A neuron of a layer with places.
    """
    call = recording.find(shown.layer)
    kernels = call.kernels
    assert kernels is not None  # It has a sum.
    taken = call.taken[0].numpy()[shown.channels]
    places, seen = _regions(shown.at_yx, call.map_hw, (int(taken.shape[1]), int(taken.shape[2])), len(taken), kernels)
    steps = [step.layer for step in shown.steps]
    following = {
        layer: recording.calls[layer].given[0, shown.unit].numpy()
        for layer in steps
        # What timm's normalisation gives is what its own activation gives.
        if layer in recording.calls and f"{layer}.act" not in steps
    }
    return {
        "layer": shown.layer,
        "unit": shown.unit,
        "first_channel": shown.channels.start,
        "channels": len(taken),
        "window": list(shown.window.shape[1:]),
        "stride": list(kernels.stride),
        "before": list(kernels.before),
        "dilation": list(kernels.dilation),
        "bias": shown.bias,
        "weights": _packed(shown.kernel),
        "taken_size": list(taken.shape[1:]),
        "taken_region": seen.as_list(),
        "taken": _packed(seen.of(taken)),
        "map_size": list(call.map_hw),
        "region": places.as_list(),
        "map": _packed(maps_of(call)[shown.unit]),
        "after": [
            {"words": f"after {layer}", "values": _packed(places.of(given))} for layer, given in following.items()
        ],
        "start": list(shown.at_yx),
    }


def _regions(
    at_yx: tuple[int, int], map_hw: tuple[int, int], taken_hw: tuple[int, int], channels: int, kernels: Kernels
) -> tuple[Region, Region]:
    """Places that can be pointed at, and what of the incoming maps their windows see: all, or what is near."""
    reach = max(map_hw)
    while True:
        rows, columns = (
            (max(0, at - reach), min(side, at + reach + 1)) for at, side in zip(at_yx, map_hw, strict=True)
        )
        spans = [_seen(span, axis, taken_hw[axis], kernels) for axis, span in enumerate((rows, columns))]
        size = channels * (spans[0][1] - spans[0][0]) * (spans[1][1] - spans[1][0])
        if size <= MOST_VALUES or reach == 0:
            places = Region(rows[0], columns[0], rows[1], columns[1])
            return places, Region(spans[0][0], spans[1][0], spans[0][1], spans[1][1])
        reach = int(reach * 0.8)


def _seen(span: tuple[int, int], axis: int, length: int, kernels: Kernels) -> tuple[int, int]:
    """The part of the incoming map, from and up to, that the windows of a span of places lie on."""
    stride, before, apart = kernels.stride[axis], kernels.before[axis], kernels.dilation[axis]
    reach = (int(kernels.weight.shape[2 + axis]) - 1) * apart
    first, last = span[0] * stride - before, (span[1] - 1) * stride - before + reach
    return min(max(0, first), length - 1), min(length, last + 1)


def _packed(values: npt.ArrayLike) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")
