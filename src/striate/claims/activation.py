"""Claim 4: activation functions introduce the nonlinearity that lets networks learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from striate.claims.base import CLAIMS, Claim, Drawing, Finding, Line, Measure
from striate.claims.bench import Bench, Fitted, Pictures
from striate.claims.statistics import Bools, difference, is_above, share_over_seeds
from striate.networks import NetworkOptions, build_network

KINDS = ("none", "sigmoid", "tanh", "relu")
ROUNDING = 1e-6
SIDE = 28
PAIRS = 1200
STEPS_FOR_PAIRS = 200


class Activation(Claim):
    """A network without activations folded into one matrix, and what each activation reaches.

    Args:
        build_linear: Builds the network that is said to be linear; another one in tests.
    """

    name = "activation"
    number = 4
    sentence = (
        "Activation functions introduce the nonlinearity that lets networks learn; otherwise they just pass things "
        "through."
    )
    meaning = (
        "Without activations the whole network, however deep, is one matrix: it gives the same answers as a single "
        "layer, and cannot learn what no such layer can tell apart. With them it can."
    )
    sources = (
        "Minsky and Papert: Perceptrons, 1969 (what one layer cannot do)",
        "Cybenko: Approximation by Superpositions of a Sigmoidal Function, 1989",
    )

    def __init__(self, build_linear: Callable[[NetworkOptions], nn.Module] | None = None) -> None:
        self._build_linear = build_linear or _without_activations

    def seconds(self, bench: Bench) -> float:
        """Four activations on the data and on the made set."""
        steps = (bench.effort.steps + STEPS_FOR_PAIRS) * bench.effort.seeds
        return 4 * steps * bench.step_seconds() + 5

    def measure(self, bench: Bench) -> Finding:
        """Folds, then trains with each activation on the data and on a set that no linear map can separate."""
        on_data: dict[str, list[Bools]] = {}
        on_pairs: dict[str, list[Bools]] = {}
        pairs_train, pairs_test = parity_pictures(PAIRS, 1), parity_pictures(bench.effort.test, 2)
        gap = 0.0
        for kind in KINDS:
            for seed in bench.seeds():
                fitted = self._fit(bench, bench.small_train, kind, seed, f"activation-{kind}", bench.effort.steps)
                on_data.setdefault(kind, []).append(fitted.right(bench.small_test))
                if kind == "none":
                    gap = max(gap, folding_gap(fitted, bench.small_test.pixels[:64]))
                made = self._fit(bench, pairs_train, kind, seed, f"parity-{kind}", STEPS_FOR_PAIRS)
                on_pairs.setdefault(kind, []).append(made.right(pairs_test))
        return self._judged(gap, on_data, on_pairs)

    def _fit(self, bench: Bench, train: Pictures, kind: str, seed: int, key: str, steps: int) -> Fitted:
        size_hw = (int(train.pixels.shape[2]), int(train.pixels.shape[3]))
        options = NetworkOptions(
            len(bench.classes), int(train.pixels.shape[1]), size_hw, activation=kind, pooling="average"
        )

        def build() -> nn.Module:
            return self._build_linear(options) if kind == "none" else build_network("lenet5", options)

        return bench.fit(train, build, key=f"{key}-{size_hw}", seed=seed, steps=steps)

    def _judged(self, gap: float, on_data: dict[str, list[Bools]], on_pairs: dict[str, list[Bools]]) -> Finding:
        shares = {kind: share_over_seeds(f"accuracy on this data, {kind}", on_data[kind]) for kind in KINDS}
        made = {kind: share_over_seeds(f"accuracy on pictures of parity, {kind}", on_pairs[kind]) for kind in KINDS}
        best = max(KINDS[1:], key=lambda kind: made[kind].value)
        gain = difference(f"{best} over none, pictures of parity", on_pairs[best], on_pairs["none"])
        own = difference("relu over none, this data", on_data["relu"], on_data["none"])
        folds = gap < ROUNDING
        if not folds:
            verdict, why = "does not hold", f"the network without activations is no matrix (difference {gap:.1e})"
        elif is_above(gain, 0):
            verdict = "holds" if is_above(own, 0) else "holds in part"
            why = "without activations the network is one matrix, and fails where no matrix can do it"
        else:
            verdict, why = "cannot tell", "no activation learned the pictures of parity in the time"
        return Finding(
            verdict=verdict,  # type: ignore[arg-type]
            summary=(
                f"{why[0].upper()}{why[1:]}. Folded into one matrix it gives the same scores to {gap:.0e}. On pictures "
                f"whose class is a parity it reaches {made['none'].value:.1%}, {best} {made[best].value:.1%}; on this "
                f"data {shares['none'].value:.1%} against {shares['relu'].value:.1%} with ReLU."
            ),
            measures=(
                Measure("scores of the network against those of one matrix, largest difference", gap, form=".1e"),
                gain,
                own,
                *shares.values(),
                *made.values(),
            ),
            drawing=Drawing(
                "activation",
                "accuracy on test pictures",
                (Line.of("this data", shares), Line.of("pictures of parity", made)),
                "Pictures of parity cannot be told apart by any single layer; chance is one half there.",
            ),
            notes=(
                "Pooling is by the mean here: taking a maximum would be a nonlinearity of its own.",
                "On data that a matrix tells apart well enough, activations gain little.",
            ),
        )


def _without_activations(options: NetworkOptions) -> nn.Module:
    return build_network("lenet5", options)


@torch.no_grad()
def folding_gap(fitted: Fitted, pixels: Tensor) -> float:
    """Largest difference between a network's scores and those of the matrix that it would be if it were linear."""
    import copy

    exact = copy.deepcopy(fitted.network).double().eval()
    shape = tuple(int(side) for side in pixels.shape[1:])
    count = int(np.prod(shape))
    zero = exact(torch.zeros(1, *shape, dtype=torch.float64))
    columns = []
    for start in range(0, count, 256):
        basis = torch.eye(count, dtype=torch.float64)[start : start + 256].view(-1, *shape)
        columns.append(exact(basis) - zero)
    matrix = torch.cat(columns)
    shown = fitted.normalise(pixels).double()
    folded = shown.flatten(1) @ matrix + zero
    scores = exact(shown)
    return float((folded - scores).abs().max() / scores.abs().mean().clamp_min(1e-12))


def parity_pictures(count: int, seed: int) -> Pictures:
    """Two squares, each light or dark on grey: the class is whether both are alike. No linear map can tell that."""
    generator = np.random.default_rng(seed)
    signs = generator.integers(0, 2, (count, 2))
    pixels = np.full((count, 1, SIDE, SIDE), 0.5, np.float32)
    pixels += generator.normal(0, 0.05, pixels.shape).astype(np.float32)
    for index, (left, right) in enumerate(signs):
        shift = int(generator.integers(-2, 3))
        pixels[index, 0, 10 + shift : 18 + shift, 4:12] += 0.4 * (2 * left - 1)
        pixels[index, 0, 10 + shift : 18 + shift, 16:24] += 0.4 * (2 * right - 1)
    labels = (signs[:, 0] == signs[:, 1]).astype(np.int64)
    return Pictures(torch.from_numpy(pixels.clip(0, 1)), torch.from_numpy(labels))


CLAIMS.add(Activation.name, Activation())
