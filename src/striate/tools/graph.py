"""A network as tools know networks: stored pixels in, a row of plain tensors out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.recipe import InputRecipe

PLAIN = "scores"
"""Name of an output that is one tensor."""


class Graph(nn.Module):
    """Normalisation, network, and its outputs end to end.

    Normalisation is inside, so that nobody who runs the artefact can forget it.

    Attributes:
        calibration: Stored pixels of real pictures, `(1, C, H, W)` each, by which a tool finds out what range values
            take; empty where no precision is asked for that needs them.

    Args:
        network: In evaluation mode.
        recipe: A filled input recipe.
        dtype: Type of the stored pixels.
    """

    calibration: Sequence[npt.NDArray[np.generic]] = ()

    def __init__(self, network: nn.Module, recipe: InputRecipe, dtype: str) -> None:
        super().__init__()
        if recipe.mean is None or recipe.std is None or recipe.scale is None or recipe.size_hw is None:
            raise ValueError("the recipe of the input is not filled")
        self.network = network
        self.size_hw = recipe.size_hw
        self.channels = len(recipe.mean)
        self.dtype = getattr(torch, dtype)
        # The same operations as `striate.data.pixels.normalise`, so that nothing differs but the tool.
        self.register_buffer("mean", torch.tensor(recipe.mean).mul_(recipe.scale).view(1, -1, 1, 1))
        self.register_buffer("factor", torch.tensor(recipe.std).mul_(recipe.scale).reciprocal_().view(1, -1, 1, 1))
        self.mean: Tensor
        self.factor: Tensor

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Stored pixels `(N, C, H, W)` to the tensors that the network's outputs consist of."""
        output = self.network((pixels.to(torch.float32) - self.mean) * self.factor)
        return tuple(tensor for _, tensor in named_tensors(output))

    def example(self, batch: int = 2) -> Tensor:
        """Pixels of the right shape and type, all zero."""
        return torch.zeros(batch, self.channels, *self.size_hw, dtype=self.dtype)

    def output_names(self) -> list[str]:
        """Name of each output."""
        with torch.inference_mode():
            output = self.network((self.example(1).to(torch.float32) - self.mean) * self.factor)
        return [name for name, _ in named_tensors(output)]


def named_tensors(output: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors of a network's output, in a fixed order, by the names of the fields that hold them."""
    if isinstance(output, Tensor):
        yield name or PLAIN, output
    elif dataclasses.is_dataclass(output):
        for field in dataclasses.fields(output):
            yield from named_tensors(getattr(output, field.name), _joined(name, field.name))
    elif parts := _parts(output):
        for key, value in parts:
            yield from named_tensors(value, _joined(name, key))


def rebuilt(template: Any, tensors: Iterator[Tensor]) -> Any:
    """An output like another one, with other tensors; what is no tensor is taken from the template.

    Args:
        template: What the network gave once.
        tensors: In the order of `named_tensors`.
    """
    if isinstance(template, Tensor):
        return next(tensors)
    if dataclasses.is_dataclass(template) and not isinstance(template, type):
        names = [field.name for field in dataclasses.fields(template)]
        return dataclasses.replace(template, **{name: rebuilt(getattr(template, name), tensors) for name in names})
    if isinstance(template, dict):
        return {key: rebuilt(value, tensors) for key, value in template.items()}
    if isinstance(template, list):
        return [rebuilt(value, tensors) for value in template]
    if isinstance(template, tuple) and hasattr(template, "_fields"):
        return type(template)(*(rebuilt(value, tensors) for value in template))
    return template


def _parts(output: Any) -> list[tuple[str, Any]]:
    if isinstance(output, dict):
        return [(str(key), value) for key, value in output.items()]
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return list(zip(output._fields, output, strict=True))
    return [(str(index), value) for index, value in enumerate(output)] if isinstance(output, list) else []


def _joined(name: str, inner: str) -> str:
    return f"{name}.{inner}" if name else inner
