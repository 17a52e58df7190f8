"""Whether a map of reasons means anything: it must follow the weights, and what it marks must matter."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.inside.attribution import Method
from striate.inside.objectives import Objective, score_pictures

SAME = 0.7
"""Rank correlation from which two maps say the same."""

STEPS = 16
RANDOM_ORDERS = 5
SHUFFLES = 2


@dataclass(frozen=True, slots=True)
class Randomised:
    """A map beside the one that the same network gives once its weights are shuffled (Adebayo et al., NeurIPS 2018).

    Attributes:
        correlation: Spearman's rank correlation of the two, mean over several shuffles, signs aside.
        follows_weights: Whether the map changed: one that does not shows the picture and not the network.
    """

    correlation: float
    follows_weights: bool

    @property
    def words(self) -> str:
        """The finding in a sentence."""
        if self.follows_weights:
            return f"With shuffled weights the map is another one (rank correlation {self.correlation:.2f})."
        return (
            f"With shuffled weights the map is nearly the same (rank correlation {self.correlation:.2f}): it shows the "
            "picture, not what the network learned."
        )


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """A copy whose weights are shuffled within each tensor, so that their sizes stay and what they learned goes."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = copy.deepcopy(network)
    with torch.no_grad():
        for weight in shuffled.parameters():
            order = torch.randperm(weight.numel(), generator=generator)
            weight.copy_(weight.flatten()[order.to(weight.device)].view_as(weight))
    return shuffled


def check_randomised(
    method: Method,
    network: nn.Module,
    picture: Tensor,
    objective: Objective,
    layer: str,
    *,
    shuffles: int | None = None,
) -> Randomised:
    """Holds a map against those of the same network with shuffled weights.

    Args:
        method: Makes the map.
        network: Trained.
        picture: `(1, C, H, W)`.
        objective: What is explained.
        layer: Name of the layer that the method looks at.
        shuffles: How often weights are shuffled; `SHUFFLES` where not given.
    """
    own = method(network, picture, objective, network.get_submodule(layer))
    found = []
    for seed in range(shuffles or SHUFFLES):
        other = randomise(network, seed)
        found.append(abs(rank_correlation(own, method(other, picture, objective, other.get_submodule(layer)))))
    mean = float(np.mean(found))
    return Randomised(mean, mean < SAME)


def rank_correlation(one: Tensor, other: Tensor) -> float:
    """Spearman's rank correlation of two maps; 0 where one of them is constant."""
    from scipy.stats import spearmanr

    first, second = (plane.detach().double().cpu().numpy().ravel() for plane in (one, other))
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(spearmanr(first, second).statistic)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """The score while the picture vanishes or comes back, the places marked most first (Petsiuk et al., BMVC 2018).

    Attributes:
        shares: Share of the pixels changed.
        deletion: Score while these pixels are blurred.
        insertion: Score while these pixels come back into the blurred picture.
        random_deletion: The same in random orders, one a row.
        random_insertion: The same in random orders, one a row.
    """

    shares: npt.NDArray[np.float64]
    deletion: npt.NDArray[np.float64]
    insertion: npt.NDArray[np.float64]
    random_deletion: npt.NDArray[np.float64]
    random_insertion: npt.NDArray[np.float64]

    @property
    def matters(self) -> bool:
        """Whether what is marked matters more than any of the random orders would have it, in both directions."""
        return bool(
            self.deletion.mean() < self.random_deletion.mean(1).min()
            and self.insertion.mean() > self.random_insertion.mean(1).max()
        )

    @property
    def words(self) -> str:
        """The finding in a sentence."""
        lost, random_lost = self.deletion.mean(), self.random_deletion.mean()
        kept, random_kept = self.insertion.mean(), self.random_insertion.mean()
        verdict = "What it marks matters" if self.matters else "What it marks matters no more than chance would have it"
        return (
            f"{verdict}: mean score {lost:.3g} while it vanishes ({random_lost:.3g} in random order), {kept:.3g} while "
            f"it comes back ({random_kept:.3g})."
        )


def deletion_and_insertion(
    planes: Sequence[Tensor],
    network: nn.Module,
    picture: Tensor,
    objective: Objective,
    *,
    seed: int = 0,
    steps: int | None = None,
) -> list[Curves]:
    """Takes away what each map marks, and brings it back, step by step, beside the same random orders for all maps.

    Args:
        planes: `(H, W)` each, large where it matters.
        network: In evaluation mode.
        picture: `(1, C, H, W)`.
        objective: What is explained.
        seed: Fixes the random orders.
        steps: Steps in which the picture vanishes; `STEPS` where not given.
    """
    blurred = _blurred(picture)
    generator = np.random.default_rng(seed)
    size_hw = (int(picture.shape[2]), int(picture.shape[3]))
    count = size_hw[0] * size_hw[1]
    shares = np.linspace(0, 1, (steps or STEPS) + 1)

    def curves(order: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        place = np.empty(count, np.int64)
        place[order] = np.arange(count)
        ranks = torch.from_numpy(place).view(1, 1, *size_hw).to(picture.device)
        limits = torch.from_numpy((shares * count).round().astype(np.int64)).view(-1, 1, 1, 1).to(picture.device)
        changed = ranks < limits
        gone, back = torch.where(changed, blurred, picture), torch.where(changed, picture, blurred)
        return tuple(score_pictures(network, each, objective).double().cpu().numpy() for each in (gone, back))  # type: ignore[return-value]

    # Squares and not pixels: single pixels at random would blur everywhere a little at once.
    random = [curves(_random_order(size_hw, generator)) for _ in range(RANDOM_ORDERS)]
    random_deletion, random_insertion = (np.stack(pair) for pair in zip(*random, strict=True))
    found = []
    for plane in planes:
        order = np.argsort(-plane.detach().cpu().numpy().ravel(), kind="stable")
        found.append(Curves(shares, *curves(order), random_deletion, random_insertion))
    return found


def _random_order(size_hw: tuple[int, int], generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """The pixels ordered by a smooth random map, as fine as maps of reasons are."""
    height, width = size_hw
    coarse = torch.from_numpy(generator.random((1, 1, max(2, height // 16), max(2, width // 16))))
    smooth = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)[0, 0].numpy()
    return np.argsort(-smooth.ravel(), kind="stable")


def _blurred(picture: Tensor) -> Tensor:
    from torchvision.transforms.v2.functional import gaussian_blur

    side = max(3, int(min(picture.shape[-2:]) // 4) | 1)
    blurred: Tensor = gaussian_blur(picture, [side, side], [side / 3, side / 3])
    return blurred
