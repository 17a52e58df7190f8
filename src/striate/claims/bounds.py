"""Claim 5: sigmoid, tanh and ReLU bound or cut their outputs, and what that does to gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from striate.claims.base import CLAIMS, Claim, Drawing, Finding, Line, Measure, VerdictWord
from striate.claims.bench import Bench, Fitted, Pictures
from striate.claims.statistics import mean_over
from striate.networks.activity import measure_activity
from striate.networks.layers import build_activation

KINDS = ("sigmoid", "tanh", "relu")
RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, float("inf"))}
DEPTHS = (2, 6, 12)
WIDTH = 16
BATCH = 64


class Bounds(Claim):
    """Ranges, gradients by depth and dead units of plain stacks of convolutions.

    Args:
        build: Builds the activation of a name; another one in tests.
    """

    name = "bounds"
    number = 5
    sentence = "Sigmoid, tanh and ReLU bound or cut their outputs."
    meaning = (
        "Sigmoid's values stay between 0 and 1, tanh's between -1 and 1, ReLU's at or above 0. Where a curve is flat "
        "no gradient comes back: the deeper the network, the less of it reaches the first layers, and a ReLU that is "
        "never above 0 learns nothing any more."
    )
    sources = (
        "Hochreiter: Untersuchungen zu dynamischen neuronalen Netzen, 1991 (vanishing gradients)",
        "Glorot and Bengio: Understanding the Difficulty of Training Deep Feedforward Neural Networks, 2010",
        "Nair and Hinton: Rectified Linear Units Improve Restricted Boltzmann Machines, 2010",
    )

    def __init__(self, build: Callable[[str], nn.Module] = build_activation) -> None:
        self._build = build

    def seconds(self, bench: Bench) -> float:
        """Passes there and back through plain stacks, and a short training of each."""
        return 9 * bench.effort.seeds * 1.5 + 3 * bench.effort.seeds * bench.effort.steps * bench.step_seconds() * 2

    def measure(self, bench: Bench) -> Finding:
        """Feeds the pictures through stacks of several depths with each activation, before and after training."""
        batch = bench.small_train.of(slice(0, BATCH))
        outside, ratios, dead = {}, {}, {}
        for kind in KINDS:
            outside[kind] = self._outside(kind, batch)
            ratios[kind] = {depth: self._ratios(bench, kind, depth, batch) for depth in DEPTHS}
            dead[kind] = self._dead(bench, kind)
        return self._judged(outside, ratios, dead)

    def _outside(self, kind: str, batch: Pictures) -> float:
        """Share of values outside of the range that is claimed, over inputs far and near."""
        values = torch.cat([batch.pixels.flatten() * 20 - 10, torch.linspace(-1000, 1000, 4001)])
        with torch.inference_mode():
            given = self._build(kind)(values.double())
        low, high = RANGES[kind]
        return float(((given < low) | (given > high)).double().mean())

    def _ratios(self, bench: Bench, kind: str, depth: int, batch: Pictures) -> np.ndarray:
        """Gradient at the first convolution as a share of that at the last one, a value for each seed."""
        found = []
        for seed in bench.seeds():
            torch.manual_seed(1000 * bench.seed + seed)
            stack = self._stack(kind, depth, bench)
            fitted = Fitted(stack, batch.pixels.mean((0, 2, 3)), batch.pixels.std((0, 2, 3)).clamp_min(1e-6))
            loss = F.cross_entropy(stack(fitted.normalise(batch.pixels)), batch.labels)
            loss.backward()  # type: ignore[no-untyped-call]
            weights = [one.weight for one in stack.modules() if isinstance(one, nn.Conv2d)]
            sizes = [float(weight.grad.square().mean().sqrt()) for weight in weights if weight.grad is not None]
            found.append(sizes[0] / max(sizes[-1], 1e-300))
        return np.array(found)

    def _stack(self, kind: str, depth: int, bench: Bench) -> nn.Module:
        """Convolutions of one width with the activation between them, first weights as Glorot and Bengio draw them."""
        layers: list[nn.Module] = []
        channels = int(bench.small_train.pixels.shape[1])
        for index in range(depth):
            convolution = nn.Conv2d(channels if index == 0 else WIDTH, WIDTH, 3, padding=1)
            nn.init.xavier_normal_(convolution.weight)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, self._build(kind)]
            if index in (0, depth // 2):
                layers.append(nn.AvgPool2d(2))
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * WIDTH, len(bench.classes)))

    def _dead(self, bench: Bench, kind: str) -> float:
        """Share of units that give the same value everywhere, after training a stack of middling depth."""
        fitted = bench.fit(
            bench.small_train,
            lambda: self._stack(kind, DEPTHS[1], bench),
            key=f"bounds-{kind}",
            steps=bench.effort.steps,
        )
        seen = measure_activity(fitted.network, torch.split(fitted.normalise(bench.small_test.pixels), 128))
        return sum(len(one.dead) for one in seen) / sum(len(one.largest) for one in seen)

    def _judged(
        self,
        outside: dict[str, float],
        ratios: dict[str, dict[int, np.ndarray]],
        dead: dict[str, float],
    ) -> Finding:
        bounded = not any(outside.values())
        deep = {
            kind: mean_over(f"gradient first / last, {kind}, {DEPTHS[-1]} layers", ratios[kind][DEPTHS[-1]], form=".2e")
            for kind in KINDS
        }
        vanishing = deep["sigmoid"].value < 0.01 and deep["sigmoid"].value < deep["relu"].value
        verdict: VerdictWord = "holds" if bounded else "does not hold"
        worst = max(outside, key=lambda kind: outside[kind])
        ranges = (
            "No value left its range"
            if bounded
            else f"{outside[worst]:.1%} of the values of {worst} left the range that is claimed"
        )
        lost = "vanish" if vanishing else "do not vanish"
        return Finding(
            verdict=verdict,
            summary=(
                f"{ranges}. Behind {DEPTHS[-1]} layers of sigmoid gradients {lost}: the first layer gets "
                f"{deep['sigmoid'].value:.1e} of what the last one gets, with tanh {deep['tanh'].value:.1e}, with ReLU "
                f"{deep['relu'].value:.1e}. After training {dead['relu']:.0%} of the units behind ReLU are dead."
            ),
            measures=(
                *(Measure(f"values outside of the range of {kind}", outside[kind], form=".1%") for kind in KINDS),
                *deep.values(),
                *(Measure(f"dead units behind {kind}, after training", dead[kind], form=".1%") for kind in KINDS),
            ),
            drawing=Drawing(
                "convolutions in a row",
                "gradient at the first, as a share of the last",
                tuple(
                    Line(kind, list(DEPTHS), [float(ratios[kind][depth].mean()) for depth in DEPTHS]) for kind in KINDS
                ),
                "The slope of sigmoid is a quarter at most, so each layer takes three quarters away.",
                log_y=True,
            ),
            notes=("Plain stacks without normalisation and skip connections, which were invented against just this.",),
        )


CLAIMS.add(Bounds.name, Bounds())
