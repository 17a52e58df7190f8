"""One neuron's arithmetic: its window, its kernel, every product, the sum, and what becomes of the sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from striate.errors import RequestError
from striate.inside.recording import Call, Recording
from striate.networks.kernels import Kernels

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of the sum in the next layer.

    Attributes:
        layer: Name of that layer.
        kind: normalisation or activation.
        words: The same with its numbers, for example `(x - 0.31) / 1.2 * 0.9 + 0.1`.
        value: What comes out.
        computed: What the network has there.
    """

    layer: str
    kind: str
    words: str
    value: float
    computed: float


@dataclass(frozen=True, slots=True, eq=False)
class NeuronSum:
    """`activation(v1*w1 + v2*w2 + ... + b)` with its numbers.

    Attributes:
        layer: Name of the layer.
        unit: Position of the feature map.
        at_yx: Place in the map.
        channels: Which channels of the incoming map it sees.
        corner_yx: Upper left corner of its window in that map; negative where it begins in the padding.
        window: `(C, kh, kw)` the values.
        padded: `(kh, kw)` which of them lie outside of the map, and are zero.
        kernel: `(C, kh, kw)` the weights.
        bias: Added to the sum.
        computed: What the network has at this place.
        steps: What becomes of it.
    """

    layer: str
    unit: int
    at_yx: tuple[int, int]
    channels: slice
    corner_yx: tuple[int, int]
    window: Floats
    padded: npt.NDArray[np.bool_]
    kernel: Floats
    bias: float
    computed: float
    steps: tuple[Step, ...]

    @property
    def products(self) -> Floats:
        """Each value times its weight, `(C, kh, kw)`."""
        # Adding zero turns -0 into 0.
        return self.window * self.kernel + 0.0

    @property
    def total(self) -> float:
        """The sum of all products and the bias."""
        return float(self.products.sum() + self.bias)

    @property
    def result(self) -> float:
        """What the neuron says in the end, after normalisation and activation."""
        return self.steps[-1].value if self.steps else self.total

    def formula(self, most: int = 4) -> str:
        """The sum with its numbers, the first `most` products written out."""
        values, weights = self.window.ravel()[:most], self.kernel.ravel()[:most]
        terms = [f"{value:.4g}*{_signed(weight)}" for value, weight in zip(values, weights, strict=True)]
        left = self.window.size - len(terms)
        if left:
            terms.append(f"... ({left} more)")
        return f"{' + '.join(terms)} + {_signed(self.bias)} = {self.total:.6g}"


def neuron_sum(recording: Recording, layer: str, unit: int, at_yx: tuple[int, int] | None = None) -> NeuronSum:
    """Writes out what one neuron computed for the recorded picture.

    Args:
        recording: What went through the network.
        layer: Name of a layer whose neurons are weighted sums.
        unit: Position of the feature map, or of the neuron of a linear layer.
        at_yx: Place in the map; where the neuron says most, if not given.

    Raises:
        RequestError: There is no such layer, unit or place, or the layer adds nothing up.
    """
    call = recording.find(layer)
    kernels = call.kernels
    if kernels is None:
        sums = [one.name for one in recording.of_kind("convolution", "linear")]
        raise RequestError(
            f"{layer} is a layer of kind {type(call.module).__name__}, which has no kernel.",
            where="--layer",
            fix=f"Layers that add up: {', '.join(sums[:6])}{', ...' if len(sums) > 6 else ''}.",
        )
    check_unit(call, unit)
    place = strongest_place(call, unit) if at_yx is None else at_yx
    check_place(call, place)
    taken = call.taken[0].numpy() if call.taken.ndim == 4 else call.taken[0].numpy()[:, None, None]
    corner = (place[0] * kernels.stride[0] - kernels.before[0], place[1] * kernels.stride[1] - kernels.before[1])
    seen = kernels.channels_of(unit)
    window, padded = _window(taken[seen], corner, kernels)
    return NeuronSum(
        layer=layer,
        unit=unit,
        at_yx=place,
        channels=seen,
        corner_yx=corner,
        window=window,
        padded=padded,
        kernel=kernels.weight[unit].detach().double().numpy(),
        bias=0.0 if kernels.bias is None else float(kernels.bias[unit].detach()),
        computed=value_at(call, unit, place),
        steps=tuple(_steps(recording, call, unit, place)),
    )


