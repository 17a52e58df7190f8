"""Networks from elsewhere that take pictures with channels last, in tools whose pictures have them first here."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

_TO_FIRST, _TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)

_FEW = 4
"""Channels of a picture, at most, where nothing but a shape says which axis holds them."""


def is_channels_last(shape: Sequence[Any]) -> bool:
    """Whether such an input wants `(N, H, W, C)`; what is no whole number in it is not known."""

    def few(size: Any) -> bool:
        return isinstance(size, int) and 0 < size <= _FEW

    return len(shape) == 4 and few(shape[3]) and not few(shape[1])


def turn_channels_first(model: onnx.ModelProto) -> bool:
    """Lets a network in ONNX take `(N, C, H, W)`, and give maps so, if it wants channels last; whether it did."""
    import onnx

    graph = model.graph
    weights = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in weights]
    if len(inputs) != 1 or not is_channels_last(_sizes(inputs[0])):
        return False
    picture = inputs[0]
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    outer = copy.deepcopy(picture)
    outer.name = _free(f"{picture.name}_channels_first", taken)
    _turn(outer, _TO_FIRST)
    graph.node.insert(0, onnx.helper.make_node("Transpose", [outer.name], [picture.name], perm=_TO_LAST))
    graph.input.remove(picture)
    graph.input.insert(0, outer)
    for given in graph.output:
        if len(_sizes(given)) == 4:
            inner, given.name = given.name, _free(f"{given.name}_channels_first", taken)
            graph.node.append(onnx.helper.make_node("Transpose", [inner], [given.name], perm=_TO_FIRST))
            _turn(given, _TO_FIRST)
    return True


def _sizes(value: onnx.ValueInfoProto) -> list[Any]:
    """Its axes: whole numbers, or names of those that are not known."""
    return [axis.dim_value or axis.dim_param for axis in value.type.tensor_type.shape.dim]


def _turn(value: onnx.ValueInfoProto, order: Sequence[int]) -> None:
    shape = value.type.tensor_type.shape
    before = [copy.deepcopy(axis) for axis in shape.dim]
    for axis, place in zip(shape.dim, order, strict=True):
        axis.CopyFrom(before[place])


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


__all__ = ["is_channels_last", "turn_channels_first"]
