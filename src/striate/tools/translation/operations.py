"""Operations of PyTorch that only compute or put in order: sums, products, slices, other shapes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from striate.tools.translation.program import Weight
from striate.tools.translation.step import Step, Translation
from striate.tools.translation.writer import FIRST, LAST, Value, Writer

_MOST_CHANNELS = 4096
_ARITHMETIC = {"add": "Add", "multiply": "Multiply", "subtract": "Subtract", "divide": ""}
"""Functions of Keras, and its layers for two maps of one shape."""


def same(writer: Writer, step: Step) -> Value:
    """What only copies, or changes the type of numbers, which the first layer does."""
    del writer
    return step.value


def arithmetic(function: str) -> Translation:
    """A sum, difference, product or quotient of two."""

    def translation(writer: Writer, step: Step) -> Value:
        first, second = step.arguments[:2]
        if step.options.get("alpha", 1) != 1 or step.options.get("rounding_mode"):
            raise writer.refuse(f"{function} with options")
        if isinstance(first, Value) and isinstance(second, Value):
            return _of_two(writer, function, first, second, step.shape)
        value = first if isinstance(first, Value) else second
        other = second if isinstance(first, Value) else first
        if writer.training and function == "multiply" and isinstance(other, Tensor) and other.ndim == 0:
            key = next((key for key in step.keys[:2] if key), "")
            if key:
                return _learned_factor(writer, value, other, key, step.shape)
        scaled = _rescaled(writer, function, value, other, step) if isinstance(first, Value) else None
        if scaled is not None:
            return scaled
        given = _beside(writer, value, other) if isinstance(other, Tensor) else other
        pair = (value, given) if isinstance(first, Value) else (given, value)
        return writer.operation(function, pair, step.shape, last=value.last)

    return translation


def function(name: str) -> Translation:
    """A function of every number by itself."""
    return lambda writer, step: writer.operation(name, (step.value,), step.shape, last=step.value.last)


def power(writer: Writer, step: Step) -> Value:
    """A fixed exponent."""
    return writer.operation("power", (step.value, float(step.arguments[1])), step.shape, last=step.value.last)


def clamp(writer: Writer, step: Step) -> Value:
    """Cut off below, above, or both."""
    low, high = step.get(1, "min"), step.get(2, "max")
    value = step.value
    if low is not None:
        value = writer.operation("maximum", (value, float(low)), step.shape, last=value.last)
    if high is not None:
        value = writer.operation("minimum", (value, float(high)), step.shape, last=value.last)
    return value


def reduction(name: str) -> Translation:
    """A sum or mean along axes."""

    def translation(writer: Writer, step: Step) -> Value:
        value = step.value
        axes = sorted(int(axis) % value.axes for axis in step.arguments[1])
        keep = bool(step.get(2, "keepdim", False))
        if name == "mean" and value.last and axes == [2, 3]:
            return writer.layer(value, "GlobalAveragePooling2D", step.shape, {"keepdims": keep}, last=keep)
        if not keep or not value.last:
            value = writer.channels_first(value)
        held = [value.axis(axis) for axis in axes]
        return writer.operation(name, (value,), step.shape, last=value.last and keep, axis=held, keepdims=keep)

    return translation


def joined(writer: Writer, step: Step) -> Value:
    """Several along one axis."""
    values = list(step.arguments[0])
    if not all(isinstance(one, Value) for one in values):
        raise writer.refuse("a row of what depends on the picture and what does not")
    # Maps stay maps; everything else keeps PyTorch's order.
    put = writer.channels_last if any(one.last for one in values) else writer.channels_first
    values = [put(one) for one in values]
    return writer.layer(values, "Concatenate", step.shape, {"axis": values[0].axis(int(step.get(1, "dim", 0)))})


def chosen(writer: Writer, step: Step) -> Value:
    """One place of an axis, which is then gone."""
    axis, index = int(step.arguments[1]) % step.value.axes, int(step.arguments[2])
    value = step.value if axis == 1 else writer.channels_first(step.value)
    return writer.operation("take", (value, index), step.shape, axis=value.axis(axis))


def sliced(writer: Writer, step: Step) -> Value:
    """Some places of an axis."""
    value = step.value
    axis = int(step.get(1, "dim", 0)) % value.axes
    start, end = step.get(2, "start") or 0, step.get(3, "end")
    if axis == 0 or value.shape == step.shape:
        return value
    kept = range(value.shape[axis - 1])[start : end if end is None else int(end) : int(step.get(4, "step", 1))]
    return _taken(writer, value, kept, axis, step.shape)


def split(writer: Writer, step: Step) -> list[Value]:
    """An axis in parts."""
    value, sizes = step.value, [int(size) for size in step.arguments[1]]
    axis = int(step.get(2, "dim", 0)) % value.axes
    parts, start = [], 0
    for size in sizes:
        shape = (*value.shape[: axis - 1], size, *value.shape[axis:])
        parts.append(_taken(writer, value, range(start, start + size), axis, shape))
        start += size
    return parts


def reshaped(writer: Writer, step: Step) -> Value:
    """Another shape for each picture."""
    value = step.value
    if value.shape == step.shape:
        return value
    # A map of one pixel has its numbers in the same order either way.
    value = Value(value.number, value.shape, False) if value.shape[1:] == (1, 1) else writer.channels_first(value)
    if int(np.prod(value.shape)) != int(np.prod(step.shape)):
        raise writer.refuse("a shape that mixes pictures")
    if len(step.shape) == 1:
        return writer.layer(value, "Flatten", step.shape, last=False, suffix="flatten")
    return writer.layer(value, "Reshape", step.shape, {"target_shape": list(step.shape)}, last=False, suffix="reshape")


def permuted(writer: Writer, step: Step) -> Value:
    """Axes in another order."""
    return _permuted(writer, step.value, [int(axis) % step.value.axes for axis in step.arguments[1]], step.shape)


def transposed(writer: Writer, step: Step) -> Value:
    """Two axes for each other."""
    order = list(range(step.value.axes))
    first, second = (int(axis) % step.value.axes for axis in step.arguments[1:3])
    order[first], order[second] = order[second], order[first]
    return _permuted(writer, step.value, order, step.shape)


def expanded(writer: Writer, step: Step) -> Value:
    """Only where it changes nothing."""
    if step.value.shape != step.shape:
        raise writer.refuse("repetition along an axis")
    return step.value


def item(writer: Writer, step: Step) -> Any:
    """One of several results."""
    del writer
    return operator.getitem(*step.arguments)


OPERATIONS: dict[str, Translation] = {
    "aten.to.dtype": same,
    "aten._to_copy.default": same,
    "aten.clone.default": same,
    "aten.contiguous.default": same,
    "aten.detach.default": same,
    "aten.alias.default": same,
    "aten.add.Tensor": arithmetic("add"),
    "aten.add_.Tensor": arithmetic("add"),
    "aten.sub.Tensor": arithmetic("subtract"),
    "aten.mul.Tensor": arithmetic("multiply"),
    "aten.div.Tensor": arithmetic("divide"),
    "aten.neg.default": function("negative"),
    "aten.exp.default": function("exp"),
    "aten.sqrt.default": function("sqrt"),
    "aten.abs.default": function("absolute"),
    "aten.pow.Tensor_Scalar": power,
    "aten.clamp.default": clamp,
    "aten.clamp_min.default": clamp,
    "aten.sum.dim_IntList": reduction("sum"),
    "aten.mean.dim": reduction("mean"),
    "aten.cat.default": joined,
    "aten.select.int": chosen,
    "aten.slice.Tensor": sliced,
    "aten.split_with_sizes.default": split,
    "aten.view.default": reshaped,
    "aten.reshape.default": reshaped,
    "aten.flatten.using_ints": reshaped,
    "aten.unsqueeze.default": reshaped,
    "aten.squeeze.dim": reshaped,
    "aten.squeeze.dims": reshaped,
    "aten.permute.default": permuted,
    "aten.transpose.int": transposed,
    "aten.expand.default": expanded,
    str(operator.getitem): item,
}
"""By PyTorch's name of the operation."""


