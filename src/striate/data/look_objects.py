"""What `striate look` says about boxes and masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.data.dataset import Dataset
from striate.data.survey import Survey
from striate.structures import Count

SIZE_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles by which the sizes of objects are told."""

TRAP_SHARE = 0.8
"""From this share of all pixels on, a class is called out: an answer that says nothing else would look good."""

_CHUNK = 4096

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ObjectLook:
    """What was measured of the boxes or masks of a data set, over all splits.

    Attributes:
        survey: Facts of the pictures and of their annotation, of at least one picture.
    """

    survey: Survey

    @property
    def dataset(self) -> Dataset:
        """The data set."""
        return self.survey.dataset

    @property
    def semantic(self) -> bool:
        """Whether it has a class for every pixel instead of objects."""
        return self.dataset.task == "segmentation"

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """Objects in each picture, over all splits in their order."""
        return np.array([len(one.classes) for part in self.survey.objects.values() for one in part], np.int64)

    @cached_property
    def classes(self) -> npt.NDArray[np.int64]:
        """Class of each object."""
        return np.concatenate([one.classes for part in self.survey.objects.values() for one in part])

    @cached_property
    def sides_hw(self) -> Floats:
        """Height and width of the box of each object, in pixels, `(N, 2)`."""
        parts = [one.sides_hw for part in self.survey.objects.values() for one in part]
        return np.concatenate(parts).astype(np.float64)

    @cached_property
    def sides_px(self) -> Floats:
        """Square root of the area of each object, in pixels: the side of a square as large as it."""
        areas = np.concatenate([one.areas for part in self.survey.objects.values() for one in part])
        return np.asarray(np.sqrt(areas), np.float64)

    @cached_property
    def side_shares(self) -> Floats:
        """The same as a share of the side of a square as large as its picture."""
        facts = [fact for part in self.survey.facts.values() for fact in part]
        pictures = np.sqrt(np.array([fact.size_hw[0] * fact.size_hw[1] for fact in facts], np.float64))
        return np.asarray(self.sides_px / np.repeat(pictures, self.counts), np.float64)

    @cached_property
    def objects_by_class(self) -> dict[str, int]:
        """Objects of each class."""
        counts = np.bincount(self.classes, minlength=len(self.dataset.classes))
        return dict(zip(self.dataset.classes, counts.tolist(), strict=True))

    @cached_property
    def pixel_shares(self) -> dict[str, float]:
        """Share of the pixels of each class, of those that are not void; of a semantic mask."""
        areas = np.zeros(len(self.dataset.classes))
        for part in self.survey.objects.values():
            for one in part:
                areas[one.classes] += one.areas
        return dict(zip(self.dataset.classes, (areas / areas.sum()).tolist(), strict=True))

    @cached_property
    def void_share(self) -> float:
        """Share of all pixels of which nobody says what they show; of a semantic mask."""
        known = sum(float(one.areas.sum()) for part in self.survey.objects.values() for one in part)
        total = sum(fact.size_hw[0] * fact.size_hw[1] for part in self.survey.facts.values() for fact in part)
        return 1.0 - known / total

    @property
    def trap(self) -> tuple[str, float] | None:
        """The class that covers so many pixels that a constant answer would look good, and its share."""
        name, share = max(self.pixel_shares.items(), key=lambda pair: pair[1])
        return (name, share) if share >= TRAP_SHARE else None

    @cached_property
    def together(self) -> npt.NDArray[np.int64]:
        """Pictures that show both classes, `(K, K)`; on the diagonal, pictures that show the class."""
        labels = [labels for part in self.survey.labels.values() for labels in part]
        found = np.zeros((len(self.dataset.classes),) * 2, np.int64)
        for start in range(0, len(labels), _CHUNK):  # in parts: a table of all pictures and classes may be vast
            chunk = labels[start : start + _CHUNK]
            shown = np.zeros((len(chunk), len(found)), np.float32)
            for row, indices in enumerate(chunk):
                shown[row, list(indices)] = 1
            found += (shown.T @ shown).astype(np.int64)
        return found

    def objects_as_dict(self) -> dict[str, Any] | None:
        """Numbers and sizes of objects, for `--json`; `None` for semantic masks."""
        if self.semantic:
            return None
        return {
            "count": int(self.counts.sum()),
            "by_class": self.objects_by_class,
            "by_split": {split: sum(len(one.classes) for one in part) for split, part in self.survey.objects.items()},
            "per_picture": {
                "median": float(np.median(self.counts)),
                "most": int(self.counts.max()),
                "without": int((self.counts == 0).sum()),
            },
            "side_px": _quantiles(self.sides_px),
            "side_share": _quantiles(self.side_shares),
        }

    def pixels_as_dict(self) -> dict[str, Any] | None:
        """Shares of pixels, for `--json`; `None` for objects."""
        return {"by_class": self.pixel_shares, "void": self.void_share} if self.semantic else None

    def sentences(self) -> list[tuple[str, str]]:
        """The same in words: titles, each with a sentence."""
        return self._pixel_sentences() if self.semantic else self._object_sentences()

    def _object_sentences(self) -> list[tuple[str, str]]:
        counts, sides, shares = self.counts, self.sides_px, self.side_shares
        without = int((counts == 0).sum())
        empty = f"; {Count(without):picture has|pictures have} none" if without else ""
        first = f"{counts.sum():,} in all; {np.median(counts):g} in a picture (median), {counts.max()} at most{empty}"
        aside = sum(one.aside for part in self.survey.objects.values() for one in part)
        if aside:
            first += f"; {Count(aside):is|are} difficult or a crowd, neither learned nor counted as missed"
        low, middle, high = (_short(value) for value in np.quantile(sides, (0.05, 0.5, 0.95)))
        share = 100 * float(np.median(shares))
        sizes = f"side (root of the area) {middle} pixels (median), {_short(share)} % of the picture's"
        return [("objects", first), ("sizes", f"{sizes}; nine in ten from {low} to {high} pixels")]

    def _pixel_sentences(self) -> list[tuple[str, str]]:
        void = f"{percent(self.void_share)} are void and count neither way" if self.void_share else ""
        if self.trap is None:
            return [("pixels", void)] if void else []
        name, share = self.trap
        finds = "that finds nothing" if name.lower() == "background" else f"that is {name!r} everywhere"
        warning = f"{percent(share)} of pixels are {name!r}: an answer {finds} would be right there"
        return [("pixels", f"{warning} ({void})" if void else warning)]

    def columns(self, pictures: Mapping[str, int]) -> tuple[str, dict[str, str]]:
        """What stands beside each class: a heading, and text of equal width for each.

        Args:
            pictures: Pictures of each class.
        """
        if self.semantic:
            beside, title = {name: _tenths(share) for name, share in self.pixel_shares.items()}, "pixels"
        else:
            beside, title = {name: str(count) for name, count in self.objects_by_class.items()}, "objects"
        first = max(len("pictures"), *(len(str(count)) for count in pictures.values()))
        second = max(len(title), *(len(text) for text in beside.values()))
        texts = {name: f"{pictures[name]:>{first}} {beside[name]:>{second}}" for name in beside}
        return f"{'pictures':>{first}} {title:>{second}}", texts


def look_at_objects(survey: Survey) -> ObjectLook | None:
    """What there is to say about boxes or masks; `None` where there are none."""
    return ObjectLook(survey) if any(survey.objects.values()) else None


def percent(share: float) -> str:
    """A share as a percentage with as many digits as it needs: `97 %`, `4.2 %`, `0.03 %`."""
    value = 100 * share
    if value == 0 or value >= 99.95:
        return f"{value:.0f} %"
    return f"{value:.0f} %" if 10 <= value < 99.5 else f"{_short(value)} %"


def _tenths(share: float) -> str:
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}" if value < 99.5 else f"{value:.1f}"


def _quantiles(values: Floats) -> dict[str, float] | None:
    if not len(values):
        return None
    found = np.quantile(values, SIZE_QUANTILES).tolist()
    return {f"p{round(100 * share)}": round(value, 4) for share, value in zip(SIZE_QUANTILES, found, strict=True)}
