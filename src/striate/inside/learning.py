"""One step of learning: forward, the comparison, the gradients flowing back, and the chain rule for one weight."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.errors import RequestError
from striate.inside.neuron import check_unit, neuron_sum
from striate.inside.recording import Recording, record
from striate.networks.kernels import kernels_of

Floats = npt.NDArray[np.float64]
Loss = Callable[[Any], Tensor]
"""From a network's output for one picture to a scalar, the smaller the better."""

MOST_TERMS = 8


@dataclass(frozen=True, slots=True)
class LossTerm:
    """What one class adds to the loss.

    Attributes:
        class_name: The class.
        score: Before softmax.
        probability: After it.
        target: 1 for the true class, else 0.
        term: `-target * log(probability)`.
    """

    class_name: str
    score: float
    probability: float
    target: float
    term: float


def class_loss(true_class: int) -> Loss:
    """Cross-entropy with one true class."""
    return lambda output: -F.log_softmax(output, 1)[0, true_class]


def loss_terms(scores: Tensor, true_class: int, classes: tuple[str, ...]) -> list[LossTerm]:
    """The comparison, class by class; the terms add up to the loss.

    Args:
        scores: `(1, K)` before softmax.
        true_class: Position of the true class.
        classes: Class names.
    """
    values = scores.detach().double()[0]
    logs = F.log_softmax(values, 0)
    found = []
    for index, name in enumerate(classes):
        target = float(index == true_class)
        term = -target * float(logs[index]) if target else 0.0
        found.append(LossTerm(name, float(values[index]), float(logs[index].exp()), target, term))
    return found