def _of_two(writer: Writer, function: str, first: Value, second: Value, shape: tuple[int, ...]) -> Value:
    if first.axes != second.axes:
        raise writer.refuse(f"{function} of a map and something of fewer axes")
    put = writer.channels_last if first.last or second.last else writer.channels_first
    first, second = put(first), put(second)
    kind = _ARITHMETIC[function]
    if kind and first.shape == second.shape:
        return writer.layer([first, second], kind, shape)
    return writer.operation(function, (first, second), shape, last=first.last)


def _learned_factor(writer: Writer, value: Value, factor: Tensor, key: str, shape: tuple[int, ...]) -> Value:
    """One number that training changes, which no layer of Keras' own has; see `workers/keras_training.py`."""
    weight = Weight("factor", key, (0,), (1,))
    module = key.rpartition(".")[0]
    return writer.layer(value, "Scale", shape, weights=[(weight, factor.detach().numpy())], module=module)


def _rescaled(writer: Writer, function: str, value: Value, other: Any, step: Step) -> Value | None:
    """A layer where the other one is a number, or a number for each channel."""
    if function == "divide":
        return None
    if isinstance(other, Tensor):
        array = _beside(writer, value, other)
        if array.size > 1 and (array.shape[-1] != array.size or array.size > min(value.held[-1], _MOST_CHANNELS)):
            return None
        numbers: Any = array.ravel().tolist() if array.size > 1 else float(array.ravel()[0])
    else:
        numbers = float(other)
    if function == "multiply":
        config = {"scale": numbers, "offset": 0.0}
    else:
        sign = 1 if function == "add" else -1
        offset = [sign * one for one in numbers] if isinstance(numbers, list) else sign * numbers
        config = {"scale": 1.0, "offset": offset}
    name = step.keys[1].rpartition(".")[2] if len(step.keys) > 1 else ""
    return writer.layer(value, "Rescaling", step.shape, config, suffix=name or "rescaled")


def _beside(writer: Writer, value: Value, other: Tensor) -> npt.NDArray[Any]:
    """A constant as it stands beside a value in Keras' order of axes."""
    array = other.detach().numpy()
    if not value.last or array.ndim < 2:
        if value.last and array.ndim == 1 and array.size > 1:
            raise writer.refuse("a number for each column")
        return np.ascontiguousarray(array)
    whole = array.reshape((1,) * (4 - array.ndim) + array.shape)
    return np.ascontiguousarray(whole.transpose(LAST))


def _taken(writer: Writer, value: Value, kept: Sequence[int], axis: int, shape: tuple[int, ...]) -> Value:
    return writer.operation("take", (value, list(kept)), shape, last=value.last, axis=value.axis(axis))


def _permuted(writer: Writer, value: Value, order: list[int], shape: tuple[int, ...]) -> Value:
    if order[0] != 0:
        raise writer.refuse("an order of axes in which pictures are not first")
    held = list(LAST) if value.last else list(range(value.axes))
    wanted = [held.index(axis) for axis in order]
    if wanted == sorted(wanted):
        return Value(value.number, shape, False)
    if value.axes == 4 and not value.last and wanted == list(FIRST):
        # What was channels last to PyTorch already is a map again.
        return Value(value.number, shape, True)
    return writer.layer(value, "Permute", shape, {"dims": wanted[1:]}, last=False, suffix="permute")
