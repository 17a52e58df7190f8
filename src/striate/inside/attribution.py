"""Why this answer: which parts of a picture a score rests on, by five methods.

Grad-CAM: Selvaraju et al., ICCV 2017. Grad-CAM++: Chattopadhay et al., WACV 2018. LayerCAM: Jiang et al., TIP 2021.
Integrated gradients: Sundararajan, Taly and Yan, ICML 2017. Occlusion: Zeiler and Fergus, ECCV 2014.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.inside.objectives import Objective, score_pictures
from striate.networks.watching import keeping

Method = Callable[[nn.Module, Tensor, Objective, nn.Module], Tensor]
"""From a network, a picture `(1, C, H, W)`, an objective and a layer to a map `(H, W)`, large where it matters."""

LEAST_POSITIONS = 49
"""A map of fewer positions says hardly more than that the object is somewhere."""

STEPS = 32
PATCH_SHARE = 0.2


def maps_and_gradients(
    network: nn.Module, picture: Tensor, objective: Objective, layer: nn.Module
) -> tuple[Tensor, Tensor]:
    """What a layer gives for a picture, and how the objective changes with it: both `(C, h, w)`."""
    with torch.enable_grad(), keeping(layer) as kept:
        shown = picture.detach().clone().requires_grad_(True)
        value = objective.of_output(network(shown)).sum()
        (gradient,) = torch.autograd.grad(value, kept[-1], allow_unused=True)
    given = kept[-1].detach()
    return given[0], (torch.zeros_like(given) if gradient is None else gradient.detach())[0]


def grad_cam(network: nn.Module, picture: Tensor, objective: Objective, layer: nn.Module) -> Tensor:
    """Each map weighted by its mean gradient, added up, what speaks against the answer cut off."""
    given, gradient = maps_and_gradients(network, picture, objective, layer)
    return _enlarged(F.relu((gradient.mean((1, 2), keepdim=True) * given).sum(0)), picture)


def grad_cam_plus_plus(network: nn.Module, picture: Tensor, objective: Objective, layer: nn.Module) -> Tensor:
    """As Grad-CAM, but places count by how much they speak for the answer, so that several objects are all shown."""
    given, gradient = maps_and_gradients(network, picture, objective, layer)
    square, cube = gradient**2, gradient**3
    share = square / (2 * square + given.sum((1, 2), keepdim=True) * cube + 1e-12)
    weight = (share * F.relu(gradient)).sum((1, 2), keepdim=True)
    return _enlarged(F.relu((weight * given).sum(0)), picture)


def layer_cam(network: nn.Module, picture: Tensor, objective: Objective, layer: nn.Module) -> Tensor:
    """Each place weighted by its own positive gradient: finer than Grad-CAM in early layers."""
    given, gradient = maps_and_gradients(network, picture, objective, layer)
    return _enlarged(F.relu((F.relu(gradient) * given).sum(0)), picture)


def integrated_gradients(
    network: nn.Module,
    picture: Tensor,
    objective: Objective,
    layer: nn.Module | None = None,
    *,
    steps: int | None = None,
) -> Tensor:
    """Gradients along the way from the mean picture to this one, times the way: the parts add up to the difference.

    Signed values; the baseline is zero after normalisation. By the rule of Gauss and Legendre.

    Returns:
        `(H, W)`, added up over the channels.
    """
    del layer
    return integrated_values(network, picture, objective, steps=steps)[0].sum(0)


def integrated_values(network: nn.Module, picture: Tensor, objective: Objective, *, steps: int | None = None) -> Tensor:
    """The same for every value of the picture, `(1, C, H, W)`."""
    import numpy as np

    places, weights = np.polynomial.legendre.leggauss(steps or STEPS)
    total = torch.zeros_like(picture)
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        with torch.enable_grad():
            shown = (picture.detach() * float(place)).requires_grad_(True)
            (gradient,) = torch.autograd.grad(objective.of_output(network(shown)).sum(), shown)
        total += float(weight) * gradient
    return total * picture.detach()


def occlusion(
    network: nn.Module,
    picture: Tensor,
    objective: Objective,
    layer: nn.Module | None = None,
    *,
    patch: int | None = None,
) -> Tensor:
    """How much the score falls when a square is covered with the mean colour, at every place: `(H, W)`.

    Args:
        network: In evaluation mode.
        picture: `(1, C, H, W)`.
        objective: What is explained.
        layer: Not used.
        patch: Side of the square in pixels; `PATCH_SHARE` of the shorter side where not given. It moves by a half.
    """
    del layer
    height, width = picture.shape[-2:]
    side = patch or max(1, round(PATCH_SHARE * min(height, width)))
    step = max(1, side // 2)
    before = score_pictures(network, picture, objective)[0]
    corners = [(top, left) for top in _starts(height, side, step) for left in _starts(width, side, step)]
    covered = picture.repeat(len(corners), 1, 1, 1)
    for row, (top, left) in zip(covered, corners, strict=True):
        row[:, top : top + side, left : left + side] = 0.0
    falls = before - score_pictures(network, covered, objective)
    total, times = torch.zeros(height, width), torch.zeros(height, width)
    for fall, (top, left) in zip(falls, corners, strict=True):
        total[top : top + side, left : left + side] += fall.cpu()
        times[top : top + side, left : left + side] += 1
    return total / times.clamp_min(1)


def _starts(length: int, side: int, step: int) -> list[int]:
    last = max(0, length - side)
    return sorted({*range(0, last, step), last})


def _enlarged(plane: Tensor, picture: Tensor) -> Tensor:
    size_hw = (int(picture.shape[-2]), int(picture.shape[-1]))
    return F.interpolate(plane[None, None], size_hw, mode="bilinear", align_corners=False)[0, 0]


METHODS: dict[str, tuple[str, Method]] = {
    "grad-cam": ("maps of the layer, weighted by their mean gradients (Selvaraju et al. 2017)", grad_cam),
    "grad-cam++": (
        "the same, weighted so that several objects are all shown (Chattopadhay et al. 2018)",
        grad_cam_plus_plus,
    ),
    "layer-cam": ("each place weighted by its own gradient (Jiang et al. 2021)", layer_cam),
    "integrated-gradients": (
        "gradients added up from the mean picture to this one (Sundararajan et al. 2017)",
        integrated_gradients,
    ),
    "occlusion": ("how much the score falls when a square is covered (Zeiler and Fergus 2014)", occlusion),
}
"""Methods by name, each with what it does."""


def choose_layer(network: nn.Module, picture: Tensor) -> tuple[str, nn.Module]:
    """The deepest convolution or activation whose maps still say where: of `LEAST_POSITIONS` at least.

    Of a network for boxes or masks it is one of its backbone.
    """
    from striate.inside.recording import record
    from striate.networks.spatial import SpatialNetwork

    recording = record(network, picture)
    inside = "backbone." if isinstance(network, SpatialNetwork) else ""
    calls = [
        call
        for call in recording.calls.values()
        if call.given.ndim == 4
        and call.kind in ("convolution", "activation", "normalisation")
        and call.name.startswith(inside)
    ]
    fine = [call for call in calls if call.map_hw[0] * call.map_hw[1] >= LEAST_POSITIONS] or calls
    name = fine[-1].name
    return name, network.get_submodule(name.split("#")[0])
