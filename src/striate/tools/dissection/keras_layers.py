"""Layers of Keras as layers of PyTorch: channels first, under their own names."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.pool2d_same import MaxPool2dSame
from torch import Tensor, fx, nn

from striate.tools.dissection.layers import (
    LayerGraph,
    Pair,
    UnknownLayerError,
    convolution,
    linear,
    transposed_convolution,
    with_weights,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One layer of Keras at work.

    Attributes:
        name: Its own name, with dots between models and what is inside of them.
        config: Its arguments.
        shapes: Of what it takes, without the pictures: `(H, W, C)` or `(D,)`.
        weights: Its weights as Keras holds them, by name.
        numbers: What stands beside what it takes, as in `x / 255`: for each argument a number, or `None` for a value.
    """

    name: str
    config: dict[str, Any]
    shapes: list[list[int]]
    weights: dict[str, Tensor]
    numbers: list[float | None]

    @property
    def is_map(self) -> bool:
        """Whether it takes maps."""
        return len(self.shapes[0]) == 3

    def pair(self, key: str) -> Pair:
        """One number for both axes, or two."""
        value = self.config[key]
        return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


Values: TypeAlias = list[fx.Node]
Build: TypeAlias = Callable[[LayerGraph, Step, Values], fx.Node]


def layers_of_keras(steps: Sequence[dict[str, Any]], output: int, arrays: Sequence[npt.NDArray[Any]]) -> fx.GraphModule:
    """The network of a `.keras` file as layers.

    Args:
        steps: As `workers/keras_reading.py` gives them.
        output: Number of the result that is the network's.
        arrays: Weights of all steps, in order.

    Raises:
        UnknownLayerError: A layer has no counterpart here.
    """
    built = LayerGraph()
    values: dict[int, fx.Node] = {0: built.picture()}
    held = iter(arrays)
    for one in steps:
        step = Step(
            one["name"].replace(".", "_").replace("/", "."),
            one["config"],
            one["shapes"],
            {name: torch.from_numpy(np.ascontiguousarray(next(held))) for name in one["weights"]},
            one["numbers"],
        )
        build = LAYERS.get(one["kind"])
        try:
            if build is None or (step.numbers and one["kind"] not in _ARITHMETIC):
                raise UnknownLayerError(f"of kind {one['kind']}" + (" with numbers in it" if step.numbers else ""))
            if step.config.get("data_format", "channels_last") != "channels_last":
                raise UnknownLayerError("with channels first")
            values[one["result"]] = build(built, step, [values[number] for number in one["inputs"]])
        except UnknownLayerError as error:
            raise UnknownLayerError(f"the layer {step.name} {error}") from error
    return built.finished(values[output])


