"""Claim 3: a single-channel picture is easier to analyse."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor

from striate.claims.base import CLAIMS, Claim, Drawing, Finding, Line, Measure, VerdictWord
from striate.claims.bench import Bench, Pictures
from striate.claims.statistics import Bools, difference, is_above, is_below, share_over_seeds
from striate.errors import DataError

NET = "lenet5"
EQUAL = 0.03
"""A difference in accuracy up to which nothing is lost."""

ALONE = " alone"
MOST_ALONE = 12
"""Channels that are tried one at a time, at most."""

GREY = torch.tensor([0.299, 0.587, 0.114])


class Channels(Claim):
    """The same network on all channels, on grey, on each channel alone and in other colour spaces.

    Args:
        variants: What is made of pictures, by name; others in tests.
    """

    name = "single-channel"
    number = 3
    sentence = (
        "A single-channel picture is easier to analyse: a third or a quarter of the data; looking at channels one at a "
        "time can help."
    )
    meaning = (
        "A network on grey or on one channel would take fewer bytes and less time and be as right as on all channels, "
        "and some channel alone would carry what matters."
    )
    sources = (
        "ITU-R BT.601 (the weights of grey)",
        "Chatfield et al.: Return of the Devil in the Details, 2014, table 1",
    )

    def __init__(self, variants: dict[str, Callable[[Tensor], Tensor]] | None = None) -> None:
        self._variants = variants

    def seconds(self, bench: Bench) -> float:
        """One training for each variant and seed."""
        if bench.channels < 2:
            return 0.0
        variants = len(self._variants or variants_of(bench.channels, bench.run.facts.channel_names))
        return variants * bench.effort.seeds * bench.effort.steps * bench.step_seconds()

    def measure(self, bench: Bench) -> Finding:
        """Trains alike on every variant, and notes bytes, time and accuracy."""
        names = bench.run.facts.channel_names
        channels = int(bench.small_test.pixels.shape[1])
        if channels < 2 and self._variants is None:
            raise DataError(
                "these pictures have one channel, so there is nothing to compare.",
                where=bench.run.path,
                fix="Try it on pictures in colour.",
            )
        variants = self._variants or variants_of(channels, names)
        right: dict[str, list[Bools]] = {}
        took: dict[str, float] = {}
        for name, change in variants.items():
            train, test = bench.small_train.with_pixels(change), bench.small_test.with_pixels(change)
            began = time.perf_counter()
            for seed in bench.seeds():
                fitted = bench.fit(train, NET, key=f"channels-{name}", seed=seed)
                right.setdefault(name, []).append(fitted.right(test))
            took[name] = (time.perf_counter() - began) / bench.effort.seeds
        return self._judged(bench, variants, right, took)

    def _judged(
        self,
        bench: Bench,
        variants: dict[str, Callable[[Tensor], Tensor]],
        right: dict[str, list[Bools]],
        took: dict[str, float],
    ) -> Finding:
        every = next(iter(variants))
        single = [name for name in variants if _channels(variants[name], bench.small_test) == 1]
        shares = {name: share_over_seeds(f"accuracy on {name}", right[name]) for name in variants}
        gaps = {name: difference(f"{name} against {every}", right[name], right[every]) for name in single}
        best = max(single, key=lambda name: shares[name].value)
        gap = gaps[best]
        size = {name: _channels(variants[name], bench.small_test) for name in variants}
        fewer = 1 / size[every]
        as_good = is_above(gap, -EQUAL)
        clearly_worse = is_below(gap, 0)
        verdict: VerdictWord = "holds" if as_good else "does not hold" if clearly_worse else "cannot tell"
        per_class = self._per_class(bench, single, right)
        rows = tuple(
            {
                "pictures": name,
                "channels": size[name],
                "bytes a picture": size[name] * int(np.prod(bench.small_test.pixels.shape[2:])),
                "seconds a training": round(took[name], 1),
                "accuracy": str(shares[name]),
            }
            for name in variants
        )
        return Finding(
            verdict=verdict,
            summary=(
                f"One channel is {fewer:.0%} of the data of {every}. The best of them, {best}, comes to "
                f"{shares[best].value:.1%}, all channels to {shares[every].value:.1%} ({gap.value:+.1%}). Time hardly "
                f"falls: only the first layer sees the channels ({took[best]:.1f} s a training against "
                f"{took[every]:.1f} s).{_carriers(shares, bench.small_test)}"
            ),
            measures=(gap, *(gaps[name] for name in single if name != best), *shares.values()),
            drawing=Drawing(
                "what the network sees",
                "accuracy on new pictures",
                (Line.of("accuracy", shares),),
                "The same network, trained alike on each.",
            ),
            table=rows + per_class,
            notes=("Training times are those of this machine; those read from an earlier run are next to nothing.",),
        )

    def _per_class(
        self, bench: Bench, single: list[str], right: dict[str, list[Bools]]
    ) -> tuple[dict[str, object], ...]:
        """Which channel alone carries most for each class."""
        labels = bench.small_test.labels.numpy()
        rows: list[dict[str, object]] = []
        for index, name in enumerate(bench.classes):
            chosen = labels == index
            if not chosen.any():
                continue
            found = {one: float(np.mean([each[chosen].mean() for each in right[one]])) for one in single}
            best = max(found, key=found.__getitem__)
            rows.append({"pictures": f"class {name}", "best channel alone": best, "accuracy": f"{found[best]:.1%}"})
        return tuple(rows)


def _carriers(shares: Mapping[str, Measure], test: Pictures) -> str:
    """Which channels alone carry the class, where some do and some do not: a sentence, or nothing."""
    alone = [name.removesuffix(ALONE) for name in shares if name.endswith(ALONE)]
    usual = float(np.bincount(test.labels.numpy()).max() / len(test))
    carrying = [name for name in alone if is_above(shares[name + ALONE], usual)]
    if len(alone) < 2 or len(carrying) in (0, len(alone)):
        return ""
    silent = [name for name in alone if name not in carrying]
    if len(carrying) == 1:
        return (
            f" Only {carrying[0]} carries the class: each of the others ({', '.join(silent)}) alone comes no further "
            f"than always naming the commonest class ({usual:.1%})."
        )
    return f" Alone no better than always naming the commonest class ({usual:.1%}): {', '.join(silent)}."


def _channels(change: Callable[[Tensor], Tensor], pictures: Pictures) -> int:
    return int(change(pictures.pixels[:1]).shape[1])


def variants_of(channels: int, names: tuple[str, ...]) -> dict[str, Callable[[Tensor], Tensor]]:
    """All channels first, then grey, each alone, and for colours hue and brightness apart."""
    named = names if len(names) == channels else tuple(f"channel {index}" for index in range(channels))
    found: dict[str, Callable[[Tensor], Tensor]] = {f"all {channels} channels": lambda pixels: pixels}
    colours = named[:3] == ("red", "green", "blue")
    if colours:
        found["grey"] = lambda pixels: (pixels[:, :3] * GREY.view(3, 1, 1)).sum(1, keepdim=True)
    else:
        found["the mean of all"] = lambda pixels: pixels.mean(1, keepdim=True)
    for index, name in enumerate(named[:MOST_ALONE]):
        found[name + ALONE] = partial(one_channel, index=index)
    if colours:
        found["hue, saturation, value"] = lambda pixels: to_hsv(pixels[:, :3])
        found["colour without brightness"] = lambda pixels: without_brightness(pixels[:, :3])
    return found


def one_channel(pixels: Tensor, index: int) -> Tensor:
    """One channel alone, `(N, 1, H, W)`."""
    return pixels[:, index : index + 1]


def to_hsv(pixels: Tensor) -> Tensor:
    """Red, green and blue `(N, 3, H, W)` to hue, saturation and value, all in 0..1 (Smith 1978)."""
    high, low = pixels.amax(1), pixels.amin(1)
    span = (high - low).clamp_min(1e-8)
    red, green, blue = pixels.unbind(1)
    hue = torch.where(
        high == red,
        ((green - blue) / span) % 6,
        torch.where(high == green, (blue - red) / span + 2, (red - green) / span + 4),
    )
    hue = torch.where(high == low, torch.zeros_like(hue), hue / 6)
    return torch.stack([hue, (high - low) / high.clamp_min(1e-8), high], 1)


def without_brightness(pixels: Tensor) -> Tensor:
    """Shares of red and green in the sum: what is left of a colour when it is made equally bright, `(N, 2, H, W)`."""
    total = pixels.sum(1, keepdim=True).clamp_min(1e-4)
    return (pixels / total)[:, :2]


CLAIMS.add(Channels.name, Channels())
