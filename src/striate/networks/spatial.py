"""A backbone with a head that says where something is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from striate.networks.base import Network, NetworkOptions
from striate.networks.heads.base import Head


class SpatialNetwork(nn.Module):
    """A backbone's maps into a head.

    Layers of the backbone that its maps do not need (its class scores, what leads to them) are taken out: VGG-16
    would carry 124 million parameters that nothing ever uses.

    Args:
        backbone: Any network, weights loaded.
        head: Built from its `FeatureSpec`.
        options: What the backbone was built with.
    """

    def __init__(self, backbone: Network, head: Head, options: NetworkOptions) -> None:
        super().__init__()
        remove_unused(backbone, options)
        self.backbone = backbone
        self.head = head

    def forward(self, x: Tensor) -> Any:
        """What the head makes of pictures `(N, C, H, W)`."""
        return self.head(self.backbone.forward_features(x), (int(x.shape[-2]), int(x.shape[-1])))


@torch.no_grad()
def remove_unused(backbone: Network, options: NetworkOptions) -> None:
    """Replaces the largest modules that take no part in `forward_features` by nothing, in place."""
    used: set[int] = set()

    def note(module: nn.Module, *_: Any) -> None:
        used.add(id(module))

    hooks = [module.register_forward_hook(note) for module in backbone.modules()]
    training = backbone.training
    backbone.eval()
    try:
        weight = next(backbone.parameters())
        backbone.forward_features(torch.zeros(1, options.channels, *options.size_hw, device=weight.device))
    finally:
        for hook in hooks:
            hook.remove()
        backbone.train(training)
    _remove(backbone, used)


def _remove(module: nn.Module, used: set[int]) -> None:
    for name, child in list(module.named_children()):
        if not any(id(part) in used for part in child.modules()):
            setattr(module, name, nn.Identity())
        else:
            _remove(child, used)