def check_unit(call: Call, unit: int) -> None:
    """Refuses a unit that a layer does not have.

    Raises:
        RequestError: There is no such unit.
    """
    if not 0 <= unit < call.units:
        raise RequestError(
            f"{call.name} has {call.units} units, and {unit} is none of them.",
            where="--unit",
            fix=f"Units are counted from 0: use 0 to {call.units - 1}.",
        )


def check_place(call: Call, at_yx: tuple[int, int]) -> None:
    """Refuses a place outside of a layer's maps.

    Raises:
        RequestError: There is no such place.
    """
    if call.given.ndim == 2:
        if at_yx != (0, 0):
            raise RequestError(
                f"{call.name} is a linear layer, which has no places.", where="--at", fix="Leave it out."
            )
        return
    height, width = call.map_hw
    if not (0 <= at_yx[0] < height and 0 <= at_yx[1] < width):
        raise RequestError(
            f"the maps of {call.name} are {width} wide and {height} high, and x = {at_yx[1]}, y = {at_yx[0]} lies "
            "outside.",
            where="--at",
            fix=f"Places are counted from 0: use x up to {width - 1} and y up to {height - 1}.",
        )


def value_at(call: Call, unit: int, at_yx: tuple[int, int]) -> float:
    """What a layer gave for a unit at a place."""
    return float(call.given[0, unit] if call.given.ndim == 2 else call.given[0, unit, at_yx[0], at_yx[1]])


def strongest_place(call: Call, unit: int) -> tuple[int, int]:
    """Where a unit said most: `(y, x)` in its map."""
    if call.given.ndim == 2:
        return 0, 0
    return divmod(int(call.given[0, unit].argmax()), int(call.given.shape[3]))


def _window(taken: Floats, corner: tuple[int, int], kernels: Kernels) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The values under a kernel, with zeros where it lies outside of the map, and where that is."""
    kernel_h, kernel_w = (int(side) for side in kernels.weight.shape[2:])
    rows = corner[0] + np.arange(kernel_h) * kernels.dilation[0]
    columns = corner[1] + np.arange(kernel_w) * kernels.dilation[1]
    height, width = taken.shape[1:]
    outside = ((rows < 0) | (rows >= height))[:, None] | ((columns < 0) | (columns >= width))
    values = taken[:, np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]
    return np.where(outside, 0.0, values), outside


def _steps(recording: Recording, call: Call, unit: int, place: tuple[int, int]) -> list[Step]:
    """Normalisation and activation that follow, each of which takes the value of this neuron alone."""
    found: list[Step] = []
    value = value_at(call, unit, place)
    for taker in recording.following(call.name):
        computed = value_at(taker, unit, place)
        if isinstance(taker.module, nn.modules.batchnorm._BatchNorm):
            value, words = _normalised(taker.module, unit, value)
            found.append(Step(taker.name, "normalisation", words, value, computed))
            inner = getattr(taker.module, "act", None)
            if inner is not None and not isinstance(inner, nn.Identity):
                value = activated(inner, value)
                # timm's normalisation applies its activation itself: what the network has is what comes after it.
                found[-1] = Step(taker.name, "normalisation", words, found[-1].value, found[-1].value)
                found.append(Step(f"{taker.name}.act", "activation", activation_name(inner), value, computed))
        elif taker.kind == "activation":
            value = activated(taker.module, value)
            found.append(Step(taker.name, "activation", activation_name(taker.module), value, computed))
        else:
            break
    return found


def _normalised(norm: nn.modules.batchnorm._BatchNorm, unit: int, value: float) -> tuple[float, str]:
    if norm.running_mean is None or norm.running_var is None:
        raise RequestError("a normalisation without statistics cannot be written out for one picture.", where="--layer")
    mean, deviation = float(norm.running_mean[unit]), float(norm.running_var[unit] + norm.eps) ** 0.5
    scale = 1.0 if norm.weight is None else float(norm.weight[unit].detach())
    shift = 0.0 if norm.bias is None else float(norm.bias[unit].detach())
    words = f"(x - {_signed(mean)}) / {deviation:.4g} * {_signed(scale)} + {_signed(shift)}"
    return (value - mean) / deviation * scale + shift, words


def activated(activation: nn.Module, value: float) -> float:
    """An activation function of one number."""
    with torch.no_grad():
        return float(activation(torch.tensor([value], dtype=torch.float64))[0])


def activation_name(activation: nn.Module) -> str:
    """Name of an activation function as formulas have it."""
    return type(activation).__name__.lower()


def _signed(number: float) -> str:
    return f"({number:.4g})" if number < 0 else f"{number:.4g}"
