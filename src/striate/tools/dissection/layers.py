"""A graph of layers, built one call after the other."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn

from striate.networks import Backbone
from striate.tools.meaning import PROBABILITIES, SCORES, SHARES, scores_behind

Pair: TypeAlias = tuple[int, int]


class UnknownLayerError(Exception):
    """Something that has no counterpart here; its words come before "cannot be taken apart here"."""


class LayerGraph:
    """Layers under their names, and what goes from one to the next.

    Attributes:
        traced: The number of pictures that shapes in the network name; -1 where they name none.
    """

    traced: int = -1

    def __init__(self) -> None:
        self.root = nn.Module()
        self.graph = fx.Graph()
        self._constants: dict[str, fx.Node] = {}
        self._picture: fx.Node

    def picture(self) -> fx.Node:
        """The input."""
        self._picture = self.graph.placeholder("picture")
        return self._picture

    @property
    def batch(self) -> fx.Node:
        """How many pictures there are."""
        return self.graph.call_method("size", (self._picture, 0))

    def layer(self, name: str, module: nn.Module, *inputs: Any) -> fx.Node:
        """Calls a layer; one without weights that is there under this name already is called again.

        Args:
            name: Where it stands, with dots between the parts.
            module: The layer.
            inputs: What it takes.
        """
        free = ".".join(f"{part}_" if part in _TAKEN else part for part in name.split("."))
        while (there := _found(self.root, free)) is not None and not _same(there, module):
            free = _next(free)
        if there is None:
            self._put(free, module)
        return self.graph.create_node("call_module", free, inputs)

    def function(self, does: Callable[..., Any], *inputs: Any, **options: Any) -> fx.Node:
        """Calls what is no layer."""
        return self.graph.call_function(does, inputs, options)

    def constant(self, name: str, tensor: Tensor) -> fx.Node:
        """A tensor that is the same for all pictures."""
        free = name.replace(".", "_") or "constant"
        if free not in self._constants:
            self.root.register_buffer(free, tensor.detach().clone())
            self._constants[free] = self.graph.create_node("get_attr", free)
        return self._constants[free]

    def finished(self, output: fx.Node) -> fx.GraphModule:
        """The whole, with its output."""
        self.graph.output(output)
        whole = fx.GraphModule(self.root, self.graph)
        whole.graph.eliminate_dead_code()
        return whole

    def _put(self, name: str, module: nn.Module) -> None:
        *parents, last = name.split(".")
        holder = self.root
        for part in parents:
            if part not in dict(holder.named_children()):
                holder.add_module(part, nn.Module())
            holder = holder.get_submodule(part)
        holder.add_module(last, module)


_TAKEN = {*dir(nn.Module()), *dir(Backbone)}
"""Names that a module has for other things."""


def with_weights(module: nn.Module, **tensors: Tensor | None) -> nn.Module:
    """A layer with given weights and statistics in the place of fresh ones."""
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        held = tensor.detach().clone()
        setattr(module, name, held if name.startswith("running_") else nn.Parameter(held))
    return module.eval()


def convolution(
    weight: Tensor,
    bias: Tensor | None,
    stride: Pair = (1, 1),
    padding: Pair | str = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> nn.Module:
    """A convolution with given weights, `(O, C / groups, kh, kw)`."""
    inputs, outputs, kernel = int(weight.shape[1]) * groups, int(weight.shape[0]), _kernel(weight)
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=bias is not None, device="meta")
    return with_weights(layer, weight=weight, bias=bias)


def transposed_convolution(
    weight: Tensor,
    bias: Tensor | None,
    stride: Pair,
    padding: Pair = (0, 0),
    output_padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> nn.Module:
    """The same the other way round, with weights `(C, O / groups, kh, kw)`."""
    inputs, outputs, kernel = int(weight.shape[0]), int(weight.shape[1]) * groups, _kernel(weight)
    has_bias = bias is not None
    layer = nn.ConvTranspose2d(
        inputs, outputs, kernel, stride, padding, output_padding, groups, has_bias, dilation, device="meta"
    )
    return with_weights(layer, weight=weight, bias=bias)


def linear(weight: Tensor, bias: Tensor | None) -> nn.Module:
    """A linear layer with given weights, `(O, D)`."""
    layer = nn.Linear(int(weight.shape[1]), int(weight.shape[0]), bias is not None, device="meta")
    return with_weights(layer, weight=weight, bias=bias)


def _kernel(weight: Tensor) -> Pair:
    return int(weight.shape[2]), int(weight.shape[3])


_LAST = MappingProxyType({SHARES: nn.Softmax, PROBABILITIES: nn.Sigmoid})
"""What made the outputs of scores, where a network gives something else."""


def with_scores(layers: fx.GraphModule, gives: str, classes: int, outputs: int) -> fx.GraphModule:
    """The same network with the scores of all classes as its output, without the softmax or sigmoid at its end.

    Args:
        layers: What the file holds.
        gives: What that gives: one of `meaning.GIVES`.
        classes: Number of classes.
        outputs: Number of its outputs, which may be one for two classes.
    """
    layers = copy.deepcopy(layers)
    (output,) = (node for node in layers.graph.nodes if node.op == "output")
    last = scores = output.args[0]
    if last.op == "call_module" and isinstance(layers.get_submodule(str(last.target)), _LAST.get(gives, ())):
        scores, gives = last.args[0], SCORES
    if gives != SCORES or outputs < classes:
        with layers.graph.inserting_before(output):
            scores = layers.graph.call_function(scores_behind, (scores, gives, classes))
    output.replace_input_with(last, scores)
    layers.graph.eliminate_dead_code()
    layers.recompile()
    return layers


def _found(root: nn.Module, name: str) -> nn.Module | None:
    for part in name.split("."):
        children = dict(root.named_children())
        if part not in children:
            return None
        root = children[part]
    return root


def _same(one: nn.Module, other: nn.Module) -> bool:
    """Whether a call of one layer may be a further call of the other."""
    if type(one) is not type(other) or repr(one) != repr(other) or not [*one.children()] == [*other.children()] == []:
        return False
    held, given = one.state_dict(), other.state_dict()
    return all(torch.equal(held[name], given[name]) for name in held)


def _next(name: str) -> str:
    stem, mark, number = name.rpartition("_")
    return f"{stem}_{int(number) + 1}" if mark and number.isdigit() else f"{name}_2"


__all__ = [
    "LayerGraph",
    "Pair",
    "UnknownLayerError",
    "convolution",
    "linear",
    "transposed_convolution",
    "with_scores",
    "with_weights",
]
