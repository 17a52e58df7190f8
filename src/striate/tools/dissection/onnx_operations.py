"""Operations of ONNX as layers and functions of PyTorch."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.tools.dissection.layers import UnknownLayerError, convolution, linear, transposed_convolution, with_weights
from striate.tools.dissection.onnx_step import Build, Step, Value, given_by


def _pads(step: Step, axes: int) -> tuple[list[int], list[int]]:
    if step.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return _automatic_pads(step, axes)
    pads = step.attributes.get("pads") or [0] * (2 * axes)
    return pads[:axes], pads[axes:]


def _automatic_pads(step: Step, axes: int) -> tuple[list[int], list[int]]:
    """As little as keeps ceil(size / stride) places, the odd pixel after the map or before it."""
    sides = step.value.example.shape[2:]
    weight = step.get(1)
    kernel = step.attributes.get("kernel_shape") or (list(weight.shape[2:]) if isinstance(weight, Tensor) else [])
    stride = step.attributes.get("strides") or [1] * axes
    apart = step.attributes.get("dilations") or [1] * axes
    total = [
        max((-(-side // s) - 1) * s + (k - 1) * d + 1 - side, 0)
        for side, s, k, d in zip(sides, stride, kernel, apart, strict=True)
    ]
    less, more = [one // 2 for one in total], [one - one // 2 for one in total]
    return (less, more) if step.attributes["auto_pad"] == "SAME_UPPER" else (more, less)


def _evenly_padded(step: Step, value: float = 0.0) -> tuple[Value, list[int]]:
    """What a layer looks at, and the padding that it does itself, which is alike on both sides."""
    before, after = _pads(step, 2)
    if before == after:
        return step.value, before
    sides = (before[1], after[1], before[0], after[0])
    padding: nn.Module = nn.ZeroPad2d(sides) if value == 0 else nn.ConstantPad2d(sides, value)
    built = step.built.layer(f"{step.name}_padding", padding, step.value.node)
    return Value(built, given_by(padding, step.value.example)), [0, 0]


def _two(values: list[int]) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def _conv(step: Step) -> Value:
    weight, bias = step.tensor(1), step.tensor(2)
    if weight is None or weight.ndim != 4:
        raise UnknownLayerError("of kind Conv, which is not over two axes,")
    value, padding = _evenly_padded(step)
    stride, dilation = (_two(step.attributes.get(name) or [1, 1]) for name in ("strides", "dilations"))
    groups = step.attributes.get("group", 1)
    return step.layer(convolution(weight, bias, stride, _two(padding), dilation, groups), value)


def _transposed_conv(step: Step) -> Value:
    weight, bias = step.tensor(1), step.tensor(2)
    before, after = _pads(step, 2)
    groups = step.attributes.get("group", 1)
    if weight is None or weight.ndim != 4 or before != after or step.attributes.get("output_shape"):
        raise UnknownLayerError("of kind ConvTranspose, with uneven padding or a given shape,")
    stride, dilation = (_two(step.attributes.get(name) or [1, 1]) for name in ("strides", "dilations"))
    further = _two(step.attributes.get("output_padding") or [0, 0])
    return step.layer(transposed_convolution(weight, bias, stride, _two(before), further, dilation, groups))


def _batch_norm(step: Step) -> Value:
    scale, shift, mean, variance = (step.tensor(place) for place in (1, 2, 3, 4))
    assert mean is not None
    kind = nn.BatchNorm2d if step.value.example.ndim == 4 else nn.BatchNorm1d
    layer = kind(len(mean), step.attributes.get("epsilon", 1e-5))
    return step.layer(with_weights(layer, weight=scale, bias=shift, running_mean=mean, running_var=variance))


def _gemm(step: Step) -> Value:
    weight, bias = step.tensor(1), step.tensor(2)
    factors = step.attributes.get("alpha", 1.0), step.attributes.get("beta", 1.0)
    if weight is None or factors != (1.0, 1.0) or step.attributes.get("transA"):
        raise UnknownLayerError("of kind Gemm, with factors,")
    return _linear(step, weight if step.attributes.get("transB") else weight.T, bias)


def _matmul(step: Step) -> Value:
    other = step.get(1)
    if not isinstance(other, Tensor) or other.ndim != 2 or not isinstance(step.get(0), Value):
        return step.function(torch.matmul, *step.inputs)
    return _linear(step, other.T, None)


def _linear(step: Step, weight: Tensor, bias: Tensor | None) -> Value:
    bias = None if bias is None else bias.reshape(-1).expand(len(weight))
    return step.layer(linear(weight, bias))


def _max_pool(step: Step) -> Value:
    value, padding = _evenly_padded(step, float("-inf"))
    return step.layer(
        nn.MaxPool2d(
            _two(step.attributes["kernel_shape"]),
            _two(step.attributes.get("strides") or [1, 1]),
            _two(padding),
            _two(step.attributes.get("dilations") or [1, 1]),
            ceil_mode=bool(step.attributes.get("ceil_mode", 0)),
        ),
        value,
    )


def _average_pool(step: Step) -> Value:
    before, after = _pads(step, 2)
    if before != after or step.attributes.get("dilations", [1, 1]) != [1, 1]:
        raise UnknownLayerError("of kind AveragePool, with uneven padding or holes,")
    return step.layer(
        nn.AvgPool2d(
            _two(step.attributes["kernel_shape"]),
            _two(step.attributes.get("strides") or [1, 1]),
            _two(before),
            bool(step.attributes.get("ceil_mode", 0)),
            bool(step.attributes.get("count_include_pad", 0)),
        )
    )


def _mean(step: Step) -> Value:
    axes = step.numbers(1, "axes")
    keep = bool(step.attributes.get("keepdims", 1))
    count = step.value.example.ndim
    held = sorted(axis % count for axis in axes) if axes else list(range(count))
    if count == 4 and held == [2, 3]:
        pooled = step.layer(nn.AdaptiveAvgPool2d(1))
        return pooled if keep else step.function(torch.flatten, pooled, 1)
    return step.function(torch.mean, step.value, dim=held, keepdim=keep)


def _sum(step: Step) -> Value:
    axes = step.numbers(1, "axes") or list(range(step.value.example.ndim))
    return step.function(torch.sum, step.value, dim=axes, keepdim=bool(step.attributes.get("keepdims", 1)))


def _clip(step: Step) -> Value:
    low, high = (
        step.attributes.get(name) if (given := step.tensor(place)) is None else float(given)
        for place, name in ((1, "min"), (2, "max"))
    )
    if low == 0 and high is None:
        return step.layer(nn.ReLU())
    if low is None or high is None:
        return step.function(torch.clamp, step.value, min=low, max=high)
    return step.layer(nn.ReLU6() if (low, high) == (0, 6) else nn.Hardtanh(low, high))


def _prelu(step: Step) -> Value:
    slope = step.tensor(1)
    if slope is None or slope.numel() not in (1, step.value.example.shape[1]):
        raise UnknownLayerError("of kind PRelu, with a slope for each place,")
    return step.layer(with_weights(nn.PReLU(slope.numel()), weight=slope.reshape(-1)))


def _layer_norm(step: Step) -> Value:
    scale, shift = step.tensor(1), step.tensor(2)
    assert scale is not None
    epsilon = step.attributes.get("epsilon", 1e-5)
    return step.function(functional.layer_norm, step.value, list(scale.shape), scale, shift, eps=epsilon)


def _hard_sigmoid(step: Step) -> Value:
    slope, middle = step.attributes.get("alpha", 0.2), step.attributes.get("beta", 0.5)
    if abs(slope - 1 / 6) < 1e-6 and middle == 0.5:
        return step.layer(nn.Hardsigmoid())
    scaled = step.function(operator.add, step.function(operator.mul, step.value, slope), middle)
    return step.function(torch.clamp, scaled, min=0.0, max=1.0)


def _flatten(step: Step) -> Value:
    if step.attributes.get("axis", 1) != 1:
        raise UnknownLayerError("of kind Flatten, which mixes pictures,")
    return step.layer(nn.Flatten())


def _reshape(step: Step) -> Value:
    given = step.tensor(1)
    assert given is not None
    before = step.value.example.shape
    target = [int(one) for one in given.reshape(-1)]
    if not step.attributes.get("allowzero"):
        target = [int(before[place]) if side == 0 else side for place, side in enumerate(target)]
    shape = list(step.value.example.reshape(target).shape)
    if shape[0] != 1:
        raise UnknownLayerError("of kind Reshape, which mixes pictures,")
    if len(shape) == 2 and shape[1] == step.value.example.numel():
        return step.layer(nn.Flatten())
    built = step.built
    node = built.function(torch.reshape, step.value.node, [built.batch, *shape[1:]])
    return Value(node, step.value.example.reshape(shape))


def _squeeze(step: Step) -> Value:
    axes = step.numbers(1, "axes") or [place for place, side in enumerate(step.value.example.shape) if side == 1][1:]
    return step.function(torch.squeeze, step.value, dim=tuple(axes))


def _unsqueeze(step: Step) -> Value:
    value = step.value
    count = value.example.ndim + len(step.numbers(1, "axes") or [])
    for axis in sorted(one % count for one in step.numbers(1, "axes") or []):
        value = step.function(torch.unsqueeze, value, axis)
    return value


def _transpose(step: Step) -> Value:
    order = step.attributes.get("perm") or list(range(step.value.example.ndim))[::-1]
    return step.function(torch.permute, step.value, tuple(order))


def _pad(step: Step) -> Value:
    pads, mode = step.numbers(1, "pads") or [], step.attributes.get("mode", "constant")
    filled = step.tensor(2)
    if step.get(3) is not None or mode != "constant":
        raise UnknownLayerError(f"of kind Pad, {mode} or along given axes,")
    half = len(pads) // 2
    sides = [one for axis in reversed(range(half)) for one in (pads[axis], pads[half + axis])]
    number = step.attributes.get("value", 0.0) if filled is None else float(filled)
    if any(sides[4:]):
        return step.function(functional.pad, step.value, sides, value=number)
    return step.layer(nn.ConstantPad2d((sides[0], sides[1], sides[2], sides[3]), number))


def _resize(step: Step) -> Value:
    mode = step.attributes.get("mode", "nearest")
    places = step.attributes.get("coordinate_transformation_mode", "half_pixel")
    last = step.inputs[-1]
    if not isinstance(last, Tensor) or mode not in ("nearest", "linear") or last.numel() != 4:
        raise UnknownLayerError(f"of kind Resize, {mode},")
    sides = step.value.example.shape[2:]
    whole = last.dtype == torch.int64
    size = [int(one) if whole else int(side * float(one)) for side, one in zip(sides, last[2:], strict=True)]
    enlarges = all(new % old == 0 for new, old in zip(size, sides, strict=True))
    known = {"linear": ("half_pixel", "pytorch_half_pixel", "align_corners"), "nearest": ("asymmetric",)}[mode]
    if places not in known and not (mode == "nearest" and enlarges):
        raise UnknownLayerError(f"of kind Resize, {mode} by {places},")
    if mode == "nearest":
        return step.layer(nn.Upsample(size=tuple(size), mode="nearest"))
    return step.layer(nn.Upsample(size=tuple(size), mode="bilinear", align_corners=places == "align_corners"))


def split(step: Step, parts: int) -> tuple[Value, ...]:
    """An axis in parts: the one operation that gives several values."""
    axis = step.attributes.get("axis", 0)
    whole = step.value.example.shape[axis]
    sizes = step.numbers(1, "split") or [whole // parts] * parts
    found, start = [], 0
    for size in sizes:
        found.append(step.function(torch.narrow, step.value, axis, start, size))
        start += size
    return tuple(found)


def _slice(step: Step) -> Value:
    starts, ends = step.numbers(1, "starts") or [], step.numbers(2, "ends") or []
    axes = step.numbers(3, "axes") or list(range(len(starts)))
    steps = step.numbers(4, "steps") or [1] * len(starts)
    chosen = [slice(None)] * step.value.example.ndim
    for axis, start, end, each in zip(axes, starts, ends, steps, strict=True):
        if each < 1:
            raise UnknownLayerError("of kind Slice, backwards,")
        chosen[axis] = slice(start, end, each)
    return step.function(operator.getitem, step.value, tuple(chosen))


def _concat(step: Step) -> Value:
    return step.function(torch.cat, list(step.inputs), dim=step.attributes.get("axis", 1))


def _softmax(step: Step) -> Value:
    return step.layer(nn.Softmax(step.attributes.get("axis", -1) % step.value.example.ndim))


def _several(does: Callable[..., Any]) -> Build:
    def build(step: Step) -> Value:
        found: Any = step.inputs[0]
        for other in step.inputs[1:]:
            found = step.function(does, found, other)
        assert isinstance(found, Value)
        return found

    return build


def _one(does: Callable[[Tensor], Tensor]) -> Build:
    return lambda step: step.function(does, step.value)


def _layer(make: Callable[[Step], nn.Module]) -> Build:
    return lambda step: step.layer(make(step))


LAYERS: dict[str, Build] = {
    "Conv": _conv,
    "ConvTranspose": _transposed_conv,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "PRelu": _prelu,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _layer(lambda _: nn.AdaptiveAvgPool2d(1)),
    "GlobalMaxPool": _layer(lambda _: nn.AdaptiveMaxPool2d(1)),
    "ReduceMean": _mean,
    "ReduceSum": _sum,
    "Relu": _layer(lambda _: nn.ReLU()),
    "LeakyRelu": _layer(lambda step: nn.LeakyReLU(step.attributes.get("alpha", 0.01))),
    "Elu": _layer(lambda step: nn.ELU(step.attributes.get("alpha", 1.0))),
    "Sigmoid": _layer(lambda _: nn.Sigmoid()),
    "Tanh": _layer(lambda _: nn.Tanh()),
    "Softplus": _layer(lambda _: nn.Softplus()),
    "HardSwish": _layer(lambda _: nn.Hardswish()),
    "Gelu": _layer(lambda step: nn.GELU(step.attributes.get("approximate", "none"))),
    "HardSigmoid": _hard_sigmoid,
    "Clip": _clip,
    "Softmax": _softmax,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Pad": _pad,
    "Resize": _resize,
    "Split": lambda step: split(step, 1)[0],
    "Slice": _slice,
    "Concat": _concat,
    "Add": _several(operator.add),
    "Sub": _several(operator.sub),
    "Mul": _several(operator.mul),
    "Div": _several(operator.truediv),
    "Pow": _several(operator.pow),
    "Max": _several(torch.maximum),
    "Min": _several(torch.minimum),
    "Sqrt": _one(torch.sqrt),
    "Exp": _one(torch.exp),
    "Erf": _one(torch.erf),
    "Neg": _one(operator.neg),
    "Abs": _one(torch.abs),
    # Types of numbers are one here, and nothing is dropped when a network answers.
    "Cast": lambda step: step.value,
    "Identity": lambda step: step.value,
    "Dropout": lambda step: step.value,
}
"""By ONNX's name of the operation."""
