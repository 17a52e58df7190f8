"""PyTorch's exported programs as layers: elementary operations put back into the modules that they came from."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn

from striate.tools.dissection.layers import (
    LayerGraph,
    UnknownLayerError,
    convolution,
    linear,
    transposed_convolution,
    with_weights,
)

Build: TypeAlias = Callable[["Operation"], nn.Module | None]
"""The module that an operation came from; `None` where it is not like any."""


class Operation:
    """One operation with its arguments by name, where tensors that are the same for all pictures stand themselves.

    Args:
        node: Of a traced graph.
        tensors: The tensors of its arguments by their nodes.
    """

    def __init__(self, node: fx.Node, tensors: dict[fx.Node, Any]) -> None:
        schema = node.target._schema.arguments  # type: ignore[union-attr]
        given = [*node.args, *(None for _ in schema[len(node.args) :])]
        self.arguments = {
            one.name: node.kwargs.get(one.name, one.default_value if place >= len(node.args) else given[place])
            for place, one in enumerate(schema)
        }
        self._tensors = tensors
        self._node = node

    def __getitem__(self, name: str) -> Any:
        value = self.arguments[name]
        return self._tensors.get(value, value) if isinstance(value, fx.Node) else value

    @property
    def axes(self) -> int:
        """Of the first argument."""
        return int(self._node.args[0].meta["val"].ndim)  # type: ignore[union-attr]

    def pair(self, name: str) -> tuple[int, int]:
        """One number for both axes, or two."""
        return _pair(self[name])


def layers_of_program(program: torch.export.ExportedProgram) -> fx.GraphModule:
    """The network of an exported program as layers under the names that they had in it.

    Args:
        program: One picture input, one output.

    Raises:
        UnknownLayerError: Something in it has no counterpart.
    """
    # What changes its argument in place is then written as what gives another tensor.
    module = program.run_decompositions({}).module()
    built = LayerGraph()
    values: dict[fx.Node, Any] = {}
    tensors: dict[fx.Node, Any] = {}
    for node in module.graph.nodes:
        if node.op == "placeholder":
            values[node] = built.picture()
            count = node.meta["val"].shape[0]
            built.traced = count if isinstance(count, int) else -1
        elif node.op == "get_attr":
            tensors[node] = _attribute(module, str(node.target))
        elif node.op == "output":
            (output,) = torch.utils._pytree.tree_leaves(node.args)
            return built.finished(values[output])
        elif node.op == "call_function" and any(one in values for one in node.all_input_nodes):
            values[node] = _called(built, node, values, tensors)
        elif node.op == "call_function":
            # The same for all pictures.
            tensors[node] = _computed(node, tensors)
    raise AssertionError("a graph ends with its output")


def _called(built: LayerGraph, node: fx.Node, values: dict[fx.Node, Any], tensors: dict[fx.Node, Any]) -> Any:
    name = str(node.target).removeprefix("aten.")
    taken = [one for one in node.all_input_nodes if one in values]
    first = taken[0]
    if name in _PASSES:
        return values[first]
    if node.target is operator.getitem and str(first.target) in _WITH_MORE and values[first].op == "call_module":
        return values[first]
    if name.startswith(_RECURRENT):
        # Their states have the number of pictures in them, and with another one they end the process.
        raise UnknownLayerError(f"the layer {_name_of(node, name)}, which is recurrent,")
    build = LAYERS.get(name)
    if build is not None and len(taken) == 1:
        layer = build(Operation(node, tensors))
        if layer is not None:
            return built.layer(_name_of(node, name), layer, values[first])

    def put(one: fx.Node) -> Any:
        if one in values:
            return values[one]
        name, held = str(one.target) if one.op == "get_attr" else one.name, tensors[one]
        return built.constant(name, held) if isinstance(held, Tensor) else held

    arguments: Any
    arguments, options = fx.map_arg((node.args, node.kwargs), put)
    if str(node.target) in _SHAPED and _first_of(node.args[1]) == built.traced:
        # The shape names the number of pictures that the network was traced with.
        arguments = (arguments[0], [built.batch, *arguments[1][1:]], *arguments[2:])
    return built.function(node.target, *arguments, **options)  # type: ignore[arg-type]


def _first_of(shape: Any) -> int | None:
    """The number of pictures that a shape names; `None` where it is worked out, or all that is left."""
    return shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None


def _computed(node: fx.Node, tensors: dict[fx.Node, Any]) -> Any:
    arguments, options = fx.map_arg((node.args, node.kwargs), lambda one: tensors[one])
    return node.target(*arguments, **options)  # type: ignore[operator]


def _name_of(node: fx.Node, operation: str) -> str:
    """The module's own name; of a function inside of a module that holds others, both."""
    for argument in node.args:
        if isinstance(argument, fx.Node) and argument.op == "get_attr":
            return str(argument.target).rpartition(".")[0] or operation.partition(".")[0]
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = stack[-1] if stack else ("", "")
    # Names of parts in brackets and quotes come from containers.
    path = re.sub(r"\[['\"]?([^]'\"]+)['\"]?\]", r".\1", str(path)).removeprefix("L.").removeprefix("self.").strip(".")
    if path and "torch.nn.modules" in str(kind):
        return path
    short = operation.partition(".")[0].rstrip("_")
    return f"{path}.{short}" if path else short


def _attribute(module: nn.Module, name: str) -> Tensor:
    holder, _, last = name.rpartition(".")
    found: Tensor = getattr(module.get_submodule(holder), last)
    return found.detach()


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[-1]))


