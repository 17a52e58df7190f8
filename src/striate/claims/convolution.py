"""Claim 8: a convolution is a kernel that slides over the picture and gives a feature map."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.claims.base import CLAIMS, Claim, Drawing, Finding, Line, Measure
from striate.claims.bench import Bench
from striate.errors import DataError
from striate.networks.kernels import Kernels, kernels_of

ROUNDING = 1e-9
"""Largest difference, of values around 1, that is put down to rounding in double precision."""

PICTURES = 3
_PLACES = 400


class SlidingWindow(Claim):
    """The first layer of the user's network, three ways: the library's, a window moved by hand, and Fourier's."""

    name = "sliding-window"
    number = 8
    sentence = "Convolution is a kernel in a sliding window giving a feature map."
    meaning = (
        "Adding up value times weight under a kernel, place by place, gives what the layer gives, to rounding. So does "
        "a product of spectra. Turning the kernel by 180 degrees, as mathematics does, gives something else."
    )
    sources = (
        "LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition, 1998, section II.A",
        "Goodfellow, Bengio and Courville: Deep Learning, 2016, section 9.1 (cross-correlation called convolution)",
    )

    def seconds(self, bench: Bench) -> float:
        """A few windows and two transforms."""
        del bench
        return 3.0

    def measure(self, bench: Bench) -> Finding:
        """Holds the layer's values against windows moved by hand and against spectra."""
        layer = first_convolution(bench.network)
        pixels = bench.normalise(bench.few.pixels[:PICTURES]).double()
        maps, taken, kernels = layer_at_work(bench.network, layer, pixels)
        scale = float(maps.abs().mean()) or 1.0
        by_hand = float(np.max([self._gap(maps, taken, kernels, seed) for seed in range(PICTURES)])) / scale
        spectra = fourier_gap(taken, kernels) / scale
        turned = turned_gap(taken, kernels) / scale
        holds = by_hand < ROUNDING and spectra < ROUNDING
        words = "the layer's values are those of a window moved by hand" if holds else "the layer is no sliding window"
        measures = (
            Measure(f"largest difference from a window moved by hand, at {_PLACES} places a picture", by_hand),
            Measure("largest difference from a product of spectra", spectra),
            Measure("difference if the kernel is turned by 180 degrees", turned),
        )
        names = ["window by hand", "product of spectra", "kernel turned"]
        values = [max(measure.value, 1e-18) for measure in measures]
        return Finding(
            verdict="holds" if holds else "does not hold",
            summary=f"In {layer}, {words} (difference {by_hand:.1e} of the mean value) and of a product of spectra "
            f"({spectra:.1e}). What libraries call convolution is cross-correlation: with the kernel turned, as "
            f"mathematics has it, values differ by {turned:.2g} times their mean size.",
            measures=measures,
            drawing=Drawing(
                "",
                "difference, as a share of the mean value",
                (Line("difference", names, values),),
                "The first two are rounding; the third is another operation.",
                log_y=True,
            ),
            notes=("Learned kernels come out turned or not: what a network can learn does not depend on it.",),
        )

    def _gap(self, maps: Tensor, taken: Tensor, kernels: Kernels, seed: int) -> float:
        """Largest difference at random places of one picture."""
        generator = np.random.default_rng(seed)
        weight = kernels.weight.detach().double()
        bias = torch.zeros(len(weight)) if kernels.bias is None else kernels.bias.detach().double()
        worst = 0.0
        for _ in range(_PLACES):
            unit, row, column = (int(generator.integers(side)) for side in maps.shape[1:])
            window = window_at(taken[seed], (row, column), kernels)[kernels.channels_of(unit)]
            total = float((window * weight[unit]).sum() + bias[unit])
            worst = max(worst, abs(total - float(maps[seed, unit, row, column])))
        return worst


def first_convolution(network: nn.Module) -> str:
    """Name of the first layer that has kernels.

    Raises:
        DataError: There is none.
    """
    name: str
    for name, module in network.named_modules():
        if kernels_of(module) is not None and not isinstance(module, nn.Linear):
            return name
    raise DataError("this network has no convolution.", where="network", fix="Give a run of a convolutional network.")


def layer_at_work(network: nn.Module, layer: str, pixels: Tensor) -> tuple[Tensor, Tensor, Kernels]:
    """What a layer gives and takes for pictures, in double precision, and its kernels."""
    import copy

    exact = copy.deepcopy(network).cpu().double().eval()
    module = exact.get_submodule(layer)
    kept: list[tuple[Tensor, Tensor]] = []
    handle = module.register_forward_hook(
        lambda _module, inputs, output: kept.append((inputs[0].clone(), output.clone()))
    )
    try:
        with torch.inference_mode():
            exact(pixels)
    finally:
        handle.remove()
    taken, given = kept[0]
    kernels = kernels_of(module, (int(taken.shape[2]), int(taken.shape[3])))
    assert kernels is not None  # `first_convolution` chose it for that
    return given, taken, kernels


def window_at(taken: Tensor, place: tuple[int, int], kernels: Kernels) -> Tensor:
    """The values under a kernel at a place, `(C, kh, kw)`; zeros outside of the map."""
    high, wide = (int(side) for side in kernels.weight.shape[2:])
    window = torch.zeros(int(taken.shape[0]), high, wide, dtype=taken.dtype)
    for row in range(high):
        for column in range(wide):
            y = place[0] * kernels.stride[0] - kernels.before[0] + row * kernels.dilation[0]
            x = place[1] * kernels.stride[1] - kernels.before[1] + column * kernels.dilation[1]
            if 0 <= y < taken.shape[1] and 0 <= x < taken.shape[2]:
                window[:, row, column] = taken[:, y, x]
    return window


def fourier_gap(taken: Tensor, kernels: Kernels) -> float:
    """Largest difference between the kernels slid and multiplied as spectra, without padding and stride."""
    weight = kernels.weight.detach().double()
    slid = F.conv2d(taken, weight, groups=kernels.groups)
    size = [int(taken.shape[axis] + weight.shape[axis] - 1) for axis in (2, 3)]
    # Cross-correlation is convolution with the turned kernel.
    spectra = torch.fft.rfft2(weight.flip(2, 3), s=size)
    pictures = torch.fft.rfft2(taken, s=size)
    parts = []
    for unit in range(len(weight)):
        seen = kernels.channels_of(unit)
        parts.append((pictures[:, seen] * spectra[unit]).sum(1))
    whole = torch.fft.irfft2(torch.stack(parts, 1), s=size)
    valid = whole[:, :, weight.shape[2] - 1 : taken.shape[2], weight.shape[3] - 1 : taken.shape[3]]
    return float((valid - slid).abs().max())


def turned_gap(taken: Tensor, kernels: Kernels) -> float:
    """Mean difference between the kernels as they are and turned by 180 degrees."""
    weight = kernels.weight.detach().double()
    one = F.conv2d(taken, weight, groups=kernels.groups)
    other = F.conv2d(taken, weight.flip(2, 3), groups=kernels.groups)
    return float((one - other).abs().mean())


CLAIMS.add(SlidingWindow.name, SlidingWindow())
