"""Claim 10: the famous five, in order, got better."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from striate.claims.base import CLAIMS, Claim, Drawing, Finding, Line, VerdictWord
from striate.claims.bench import Bench
from striate.claims.statistics import Bools, difference, is_above, is_below, share_over_seeds
from striate.networks import NETWORKS
from striate.networks.base import count_parameters

FIVE = ("lenet5", "alexnet", "vgg11_bn", "googlenet", "resnet18")
PLAIN_DEPTHS = (2, 8)
"""Blocks of two convolutions in the networks with and without skip connections: 6 and 18 layers."""

WIDTH = 16
SHORTEST = 8
"""Steps that every network gets, however slow it is here."""


class FamousFive(Claim):
    """LeNet to ResNet on this data in the same time each, and depth with and without skip connections.

    Args:
        nets: Networks in the order of their years; others in tests.
    """

    name = "famous-five"
    number = 10
    sentence = "The famous five, in order, got better."
    meaning = (
        "In the same time on the same pictures, each network would do better than the one before. And a deep network "
        "without skip connections would do worse than a shallow one, even on its training pictures, with them not."
    )
    sources = (
        "LeCun et al. 1998; Krizhevsky et al. 2012; Simonyan and Zisserman 2015; Szegedy et al. 2015; He et al. 2016",
        "He, Zhang, Ren and Sun: Deep Residual Learning for Image Recognition, 2016, figure 1 and section 4.1",
    )

    def __init__(self, nets: tuple[str, ...] = FIVE) -> None:
        self._nets = nets

    def seconds(self, bench: Bench) -> float:
        """Each network gets the time that `_budget_s` says."""
        return len(self._nets) * self._budget_s(bench) + 4 * bench.effort.steps * bench.step_seconds() * 6

    def _budget_s(self, bench: Bench) -> float:
        return 30.0 if bench.effort.name == "quick" else 240.0

    def measure(self, bench: Bench) -> Finding:
        """Trains each network for as many steps as fit into the time, and the four of both depths."""
        right: dict[str, list[Bools]] = {}
        cost: dict[str, tuple[int, int]] = {}
        for net in self._nets:
            steps = max(SHORTEST, int(self._budget_s(bench) / max(bench.step_seconds(net), 1e-6)))
            steps = min(steps, 4 * bench.effort.steps)
            fitted = bench.fit(bench.small_train, net, key="famous", steps=steps)
            right[net] = [fitted.right(bench.small_test)]
            cost[net] = (steps, count_parameters(fitted.network))
        return self._judged(bench, right, cost, self._depths(bench))

    def _depths(self, bench: Bench) -> dict[tuple[int, bool], tuple[Bools, Bools]]:
        """Right on training and on new pictures, by blocks and whether there are skip connections."""
        found = {}
        channels = int(bench.small_train.pixels.shape[1])
        for blocks in PLAIN_DEPTHS:
            for skip in (False, True):

                def build(blocks: int = blocks, skip: bool = skip) -> nn.Module:
                    return Deep(channels, len(bench.classes), blocks, skip=skip)

                fitted = bench.fit(bench.small_train, build, key=f"depth-{blocks}-{skip}")
                looked_at = bench.small_train.of(slice(0, 400))
                found[blocks, skip] = fitted.right(looked_at), fitted.right(bench.small_test)
        return found

    def _judged(
        self,
        bench: Bench,
        right: dict[str, list[Bools]],
        cost: dict[str, tuple[int, int]],
        depths: dict[tuple[int, bool], tuple[Bools, Bools]],
    ) -> Finding:
        shares = {net: share_over_seeds(f"accuracy of {net}", right[net]) for net in self._nets}
        steps = [
            difference(f"{later} over {earlier}", right[later], right[earlier])
            for earlier, later in zip(self._nets, self._nets[1:], strict=False)
        ]
        better = sum(is_above(step, 0) for step in steps)
        worse = sum(is_below(step, 0) for step in steps)
        shallow, deep = PLAIN_DEPTHS
        plain = difference(
            "deep over shallow, without skip connections", [depths[deep, False][0]], [depths[shallow, False][0]]
        )
        skipped = difference(
            "deep over shallow, with skip connections", [depths[deep, True][0]], [depths[shallow, True][0]]
        )
        verdict: VerdictWord = (
            "holds"
            if better == len(steps)
            else "holds in part"
            if better
            else "does not hold"
            if worse
            else "cannot tell"
        )
        best = max(shares, key=lambda net: shares[net].value)
        degrades = "degrades" if is_below(plain, 0) else "does not clearly degrade"
        rows = tuple(
            {
                "network": net,
                "year": NETWORKS.get(net).year if net in NETWORKS else None,
                "accuracy": str(shares[net]),
                "steps in the time": cost[net][0],
                "parameters": cost[net][1],
            }
            for net in self._nets
        )
        return Finding(
            verdict=verdict,
            summary=(
                f"In {self._budget_s(bench):.0f} s each, {better} of {len(steps)} successors do better than "
                f"their forerunner, {worse} do worse; {best} does best ({shares[best].value:.1%}). Depth "
                f"without skip connections {degrades}: {plain.value:+.1%} on training pictures, with them "
                f"{skipped.value:+.1%}."
            ),
            measures=(*steps, *shares.values(), plain, skipped),
            drawing=Drawing(
                "network, by year",
                "accuracy on new pictures",
                (Line.of("accuracy", shares),),
                "The order on ImageNet with weeks of training is another one than on small pictures in a minute.",
            ),
            table=rows,
            notes=(
                "Where the processor is slow the larger networks get few steps in this time, as the table says; "
                "--thorough gives each four minutes.",
                "On ImageNet they did: top-1 of 56.5, 70.4, 69.8 and 69.8 % for AlexNet, VGG-11-bn, GoogLeNet and "
                "ResNet-18 (torchvision's weights).",
            ),
        )


class Deep(nn.Module):
    """Blocks of two convolutions of one width, with or without skip connections (He et al. 2016, section 4.2).

    Args:
        channels: Channels of the pictures.
        classes: Class scores.
        blocks: How many.
        skip: Whether each block adds what it took to what it gives.
    """

    def __init__(self, channels: int, classes: int, blocks: int, *, skip: bool) -> None:
        super().__init__()
        self.skip = skip
        self.stem = nn.Sequential(nn.Conv2d(channels, WIDTH, 3, stride=2, padding=1), nn.ReLU())
        self.blocks = nn.ModuleList(_block() for _ in range(blocks))
        self.out = nn.Linear(WIDTH * 16, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores `(N, K)`."""
        x = self.stem(x)
        for index, block in enumerate(self.blocks):
            given = block(x)
            x = torch.relu(given + x if self.skip else given)
            if index == len(self.blocks) // 2:
                x = nn.functional.max_pool2d(x, 2)
        scores: Tensor = self.out(nn.functional.adaptive_avg_pool2d(x, 4).flatten(1))
        return scores


def _block() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(),
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False),
        nn.BatchNorm2d(WIDTH),
    )


CLAIMS.add(FamousFive.name, FamousFive())
