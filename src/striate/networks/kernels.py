"""What the neurons of a layer add up: one answer for every layer that is a weighted sum over a window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Kernels:
    """The weights of a layer as a convolution has them.

    Attributes:
        weight: `(O, C / groups, kh, kw)`, a kernel for each feature map; of a linear layer `(O, D, 1, 1)`.
        bias: `(O,)`; `None` without.
        stride: Steps of the window, down and to the right.
        before: Zeros above and to the left of the map that comes in.
        dilation: Distance between the pixels that a window takes.
        groups: Parts into which channels and kernels are split.
    """

    weight: Tensor
    bias: Tensor | None = None
    stride: Pair = (1, 1)
    before: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def channels_of(self, unit: int) -> slice:
        """Channels of the incoming map that a feature map sees."""
        depth = int(self.weight.shape[1])
        first = unit // (int(self.weight.shape[0]) // self.groups) * depth
        return slice(first, first + depth)


@runtime_checkable
class HasKernels(Protocol):
    """A layer of ours that is a convolution with some weights tied or fixed."""

    def kernels(self) -> Kernels:
        """Its weights, written out."""


def kernels_of(module: nn.Module, size_hw: Pair = (1, 1)) -> Kernels | None:
    """The weights of a layer; `None` where its neurons are no weighted sums over a window of zeros and values.

    Args:
        module: Any layer.
        size_hw: Height and width of the map that comes in, by which some of timm's layers choose their padding.
    """
    if isinstance(module, HasKernels):
        return module.kernels()
    if isinstance(module, nn.Linear):
        return Kernels(module.weight[:, :, None, None], module.bias)
    if not isinstance(module, nn.Conv2d) or module.padding_mode != "zeros":
        return None
    stride, dilation, window = _pair(module.stride), _pair(module.dilation), _pair(module.kernel_size)
    before: Pair
    if module.padding == "same" or type(module).__name__.endswith("Same"):
        # As TensorFlow pads: as little as keeps ceil(size / stride) positions, the odd one at the far edge.
        missing = (
            max((math.ceil(size / step) - 1) * step + (side - 1) * apart + 1 - size, 0)
            for size, step, side, apart in zip(size_hw, stride, window, dilation, strict=True)
        )
        before = _pair([total // 2 for total in missing])
    else:
        before = (0, 0) if isinstance(module.padding, str) else _pair(module.padding)
    return Kernels(module.weight, module.bias, stride, before, dilation, module.groups)


def _pair(values: tuple[int, ...] | list[int]) -> Pair:
    return int(values[0]), int(values[1])
