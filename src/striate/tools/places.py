"""Where an exported network begins to answer otherwise: the first of its layers, in order of computation.

The same network is written once more, with the output of every layer as an output of the graph. What a tool does to a
layer when it writes it, it does again. Only what it does to several layers at once (it fuses them to be fast) and what
was done to the file later does not show; then this is said.
"""

from __future__ import annotations

import copy
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.errors import ExportError
from striate.tools.base import Tool
from striate.tools.graph import Graph, named_tensors

INPUT = "input"
"""Name of the place before all layers: the normalised pixels."""

_SAME_PATTERN = 0.9999
"""Correlation from which two channels are one."""

_STILL = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.AlphaDropout)
"""Layers that pass on what they get."""


class Notes:
    """What layers gave, in order.

    An object of its own: PyTorch's exporter puts copies in the place of plain lists that modules hold.
    """

    def __init__(self) -> None:
        self.entries: list[tuple[str, Tensor]] = []
        self.names: list[str] = []


class Watched(nn.Module):
    """A layer that notes what it gives.

    Args:
        layer: The layer.
        name: What to call it.
        notes: Gets name and output at every call.
    """

    def __init__(self, layer: nn.Module, name: str, notes: Notes) -> None:
        super().__init__()
        self.layer = layer
        self.name = name
        self.notes = notes

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            # Networks ask their layers for weights and sizes.
            return getattr(super().__getattr__("layer"), name)

    def forward(self, *inputs: Any) -> Any:
        """What the layer gives, kept as it is now: the next one may write into the same memory."""
        given = self.layer(*inputs)
        if isinstance(given, Tensor):
            self.notes.entries.append((self.name, given.clone()))
        return given


class Recorded(nn.Module):
    """A network that gives what each of its layers gives, in order of computation.

    Its outputs have plain names that sort by themselves: tools have rules for names, and some put outputs in order.

    Args:
        network: Is copied.
        within: The layers get the names that they have in this network; their own where it is not given.
    """

    def __init__(self, network: nn.Module, within: nn.Module | None = None) -> None:
        super().__init__()
        known = {id(layer): name for name, layer in (within or network).named_modules()}
        places = {
            path: known.get(id(layer), path)
            for path, layer in network.named_modules(remove_duplicate=False)
            if path and not any(True for _ in layer.children()) and not isinstance(layer, _STILL)
        }
        self.notes = Notes()
        self.network = copy.deepcopy(network)
        watched: dict[int, Watched] = {}
        for path, name in places.items():
            layer = self.network.get_submodule(path)
            owner, _, last = path.rpartition(".")
            # A layer that stands in two places stays one.
            watched.setdefault(id(layer), Watched(layer, name, self.notes))
            self.network.get_submodule(owner)._modules[last] = watched[id(layer)]

    @property
    def names(self) -> list[str]:
        """What the outputs of the last call are: the input, layers, and the network's own outputs."""
        return self.notes.names

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Normalised pixels to what each layer gives, and last the network's outputs."""
        notes = self.notes
        notes.entries = [(INPUT, pixels.clone())]
        output = self.network(pixels)
        outputs = [(f"output {name}", tensor) for name, tensor in named_tensors(output)]
        found = [*notes.entries, *outputs]
        counts = Counter[str]()
        notes.entries, notes.names = [], []
        for name, _ in found:
            counts[name] += 1
            notes.names.append(name if counts[name] == 1 else f"{name} (call {counts[name]})")
        return {f"place_{index:04d}": tensor for index, (_, tensor) in enumerate(found)}


def first_apart(
    network: nn.Module,
    graph_of: Callable[[nn.Module], Graph],
    tool: Tool,
    stored: npt.NDArray[Any],
    shown: Tensor,
    *,
    tolerance: float,
    within: nn.Module | None = None,
) -> str:
    """Words on the place where a tool begins to differ from PyTorch.

    Args:
        network: What was written.
        graph_of: Makes of a network the graph that is written.
        tool: What it was written for.
        stored: What the artefact is fed, `(n, C, H, W)`.
        shown: What the network is fed of the same.
        tolerance: Largest difference that counts as rounding, as a share of the largest value.
        within: The network that gives the layers their names.
    """
    recorded = Recorded(network, within).eval()
    try:
        with torch.inference_mode():
            expected = recorded(shown)
        names = dict(zip(expected, recorded.names, strict=True))
        found = _written_again(graph_of(recorded), tool, stored)
        for key, other in sorted(found.items()):
            name, one = names[key], expected[key]
            if not close(one.numpy(), other, tolerance):
                return f"first at {name}{_order_words(one, other) if name == INPUT else ''}"
        with torch.inference_mode():
            outputs = dict(named_tensors(network(shown)))
        again = _written_again(graph_of(network), tool, stored)
    except (ExportError, ValueError) as error:
        return f"the first layer could not be looked for: {error}"
    if all(close(outputs[name].numpy(), other, tolerance) for name, other in again.items()):
        return "written again it gives the right answers, so this file was changed after it was written"
    return "each layer alone is right, so it is in how the tool computes several of them at once"


def close(expected: npt.NDArray[Any], found: npt.NDArray[Any], tolerance: float) -> bool:
    """Whether two outputs are the same to rounding; what is no number is not."""
    if expected.shape != found.shape:
        return False
    if not expected.size:
        return True
    wide = expected.astype(np.float64)
    gap = np.abs(wide - found).max()
    return bool(gap <= tolerance * max(float(np.abs(wide).max()), 1e-12))


def order_of(expected: Tensor, found: Tensor) -> tuple[int, ...]:
    """Which of the expected channels stands where: (2, 1, 0) for BGR in place of RGB; empty where it is not that.

    Channels are known by their pattern: those that were put in another order before they were normalised have another
    mean and spread.

    Args:
        expected: `(n, C, H, W)`.
        found: Of the same shape.
    """
    if expected.shape != found.shape:
        return ()
    here, there = (functional.normalize(_centred(one), dim=1).nan_to_num() for one in (expected, found))
    likeness, order = (there @ here.T).max(1)
    mixed = sorted(order.tolist()) == list(range(expected.shape[1])) != order.tolist()
    return tuple(order.tolist()) if mixed and bool((likeness > _SAME_PATTERN).all()) else ()


def _centred(pixels: Tensor) -> Tensor:
    """Every channel as a row of doubles whose mean is 0: `(C, n * H * W)`."""
    rows = pixels.double().transpose(0, 1).flatten(1)
    return rows - rows.mean(1, keepdim=True)


def _order_words(expected: Tensor, found: npt.NDArray[Any]) -> str:
    order = order_of(expected, torch.from_numpy(np.array(found)))
    return f" (the channels come in the order {', '.join(map(str, order))})" if order else ""


def _written_again(graph: Graph, tool: Tool, stored: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """What the tool gives, by the names of the outputs."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / tool.file
        names = tool.write(graph, file)
        return dict(zip(names, [np.array(one) for one in tool.open(file)(stored)], strict=True))


__all__ = ["INPUT", "Recorded", "close", "first_apart", "order_of"]
