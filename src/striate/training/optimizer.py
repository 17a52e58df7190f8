"""The optimizer, and which weights get which rate and decay."""

from __future__ import annotations

import torch
from torch import nn

from striate.networks import Network
from striate.recipe import OptimisationRecipe


def build_optimizer(network: nn.Module, recipe: OptimisationRecipe, *, fused: bool = False) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or AdamW, as the recipe says.

    Biases and normalisation weights (anything of one dimension) get no weight decay. Layers below the head get
    `backbone_rate` times the learning rate. Each group's own highest rate is kept under "highest".

    Args:
        network: The network; where it is a `Network`, its head is told from its backbone.
        recipe: A filled recipe section.
        fused: Use the fused kernel; worth it on CUDA only.
    """
    if recipe.learning_rate is None or recipe.optimizer is None:
        raise ValueError("the recipe has no learning rate or optimizer yet")
    head = {id(weight) for weight in network.head.parameters()} if isinstance(network, Network) else set()
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for weight in network.parameters():
        if weight.requires_grad:
            groups.setdefault((id(weight) in head or not head, weight.ndim > 1), []).append(weight)
    rates = {True: recipe.learning_rate, False: recipe.learning_rate * (recipe.backbone_rate or 1.0)}
    listed = [
        {
            "params": weights,
            "lr": rates[of_head],
            "highest": rates[of_head],
            "weight_decay": (recipe.weight_decay or 0.0) if decays else 0.0,
        }
        for (of_head, decays), weights in groups.items()
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            listed, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=fused or None
        )
    return torch.optim.AdamW(listed, lr=recipe.learning_rate, betas=(recipe.momentum, 0.999), fused=fused or None)


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> float:
    """Sets every group to its highest rate times `factor`; returns the largest rate set."""
    for group in optimizer.param_groups:
        group["lr"] = group["highest"] * factor
    return max(float(group["lr"]) for group in optimizer.param_groups)


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
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._own, self._theirs, 1 - decay)
        for own, theirs in self._counters:
            own.copy_(theirs)


def _paired_tensors(
    average: nn.Module, network: nn.Module
) -> tuple[list[torch.Tensor], list[torch.Tensor], list[tuple[torch.Tensor, torch.Tensor]]]:
    theirs = network.state_dict(keep_vars=True)
    own_list, their_list, counters = [], [], []
    for name, own in average.state_dict(keep_vars=True).items():
        if own.is_floating_point():
            own_list.append(own.detach())
            their_list.append(theirs[name].detach())
        else:
            counters.append((own, theirs[name]))
    return own_list, their_list, counters
