"""Operations of PyTorch that are layers in Keras: convolution, normalisation, pooling, resizing, activation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from striate.tools.translation.program import Weight
from striate.tools.translation.step import Step, Translation
from striate.tools.translation.writer import Value, Writer

LOWEST = float(np.finfo(np.float32).min)
"""What stands around maps that a maximum is taken of; infinity cannot be written into a file of Keras."""


def conv2d(writer: Writer, step: Step) -> Value:
    """Any groups; channels of which each has kernels of its own become a depthwise layer."""
    weight, bias = step.arguments[1], step.get(2, "bias")
    stride, dilation = step.pair(3, "stride", 1), step.pair(5, "dilation", 1)
    groups = int(step.get(6, "groups", 1))
    outputs, _, *kernel = weight.shape
    padding = step.get(4, "padding", 0)
    if isinstance(padding, str):
        inner = (0, 0) if padding == "valid" else tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    else:
        inner = step.pair(4, "padding", 0)
    value, config = _padded(writer, writer.channels_last(step.value), kernel, stride, inner, dilation)
    config |= {"kernel_size": list(kernel), "use_bias": bias is not None}
    depthwise = groups == value.shape[0] and groups > 1 and stride[0] == stride[1]
    if depthwise:
        each = outputs // groups
        own = Weight("kernel", step.keys[1], (2, 3, 0, 1), (groups, each, *kernel))
        kind, config = "DepthwiseConv2D", {**config, "depth_multiplier": each}
    else:
        own = Weight("kernel", step.keys[1], (2, 3, 1, 0))
        kind, config = "Conv2D", {**config, "filters": outputs, "groups": groups}
    return _with_weights(writer, step, value, kind, config, [(own, weight), *_bias(step, bias)])


def transposed_conv2d(writer: Writer, step: Step) -> Value:
    """Enlarging with learned kernels that do not hang over the edge."""
    weight, bias = step.arguments[1], step.get(2, "bias")
    stride = step.pair(3, "stride", 1)
    plain = step.pair(4, "padding", 0) == step.pair(5, "output_padding", 0) == (0, 0)
    if not plain or step.get(6, "groups", 1) != 1 or step.pair(7, "dilation", 1) != (1, 1):
        raise writer.refuse("a transposed convolution with padding, groups or holes")
    _, outputs, *kernel = weight.shape
    config = {"filters": outputs, "kernel_size": list(kernel), "strides": list(stride), "use_bias": bias is not None}
    weights = [(Weight("kernel", step.keys[1], (2, 3, 1, 0)), weight), *_bias(step, bias)]
    return _with_weights(writer, step, writer.channels_last(step.value), "Conv2DTranspose", config, weights)


def linear(writer: Writer, step: Step) -> Value:
    """Works on the last axis, as Keras' own does."""
    weight, bias = step.arguments[1], step.get(2, "bias")
    config = {"units": len(weight), "use_bias": bias is not None}
    weights = [(Weight("kernel", step.keys[1], (1, 0)), weight), *_bias(step, bias)]
    return _with_weights(writer, step, writer.channels_first(step.value), "Dense", config, weights)


def batch_norm(writer: Writer, step: Step) -> Value:
    """Keras' momentum is the share that is kept, PyTorch's the share that is new."""
    value = step.value
    if value.axes not in (2, 4):
        raise writer.refuse(f"batch normalisation of {value.axes} axes")
    scale, shift, mean, variance, _, momentum, epsilon = step.arguments[1:8]
    value = writer.channels_last(value) if value.axes == 4 else value
    config = {"momentum": 1 - momentum, "epsilon": epsilon, "scale": scale is not None, "center": shift is not None}
    given = zip(("gamma", "beta", "moving_mean", "moving_variance"), (scale, shift, mean, variance), strict=True)
    weights = [
        (Weight(name, key, (0,)), array)
        for (name, array), key in zip(given, step.keys[1:5], strict=True)
        if array is not None
    ]
    # One that keeps its statistics while the others gather theirs must be told so.
    fixed = {"training": False} if writer.training and not step.get(5, "training") else {}
    return _with_weights(writer, step, value, "BatchNormalization", config, weights, **fixed)


def max_pool(writer: Writer, step: Step) -> Value:
    """Padding is lower than any number, and a last window may hang over the edge."""
    value = writer.channels_last(step.value)
    kernel = step.pair(1, "kernel_size", 1)
    stride, padding = step.pair(2, "stride", kernel), step.pair(3, "padding", 0)
    if step.pair(4, "dilation", 1) != (1, 1):
        raise writer.refuse("a maximum over windows with holes")
    around = [
        (before, max(0, (outer - 1) * each + width - side - before))
        for side, outer, width, each, before in zip(
            value.shape[1:], step.shape[1:], kernel, stride, padding, strict=True
        )
    ]
    if any(map(any, around)):
        shape = (value.shape[0], *(side + sum(more) for side, more in zip(value.shape[1:], around, strict=True)))
        width = [[0, 0], *map(list, around), [0, 0]]
        value = writer.operation("pad", (value, width), shape, last=True, constant_values=LOWEST)
    config = {"pool_size": list(kernel), "strides": list(stride)}
    return writer.layer(value, "MaxPooling2D", step.shape, config)


