"""Parts that several families share: activations and pooling by name, stems, first weights, exact strides."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.errors import RequestError
from striate.networks.base import NetworkOptions
from striate.registry import Registry


class ScaledTanh(nn.Module):
    """`1.7159 tanh(2x/3)`, so that f(1) = 1 and f(-1) = -1 (LeCun et al. 1998, appendix A)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape in, the same shape out."""
        return 1.7159 * torch.tanh(x * (2.0 / 3.0))


ACTIVATIONS: Registry[Callable[[], nn.Module]] = Registry("activation")
for _name, _build in {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "lecun_tanh": ScaledTanh,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish,
    "none": nn.Identity,
}.items():
    ACTIVATIONS.add(_name, _build)

# Standard deviation of the first weights times sqrt(fan in), so that signals neither die nor explode with depth. The
# others behave like ReLU, which halves the second moment: sqrt(2) (He et al. 2015, section 2.2).
_GAINS = {"sigmoid": 1.0, "tanh": 5.0 / 3.0, "lecun_tanh": 1.0, "selu": 1.0, "none": 1.0}

SMALL_SIDE = 40
"""Pictures up to this many pixels a side are taken as they are, by networks that shrink them little."""

MIDDLE_SIDE = 80


def build_activation(name: str) -> nn.Module:
    """The activation of that name.

    Never in place: a feature map that someone looks at must still hold what the layer before gave.

    Raises:
        UnknownNameError: No such activation.
    """
    return ACTIVATIONS.get(name)()


def build_pooling(kind: str, kernel: int, stride: int, padding: int = 0, ceil_mode: bool = False) -> nn.Module:
    """Pooling by name: "max", "average", or "stride" (nothing here; the convolution before it strides instead).

    Average pooling leaves padded pixels out of the mean, so that the border is not darkened.

    Raises:
        RequestError: Another name.
    """
    if kind == "max":
        return nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode)
    if kind == "average":
        return nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil_mode, count_include_pad=False)
    if kind == "stride":
        return nn.Identity()
    raise RequestError(f"there is no pooling named {kind!r}.", where="pooling", fix="Use max, average or stride.")


def stem_stride(options: NetworkOptions) -> int:
    """How far the stem shrinks the picture before the first stage: 1, 2 or 4.

    "standard" is 4, as published for pictures of 224 pixels, and "small" is 1. "auto" keeps about as many positions
    in the last feature map as the paper had: 1 where the shorter side is at most 40 pixels (28 and 32: MNIST, CIFAR),
    2 up to 80 pixels, and 4 above.
    """
    if options.stem != "auto":
        return 4 if options.stem == "standard" else 1
    side = min(options.size_hw)
    return 1 if side <= SMALL_SIDE else 2 if side <= MIDDLE_SIDE else 4


def check_size(network: str, options: NetworkOptions, smallest: int) -> None:
    """Refuses pictures that would shrink to nothing.

    Raises:
        RequestError: A side is shorter than `smallest` pixels.
    """
    if min(options.size_hw) < smallest:
        height, width = options.size_hw
        small = " or --set network.stem=small" if options.stem == "standard" else ""
        raise RequestError(
            f"{network} needs at least {smallest} x {smallest} pixels here, and the size is {height} x {width}.",
            where="size_hw",
            fix=f"Use a larger input size{small}.",
        )


def pad_to_stride(x: Tensor, kernel: int, stride: int, padding: int, mode: str = "constant") -> Tensor:
    """Widens a map at its right and bottom edge so that the next layer gives exactly `ceil(H/stride)` positions.

    Args:
        x: Input of a convolution or pooling, `(N, C, H, W)`.
        kernel: Side of its kernel.
        stride: Its stride.
        padding: The padding it does itself, on each side.
        mode: "constant" (zeros, before convolutions) or "replicate" (before pooling, which then sees no new values).
    """
    missing = kernel - stride - 2 * padding
    return F.pad(x, (0, missing, 0, missing), mode=mode) if missing > 0 else x


def initialise(network: nn.Module, activation: str, class_layers: tuple[nn.Module, ...] = ()) -> None:
    """Draws first weights from which a network without pretraining can learn.

    Normal, with the standard deviation that keeps the signal's size through the layers (He et al. 2015, section 2.2,
    forward case); the class layers start near zero, so that the first loss is that of a guess.
    """
    if any(weight.is_meta for weight in network.parameters()):
        # There is nothing to draw, and torch's stand-in for drawing loads its compiler, which takes seconds.
        return
    gain = _GAINS.get(activation, math.sqrt(2.0))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            deviation = (0.1 if module in class_layers else gain) / math.sqrt(fan_in)
            nn.init.normal_(module.weight, 0.0, deviation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
