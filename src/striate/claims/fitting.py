"""Claim 9: good on training pictures and poor on new ones is overfitting; poor everywhere is underfitting."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from striate.claims.base import CLAIMS, Claim, Drawing, Finding, Line, VerdictWord
from striate.claims.bench import Bench, Pictures
from striate.claims.statistics import Bools, difference, is_above, is_below, share_over_seeds

WIDTHS = (1, 4, 24)
"""Maps of the first layer of the networks that are compared: far too few, few, enough."""

SIZES = (1 / 16, 1 / 4, 1.0)
FEWEST = 40


class Fitting(Claim):
    """Networks of several sizes on more and more pictures, and one that is given shuffled labels.

    Args:
        build: Builds a network of a width for channels and classes; another one in tests.
    """

    name = "fitting"
    number = 9
    sentence = "Good on training pictures, poor on real data is overfitting; poor everywhere is underfitting."
    meaning = (
        "With few pictures the gap between training and new pictures is wide, and closes with more of them. A network "
        "that is too small is poor on both. One that is large enough even learns shuffled labels, which say nothing "
        "about new pictures."
    )
    sources = (
        "Geman, Bienenstock and Doursat: Neural Networks and the Bias/Variance Dilemma, 1992",
        "Zhang, Bengio, Hardt, Recht and Vinyals: Understanding Deep Learning Requires Rethinking Generalization, 2017",
    )

    def __init__(self, build: Callable[[int, int, int], nn.Module] | None = None) -> None:
        self._build = build or narrow_network

    def seconds(self, bench: Bench) -> float:
        """Three widths, three sizes and the shuffled labels."""
        return (len(WIDTHS) + len(SIZES) + 3) * bench.effort.seeds * bench.effort.steps * bench.step_seconds() * 2

    def measure(self, bench: Bench) -> Finding:
        """Measures both accuracies of every network."""
        train, test = bench.small_train, bench.small_test
        by_size = {}
        for part in SIZES:
            count = max(FEWEST, round(part * len(train)))
            if count < len(train) or part == 1.0:
                by_size[min(count, len(train))] = self._both(bench, train.of(slice(0, count)), test, WIDTHS[-1], "size")
        by_width = {width: self._both(bench, train, test, width, "width") for width in WIDTHS[:-1]}
        by_width[WIDTHS[-1]] = by_size[max(by_size)]
        few = train.of(slice(0, min(len(train), 200)))
        order = torch.randperm(len(few), generator=torch.Generator().manual_seed(bench.seed))
        noise = self._both(bench, Pictures(few.pixels, few.labels[order]), test, WIDTHS[-1], "shuffled", longer=3)
        return self._judged(bench, by_size, by_width, noise)

    def _both(
        self, bench: Bench, train: Pictures, test: Pictures, width: int, key: str, longer: int = 1
    ) -> tuple[list[Bools], list[Bools]]:
        """Right on its own training pictures and on new ones, for each seed."""
        channels = int(train.pixels.shape[1])
        own, new = [], []
        for seed in bench.seeds():
            fitted = bench.fit(
                train,
                lambda: self._build(width, channels, len(bench.classes)),
                key=f"fitting-{key}-{width}",
                seed=seed,
                steps=bench.effort.steps * longer,
            )
            looked_at = train.of(slice(0, 400))
            own.append(fitted.right(looked_at))
            new.append(fitted.right(test))
        return own, new

    def _judged(
        self,
        bench: Bench,
        by_size: dict[int, tuple[list[Bools], list[Bools]]],
        by_width: dict[int, tuple[list[Bools], list[Bools]]],
        noise: tuple[list[Bools], list[Bools]],
    ) -> Finding:
        sizes = sorted(by_size)
        own = {size: share_over_seeds(f"training pictures, {size} of them", by_size[size][0]) for size in sizes}
        new = {size: share_over_seeds(f"new pictures, trained on {size}", by_size[size][1]) for size in sizes}
        gaps = {size: own[size].value - new[size].value for size in sizes}
        thin = {width: share_over_seeds(f"training pictures, width {width}", by_width[width][0]) for width in WIDTHS}
        thin_new = {width: share_over_seeds(f"new pictures, width {width}", by_width[width][1]) for width in WIDTHS}
        more = difference(
            "new pictures: most over fewest training pictures", by_size[sizes[-1]][1], by_size[sizes[0]][1]
        )
        learned = share_over_seeds("shuffled labels, training pictures", noise[0])
        chance = 1 / len(bench.classes)
        carried = share_over_seeds("shuffled labels, new pictures", noise[1])
        overfits = (
            own[sizes[0]].value - new[sizes[0]].value > 0.05 and gaps[sizes[-1]] < gaps[sizes[0]] and is_above(more, 0)
        )
        underfits = is_below(thin[WIDTHS[0]], thin[WIDTHS[-1]].value) and is_below(
            thin_new[WIDTHS[0]], thin_new[WIDTHS[-1]].value
        )
        memorises = is_above(learned, 2 * chance)
        verdict: VerdictWord = (
            "holds" if overfits and underfits else "holds in part" if overfits or underfits else "cannot tell"
        )
        return Finding(
            verdict=verdict,
            summary=(
                f"On {sizes[0]} pictures the network gets {own[sizes[0]].value:.1%} of its own right and "
                f"{new[sizes[0]].value:.1%} of new ones, on {sizes[-1]} pictures {own[sizes[-1]].value:.1%} and "
                f"{new[sizes[-1]].value:.1%}: the gap {'closes' if overfits else 'does not close'}. The narrowest one "
                f"gets {thin[WIDTHS[0]].value:.1%} and {thin_new[WIDTHS[0]].value:.1%}: "
                f"{'poor on both' if underfits else 'not clearly poorer'}. Shuffled labels it "
                f"{'learns by heart' if memorises else 'does not learn by heart in this time'} ({learned.value:.1%}), "
                f"and new pictures it then gets {carried.value:.1%} right, where guessing gives {chance:.1%}."
            ),
            measures=(more, *own.values(), *new.values(), *thin.values(), *thin_new.values(), learned, carried),
            drawing=Drawing(
                "training pictures",
                "accuracy",
                (Line.of("training pictures", own), Line.of("new pictures", new)),
                "The gap between the two is overfitting; both low together is underfitting.",
            ),
        )


def narrow_network(width: int, channels: int, classes: int) -> nn.Module:
    """Two convolutions of a width and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(32 * width, classes),
    )


CLAIMS.add(Fitting.name, Fitting())