def average_pool(writer: Writer, step: Step) -> Value:
    """Windows that lie inside the map."""
    kernel = step.pair(1, "kernel_size", 1)
    if step.pair(3, "padding", 0) != (0, 0) or step.get(4, "ceil_mode", False):
        raise writer.refuse("a mean over windows that hang over the edge")
    config = {"pool_size": list(kernel), "strides": list(step.pair(2, "stride", kernel))}
    return writer.layer(writer.channels_last(step.value), "AveragePooling2D", step.shape, config)


def adaptive_average_pool(writer: Writer, step: Step) -> Value:
    """To a given number of places, whose windows may overlap."""
    value = writer.channels_last(step.value)
    inner, outer = value.shape[1:], step.shape[1:]
    if outer == (1, 1):
        return writer.layer(value, "GlobalAveragePooling2D", step.shape, {"keepdims": True})
    if outer == inner:
        return value
    if all(side % wanted == 0 for side, wanted in zip(inner, outer, strict=True)):
        size = [side // wanted for side, wanted in zip(inner, outer, strict=True)]
        return writer.layer(value, "AveragePooling2D", step.shape, {"pool_size": size, "strides": size})
    rows, columns = (
        functional.adaptive_avg_pool1d(torch.eye(side)[None], wanted)[0].T
        for side, wanted in zip(inner, outer, strict=True)
    )
    return _separable(writer, value, rows, columns, step.shape)


def resize(interpolation: str) -> Translation:
    """Enlarging and shrinking by nearest neighbour or between the neighbours."""

    def translation(writer: Writer, step: Step) -> Value:
        value = writer.channels_last(step.value)
        inner, outer = value.shape[1:], step.shape[1:]
        corners = interpolation == "bilinear" and bool(step.get(2, "align_corners", False))
        if outer == inner:
            return value
        if not corners and all(wanted % side == 0 for side, wanted in zip(inner, outer, strict=True)):
            size = [wanted // side for side, wanted in zip(inner, outer, strict=True)]
            return writer.layer(
                value, "UpSampling2D", step.shape, {"size": size, "interpolation": interpolation}, suffix="enlarged"
            )
        options = {"mode": "bilinear", "align_corners": corners} if interpolation == "bilinear" else {"mode": "nearest"}
        rows, columns = (
            functional.interpolate(torch.eye(side)[None, :, :, None], size=(wanted, 1), **options)[0, :, :, 0].T
            for side, wanted in zip(inner, outer, strict=True)
        )
        return _separable(writer, value, rows, columns, step.shape)

    return translation


def dropout(writer: Writer, step: Step) -> Value:
    """Does something in training only."""
    share = float(step.arguments[1])
    return writer.layer(step.value, "Dropout", step.shape, {"rate": share}) if share else step.value


def activation(kind: str, **config: Any) -> Translation:
    """A layer that changes every number by itself."""

    def translation(writer: Writer, step: Step) -> Value:
        return writer.layer(step.value, kind, step.shape, dict(config))

    return translation


def hardtanh(writer: Writer, step: Step) -> Value:
    """Cut off on both sides; from 0 on it is a rectifier with a ceiling."""
    low, high = step.get(1, "min_val", -1.0), step.get(2, "max_val", 1.0)
    if low == 0:
        return writer.layer(step.value, "ReLU", step.shape, {"max_value": float(high)})
    return writer.operation("clip", (step.value, float(low), float(high)), step.shape, last=step.value.last)


def leaky_relu(writer: Writer, step: Step) -> Value:
    """A slope below 0."""
    return writer.layer(
        step.value, "LeakyReLU", step.shape, {"negative_slope": float(step.get(1, "negative_slope", 0.01))}
    )


def elu(writer: Writer, step: Step) -> Value:
    """An exponential below 0."""
    return writer.layer(step.value, "ELU", step.shape, {"alpha": float(step.get(1, "alpha", 1.0))})


def softmax(writer: Writer, step: Step) -> Value:
    """Along one axis."""
    axis = step.value.axis(int(step.get(1, "dim", -1)))
    return writer.layer(step.value, "Softmax", step.shape, {"axis": axis})


def pad(writer: Writer, step: Step) -> Value:
    """Zeros around maps, or maps of zeros beside them."""
    sides = [int(one) for one in step.arguments[1]]
    if step.get(2, "mode", "constant") != "constant" or step.get(3, "value", None) not in (None, 0):
        raise writer.refuse("padding with anything but zeros")
    value = writer.channels_last(step.value) if step.value.axes == 4 else step.value
    # PyTorch counts axes from the last one.
    around = {value.axes - 1 - place // 2: sides[place : place + 2] for place in range(0, len(sides), 2)}
    if value.last and not any(around.get(1, (0, 0))):
        config = {"padding": [around[2], around[3]] if 2 in around else [[0, 0], around[3]]}
        return writer.layer(value, "ZeroPadding2D", step.shape, config, suffix="padding")
    width = [[0, 0]] * value.axes
    for axis, pair in around.items():
        width[value.axis(axis)] = pair
    return writer.operation("pad", (value, width), step.shape, last=value.last)


LAYERS: dict[str, Translation] = {
    "aten.conv2d.default": conv2d,
    "aten.conv2d.padding": conv2d,
    "aten.conv_transpose2d.input": transposed_conv2d,
    "aten.linear.default": linear,
    "aten.batch_norm.default": batch_norm,
    "aten.max_pool2d.default": max_pool,
    "aten.avg_pool2d.default": average_pool,
    "aten.adaptive_avg_pool2d.default": adaptive_average_pool,
    "aten.upsample_nearest2d.vec": resize("nearest"),
    "aten.upsample_bilinear2d.vec": resize("bilinear"),
    "aten.dropout.default": dropout,
    "aten.dropout_.default": dropout,
    "aten.pad.default": pad,
    "aten.hardtanh.default": hardtanh,
    "aten.leaky_relu.default": leaky_relu,
    "aten.elu.default": elu,
    "aten.softmax.int": softmax,
    "aten.relu.default": activation("ReLU"),
    "aten.relu6.default": activation("ReLU", max_value=6.0),
    "aten.sigmoid.default": activation("Activation", activation="sigmoid"),
    "aten.tanh.default": activation("Activation", activation="tanh"),
    "aten.silu.default": activation("Activation", activation="silu"),
    "aten.gelu.default": activation("Activation", activation="gelu"),
    "aten.softplus.default": activation("Activation", activation="softplus"),
    "aten.hardswish.default": activation("Activation", activation="hard_swish"),
    "aten.hardsigmoid.default": activation("Activation", activation="hard_sigmoid"),
}
"""By PyTorch's name of the operation; what changes its argument in place does the same."""
LAYERS |= {name.replace(".default", "_.default"): one for name, one in LAYERS.items() if name.endswith(".default")}


def _with_weights(
    writer: Writer,
    step: Step,
    value: Value,
    kind: str,
    config: dict[str, Any],
    weights: list[tuple[Weight, Tensor]],
    **options: Any,
) -> Value:
    """A layer with weights, under the name of the module that holds them."""
    module = step.keys[1].rpartition(".")[0] if step.keys[1] else writer.place
    arrays = [(weight, tensor.numpy()) for weight, tensor in weights]
    trainable = all(weight.key for weight, _ in weights)
    return writer.layer(value, kind, step.shape, config, weights=arrays, module=module, trainable=trainable, **options)


def _bias(step: Step, bias: Tensor | None) -> list[tuple[Weight, Tensor]]:
    key = step.keys[2] if len(step.keys) > 2 else ""
    return [] if bias is None else [(Weight("bias", key, (0,)), bias)]


def _padded(
    writer: Writer,
    value: Value,
    kernel: list[int],
    stride: tuple[int, int],
    padding: tuple[int, ...],
    dilation: tuple[int, int],
) -> tuple[Value, dict[str, Any]]:
    """What a convolution looks at and how.

    Keras' "same" puts the odd pixel of padding after the map where the stride is not 1; PyTorch has none.
    """
    config: dict[str, Any] = {"strides": list(stride), "dilation_rate": list(dilation), "padding": "valid"}
    if not any(padding):
        return value, config
    full = all(2 * p == d * (k - 1) for p, d, k in zip(padding, dilation, kernel, strict=True))
    if full and stride == (1, 1):
        return value, config | {"padding": "same"}
    shape = (value.shape[0], *(side + 2 * p for side, p in zip(value.shape[1:], padding, strict=True)))
    return writer.layer(value, "ZeroPadding2D", shape, {"padding": list(padding)}, suffix="padding"), config


def _separable(writer: Writer, value: Value, rows: Tensor, columns: Tensor, shape: tuple[int, ...]) -> Value:
    """Sums along columns, then along rows, with given weights: `(outer, inner)` each."""
    half = (shape[0], shape[1], value.shape[2])
    tall = writer.operation("einsum", ("nhwc,ih->niwc", value, _array(rows)), half, last=True)
    return writer.operation("einsum", ("niwc,jw->nijc", tall, _array(columns)), shape, last=True)


def _array(tensor: Tensor) -> npt.NDArray[Any]:
    return np.ascontiguousarray(tensor.detach().numpy())
