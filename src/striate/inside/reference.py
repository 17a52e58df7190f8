"""What the layers of a convolutional network compute, in plain NumPy, written to be read and not to be fast.

Every function is one definition, as a loop where the definition is a loop. `tests/inside` holds each against PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Pair = tuple[int, int]


def sigmoid(x: Floats) -> Floats:
    """`1 / (1 + exp(-x))`: everything ends up between 0 and 1."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def tanh(x: Floats) -> Floats:
    """`(exp(x) - exp(-x)) / (exp(x) + exp(-x))`: everything ends up between -1 and 1."""
    return np.asarray(np.tanh(x))


def relu(x: Floats) -> Floats:
    """`max(0, x)`: what is negative is cut off."""
    return np.asarray(np.maximum(x, 0.0))


def identity(x: Floats) -> Floats:
    """`x`: passes things through, and any number of such layers is one linear layer."""
    return np.asarray(x)


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "none": identity,
}


def neuron(
    values: Floats, weights: Floats, bias: float = 0.0, activation: Callable[[Floats], Floats] = identity
) -> float:
    """`activation(v1*w1 + v2*w2 + ... + b)`.

    Args:
        values: What the neuron sees, any shape.
        weights: One for each value.
        bias: Added to the sum.
        activation: Applied to the whole.

    Raises:
        ValueError: There are not as many weights as values.
    """
    if values.shape != weights.shape:
        raise ValueError(f"{values.shape} values need as many weights, got {weights.shape}")
    total = bias
    for value, weight in zip(values.ravel(), weights.ravel(), strict=True):
        total += value * weight
    return float(activation(np.asarray(total)))


def pad(x: Floats, padding: Pair, value: float = 0.0) -> Floats:
    """A frame of `padding` rows and columns around each channel of `(C, H, W)`."""
    rows, columns = padding
    return np.pad(x, ((0, 0), (rows, rows), (columns, columns)), constant_values=value)


def cross_correlate(
    x: Floats,
    kernels: Floats,
    bias: Floats | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Floats:
    """What deep learning calls a convolution: a kernel slides over the picture, and at each place a neuron adds up.

    Args:
        x: `(C, H, W)`.
        kernels: `(O, C / groups, kh, kw)`, one kernel for each of the O feature maps.
        bias: `(O,)`; none where `None`.
        stride: Steps of the window, down and to the right.
        padding: Zeros around the picture.
        dilation: Distance between the pixels that a window takes.
        groups: Into how many parts channels and kernels are split; each kernel sees the channels of its part.

    Returns:
        Feature maps `(O, H', W')`.
    """
    x = pad(x, padding)
    count, depth, kernel_h, kernel_w = kernels.shape
    high, wide = (kernel_h - 1) * dilation[0] + 1, (kernel_w - 1) * dilation[1] + 1
    rows, columns = (x.shape[1] - high) // stride[0] + 1, (x.shape[2] - wide) // stride[1] + 1
    maps = np.zeros((count, rows, columns))
    for unit in range(count):
        first = unit // (count // groups) * depth
        for row in range(rows):
            for column in range(columns):
                top, left = row * stride[0], column * stride[1]
                window = x[first : first + depth, top : top + high : dilation[0], left : left + wide : dilation[1]]
                maps[unit, row, column] = neuron(window, kernels[unit], 0.0 if bias is None else float(bias[unit]))
    return maps


def convolve(x: Floats, kernels: Floats) -> Floats:
    """The convolution of mathematics: the kernel is turned by 180 degrees before it slides.

    Learned kernels come out turned or not, so for a network it makes no difference which of the two it computes.
    """
    return cross_correlate(x, kernels[:, :, ::-1, ::-1])


def convolve_by_fourier(x: Floats, kernels: Floats) -> Floats:
    """The same as `convolve`: a convolution is a product of spectra."""
    size = x.shape[1] + kernels.shape[2] - 1, x.shape[2] + kernels.shape[3] - 1
    spectra = np.fft.rfft2(x, size)[None] * np.fft.rfft2(kernels, size)
    whole = np.fft.irfft2(spectra.sum(1), size)
    # Where the kernel lies wholly inside the picture.
    return np.asarray(whole[:, kernels.shape[2] - 1 : x.shape[1], kernels.shape[3] - 1 : x.shape[2]], np.float64)


def max_pool(x: Floats, kernel: Pair, *, stride: Pair | None = None, padding: Pair = (0, 0)) -> Floats:
    """The largest value of each window, channel by channel; padding never wins."""
    return _pool(pad(x, padding, -math.inf), kernel, stride or kernel, np.max)


def average_pool(x: Floats, kernel: Pair, *, stride: Pair | None = None, padding: Pair = (0, 0)) -> Floats:
    """The mean of each window, channel by channel; padded pixels are left out of the mean."""
    return _pool(pad(x, padding, math.nan), kernel, stride or kernel, np.nanmean)


def _pool(x: Floats, kernel: Pair, stride: Pair, of_window: Callable[[Floats], float]) -> Floats:
    channels, height, width = x.shape
    rows, columns = (height - kernel[0]) // stride[0] + 1, (width - kernel[1]) // stride[1] + 1
    pooled = np.zeros((channels, rows, columns))
    for channel in range(channels):
        for row in range(rows):
            for column in range(columns):
                top, left = row * stride[0], column * stride[1]
                pooled[channel, row, column] = of_window(x[channel, top : top + kernel[0], left : left + kernel[1]])
    return pooled
