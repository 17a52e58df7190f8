"""One node of an ONNX file, with what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn

from striate.tools.dissection.layers import LayerGraph, UnknownLayerError


@dataclass(frozen=True, slots=True)
class Value:
    """What depends on the picture.

    Attributes:
        node: In the new graph.
        example: What it is for a picture of zeros.
    """

    node: fx.Node
    example: Tensor


Given: TypeAlias = Value | Tensor | None
"""A value, what is the same for all pictures, or what was left out."""


@dataclass(slots=True)
class Step:
    """One node of the file.

    Attributes:
        built: Where it is written.
        kind: Name of the operation.
        name: Where it stands in the network.
        inputs: What it takes.
        attributes: Its arguments.
    """

    built: LayerGraph
    kind: str
    name: str
    inputs: list[Given]
    attributes: dict[str, Any]

    def get(self, place: int) -> Given:
        """An input that may be left out."""
        return self.inputs[place] if place < len(self.inputs) else None

    def tensor(self, place: int) -> Tensor | None:
        """An input that is the same for all pictures; `None` where it is left out.

        Raises:
            UnknownLayerError: It depends on the picture.
        """
        given = self.get(place)
        if isinstance(given, Value):
            raise UnknownLayerError(f"of kind {self.kind}, whose weights depend on the picture,")
        return given

    def numbers(self, place: int, name: str) -> list[int] | None:
        """What newer files have as an input and older ones as an argument."""
        given = self.tensor(place)
        return self.attributes.get(name) if given is None else [int(one) for one in given.reshape(-1)]

    @property
    def value(self) -> Value:
        """The first input."""
        first = self.inputs[0]
        if not isinstance(first, Value):
            raise UnknownLayerError(f"of kind {self.kind}, which works on what is no picture,")
        return first

    def layer(self, module: nn.Module, value: Value | None = None) -> Value:
        """Writes it as a layer."""
        value = value or self.value
        return Value(self.built.layer(self.name, module.eval(), value.node), given_by(module, value.example))

    def function(self, does: Callable[..., Any], *inputs: Any, **options: Any) -> Value:
        """Writes it as a function; values and tensors among its inputs, in lists too, are put in place."""
        nodes = self._nodes(inputs)
        with torch.no_grad():
            example = does(*_examples(inputs), **options)
        return Value(self.built.function(does, *nodes, **options), example)

    def _nodes(self, given: Any) -> Any:
        """Values as nodes, tensors as constants."""
        if isinstance(given, Value):
            return given.node
        if isinstance(given, Tensor):
            return self.built.constant(f"{self.name}_{len(self.built.graph.nodes)}", given)
        return type(given)(map(self._nodes, given)) if isinstance(given, list | tuple) else given


Build: TypeAlias = Callable[[Step], Value]


def given_by(module: nn.Module, example: Tensor) -> Tensor:
    """What a layer makes of an example, so that the sizes of all that follows are known."""
    with torch.no_grad():
        given: Tensor = module.eval()(example)
    return given


def _examples(given: Any) -> Any:
    if isinstance(given, Value):
        return given.example
    return type(given)(map(_examples, given)) if isinstance(given, list | tuple) else given