def _conv2d(given: Operation) -> nn.Module | None:
    weight, bias = given["weight"], given["bias"]
    if not isinstance(weight, Tensor):
        return None
    padding = given["padding"]
    inner = padding if isinstance(padding, str) else given.pair("padding")
    return convolution(weight, bias, given.pair("stride"), inner, given.pair("dilation"), given["groups"])


def _convolution(given: Operation) -> nn.Module | None:
    """The same one level further down, as decomposed programs and TorchScript have it."""
    if len(given["stride"]) != 2:
        return None
    if given["transposed"]:
        return _transposed_conv2d(given)
    return None if any(given["output_padding"]) else _conv2d(given)


def _transposed_conv2d(given: Operation) -> nn.Module | None:
    weight, bias = given["weight"], given["bias"]
    if not isinstance(weight, Tensor):
        return None
    around = given.pair("padding"), given.pair("output_padding")
    return transposed_convolution(weight, bias, given.pair("stride"), *around, given.pair("dilation"), given["groups"])


def _linear(given: Operation) -> nn.Module | None:
    weight, bias = given["weight"], given["bias"]
    if not isinstance(weight, Tensor):
        return None
    return linear(weight, bias)


def _added_product(given: Operation) -> nn.Module | None:
    """A linear layer with a bias, decomposed."""
    weight, bias = given["mat2"], given["self"]
    if not isinstance(weight, Tensor) or not isinstance(bias, Tensor) or (given["alpha"], given["beta"]) != (1, 1):
        return None
    return linear(weight.T, bias)


def _mean(given: Operation) -> nn.Module | None:
    """Global pooling, decomposed."""
    whole = sorted(axis % 4 for axis in given["dim"]) == [2, 3] and given.axes == 4 and given["keepdim"]
    return nn.AdaptiveAvgPool2d(1) if whole else None


def _batch_norm(given: Operation) -> nn.Module | None:
    mean, variance = given["running_mean"], given["running_var"]
    if not isinstance(mean, Tensor) or given.arguments.get("training"):
        return None
    layer = nn.BatchNorm2d(len(mean), given["eps"], given["momentum"], given["weight"] is not None)
    return with_weights(layer, weight=given["weight"], bias=given["bias"], running_mean=mean, running_var=variance)


def _max_pool(given: Operation) -> nn.Module:
    kernel = given.pair("kernel_size")
    stride = given.pair("stride") if given["stride"] else kernel
    return nn.MaxPool2d(kernel, stride, given.pair("padding"), given.pair("dilation"), ceil_mode=given["ceil_mode"])


def _average_pool(given: Operation) -> nn.Module:
    kernel = given.pair("kernel_size")
    stride = given.pair("stride") if given["stride"] else kernel
    return nn.AvgPool2d(
        kernel,
        stride,
        given.pair("padding"),
        given["ceil_mode"],
        given["count_include_pad"],
        given["divisor_override"],
    )


def _hardtanh(given: Operation) -> nn.Module:
    low, high = given["min_val"], given["max_val"]
    return nn.ReLU6() if (low, high) == (0, 6) else nn.Hardtanh(low, high)


_PASSES = {
    "dropout.default",
    "feature_dropout.default",
    "alpha_dropout.default",
    "to.dtype",
    "_to_copy.default",
    "to.dtype_layout",
    "clone.default",
    "contiguous.default",
    "detach.default",
    "alias.default",
    "lift_fresh_copy.default",
}
"""What leaves values as they are when a network answers; types of numbers are one here."""

_WITH_MORE = (
    "aten._native_batch_norm_legit_no_training.default",
    "aten.native_batch_norm.default",
    "aten.max_pool2d_with_indices.default",
)
"""Operations that give more than what comes out of the layer, which comes first."""

_RECURRENT = ("lstm.", "gru.", "rnn_")

_SHAPED = ("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default", "aten.expand.default")
"""Operations whose second argument is a shape."""

LAYERS: dict[str, Build] = {
    "conv2d.default": _conv2d,
    "conv2d.padding": _conv2d,
    "conv_transpose2d.input": _transposed_conv2d,
    "convolution.default": _convolution,
    "_convolution.default": _convolution,
    "linear.default": _linear,
    "addmm.default": _added_product,
    "mean.dim": _mean,
    "batch_norm.default": _batch_norm,
    "native_batch_norm.default": _batch_norm,
    "_native_batch_norm_legit_no_training.default": _batch_norm,
    "max_pool2d.default": _max_pool,
    "max_pool2d_with_indices.default": _max_pool,
    "avg_pool2d.default": _average_pool,
    "adaptive_avg_pool2d.default": lambda given: nn.AdaptiveAvgPool2d(given.pair("output_size")),
    "adaptive_max_pool2d.default": lambda given: nn.AdaptiveMaxPool2d(given.pair("output_size")),
    "relu.default": lambda _: nn.ReLU(),
    "relu6.default": lambda _: nn.ReLU6(),
    "hardtanh.default": _hardtanh,
    "leaky_relu.default": lambda given: nn.LeakyReLU(given["negative_slope"]),
    "elu.default": lambda given: nn.ELU(given["alpha"]),
    "sigmoid.default": lambda _: nn.Sigmoid(),
    "tanh.default": lambda _: nn.Tanh(),
    "silu.default": lambda _: nn.SiLU(),
    "gelu.default": lambda given: nn.GELU(given["approximate"]),
    "softplus.default": lambda given: nn.Softplus(given["beta"], given["threshold"]),
    "hardswish.default": lambda _: nn.Hardswish(),
    "hardsigmoid.default": lambda _: nn.Hardsigmoid(),
    "softmax.int": lambda given: nn.Softmax(given["dim"]),
    "_softmax.default": lambda given: nn.Softmax(given["dim"]),
}
"""By PyTorch's name of the operation."""