@dataclass(frozen=True, slots=True)
class LayerFlow:
    """What flows through a layer, there and back.

    Attributes:
        name: Name of the layer.
        given: Root mean square of what it gave.
        gradient: Root mean square of the loss's gradient by what it gave.
        weight_gradient: The same by its weights; `None` without weights.
    """

    name: str
    given: float
    gradient: float
    weight_gradient: float | None


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain rule.

    Attributes:
        layer: Name of the layer.
        words: What is derived by what.
        value: The derivative at this place.
    """

    layer: str
    words: str
    value: float


@dataclass(frozen=True, slots=True)
class Term:
    """What one place of a feature map adds to the gradient of a weight.

    Attributes:
        at_yx: The place.
        delta: Gradient of the loss by the sum at this place.
        value: The value that the weight was multiplied with.
    """

    at_yx: tuple[int, int]
    delta: float
    value: float

    @property
    def product(self) -> float:
        """The two multiplied."""
        return self.delta * self.value


@dataclass(frozen=True, slots=True)
class WeightStep:
    """The chain rule for one weight, its update, and the loss after it.

    Attributes:
        layer: Name of the layer.
        unit: Feature map.
        channel: Channel of the kernel.
        at_yx: Place in the kernel.
        weight: Its value before.
        terms: The largest terms of its gradient.
        places: Terms in all.
        gradient: All terms added up.
        autograd: What PyTorch's automatic differentiation gives.
        chain: From the loss to the sum at the place of the first term, link by link.
        chain_start: Gradient of the loss by what comes out of the last link.
        rate: Learning rate.
        loss: Loss before.
        loss_after_one: Loss after this weight alone was changed.
        loss_after_all: Loss after all weights were changed by their own gradients.
    """

    layer: str
    unit: int
    channel: int
    at_yx: tuple[int, int]
    weight: float
    terms: tuple[Term, ...]
    places: int
    gradient: float
    autograd: float
    chain: tuple[Link, ...]
    chain_start: float
    rate: float
    loss: float
    loss_after_one: float
    loss_after_all: float

    @property
    def updated(self) -> float:
        """Its value after one step of plain gradient descent."""
        return self.weight - self.rate * self.gradient

    @property
    def predicted_change(self) -> float:
        """Change of the loss if it were a straight line: `-rate * gradient ** 2`."""
        return -self.rate * self.gradient**2


def gradient_flow(network: nn.Module, picture: Tensor, loss_of: Loss) -> tuple[float, list[LayerFlow]]:
    """The loss, and what flows through every layer with weights, in the order in which they run.

    Args:
        network: Unchanged; it is in evaluation mode.
        picture: `(1, C, H, W)`.
        loss_of: The loss of its output.
    """
    exact = _Exact(network, picture, loss_of)
    flows = []
    for name, given in exact.given.items():
        module = exact.network.get_submodule(name)
        weight = getattr(module, "weight", None)
        by_weight = None if weight is None or weight.grad is None else _rms(weight.grad)
        back = given.grad
        flows.append(LayerFlow(name, _rms(given.detach()), 0.0 if back is None else _rms(back), by_weight))
    return exact.loss, flows


def weight_step(
    network: nn.Module,
    picture: Tensor,
    loss_of: Loss,
    layer: str,
    unit: int | None = None,
    *,
    channel: int | None = None,
    at_yx: tuple[int, int] | None = None,
    rate: float = 0.01,
) -> WeightStep:
    """Writes the chain rule out for one weight, makes one step, and looks what it did.

    Args:
        network: Unchanged.
        picture: `(1, C, H, W)`.
        loss_of: The loss of its output.
        layer: Name of a convolution or a linear layer.
        unit: Feature map; the one whose weights have the largest gradient where not given.
        channel: Channel of its kernel; as `unit`.
        at_yx: Place in its kernel; as `unit`.
        rate: Learning rate of plain gradient descent.

    Raises:
        RequestError: There is no such layer, unit or place, or it has no weights of its own.
    """
    recording = record(network, picture)
    call = recording.find(layer)
    exact = _Exact(network, picture, loss_of)
    module = exact.network.get_submodule(layer.split("#")[0])
    if not isinstance(module, nn.Conv2d | nn.Linear) or layer not in exact.given:
        raise RequestError(f"{layer} has no weights of its own to follow.", where="--layer", fix="Name a convolution.")
    gradients = module.weight.grad
    if gradients is None:
        raise RequestError(f"the loss does not depend on {layer}.", where="--layer", fix="Name an earlier layer.")
    weights = gradients.view(*gradients.shape[:2], *(gradients.shape[2:] or (1, 1)))
    place = _chosen(weights, unit, channel, at_yx)
    check_unit(call, place[0])
    delta = exact.given[layer].grad
    assert delta is not None  # the weight's own gradient comes through it
    terms = _terms(call.taken, delta, module, place)
    order = np.argsort(-np.abs([term.product for term in terms]), kind="stable")
    first = terms[order[0]]
    chain, start = _chain(recording, exact, layer, place[0], first.at_yx)
    flat = module.weight.view_as(weights)
    weight, gradient = float(flat[place].detach()), float(sum(term.product for term in terms))
    return WeightStep(
        layer=layer,
        unit=place[0],
        channel=place[1],
        at_yx=(place[2], place[3]),
        weight=weight,
        terms=tuple(terms[index] for index in order[:MOST_TERMS]),
        places=len(terms),
        gradient=gradient,
        autograd=float(weights[place]),
        chain=chain,
        chain_start=start,
        rate=rate,
        loss=exact.loss,
        loss_after_one=exact.loss_with(module, place, weight - rate * gradient),
        loss_after_all=exact.loss_after(rate),
    )


class _Exact:
    """A copy of a network in double precision after one pass there and back."""

    def __init__(self, network: nn.Module, picture: Tensor, loss_of: Loss) -> None:
        self.network = copy.deepcopy(network).cpu().double().eval().requires_grad_(True)
        self.picture = picture.detach().cpu().double()
        self.loss_of = loss_of
        self.given: dict[str, Tensor] = {}
        handles = []
        for name, module in self.network.named_modules():
            leaf = not any(module.children()) or isinstance(module, nn.modules.batchnorm._BatchNorm)
            if leaf and not isinstance(module, nn.Identity | nn.Dropout):
                handles.append(module.register_forward_hook(self._keeping(name)))
        try:
            with torch.enable_grad():
                value = loss_of(self.network(self.picture))
                value.backward()  # type: ignore[no-untyped-call]
        finally:
            for handle in handles:
                handle.remove()
        self.loss = float(value.detach())

    def _keeping(self, name: str) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            if not isinstance(output, Tensor) or not output.requires_grad:
                return output
            if name not in self.given:
                output.retain_grad()
                self.given[name] = output
            # What follows may change it in place.
            return output.clone()

        return hook

    def loss_with(self, module: nn.Conv2d | nn.Linear, place: tuple[int, int, int, int], weight: float) -> float:
        """The loss with another value of one weight."""
        with torch.no_grad():
            flat = module.weight.view(*module.weight.shape[:2], *(module.weight.shape[2:] or (1, 1)))
            before = float(flat[place])
            flat[place] = weight
            try:
                return float(self.loss_of(self.network(self.picture)))
            finally:
                flat[place] = before

    def loss_after(self, rate: float) -> float:
        """The loss after a step of plain gradient descent with all weights; call it last, it keeps them changed."""
        with torch.no_grad():
            for weight in self.network.parameters():
                if weight.grad is not None:
                    weight.sub_(rate * weight.grad)
            return float(self.loss_of(self.network(self.picture)))


def _chosen(
    gradients: Tensor, unit: int | None, channel: int | None, at_yx: tuple[int, int] | None
) -> tuple[int, int, int, int]:
    """What was asked for, and of the rest the weight with the largest gradient."""
    sizes = gradients.abs().clone()
    for axis, wanted in enumerate((unit, channel, *(at_yx or (None, None)))):
        if wanted is None:
            continue
        if not 0 <= wanted < sizes.shape[axis]:
            raise RequestError(
                f"the kernels have {' x '.join(map(str, gradients.shape))} weights, and {wanted} lies outside.",
                where="--unit",
                fix=f"Use 0 to {sizes.shape[axis] - 1}.",
            )
        others = torch.ones(sizes.shape[axis], dtype=torch.bool)
        others[wanted] = False
        sizes.index_fill_(axis, others.nonzero()[:, 0], -1.0)
    unit_, channel_, row, column = np.unravel_index(int(sizes.argmax()), tuple(sizes.shape))
    return int(unit_), int(channel_), int(row), int(column)


def _terms(taken: Tensor, delta: Tensor, module: nn.Module, place: tuple[int, int, int, int]) -> list[Term]:
    """What every place of the feature map adds to the weight's gradient; places where it met padding add nothing."""
    unit, channel, row, column = place
    values = taken[0] if taken.ndim == 4 else taken[0][:, None, None]
    deltas = delta[0, unit] if delta.ndim == 4 else delta[0, unit].view(1, 1)
    kernels = kernels_of(module, (int(values.shape[1]), int(values.shape[2])))
    assert kernels is not None  # convolutions and linear layers have some
    source = values[kernels.channels_of(unit).start + channel]
    found = []
    for y in range(int(deltas.shape[0])):
        for x in range(int(deltas.shape[1])):
            down = y * kernels.stride[0] - kernels.before[0] + row * kernels.dilation[0]
            across = x * kernels.stride[1] - kernels.before[1] + column * kernels.dilation[1]
            inside = 0 <= down < source.shape[0] and 0 <= across < source.shape[1]
            found.append(Term((y, x), float(deltas[y, x]), float(source[down, across]) if inside else 0.0))
    return found


