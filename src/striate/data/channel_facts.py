"""Each channel by itself: its values, how alike it is to the others, and how much it alone tells of the classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.data.channel_probe import Probe, Share, probe_channels
from striate.data.dataset import Dataset
from striate.data.facts import area_average
from striate.data.scan import SCAN_SIDE
from striate.errors import PictureError
from striate.images import ChannelChoice, FileSource, choose_channels, read_picture
from striate.structures import Picture, Sample

LOOKED_AT = 1000
"""Training pictures that are looked at, at most, drawn by chance."""

PROBE_SIDE = 8
"""The probe sees pictures of this many pixels a side, and the mean and the spread of each at full size."""

ALIKE = 0.95
"""Channels with a correlation of at least this, either way, are named as alike."""

_PIXELS = 64
_THREADS = 4
_SHOWN = 4
"""Pictures that are kept whole, to be shown."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """One channel.

    Attributes:
        name: Its name.
        low: Least value.
        high: Greatest value.
        mean: Mean of all values, each picture counted alike.
        std: Their standard deviation.
        constant: Share of pictures in which it has one value everywhere.
        tells: Share of pictures whose class a probe finds from this channel alone; `None` where nobody probed.
    """

    name: str
    low: float
    high: float
    mean: float
    std: float
    constant: float
    tells: Share | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ChannelLook:
    """What was seen of the channels.

    Attributes:
        rule: The rule by which they were chosen.
        channels: Each by itself.
        correlation: `(C, C)` Pearson correlation over pixels; 0 beside a constant channel.
        pictures: Training pictures that were looked at.
        probe: What a probe found from all channels, and beside what.
        shown: Some pictures, their channels as they were chosen.
    """

    rule: str
    channels: tuple[ChannelFacts, ...]
    correlation: Floats
    pictures: int
    probe: Probe
    shown: tuple[Picture, ...] = ()

    @property
    def telling(self) -> list[ChannelFacts]:
        """Channels that alone tell more than the commonest class would, best first."""
        probed = [one for one in self.channels if one.tells is not None]
        found = [one for one in probed if one.tells and one.tells.beats(self.probe.baseline, len(probed))]
        return sorted(found, key=lambda one: -one.tells.value if one.tells else 0.0)

    @property
    def alike(self) -> list[tuple[str, str, float]]:
        """Pairs of channels that are nearly the same, most alike first."""
        names = [one.name for one in self.channels]
        pairs = [
            (names[i], names[j], float(self.correlation[i, j]))
            for i in range(len(names))
            for j in range(i + 1, len(names))
            if abs(self.correlation[i, j]) >= ALIKE
        ]
        return sorted(pairs, key=lambda pair: -abs(pair[2]))

    def sentences(self) -> list[str]:
        """What follows, in words."""
        found = [self._what_tells()]
        constant = [one.name for one in self.channels if one.constant == 1.0]
        if constant:
            found.append(f"{_listed(constant)}: one value everywhere in every picture, so nothing is lost without.")
        for first, second, value in self.alike[:3]:
            found.append(f"{first} and {second} are nearly the same (correlation {value:.2f}).")
        if len(self.alike) > 3:
            found.append(f"{len(self.alike) - 3} more pairs are that alike.")
        return found

    def _what_tells(self) -> str:
        together = self.probe.together
        if together is None:
            return self.probe.why_not
        telling, names = self.telling, [one.name for one in self.channels]
        usual = f"the commonest class alone {self.probe.baseline:.0%}"
        if len(names) == 1:
            return f"A linear probe on small pictures finds {together} of the classes, {usual}."
        if not telling:
            return (
                f"No channel alone tells the classes apart by a linear probe on small pictures; all together come to "
                f"{together}, {usual}. A network may see more."
            )
        best = telling[0]
        opening = f"Only {best.name} alone tells the classes apart" if len(telling) == 1 else f"{best.name} tells most"
        rest = (
            "the others are no better than that"
            if len(telling) == 1
            else f"also better than that: {_listed([one.name for one in telling[1:]])}"
        )
        return f"{opening}: {best.tells}, all together {together}, {usual}; {rest}."

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return {
            "rule": self.rule,
            "pictures": self.pictures,
            "channels": [
                {
                    "name": one.name,
                    "low": one.low,
                    "high": one.high,
                    "mean": one.mean,
                    "std": one.std,
                    "constant": one.constant,
                    "tells": one.tells and one.tells.as_dict(),
                }
                for one in self.channels
            ],
            "correlation": [[round(float(value), 4) for value in row] for row in self.correlation],
            "alike": [list(pair) for pair in self.alike],
            "together": self.probe.together and self.probe.together.as_dict(),
            "baseline": self.probe.baseline if self.probe.together is not None else None,
            "telling": [one.name for one in self.telling],
            "sentences": self.sentences(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What is kept of a picture: everything per channel."""

    low: Floats
    high: Floats
    mean: Floats
    square: Floats
    small: npt.NDArray[np.float32]
    pixels: npt.NDArray[np.float32]


