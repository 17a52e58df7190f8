"""How far a tool's outputs are from PyTorch's, and where in the network they begin to be."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.data.pixels import normalise
from striate.errors import ExportError
from striate.runs.run import Run
from striate.tools.exported import Exported
from striate.tools.graph import Graph, named_tensors
from striate.tools.looks import cuts_of, graph_of, looks_of
from striate.tools.places import first_apart


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one output is from PyTorch's, over all pictures.

    Attributes:
        output: Its name.
        largest: Largest difference.
        mean: Mean difference.
        relative: The largest difference as a share of the output's largest value.
    """

    output: str
    largest: float
    mean: float
    relative: float


@dataclass(slots=True)
class Gaps:
    """Differences of outputs, gathered over batches.

    Attributes:
        file: The artefact, for the words of errors.
        prefix: Stands before the names of outputs.
    """

    file: Path
    prefix: str = ""
    _largest: dict[str, float] = field(default_factory=dict)
    _means: dict[str, list[float]] = field(default_factory=dict)
    _top: dict[str, float] = field(default_factory=dict)

    def add(self, here: Any, there: Any) -> None:
        """Compares the outputs of one batch, PyTorch's and the tool's.

        Raises:
            ExportError: They have other shapes.
        """
        expected = dict(named_tensors(here))
        for name, found in named_tensors(there):
            one, label = expected[name], f"{self.prefix}{name}"
            if found.shape != one.shape:
                raise ExportError(
                    f"the output {label} has the shape {tuple(found.shape)}, PyTorch's {tuple(one.shape)}.",
                    where=self.file,
                    fix="Export the run again.",
                )
            if not found.numel():
                continue
            gap = (found.double() - one.double()).abs()
            # What is no number must not be lost in a comparison.
            worst = float(gap.max()) if bool(gap.isfinite().all()) else float("inf")
            self._largest[label] = max(self._largest.get(label, 0.0), worst)
            self._means.setdefault(label, []).append(float(gap.mean()))
            self._top[label] = max(self._top.get(label, 0.0), float(one.abs().max()))

    def found(self) -> list[Difference]:
        """The difference of every output."""
        return [
            Difference(name, largest, statistics.fmean(self._means[name]), largest / max(self._top[name], 1e-12))
            for name, largest in self._largest.items()
        ]


@torch.inference_mode()
def look_differences(run: Run, exported: Exported, stored: Tensor) -> list[Difference]:
    """Those of what a head of two stages says when it looks again, both about the same cut-outs of PyTorch's maps.

    Args:
        run: The run.
        exported: The artefact.
        stored: What it is fed of some pictures, `(F, C, H, W)`.
    """
    here, there = run.network(normalise(stored.clone(), run.recipe.input)), exported.network(stored)
    found = []
    others = looks_of(there)
    cuts = cuts_of(here)
    for name, look in looks_of(here).items():
        gaps = Gaps(exported.file, f"{name}.")
        gaps.add(look(cuts[name]), others[name](cuts[name]))
        found += gaps.found()
    return found


def looked_again(output: Any) -> Any:
    """All that has weights, done: the second look of heads that take one."""
    return output.head.second_stage(output) if looks_of(output) else output


def place_of(run: Run, exported: Exported, stored: Tensor, output: str, tolerance: float) -> str:
    """Words on where in the network an output begins to differ.

    Args:
        run: The run.
        exported: The artefact.
        stored: What it is fed of one picture, `(1, C, H, W)`.
        output: The output's name.
        tolerance: What counts as rounding.
    """
    shown = normalise(stored.clone(), run.recipe.input)
    with torch.inference_mode():
        here = run.network(shown)
    name = output.split(".")[0]
    if look := looks_of(here).get(name):
        cut = cuts_of(here)[name]

        def graph(network: nn.Module) -> Graph:
            return graph_of(network, look.channels, look.cells)

        return first_apart(look, graph, exported.tool, cut.numpy(), cut, tolerance=tolerance, within=run.network)
    pixels = stored.numpy().astype(np.dtype(run.facts.dtype))
    recipe, dtype = run.recipe.input, run.facts.dtype
    return first_apart(
        run.network, lambda one: Graph(one, recipe, dtype).eval(), exported.tool, pixels, shown, tolerance=tolerance
    )


__all__ = ["Difference", "Gaps", "look_differences", "looked_again", "place_of"]
