"""The optimizer, and which weights get which rate and decay.

The update itself is PyTorch's fused kernel, one call for all weights of a group. `torch.optim` calls the same kernel,
but takes longer around it than the kernel itself on a network like LeNet-5, and loads `torch._dynamo` with the first
optimizer, which costs every command seconds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from striate.networks import Network
from striate.networks.spatial import SpatialNetwork
from striate.recipe import OptimisationRecipe

ADAM_BETA2 = 0.999
ADAM_EPSILON = 1e-8


@dataclass(slots=True)
class WeightGroup:
    """Weights that are treated alike.

    Attributes:
        weights: The weights.
        highest: Highest learning rate of the schedule.
        weight_decay: Weight decay.
        rate: Learning rate of the next step.
    """

    weights: list[nn.Parameter]
    highest: float
    weight_decay: float
    rate: float


class Optimizer(ABC):
    """Changes weights by their gradients.

    Args:
        groups: Every weight once.
    """

    def __init__(self, groups: list[WeightGroup]) -> None:
        self.groups = groups
        self._state: dict[nn.Parameter, list[Tensor]] = {}

    def weights(self) -> Iterator[nn.Parameter]:
        """Every weight."""
        for group in self.groups:
            yield from group.weights

    def forget_gradients(self) -> None:
        """Frees the gradients."""
        for group in self.groups:
            for weight in group.weights:
                weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One step; weights without a gradient stay as they are."""
        for group in self.groups:
            weights: list[Tensor] = []
            gradients: list[Tensor] = []
            state: list[list[Tensor]] = []
            for weight in group.weights:
                if weight.grad is None:
                    continue
                weights.append(weight)
                gradients.append(weight.grad)
                state.append(self.state_of(weight))
            if weights:
                self._update(group, weights, gradients, state)

    @abstractmethod
    def _fresh_state(self, weight: nn.Parameter) -> list[Tensor]:
        """What is kept for a weight before its first step."""

    @abstractmethod
    def _update(
        self, group: WeightGroup, weights: list[Tensor], gradients: list[Tensor], state: list[list[Tensor]]
    ) -> None:
        """Changes weights and their state in place."""

    def state_of(self, weight: nn.Parameter) -> list[Tensor]:
        """What is kept for a weight; what is there before the first step where none was made."""
        if weight not in self._state:
            self._state[weight] = self._fresh_state(weight)
        return self._state[weight]

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the state of each weight by its place."""
        return {str(place): self._state[weight] for place, weight in enumerate(self.weights()) if weight in self._state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` gave for the same network.

        Raises:
            ValueError: It is of another network.
        """
        weights = list(self.weights())
        restored = {}
        for place, kept in state.items():
            weight = weights[int(place)] if int(place) < len(weights) else None
            wanted = [] if weight is None else self._fresh_state(weight)
            if weight is None or [one.shape for one in wanted] != [one.shape for one in kept]:
                raise ValueError("its optimizer belongs to another network")
            # In place, so that memory format and device are those of the weight.
            restored[weight] = [own.copy_(other) for own, other in zip(wanted, kept, strict=True)]
        self._state = restored