def look_at_channels(
    data: Dataset,
    rule: str | None = None,
    *,
    seed: int = 0,
    most: int = LOOKED_AT,
    progress: Callable[[int, int], None] | None = None,
) -> ChannelLook:
    """Looks at each channel of the training pictures by itself.

    The probe is a logistic regression on pictures of 8 x 8 pixels with the mean and the spread of each, cross-validated
    in five folds; pictures of one group stay together. It finds what is light, dark, coarse and in its place, and not
    what takes a network to see.

    Args:
        data: The data set; its training split is looked at.
        rule: Which channels; see `striate.images.channel_choice`. All where `None`.
        seed: Draws the pictures and the folds.
        most: Pictures that are looked at, at most.
        progress: Called with the number of pictures done and of all.

    Raises:
        RequestError: The rule does not fit the pictures.
        PictureError: Not one picture can be read as the rule wants it.
    """
    choice = choose_channels("all" if rule is None else rule, data.channel_names)
    random = np.random.default_rng(seed)
    train = data.splits.get("train", ())
    samples = [train[index] for index in sorted(random.permutation(len(train))[:most].tolist())]
    seen, kept, shown = _read_all(samples, choice, random, progress)
    mean = np.mean([one.mean for one in seen], axis=0)
    std = np.sqrt(np.maximum(np.mean([one.square for one in seen], axis=0) - mean**2, 0.0))
    low, high = np.min([one.low for one in seen], axis=0), np.max([one.high for one in seen], axis=0)
    constant = np.mean([one.low == one.high for one in seen], axis=0)
    std[low == high] = 0.0
    probe = probe_channels(np.stack([one.small for one in seen]), kept, data.task, seed)
    channels = tuple(
        ChannelFacts(
            name, float(low[i]), float(high[i]), float(mean[i]), float(std[i]), float(constant[i]), probe.single.get(i)
        )
        for i, name in enumerate(choice.names)
    )
    return ChannelLook(str(choice.rule), channels, _correlation(seen), len(seen), probe, tuple(shown))


def _read_all(
    samples: Sequence[Sample],
    choice: ChannelChoice,
    random: np.random.Generator,
    progress: Callable[[int, int], None] | None,
) -> tuple[list[_Seen], list[Sample], list[Picture]]:
    """What is kept of each picture that can be read, these pictures, and the first few whole."""
    seen: list[_Seen] = []
    kept: list[Sample] = []
    shown: list[Picture] = []
    last: PictureError | None = None
    seeds = random.integers(1 << 32, size=len(samples)).tolist()

    def work(position: int) -> tuple[_Seen, Picture | None] | PictureError:
        try:
            picture = _chosen(samples[position], choice)
        except PictureError as error:
            return error
        return _measured(picture.pixels, seeds[position]), picture if position < _SHOWN else None

    with ThreadPoolExecutor(_THREADS) as pool:
        for position, found in enumerate(pool.map(work, range(len(samples)))):
            if isinstance(found, PictureError):
                last = found
                continue
            seen.append(found[0])
            kept.append(samples[position])
            if found[1] is not None:
                shown.append(found[1])
            if progress and (position % 64 == 63 or position + 1 == len(samples)):
                progress(position + 1, len(samples))
    if not seen:
        raise last or PictureError("there is no training picture.", kind="missing")
    return seen, kept, shown


def _chosen(sample: Sample, choice: ChannelChoice) -> Picture:
    source = sample.source
    if isinstance(source, FileSource) and source.kept is None:
        picture = read_picture(source.path, at_least_hw=(SCAN_SIDE, SCAN_SIDE))
    else:
        picture = sample.read()
    pixels = choice.apply(picture.pixels, picture.channel_names)
    return Picture(np.ascontiguousarray(pixels), choice.names, source=sample.name)


def _measured(pixels: npt.NDArray[Any], seed: int) -> _Seen:
    values = pixels.astype(np.float32)
    if pixels.dtype.kind == "f":
        values = np.nan_to_num(values, copy=False, posinf=0.0, neginf=0.0)
    mean = values.mean((1, 2), dtype=np.float64)
    centred = values - mean[:, None, None].astype(np.float32)
    spread = np.sqrt(np.square(centred).mean((1, 2), dtype=np.float64))
    small = area_average(values, PROBE_SIDE).reshape(len(values), -1)
    few = np.random.default_rng(seed).integers(values.shape[1] * values.shape[2], size=_PIXELS)
    return _Seen(
        values.min((1, 2)).astype(np.float64),
        values.max((1, 2)).astype(np.float64),
        mean,
        spread**2 + mean**2,
        np.concatenate([small, mean[:, None], spread[:, None]], 1).astype(np.float32),
        values.reshape(len(values), -1)[:, few],
    )


def _correlation(seen: Sequence[_Seen]) -> Floats:
    """Over pixels drawn by chance, equally many of each picture."""
    pixels = np.concatenate([one.pixels for one in seen], 1).astype(np.float64)
    pixels -= pixels.mean(1, keepdims=True)
    spread = np.sqrt(np.square(pixels).mean(1))
    scaled = pixels / np.where(spread > 0, spread, 1.0)[:, None]
    return np.asarray(np.clip(scaled @ scaled.T / scaled.shape[1], -1.0, 1.0))


def _listed(names: Sequence[str]) -> str:
    few = list(names[:6])
    return ", ".join(few) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
