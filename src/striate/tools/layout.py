"""Networks from elsewhere that take pictures with channels last, in tools whose pictures have them first here."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

_TO_FIRST, _TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def is_channels_last(sizes: Sequence[Any], shape: Sequence[int]) -> bool:
    """Whether an input of such sizes wants `(N, H, W, C)` and cannot want `(N, C, H, W)`.

    Args:
        sizes: Of its four axes; what is no whole number is open.
        shape: Channels, height and width of the pictures.
    """
    if len(sizes) != 4:
        return False
    channels, height, width = shape
    first, last = (
        all(not isinstance(size, int) or size == wanted for size, wanted in zip(sizes[1:], order, strict=True))
        for order in ((channels, height, width), (height, width, channels))
    )
    return last and not first


def turn_channels_first(model: onnx.ModelProto, shape: Sequence[int]) -> bool:
    """Lets a network in ONNX take `(N, C, H, W)`, and give maps so, if it wants channels last.

    Args:
        model: Is changed.
        shape: Channels, height and width of the pictures.

    Returns:
        Whether it was.
    """
    import onnx

    graph = model.graph
    weights = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in weights]
    if len(inputs) != 1 or not is_channels_last(_sizes(inputs[0]), shape):
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