class Sgd(Optimizer):
    """Stochastic gradient descent with Nesterov momentum (Sutskever et al. 2013), in PyTorch's form.

    Args:
        groups: The weights.
        momentum: Share of the last step that is kept; 0 is plain gradient descent.
    """

    def __init__(self, groups: list[WeightGroup], momentum: float) -> None:
        super().__init__(groups)
        self.momentum = momentum

    def _fresh_state(self, weight: nn.Parameter) -> list[Tensor]:
        # A buffer of zeros takes the first gradient as it is: the first step needs no case of its own.
        return [torch.zeros_like(weight, memory_format=torch.preserve_format)] if self.momentum else []

    def _update(
        self, group: WeightGroup, weights: list[Tensor], gradients: list[Tensor], state: list[list[Tensor]]
    ) -> None:
        torch._fused_sgd_(
            weights,
            gradients,
            [kept[0] for kept in state] if self.momentum else [],
            weight_decay=group.weight_decay,
            momentum=self.momentum,
            lr=group.rate,
            dampening=0.0,
            nesterov=self.momentum > 0,
            maximize=False,
            is_first_step=False,
        )


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    Args:
        groups: The weights.
        beta1: Decay of the mean of gradients.
    """

    def __init__(self, groups: list[WeightGroup], beta1: float) -> None:
        super().__init__(groups)
        self.beta1 = beta1

    def _fresh_state(self, weight: nn.Parameter) -> list[Tensor]:
        return [
            torch.zeros_like(weight, memory_format=torch.preserve_format),
            torch.zeros_like(weight, memory_format=torch.preserve_format),
            torch.zeros((), dtype=torch.float32, device=weight.device),
        ]

    def _update(
        self, group: WeightGroup, weights: list[Tensor], gradients: list[Tensor], state: list[list[Tensor]]
    ) -> None:
        means, squares, steps = ([kept[part] for kept in state] for part in range(3))
        torch._foreach_add_(steps, 1.0)
        torch._fused_adamw_(
            weights,
            gradients,
            means,
            squares,
            [],
            steps,
            lr=group.rate,
            beta1=self.beta1,
            beta2=ADAM_BETA2,
            weight_decay=group.weight_decay,
            eps=ADAM_EPSILON,
            amsgrad=False,
            maximize=False,
        )


def build_optimizer(network: nn.Module, recipe: OptimisationRecipe) -> Optimizer:
    """SGD with Nesterov momentum, or AdamW, as the recipe says.

    Biases and normalisation weights (anything of one dimension) get no weight decay. Layers below the head get
    `backbone_rate` times the learning rate. With AdamW each step moves every weight by about the rate, and so the
    output of a neuron by up to the rate times the number of its inputs: linear layers for which that is more than
    `sum_rate` get a smaller rate (as in Yang et al. 2021, "Tensor Programs V", but the ordinary layers stay as they
    are).

    Args:
        network: The network; where it has a head, that is told from its backbone.
        recipe: A filled recipe section.
    """
    if recipe.learning_rate is None or recipe.optimizer is None:
        raise ValueError("the recipe has no learning rate or optimizer yet")
    head = (
        {id(weight) for weight in network.head.parameters()} if isinstance(network, Network | SpatialNetwork) else set()
    )
    most = _most_rates(network, recipe.sum_rate) if recipe.optimizer == "adamw" else {}
    parts: dict[tuple[bool, bool, float], list[nn.Parameter]] = {}
    for weight in network.parameters():
        if weight.requires_grad:
            of_head = id(weight) in head or not head
            rate = recipe.learning_rate * (1.0 if of_head else recipe.backbone_rate or 1.0)
            rate = min(rate, most.get(id(weight), rate))
            parts.setdefault((of_head, weight.ndim > 1, rate), []).append(weight)
    groups = [
        WeightGroup(weights, rate, (recipe.weight_decay or 0.0) if decays else 0.0, rate)
        for (_, decays, rate), weights in parts.items()
    ]
    return Sgd(groups, recipe.momentum) if recipe.optimizer == "sgd" else AdamW(groups, recipe.momentum)


def _most_rates(network: nn.Module, sum_rate: float | None) -> dict[int, float]:
    """Largest rate for the weights of each linear layer, by identity."""
    if sum_rate is None:
        return {}
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return {id(layer.weight): sum_rate / layer.in_features for layer in linear}


def set_rate(optimizer: Optimizer, factor: float) -> float:
    """Sets every group to its highest rate times `factor`; returns the largest rate set."""
    for group in optimizer.groups:
        group.rate = group.highest * factor
    return max(group.rate for group in optimizer.groups)


class MovingAverage:
    """Exponential moving average of the weights (Polyak and Juditsky 1992), batch-norm statistics included.

    Early on the decay is smaller, `(1 + step) / (10 + step)`, so that the fresh weights are soon forgotten.

    Args:
        network: The network to follow.
        average: A copy of it that takes the averages; also used for evaluation.
        decay: Share of the average that is kept in each step.
    """

    def __init__(self, network: nn.Module, average: nn.Module, decay: float) -> None:
        self.network = network
        self.average = average.requires_grad_(False).eval()
        self.decay = decay
        self._own, self._theirs, self._counters = _paired_tensors(average, network)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the average towards the network, after `step` steps."""
        decay = average_decay(self.decay, step)
        torch._foreach_lerp_(self._own, self._theirs, 1 - decay)
        for own, theirs in self._counters:
            own.copy_(theirs)


def average_decay(decay: float, step: int) -> float:
    """Share of a moving average that is kept after `step` steps."""
    return min(decay, (1 + step) / (10 + step))


def _paired_tensors(
    average: nn.Module, network: nn.Module
) -> tuple[list[Tensor], list[Tensor], list[tuple[Tensor, Tensor]]]:
    theirs = network.state_dict(keep_vars=True)
    own_list, their_list, counters = [], [], []
    for name, own in average.state_dict(keep_vars=True).items():
        if own.is_floating_point():
            own_list.append(own.detach())
            their_list.append(theirs[name].detach())
        else:
            counters.append((own, theirs[name]))
    return own_list, their_list, counters
