"""What excites a unit: the pictures that do so most, and one made for it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.transforms.v2.functional import gaussian_blur

from striate.networks.watching import keeping

ASCENT_STEPS = 96
ASCENT_RATE = 0.08
JITTER = 0.04
BLUR_EVERY = 8


@dataclass(frozen=True, slots=True, order=True)
class Excited:
    """A picture and how much it excites a unit.

    Attributes:
        value: The unit's largest value in the picture.
        index: Position of the picture.
        at_yx: Where in the feature map.
    """

    value: float
    index: int
    at_yx: tuple[int, int]


def most_exciting(
    network: nn.Module, layer: nn.Module, unit: int, batches: Iterable[Tensor], *, most: int = 9
) -> list[Excited]:
    """The pictures in which a unit says most, each once, at its strongest place; the first excites it most.

    Args:
        network: In evaluation mode.
        layer: The layer of the unit.
        unit: Position of its feature map.
        batches: Pictures as the network expects them.
        most: How many.
    """
    kept: list[Excited] = []
    count = 0
    for batch, given in _given(network, layer, batches):
        planes = given[:, unit] if given.ndim == 4 else given[:, unit, None, None]
        values, places = planes.flatten(1).max(1)
        for row in range(len(batch)):
            place = divmod(int(places[row]), int(planes.shape[2]))
            one = Excited(float(values[row]), count + row, place)
            (heapq.heappush if len(kept) < most else heapq.heappushpop)(kept, one)
        count += len(batch)
    return sorted(kept, reverse=True)


def _given(network: nn.Module, layer: nn.Module, batches: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    with keeping(layer) as found:
        for batch in batches:
            with torch.inference_mode():
                network(batch)
            yield batch, found[-1]
            found.clear()


def window_in_picture(
    at_yx: tuple[int, int], map_hw: tuple[int, int], picture_hw: tuple[int, int], field_hw: tuple[int, int] | None
) -> tuple[int, int, int, int]:
    """What a place of a feature map sees of the picture: left, top, right, bottom, cut at the picture's edges.

    Args:
        at_yx: Place in the map.
        map_hw: Height and width of the map.
        picture_hw: Height and width of what the network was shown.
        field_hw: Receptive field in pixels; all of the picture where `None`.
    """
    if field_hw is None:
        return 0, 0, picture_hw[1], picture_hw[0]
    ends = []
    for place, cells, side, field in zip(at_yx, map_hw, picture_hw, field_hw, strict=True):
        middle = (place + 0.5) * side / cells
        ends.append((max(0, round(middle - field / 2)), min(side, round(middle + field / 2))))
    (top, bottom), (left, right) = ends
    return left, top, max(right, left + 1), max(bottom, top + 1)


def maximise_activation(
    network: nn.Module,
    layer: nn.Module,
    unit: int,
    shape: tuple[int, int, int],
    *,
    steps: int | None = None,
    seed: int = 0,
) -> tuple[Tensor, list[float]]:
    """A picture that a unit answers to strongly, found by climbing along the gradient (Erhan et al. 2009).

    Small random shifts and a blur every few steps keep it from the high frequencies that gradients love (Mordvintsev,
    Olah and Tyka 2015).

    Args:
        network: In evaluation mode; unchanged.
        layer: The layer of the unit.
        unit: Position of its feature map.
        shape: `(C, H, W)` of pictures.
        steps: Steps of the climb; `ASCENT_STEPS` where not given.
        seed: Fixes where it starts.

    Returns:
        The picture `(C, H, W)`, normalised as the network expects, and the unit's mean value after each step.
    """
    steps = steps or ASCENT_STEPS
    generator = torch.Generator().manual_seed(seed)
    device = next(network.parameters()).device
    picture = (0.1 * torch.randn(1, *shape, generator=generator)).to(device)
    values: list[float] = []
    reach = max(1, round(JITTER * min(shape[1:])))
    with keeping(layer) as kept:
        for step in range(steps):
            shift = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
            with torch.enable_grad():
                shown = torch.roll(picture, shift, (2, 3)).requires_grad_(True)
                network(shown)
                plane = kept.pop()[0, unit]
                kept.clear()
                (gradient,) = torch.autograd.grad(plane.mean(), shown)
            values.append(float(plane.detach().mean()))
            gradient = torch.roll(gradient, [-shift[0], -shift[1]], (2, 3))
            picture = picture + ASCENT_RATE * gradient / gradient.std().clamp_min(1e-12)
            if step % BLUR_EVERY == BLUR_EVERY - 1 and step < steps - BLUR_EVERY:
                picture = gaussian_blur(picture, [3, 3], [0.6, 0.6])
            # Normalised pictures rarely leave this range.
            picture = picture.clamp(-3.0, 3.0)
    return picture[0].detach(), values
