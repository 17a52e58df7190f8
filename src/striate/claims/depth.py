"""Claim 6: layers go from edges to more complex items."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.claims.base import CLAIMS, Claim, Drawing, Finding, Line, Measure, VerdictWord
from striate.claims.bench import Bench, Pictures
from striate.claims.convolution import first_convolution
from striate.claims.statistics import Bools, difference, is_above, is_below, mean_over, share
from striate.networks.kernels import kernels_of
from striate.networks.watching import watching
from striate.structures import evenly

Floats = npt.NDArray[np.float64]

MOST_LAYERS = 8
POOLED = 4
"""Places a side to which maps are averaged before a probe: what is said where must not be all lost."""

MOST_FEATURES = 512
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
GABOR_STARTS = 16


class Depth(Claim):
    """Linear probes by depth, and how much like edge detectors the first kernels are.

    Args:
        network: Looked at instead of the run's own; for tests.
    """

    name = "edges-to-items"
    number = 6
    sentence = "Layers go from edges to more complex items."
    meaning = (
        "The first kernels would be edge detectors: oriented, as Gabor functions are, more than random ones. And what "
        "can be read off a layer by a linear probe would grow from layer to layer, units preferring fewer classes."
    )
    sources = (
        "Hubel and Wiesel: Receptive Fields of Single Neurones in the Cat's Striate Cortex, 1959",
        "Zeiler and Fergus: Visualizing and Understanding Convolutional Networks, 2014",
        "Alain and Bengio: Understanding Intermediate Layers Using Linear Classifier Probes, 2016",
    )

    def __init__(self, network: nn.Module | None = None) -> None:
        self._network = network

    def seconds(self, bench: Bench) -> float:
        """Two passes over the pictures, a few small systems of equations, and Gabor fits."""
        return 20 + 0.02 * (bench.effort.train + bench.effort.test)

    def measure(self, bench: Bench) -> Finding:
        """Probes every few layers, and fits Gabor functions to the first kernels and to random ones."""
        network = self._network if self._network is not None else bench.network
        layers = probed_layers(network)
        train = layer_features(network, layers, bench.normalise(bench.train.pixels))
        test = layer_features(network, layers, bench.normalise(bench.test.pixels))
        right = {name: probe(train[name], bench.train, test[name], bench.test, len(bench.classes)) for name in layers}
        selective = {name: selectivity(test[name], bench.test, len(bench.classes)) for name in layers}
        first = first_convolution(network)
        kernels = kernels_of(network.get_submodule(first))
        assert kernels is not None  # `first_convolution` chose it for that
        own, random = gabor_fits(kernels.weight, bench.seed)
        return self._judged(first, right, selective, own, random)

    def _judged(
        self,
        first: str,
        right: dict[str, Bools],
        selective: dict[str, float],
        own: Floats | None,
        random: Floats | None,
    ) -> Finding:
        names = list(right)
        shares = [share(f"probe of {name}", right[name]) for name in names]
        gain = difference(f"probe of {names[-1]} over {names[0]}", [right[names[-1]]], [right[names[0]]])
        measures = [gain, *shares]
        edges: bool | None = None
        words = f"The kernels of {first} are too small to be fitted by Gabor functions"
        if own is not None and random is not None:
            fitted = mean_over(f"share of {first}'s kernels that a Gabor function explains", own, form=".1%")
            chance = mean_over("the same of random kernels", random, form=".1%")
            edges = fitted.low is not None and chance.high is not None and fitted.low > chance.high
            measures += [fitted, chance]
            words = (
                f"A Gabor function explains {fitted.value:.0%} of the kernels of {first}, of random ones "
                f"{chance.value:.0%}"
            )
        grows = is_above(gain, 0)
        if not grows and not is_below(gain, 0) and not edges:
            verdict: VerdictWord = "cannot tell"
        elif grows and edges is not False:
            verdict = "holds" if edges else "holds in part"
        else:
            verdict = "holds in part" if grows or edges else "does not hold"
        best = names[int(np.argmax([one.value for one in shares]))]
        measures += [Measure(f"class selectivity of {name}", selective[name]) for name in (names[0], names[-1])]
        return Finding(
            verdict=verdict,
            summary=(
                f"{words}. A linear probe reads {shares[0].value:.1%} off {names[0]}, {shares[-1].value:.1%} off "
                f"{names[-1]} ({gain.value:+.1%}); most is read off {best}."
            ),
            measures=tuple(measures),
            drawing=Drawing(
                "layer, from the picture to the answer",
                "accuracy of a linear probe",
                (
                    Line(
                        "probe",
                        names,
                        [one.value for one in shares],
                        [float(one.low or 0) for one in shares],
                        [float(one.high or 0) for one in shares],
                    ),
                    Line("class selectivity", names, [selective[name] for name in names]),
                ),
                "A probe sees the layer's maps averaged to a few places; selectivity is how much a unit prefers one "
                "class, 0 to 1.",
            ),
            notes=("What a layer holds and what the network uses of it are not the same: a probe shows the first.",),
        )


def probed_layers(network: nn.Module) -> list[str]:
    """A few convolutions, evenly spread from the first to the last."""
    names = [
        name
        for name, module in network.named_modules()
        if kernels_of(module) is not None and not isinstance(module, nn.Linear) and not name.startswith("aux")
    ]
    return [names[index] for index in evenly(len(names), MOST_LAYERS).tolist()]


@torch.inference_mode()
def layer_features(network: nn.Module, layers: list[str], pixels: Tensor) -> dict[str, Floats]:
    """Maps of some layers averaged to a few places, cut at zero, `(N, D)` each."""
    kept: dict[str, list[Tensor]] = {name: [] for name in layers}

    def see(name: str, output: Tensor) -> None:
        side = min(POOLED, *(int(length) for length in output.shape[2:]))
        pooled = nn.functional.adaptive_avg_pool2d(torch.relu(output), side).flatten(1)
        kept[name].append(pooled[:, :: max(1, pooled.shape[1] // MOST_FEATURES)])

    with watching({name: network.get_submodule(name) for name in layers}, see):
        for part in torch.split(pixels, 64):
            network(part)
    return {name: torch.cat(parts).double().numpy() for name, parts in kept.items()}


def probe(train: Floats, known: Pictures, test: Floats, asked: Pictures, classes: int) -> Bools:
    """Which test pictures ridge regression gets right, its penalty chosen on a fifth of the training pictures."""
    mean, spread = train.mean(0), train.std(0) + 1e-9
    one, other = (train - mean) / spread, (test - mean) / spread
    labels = known.labels.numpy()
    targets = np.eye(classes)[labels]
    held = np.arange(len(one)) % 5 == 0
    scores = [
        float((_ridge(one[~held], targets[~held], one[held], penalty).argmax(1) == labels[held]).mean())
        for penalty in RIDGES
    ]
    answers = _ridge(one, targets, other, RIDGES[int(np.argmax(scores))])
    return np.asarray(answers.argmax(1) == asked.labels.numpy())


def _ridge(known: Floats, targets: Floats, asked: Floats, penalty: float) -> Floats:
    """Ridge regression in the dual form, which is small where there are few pictures."""
    offset = targets.mean(0)
    gram = known @ known.T
    weights = np.linalg.solve(gram + penalty * len(known) * np.eye(len(known)), targets - offset)
    return np.asarray(asked @ known.T @ weights + offset)


def selectivity(features: Floats, pictures: Pictures, classes: int) -> float:
    """How much a unit prefers its best class over the mean of the others, 0 to 1, over units (Morcos et al. 2018)."""
    labels = pictures.labels.numpy()
    means = np.stack([features[labels == k].mean(0) for k in range(classes) if (labels == k).any()])
    best = means.max(0)
    rest = (means.sum(0) - best) / max(1, len(means) - 1)
    return float(((best - rest) / (best + rest + 1e-9)).mean())


def gabor_fits(weight: Tensor, seed: int) -> tuple[Floats, Floats] | tuple[None, None]:
    """Share of each kernel's variance that the best Gabor function explains, of the layer's and of random kernels.

    Kernels smaller than 3 x 3 have no orientation; those of several channels are taken by their strongest channel.
    """
    kernels = weight.detach().double().numpy()
    if min(kernels.shape[2:]) < 3:
        return None, None
    strongest = np.abs(kernels).sum((2, 3)).argmax(1)
    planes = kernels[np.arange(len(kernels)), strongest]
    random = np.random.default_rng(seed).normal(size=planes.shape)
    return _explained(planes), _explained(random)


def _explained(planes: Floats) -> Floats:
    """By a dictionary of Gabor functions of many sizes, directions and frequencies, each with both phases."""
    count, high, wide = planes.shape
    rows, columns = np.meshgrid(np.linspace(-1, 1, high), np.linspace(-1, 1, wide), indexing="ij")
    flat = planes.reshape(count, -1)
    flat = flat - flat.mean(1, keepdims=True)
    best = np.zeros(count)
    total = np.maximum((flat**2).sum(1), 1e-12)
    for angle in np.linspace(0, np.pi, GABOR_STARTS, endpoint=False):
        along = columns * np.cos(angle) + rows * np.sin(angle)
        for frequency in (0.5, 1.0, 1.5, 2.0):
            for width in (0.6, 1.2):
                envelope = np.exp(-(rows**2 + columns**2) / (2 * width**2))
                pair = np.stack(
                    [envelope * np.cos(np.pi * frequency * along), envelope * np.sin(np.pi * frequency * along)]
                ).reshape(2, -1)
                pair = pair - pair.mean(1, keepdims=True)
                basis, sizes, _ = np.linalg.svd(pair.T, full_matrices=False)
                inside = (flat @ basis[:, sizes > 1e-6]) ** 2
                best = np.maximum(best, inside.sum(1) / total)
    return best


CLAIMS.add(Depth.name, Depth())
