"""Receptive fields: what a place of a feature map could see, and what it does see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.networks.watching import keeping

ENERGY = 0.95
"""Share of the gradient that lies in what is called the effective field."""


@dataclass(frozen=True, slots=True, eq=False)
class EffectiveField:
    """How the middle of a feature map depends on each pixel (Luo et al., NIPS 2016).

    Attributes:
        weight: `(H, W)` mean size of the gradient, at most 1.
        side: Side of the smallest square around the middle that holds `ENERGY` of its square sum, in pixels.
    """

    weight: npt.NDArray[np.float64]
    side: int


def effective_field(network: nn.Module, layer: nn.Module, pictures: Iterable[Tensor]) -> EffectiveField:
    """Measures the receptive field by gradients, over several pictures and all units of a layer.

    Args:
        network: In evaluation mode.
        layer: A layer with feature maps.
        pictures: Pictures as the network expects them, `(1, C, H, W)` each.

    Raises:
        ValueError: There is no picture, or the layer has no feature maps.
    """
    total: Tensor | None = None
    with keeping(layer) as kept:
        for picture in pictures:
            with torch.enable_grad():
                shown = picture.detach().clone().requires_grad_(True)
                network(shown)
                given = kept.pop()
                kept.clear()
                if given.ndim != 4:
                    raise ValueError("the layer has no feature maps")
                middle = given[0, :, given.shape[2] // 2, given.shape[3] // 2]
                # Units at random signs: their mean would let them cancel each other.
                signs = torch.randn(len(middle), generator=torch.Generator().manual_seed(0)).to(middle)
                (gradient,) = torch.autograd.grad((middle * signs).sum(), shown)
            size = gradient[0].abs().sum(0)
            total = size if total is None else total + size
    if total is None:
        raise ValueError("there is no picture to measure with")
    weight = total.double().cpu().numpy()
    weight /= max(weight.max(), 1e-300)
    return EffectiveField(weight, _side(weight))


def _side(weight: npt.NDArray[np.float64]) -> int:
    """The smallest square around the centre of gravity that holds most of the square sum."""
    energy = weight**2
    if not energy.sum():
        return 0
    rows, columns = np.indices(energy.shape)
    middle = [float((axis * energy).sum() / energy.sum()) for axis in (rows, columns)]
    away = np.maximum(np.abs(rows - middle[0]), np.abs(columns - middle[1]))
    order = np.argsort(away.ravel())
    within = np.cumsum(energy.ravel()[order]) / energy.sum()
    half = float(away.ravel()[order[int(np.searchsorted(within, ENERGY))]])
    return min(2 * int(half + 0.5) + 1, int(energy.shape[0]), int(energy.shape[1]))