def _chain(
    recording: Recording, exact: _Exact, layer: str, unit: int, at_yx: tuple[int, int]
) -> tuple[tuple[Link, ...], float]:
    """The derivatives from the last layer that takes this neuron's value alone back to its sum."""
    shown = neuron_sum(recording, layer, unit, at_yx)
    links: list[Link] = []
    value, last = shown.total, layer
    for step in shown.steps:
        owner = exact.network.get_submodule(step.layer.split("#")[0])
        if step.kind == "normalisation":
            assert isinstance(owner, nn.modules.batchnorm._BatchNorm)
            assert owner.running_var is not None
            scale = 1.0 if owner.weight is None else float(owner.weight[unit].detach())
            slope = scale / float(owner.running_var[unit] + owner.eps) ** 0.5
            links.append(Link(step.layer, "what is normalised by the sum: scale / deviation", slope))
        else:
            slope = _slope(owner, value)
            links.append(Link(step.layer, f"{type(owner).__name__} by its input, at {value:.4g}", slope))
        value = step.value
        name = step.layer.removesuffix(".act") if step.layer.endswith(".act") else step.layer
        last = name if name in exact.given else last
    back = exact.given[last].grad
    assert back is not None
    start = back[0, unit] if back.ndim == 2 else back[0, unit, at_yx[0], at_yx[1]]
    return tuple(reversed(links)), float(start)


def _slope(activation: nn.Module, value: float) -> float:
    with torch.enable_grad():
        at = torch.tensor([value], dtype=torch.float64, requires_grad=True)
        # A copy: some activations write into what they are given.
        (slope,) = torch.autograd.grad(activation(at.clone()).sum(), at)
    return float(slope)


def _rms(tensor: Tensor) -> float:
    return float(tensor.double().square().mean().sqrt())
