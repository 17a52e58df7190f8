"""Pictures that are in a data set more than once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from striate.data.facts import COLOUR_SIDE, THUMBNAIL_SIDE, PictureFacts
from striate.structures import Label, Labels, Problem, Sample

LIKENESS = 0.99
"""Correlation of two 32 x 32 thumbnails from which two pictures count as one.

Measured on real sets: copies saved as JPEG at quality 30, scaled to 0.9, brightened or darkened by 40 of 255, with
gamma 0.7 or 1.4, or with noise of deviation 10 correlate at 0.991 and above; of the closest pairs of different
pictures, photographs (clothes, hands, blood cells) reach 0.98, chest X-rays at 28 pixels 0.97, MNIST digits 0.991.
"""

_OWN_LIKENESS = 0.95
"""Least correlation of what two thumbnails have beyond the mean of all.

In a set of one kind of part before one camera, all pictures are alike to 0.99 and more; what tells them apart, and
what copies share, is the small rest. Copies as above keep 0.96 and more of it.
"""
_MEAN_PICTURES = 2
"""A mean of few pictures is mostly those pictures themselves, so its weight is n / (n + 2)."""

_COLOUR_LIKENESS = 0.97
_BRIGHTNESS_STEP = 0.2
_CONTRAST_FACTOR = 2.0
_LOW_FREQUENCIES = 8
_AXES = 16
_ROWS, _COLUMNS = 512, 2048
_PAIRS_AT_ONCE = 16384
_DENSE = 8

Vectors = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class DuplicateSet:
    """Pictures that show the same.

    Attributes:
        indices: Positions of the pictures, ascending, two at least.
        kind: `exact`: all have equal pixels; `near`: some were saved, scaled or brightened anew.
    """

    indices: tuple[int, ...]
    kind: Literal["exact", "near"]


def find_copies(samples: Sequence[Sample], facts: Sequence[PictureFacts]) -> list[DuplicateSet]:
    """Duplicates in a set in which some pictures are slices of volumes.

    Neighbouring slices are alike by nature, and so are those of two patients. A volume is told by the one slice that
    shows most, and counts as a copy only where that is equal in every pixel.

    Args:
        samples: The pictures.
        facts: Their facts, in the same order.
    """
    shown: dict[str, int] = {}
    for index, sample in enumerate(samples):
        case = sample.case
        if case is not None:
            best = shown.get(case)
            if best is None or facts[index].deviation.mean() > facts[best].deviation.mean():
                shown[case] = index
    whole = [index for index, sample in enumerate(samples) if sample.case is None]
    found = []
    alike = find_duplicates([facts[i] for i in whole]) if whole else []
    for chosen, copies in ((whole, alike), _equal_volumes(shown, facts)):
        found += [DuplicateSet(tuple(chosen[i] for i in one.indices), one.kind) for one in copies]
    return found


def _equal_volumes(shown: Mapping[str, int], facts: Sequence[PictureFacts]) -> tuple[list[int], list[DuplicateSet]]:
    chosen = list(shown.values())
    groups = _Groups(len(chosen))
    _link_equal([facts[i] for i in chosen], groups)
    return chosen, [DuplicateSet(tuple(indices), "exact") for indices in groups.members()]


def find_duplicates(facts: Sequence[PictureFacts], likeness: float = LIKENESS) -> list[DuplicateSet]:
    """Sets of exact and near duplicates, in the order of their first pictures.

    Exact duplicates have equal pixels. Near duplicates have thumbnails whose correlation is at least `likeness` (more
    for pictures of few pixels, see `required_likeness`), also where they differ from the mean of the set, like
    colours, and neither brightness nor contrast far apart.
    Blank pictures are duplicates only where they are equal.

    All pairs are compared, none by chance only: the correlation of unit vectors bounds their distance, and distance
    in the lowest 8 x 8 frequencies of the cosine transform (the perceptual hash of Zauner, 2010, kept as numbers
    instead of bits) is never greater than that of the whole. Pictures are sorted along the frequency that varies most,
    so that only neighbours within the bound meet.

    Args:
        facts: Facts of readable pictures.
        likeness: Least correlation.
    """
    groups = _Groups(len(facts))
    firsts = _link_equal(facts, groups)
    # The products are small: several threads gain a factor of two on an idle machine, and lose one of ten on a busy
    # one, where they wait for each other.
    with threadpool_limits(1, user_api="blas"):
        _link_alike([facts[i] for i in firsts], np.asarray(firsts), groups, likeness)
    sets = []
    for members in groups.members():
        exact = len({(facts[i].digest, facts[i].size_hw) for i in members}) == 1
        sets.append(DuplicateSet(tuple(members), "exact" if exact else "near"))
    return sets


def required_likeness(pixels: int, likeness: float = LIKENESS) -> float:
    """Least correlation for pictures of so many pixels.

    The fewer pixels, the more alike different pictures are by chance: below 32 x 32 pixels the allowed difference
    shrinks with their number.
    """
    return 1.0 - (1.0 - likeness) * min(1.0, pixels / THUMBNAIL_SIDE**2)


class _Groups:
    """Disjoint sets (Tarjan, 1975, with path halving), as an array."""

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count)

    def root(self, index: int) -> int:
        parent = self._parent
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = int(parent[index])
        return index

    def join(self, left: int, right: int) -> None:
        left, right = self.root(left), self.root(right)
        self._parent[max(left, right)] = min(left, right)

    def apart(self, left: npt.NDArray[np.intp], right: Indices) -> npt.NDArray[np.bool_]:
        """Which pairs are not in one set yet."""
        while True:
            shorter = self._parent[self._parent]
            if (shorter == self._parent).all():
                return np.asarray(self._parent[left] != self._parent[right])
            self._parent = shorter

    def members(self) -> list[list[int]]:
        """Sets of two or more."""
        found: dict[int, list[int]] = {}
        for index in range(len(self._parent)):
            found.setdefault(self.root(index), []).append(index)
        return [indices for indices in found.values() if len(indices) > 1]


def _link_equal(facts: Sequence[PictureFacts], groups: _Groups) -> list[int]:
    """Joins equal pictures and returns the first of each."""
    first: dict[tuple[bytes, tuple[int, int]], int] = {}
    for index, fact in enumerate(facts):
        known = first.setdefault((fact.digest, fact.size_hw), index)
        if known != index:
            groups.join(known, index)
    return list(first.values())


def _link_alike(facts: Sequence[PictureFacts], positions: Indices, groups: _Groups, likeness: float) -> None:
    stretched = np.stack([fact.thumbnail for fact in facts]).reshape(len(facts), -1)
    textured = np.flatnonzero(stretched.any(1))
    if len(textured) < 2:
        return
    facts, positions = [facts[i] for i in textured.tolist()], positions[textured]
    thumbnails = _unit(stretched[textured].astype(np.float32))
    coarse = _low_frequencies(thumbnails)
    coarse = coarse[:, np.argsort(-coarse.var(0), kind="stable")]
    order = np.argsort(coarse[:, 0], kind="stable")
    facts, positions = [facts[i] for i in order.tolist()], positions[order]
    thumbnails, coarse = thumbnails[order], coarse[order]
    required = np.array([required_likeness(fact.size_hw[0] * fact.size_hw[1], likeness) for fact in facts])
    mean = thumbnails.mean(0) * (len(facts) / (len(facts) + _MEAN_PICTURES))
    # Of the thumbnails less the mean: (a - m)(b - m) = a b - a m - b m + m m.
    shared = thumbnails @ mean
    lengths = np.sqrt(np.maximum(1.0 - 2.0 * shared + mean @ mean, 1e-12))
    bound = 2.0 * (1.0 - likeness) + 1e-5
    for left, right in _near_pairs(coarse[:, :_AXES], bound):
        for start in range(0, len(left), _PAIRS_AT_ONCE):
            a, b = left[start : start + _PAIRS_AT_ONCE], right[start : start + _PAIRS_AT_ONCE]
            a, b = _keep(a, b, groups.apart(positions[a], positions[b]))
            a, b = _keep(a, b, np.square(coarse[a] - coarse[b]).sum(1) <= bound)
            correlation = _products(thumbnails, a, b)
            own = (correlation - shared[a] - shared[b] + mean @ mean) / (lengths[a] * lengths[b])
            alike = (correlation >= np.maximum(required[a], required[b])) & (own >= _OWN_LIKENESS)
            a, b = _keep(a, b, alike)
            for i, j in zip(a.tolist(), b.tolist(), strict=True):
                if _same_light_and_colour(facts[i], facts[j]):
                    groups.join(int(positions[i]), int(positions[j]))


def _products(vectors: Vectors, left: Indices, right: Indices) -> Vectors:
    """Scalar product of each pair. Where most pairs of some rows are asked for, one matrix product is far cheaper."""
    rows, row = np.unique(left, return_inverse=True)
    columns, column = np.unique(right, return_inverse=True)
    if len(rows) * len(columns) <= _DENSE * len(left):
        return np.asarray((vectors[rows] @ vectors[columns].T)[row, column], np.float32)
    return np.asarray(np.einsum("ij,ij->i", vectors[left], vectors[right]), np.float32)


def _keep(left: Indices, right: Indices, chosen: npt.NDArray[np.bool_]) -> tuple[Indices, Indices]:
    return left[chosen], right[chosen]


def _unit(vectors: Vectors) -> Vectors:
    centred: Vectors = vectors - vectors.mean(-1, keepdims=True)
    lengths = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    # In place: fresh pages for all thumbnails of a large set cost more than the arithmetic.
    centred /= np.maximum(lengths, 1e-12)[:, None]
    return centred


def _low_frequencies(thumbnails: Vectors) -> Vectors:
    """Orthonormal cosine transform (DCT-II), lowest 8 x 8 frequencies without the constant one, `(N, 63)`."""
    frequency = np.arange(_LOW_FREQUENCIES)[:, None]
    place = np.arange(THUMBNAIL_SIDE)[None] + 0.5
    basis = np.cos(np.pi / THUMBNAIL_SIDE * frequency * place) * np.sqrt(2.0 / THUMBNAIL_SIDE)
    basis[0] /= np.sqrt(2.0)
    weights = np.einsum("ui,vj->ijuv", basis, basis).reshape(THUMBNAIL_SIDE**2, -1)[:, 1:]
    return np.asarray(thumbnails @ weights.astype(np.float32), np.float32)


def _near_pairs(points: Vectors, bound: float) -> Iterator[tuple[Indices, Indices]]:
    """Pairs of points whose squared distance is at most the bound; the points are sorted along the first axis."""
    squares = np.square(points).sum(1)
    ones = np.ones(len(points))
    # One product gives |x|^2 - 2 x y + |y|^2 at once; the buffers are made once, since fresh pages cost more than it.
    rows = np.column_stack([-2.0 * points, squares, ones]).astype(np.float32)
    columns = np.ascontiguousarray(np.column_stack([points, ones, squares]).astype(np.float32).T)
    distances = np.empty(_ROWS * _COLUMNS, np.float32)
    hits = np.empty(_ROWS * _COLUMNS, np.bool_)
    for start in range(0, len(points), _ROWS):
        stop = min(start + _ROWS, len(points))
        reach = int(np.searchsorted(points[:, 0], points[stop - 1, 0] + bound**0.5, side="right"))
        for first in range(start, reach, _COLUMNS):
            shape = (stop - start, min(first + _COLUMNS, reach) - first)
            count = shape[0] * shape[1]
            np.matmul(rows[start:stop], columns[:, first : first + shape[1]], out=distances[:count].reshape(shape))
            np.less_equal(distances[:count], bound, out=hits[:count])
            left, right = np.divmod(np.flatnonzero(hits[:count]), shape[1])
            left, right = left + start, right + first
            yield _keep(left, right, left < right)


def _same_light_and_colour(left: PictureFacts, right: PictureFacts) -> bool:
    if left.channel_names != right.channel_names:
        return False
    spread = max(float(left.deviation.mean()), 1e-9), max(float(right.deviation.mean()), 1e-9)
    if max(spread) > _CONTRAST_FACTOR * min(spread):
        return False
    whole = (
        255.0
        if left.dtype == "uint8"
        else float(max(left.high.max(), right.high.max()) - min(left.low.min(), right.low.min()))
    )
    if abs(float(left.mean.mean() - right.mean.mean())) > _BRIGHTNESS_STEP * whole:
        return False
    if left.channels == 1:
        return True
    colours = [_colour_vector(fact) for fact in (left, right)]
    return float(colours[0] @ colours[1]) >= _COLOUR_LIKENESS


def _colour_vector(fact: PictureFacts) -> Vectors:
    flat = fact.colours.reshape(fact.channels, COLOUR_SIDE**2).astype(np.float32)
    centred = (flat - flat.mean(1, keepdims=True)).ravel()
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-12), np.float32)


def duplicate_problems(
    samples: Sequence[Sample], splits: Sequence[str], given: Sequence[str], sets: Sequence[DuplicateSet]
) -> list[Problem]:
    """What duplicates mean for a data set: leakage between given splits, labels that disagree, mere repetition.

    Args:
        samples: All pictures.
        splits: Split of each picture as the data set gave it, `""` where it gave none.
        given: Names of the splits that stay as they were given.
        sets: Duplicates among the pictures.
    """
    problems = []
    for found in sets:
        members = [samples[i] for i in found.indices]
        how = "has the same pixels as" if found.kind == "exact" else "shows almost the same as"
        by_split = {split: [samples[i] for i in found.indices if splits[i] == split] for split in given}
        leaks = list(_leaks(by_split, how))
        labels: dict[str, Sample] = {}
        for sample in members:
            # Two people never draw the same box: only labels can contradict each other.
            spatial = not isinstance(sample.annotation, Label | Labels | None)
            labels.setdefault("" if spatial else str(sample.annotation), sample)
        problems += leaks
        if len(labels) > 1:
            problems.append(_conflict(labels, how))
        if not leaks and len(labels) == 1:
            first, *others = members
            rest = f" ({len(members)} pictures in all)" if len(members) > 2 else ""
            fix = "They are kept in one split; delete the copies if you do not need them."
            problems.append(Problem("duplicate", others[0].name, f"{how} {first.name}{rest}.", fix))
    return problems


def _leaks(by_split: Mapping[str, Sequence[Sample]], how: str) -> Iterator[Problem]:
    """One problem for each picture of a split that has its like in a split that is used before it."""
    for measured, earlier in (("validation", ("train",)), ("test", ("train", "validation"))):
        seen = next((split for split in earlier if by_split.get(split)), "")
        for sample in by_split.get(measured, ()) if seen else ():
            yield Problem(
                "leakage",
                sample.name,
                f"this {measured} picture {how} {by_split[seen][0].name} in {seen}.",
                f"Such pictures make results on {measured} too good: delete one of the two, or have new splits made.",
            )


def _conflict(labels: Mapping[str, Sample], how: str) -> Problem:
    (_, first), (_, second) = list(labels.items())[:2]
    return Problem(
        "conflicting-labels",
        second.name,
        f"{how} {first.name}, but their labels differ.",
        "One of the two labels is wrong, or one picture has both: correct the annotation.",
    )