def _conv2d(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    weight = step.weights["kernel"].permute(3, 2, 0, 1)
    groups, bias = step.config.get("groups", 1), step.weights.get("bias")
    return _activated(built, step, _convolution(built, step, step.name, given[0], (weight, bias), groups))


def _depthwise(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    weight, groups = _each_channel(step.weights["kernel"])
    weights = weight, step.weights.get("bias")
    return _activated(built, step, _convolution(built, step, step.name, given[0], weights, groups))


def _separable(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    weight, groups = _each_channel(step.weights["depthwise_kernel"])
    first = _convolution(built, step, f"{step.name}.depthwise", given[0], (weight, None), groups)
    point = step.weights["pointwise_kernel"].permute(3, 2, 0, 1)
    layer = convolution(point, step.weights.get("bias"))
    return _activated(built, step, built.layer(f"{step.name}.pointwise", layer, first))


def _each_channel(kernel: Tensor) -> tuple[Tensor, int]:
    """Kernels `(kh, kw, C, M)` of which each sees one channel, as PyTorch has them, and the number of channels."""
    height, width, channels, each = kernel.shape
    return kernel.permute(2, 3, 0, 1).reshape(channels * each, 1, height, width), channels


def _convolution(
    built: LayerGraph,
    step: Step,
    name: str,
    given: fx.Node,
    weights: tuple[Tensor, Tensor | None],
    groups: int,
) -> fx.Node:
    weight, bias = weights
    padding = step.config["padding"]
    if padding not in ("valid", "same"):
        raise UnknownLayerError(f"with padding {padding!r}")
    # Keras pads as little as it must, the odd pixel after the map; PyTorch alike where the stride is 1.
    plain = padding == "valid" or step.pair("strides") == (1, 1)
    layer = (nn.Conv2d if plain else Conv2dSame)(
        weight.shape[1] * groups,
        weight.shape[0],
        (int(weight.shape[2]), int(weight.shape[3])),
        step.pair("strides"),
        (padding if padding == "same" else 0) if plain else 0,
        step.pair("dilation_rate"),
        groups,
        bias=bias is not None,
    )
    return built.layer(name, with_weights(layer, weight=weight, bias=bias), given)


def _transposed(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    weight = step.weights["kernel"].permute(3, 2, 0, 1)
    kernel, stride = step.pair("kernel_size"), step.pair("strides")
    spare = [side - step for side, step in zip(kernel, stride, strict=True)]
    same = step.config["padding"] == "same"
    if step.pair("dilation_rate") != (1, 1) or step.config.get("output_padding") or min(spare) < 0:
        raise UnknownLayerError("of kind Conv2DTranspose, with holes, own padding, or strides longer than its kernel,")
    if same and any(one % 2 for one in spare):
        raise UnknownLayerError("of kind Conv2DTranspose, padded unevenly,")
    padding = (spare[0] // 2, spare[1] // 2) if same else (0, 0)
    layer = transposed_convolution(weight, step.weights.get("bias"), stride, padding)
    made = built.layer(step.name, layer, given[0])
    return _activated(built, step, made)


def _dense(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    weight, bias = step.weights["kernel"].T, step.weights.get("bias")
    layer = convolution(weight[:, :, None, None], bias) if step.is_map else linear(weight, bias)
    return _activated(built, step, built.layer(step.name, layer, given[0]))


def _batch_norm(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    axis, axes = step.config["axis"], len(step.shapes[0]) + 1
    axis = axis[0] if isinstance(axis, list) else axis
    if axis % axes != axes - 1:
        raise UnknownLayerError("of kind BatchNormalization, not along channels,")
    mean = step.weights["moving_mean"]
    layer = (nn.BatchNorm2d if step.is_map else nn.BatchNorm1d)(len(mean), step.config["epsilon"])
    weighted = with_weights(
        layer,
        weight=step.weights.get("gamma", torch.ones_like(mean)),
        bias=step.weights.get("beta", torch.zeros_like(mean)),
        running_mean=mean,
        running_var=step.weights["moving_variance"],
    )
    return built.layer(step.name, weighted, given[0])


def _max_pool(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    kernel, stride = step.pair("pool_size"), step.pair("strides")
    same = step.config["padding"] == "same"
    return built.layer(step.name, (MaxPool2dSame if same else nn.MaxPool2d)(kernel, stride), given[0])


def _average_pool(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    kernel, stride = step.pair("pool_size"), step.pair("strides")
    fits = kernel == stride and not any(s % k for s, k in zip(step.shapes[0][:2], kernel, strict=True))
    if step.config["padding"] == "same" and not fits:
        raise UnknownLayerError("of kind AveragePooling2D, whose windows hang over the edge,")
    return built.layer(step.name, nn.AvgPool2d(kernel, stride), given[0])


def _global_pool(pool: Callable[[int], nn.Module]) -> Build:
    def build(built: LayerGraph, step: Step, given: Values) -> fx.Node:
        pooled = built.layer(step.name, pool(1), given[0])
        return pooled if step.config.get("keepdims") else built.function(torch.flatten, pooled, 1)

    return build


def _flatten(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    value = built.function(torch.permute, given[0], (0, 2, 3, 1)) if step.is_map else given[0]
    return built.layer(step.name, nn.Flatten(), value)


def _reshape(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    target = tuple(step.config["target_shape"])
    value = built.function(torch.permute, given[0], (0, 2, 3, 1)) if step.is_map else given[0]
    value = built.function(torch.reshape, value, (-1, *target)) if -1 not in target else None  # type: ignore[assignment]
    if value is None or len(target) not in (1, 3):
        raise UnknownLayerError(f"of kind Reshape to {target}")
    return built.function(torch.permute, value, (0, 3, 1, 2)) if len(target) == 3 else value


def _activation_layer(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    return _by_name(built, step.name, step.config["activation"], given[0])


def _activated(built: LayerGraph, step: Step, value: fx.Node) -> fx.Node:
    """The activation that a layer of Keras may hold itself, as a layer of its own after it."""
    name = step.config.get("activation", "linear")
    return value if name in (None, "linear") else _by_name(built, f"{step.name}_{name}", name, value)


def _by_name(built: LayerGraph, place: str, name: Any, value: fx.Node) -> fx.Node:
    if name in (None, "linear"):
        return value
    if name not in ACTIVATIONS:
        raise UnknownLayerError(f"with the activation {name!r}")
    return built.layer(place, ACTIVATIONS[name](), value)


def _relu(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    highest, slope = step.config.get("max_value"), step.config.get("negative_slope") or 0
    if step.config.get("threshold"):
        raise UnknownLayerError("of kind ReLU with a threshold")
    if highest is not None and slope:
        raise UnknownLayerError("of kind ReLU with a ceiling and a slope")
    if slope:
        return built.layer(step.name, nn.LeakyReLU(slope), given[0])
    if highest is None:
        return built.layer(step.name, nn.ReLU(), given[0])
    return built.layer(step.name, nn.ReLU6() if highest == 6 else nn.Hardtanh(0.0, float(highest)), given[0])


def _layer(make: Callable[[Step], nn.Module]) -> Build:
    return lambda built, step, given: built.layer(step.name, make(step), given[0])


def _rescaling(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    return _affine(built, step, given[0], step.config["scale"], step.config["offset"])


def _normalization(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    if "mean" in step.weights:
        mean, variance = step.weights["mean"], step.weights["variance"]
    else:
        mean, variance = (torch.as_tensor(step.config[name], dtype=torch.float32) for name in ("mean", "variance"))
    if step.config.get("invert"):
        raise UnknownLayerError("of kind Normalization, inverted,")
    spread = variance.reshape(-1).sqrt().clamp(min=1e-7)
    return _affine(built, step, given[0], 1 / spread, -mean.reshape(-1) / spread)


def _affine(built: LayerGraph, step: Step, value: fx.Node, scale: Any, offset: Any) -> fx.Node:
    """A factor and a summand for each channel, or for all."""
    tail = (1, 1) if step.is_map else ()
    factor, summand = (torch.as_tensor(one, dtype=torch.float32).reshape(1, -1, *tail) for one in (scale, offset))
    scaled = built.function(operator.mul, value, built.constant(f"{step.name}_scale", factor))
    return built.function(operator.add, scaled, built.constant(f"{step.name}_offset", summand))


def _of_several(does: Callable[..., Any]) -> Build:
    def build(built: LayerGraph, step: Step, given: Values) -> fx.Node:
        if len({len(shape) for shape in step.shapes}) > 1:
            raise UnknownLayerError("of maps and rows of numbers together")
        values = iter(given)
        first, *others = [next(values) if one is None else one for one in step.numbers] or given
        for other in others:
            first = built.function(does, first, other)
        return first  # type: ignore[return-value]

    return build


def _average(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    return built.function(operator.truediv, _of_several(operator.add)(built, step, given), len(given))


def _concatenate(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    axes = len(step.shapes[0]) + 1
    axis = int(step.config.get("axis", -1)) % axes
    # Of maps, channels come second here and last there.
    return built.function(torch.cat, given, {3: 1, 1: 2, 2: 3}[axis] if axes == 4 else axis)


def _padding(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    (top, bottom), (left, right) = step.config["padding"]
    return built.layer(step.name, nn.ZeroPad2d((left, right, top, bottom)), given[0])


def _cropping(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    (top, bottom), (left, right) = step.config["cropping"]
    return built.layer(step.name, nn.ZeroPad2d((-left, -right, -top, -bottom)), given[0])


def _upsampling(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    mode = step.config["interpolation"]
    if mode not in ("nearest", "bilinear"):
        raise UnknownLayerError(f"of kind UpSampling2D, by {mode} interpolation,")
    rows, columns = step.pair("size")
    options = {} if mode == "nearest" else {"align_corners": False}
    return built.layer(step.name, nn.Upsample(scale_factor=(rows, columns), mode=mode, **options), given[0])


def _resizing(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    plain = not any(step.config.get(name) for name in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"))
    if step.config["interpolation"] != "bilinear" or not plain:
        raise UnknownLayerError("of kind Resizing, not plainly bilinear,")
    size_hw = int(step.config["height"]), int(step.config["width"])
    return built.layer(step.name, nn.Upsample(size_hw, mode="bilinear", align_corners=False), given[0])


def _softmax(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    if step.config.get("axis", -1) not in (-1, len(step.shapes[0])):
        raise UnknownLayerError("of kind Softmax, not along channels,")
    return built.layer(step.name, nn.Softmax(1), given[0])


def _passes(built: LayerGraph, step: Step, given: Values) -> fx.Node:
    del built, step
    return given[0]


_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Add": operator.add,
    "Subtract": operator.sub,
    "Multiply": operator.mul,
    "TrueDivide": operator.truediv,
}
"""Of two or more values, or of values and numbers."""

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "gelu": nn.GELU,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "hard_sigmoid": nn.Hardsigmoid,
    "hard_silu": nn.Hardswish,
    "hard_swish": nn.Hardswish,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "mish": nn.Mish,
    "softmax": lambda: nn.Softmax(1),
}
"""By Keras' name."""

LAYERS: dict[str, Build] = {
    "Conv2D": _conv2d,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Conv2DTranspose": _transposed,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "MaxPooling2D": _max_pool,
    "AveragePooling2D": _average_pool,
    "GlobalAveragePooling2D": _global_pool(nn.AdaptiveAvgPool2d),
    "GlobalMaxPooling2D": _global_pool(nn.AdaptiveMaxPool2d),
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Activation": _activation_layer,
    "ReLU": _relu,
    "LeakyReLU": _layer(lambda step: nn.LeakyReLU(step.config["negative_slope"])),
    "ELU": _layer(lambda step: nn.ELU(step.config["alpha"])),
    "Softmax": _softmax,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    **{kind: _of_several(does) for kind, does in _ARITHMETIC.items()},
    "Maximum": _of_several(torch.maximum),
    "Minimum": _of_several(torch.minimum),
    "Average": _average,
    "Concatenate": _concatenate,
    "ZeroPadding2D": _padding,
    "Cropping2D": _cropping,
    "UpSampling2D": _upsampling,
    "Resizing": _resizing,
    **dict.fromkeys(
        (
            "InputLayer",
            "Dropout",
            "SpatialDropout2D",
            "GaussianNoise",
            "GaussianDropout",
            "AlphaDropout",
            "ActivityRegularization",
            "RandomFlip",
            "RandomRotation",
            "RandomZoom",
            "RandomTranslation",
            "RandomContrast",
            "RandomBrightness",
        ),
        _passes,
    ),
}
"""By Keras' name of the class; the last ones do something in training only."""
