"""Claim 7: pooling takes the maximum; it is a convolution layer that needs no training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from striate.claims.base import CLAIMS, Claim, Drawing, Finding, Line, Measure
from striate.claims.bench import Bench
from striate.claims.statistics import Bools, difference, is_above, is_below, mean_over, share_over_seeds
from striate.networks import NetworkOptions

WINDOW = 2
ROUNDING = 1e-5
KINDS = ("max", "average", "stride")


def max_pool(x: Tensor) -> Tensor:
    """The largest of each 2 x 2 values."""
    return F.max_pool2d(x, WINDOW)


class Pooling(Claim):
    """Average pooling is a fixed convolution; max pooling cannot be one; strided convolution learns instead.

    Args:
        pool: What is called pooling; another one in tests.
    """

    name = "pooling"
    number = 7
    sentence = "Pooling takes the maximum; it is a convolution layer that needs no training."
    meaning = (
        "Some fixed kernel, slid with a stride, gives what pooling gives. A convolution is linear, so pooling the sum "
        "of two pictures would then be the sum of both pooled."
    )
    sources = (
        "LeCun et al. 1998, section II.B (subsampling with trainable coefficients)",
        "Springenberg, Dosovitskiy, Brox and Riedmiller: Striving for Simplicity: The All Convolutional Net, 2015",
    )

    def __init__(self, pool: Callable[[Tensor], Tensor] = max_pool) -> None:
        self._pool = pool

    def seconds(self, bench: Bench) -> float:
        """Three kinds of pooling, trained as often as the effort says."""
        return 3 * bench.effort.seeds * bench.effort.steps * bench.step_seconds() + 3

    def measure(self, bench: Bench) -> Finding:
        """Linearity of both poolings, the best kernel in place of each, and networks trained with each."""
        pixels = bench.small_test.pixels
        average_gap = as_convolution_gap(lambda x: F.avg_pool2d(x, WINDOW), pixels)
        pool_gap = as_convolution_gap(self._pool, pixels)
        curved = mean_over(
            "how far pooling the sum is from the sum of both pooled", additivity_gaps(self._pool, pixels)
        )
        accuracy = self._trained(bench)
        linear = curved.value < ROUNDING and pool_gap < ROUNDING
        shares = {kind: share_over_seeds(f"accuracy with pooling by {kind}", accuracy[kind]) for kind in KINDS}
        gap = difference("maximum over learned stride", accuracy["max"], accuracy["stride"])
        if is_above(gap, 0):
            learned = "It needs no training, and a learned stride does worse here"
        elif is_below(gap, 0):
            learned = "It needs no training, but a learned stride does better here"
        else:
            learned = "It needs no training, and no difference from a learned stride could be shown"
        return Finding(
            verdict="holds" if linear else "holds in part",
            summary=(
                f"Average pooling is a fixed convolution, to rounding ({average_gap:.0e}). Taking the maximum is "
                f"{'one too' if linear else 'none'}: pooling the sum of two pictures differs from the sum of both "
                f"pooled by {curved.value:.1%} of its size, and the best kernel in its place misses it by "
                f"{pool_gap:.1%}. {learned} ({gap})."
            ),
            measures=(
                Measure(
                    "average pooling against a kernel of equal weights, largest difference", average_gap, form=".1e"
                ),
                curved,
                Measure("maximum against the best kernel in its place, root mean square", pool_gap, form=".1%"),
                *shares.values(),
                gap,
            ),
            drawing=Drawing(
                "pooling",
                "accuracy on test pictures",
                (Line.of("accuracy", shares),),
                "The same network with each kind of pooling, trained alike.",
            ),
            notes=(
                "A network may be trained without any pooling: a stride in the convolution before does the shrinking.",
            ),
        )

    def _trained(self, bench: Bench) -> dict[str, list[Bools]]:
        found: dict[str, list[Bools]] = {kind: [] for kind in KINDS}
        for kind in KINDS:
            for seed in bench.seeds():
                options = NetworkOptions(pooling=kind)  # type: ignore[arg-type]
                fitted = bench.fit(bench.small_train, "lenet5", key=f"pooling-{kind}", seed=seed, options=options)
                found[kind].append(fitted.right(bench.small_test))
        return found


def additivity_gaps(pool: Callable[[Tensor], Tensor], pixels: Tensor) -> np.ndarray:
    """For pairs of pictures: `|pool(a + b) - pool(a) - pool(b)|` as a share of `|pool(a + b)|`, picture by picture.

    Pictures are centred first, so that values have both signs as feature maps have.
    """
    centred = (pixels - pixels.mean()).double()
    other = centred.roll(1, 0)
    whole = pool(centred + other)
    gap = whole - pool(centred) - pool(other)
    return np.asarray((gap.flatten(1).norm(dim=1) / whole.flatten(1).norm(dim=1).clamp_min(1e-12)).numpy())


def as_convolution_gap(pool: Callable[[Tensor], Tensor], pixels: Tensor) -> float:
    """How far the best kernel (least squares, with a bias) stays from pooling, as a share of what pooling gives."""
    centred = (pixels - pixels.mean()).double()
    wanted = pool(centred).flatten()
    windows = F.unfold(centred.flatten(0, 1)[:, None], WINDOW, stride=WINDOW).movedim(1, 0).flatten(1).T
    known = torch.cat([windows, torch.ones(len(windows), 1, dtype=torch.float64)], 1)
    kernel = torch.linalg.lstsq(known, wanted[:, None]).solution
    return float((known @ kernel - wanted[:, None]).norm() / wanted.norm().clamp_min(1e-12))


CLAIMS.add(Pooling.name, Pooling())
