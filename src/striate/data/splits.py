"""Train, validation and test: kept where they are given, made where they are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from striate.structures import Boxes, Instances, Label, Labels, Sample

Counts = npt.NDArray[np.int64]


def class_counts(labels: Sequence[tuple[int, ...]], classes: int) -> Counts:
    """Pictures of each class, `(K,)`; one with several labels counts for each of them.

    Args:
        labels: Classes of each picture, each once.
        classes: Number of classes.
    """
    flat = np.array([index for indices in labels for index in indices], np.int64)
    return np.bincount(flat, minlength=classes).astype(np.int64)


def class_indices(sample: Sample) -> tuple[int, ...]:
    """Classes that a picture's label names or its objects have, ascending; none where that lies in files of its own."""
    match sample.annotation:
        case Label(index):
            return (index,)
        case Labels(indices):
            return indices
        case Boxes() | Instances():
            return tuple(np.unique(sample.annotation.classes).tolist())
    return ()


def merge_groups(samples: Sequence[Sample], duplicates: Sequence[Sequence[int]]) -> list[int]:
    """One number for each picture; pictures that share a group or a set of duplicates have the same.

    The relation is closed: if A and B are of one patient, and B and C are duplicates, then all three belong together.

    Args:
        samples: The pictures, with their groups.
        duplicates: Positions of pictures that belong together.
    """
    parent = list(range(len(samples)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(members: Sequence[int]) -> None:
        for other in members[1:]:
            left, right = root(members[0]), root(other)
            parent[max(left, right)] = min(left, right)

    by_group: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        if sample.group is not None:
            by_group.setdefault(sample.group, []).append(index)
    for members in [*by_group.values(), *duplicates]:
        join(members)
    return [root(index) for index in range(len(samples))]


def make_splits(
    samples: Sequence[Sample],
    labels: Sequence[tuple[int, ...]],
    groups: Sequence[int],
    shares: Mapping[str, float],
    seed: int,
) -> dict[str, list[int]]:
    """Splits pictures so that classes keep their shares and no group is torn apart.

    Iterative stratification (Sechidis, Tsoumakas, Vlahavas: "On the stratification of multi-label data", ECML PKDD
    2011, section 3): the class with the fewest pictures left is dealt out first, each to the split that misses most of
    that class. We deal groups instead of pictures, the largest first, and ties go to the split that misses most
    pictures, then to the one named first instead of by chance. A class that is in one group only ends up in the first
    split; then every class is made sure to be there, and no split is left empty where that is possible.

    The result depends on names, groups, classes and the seed, not on the order of the pictures.

    Args:
        samples: The pictures.
        labels: Classes of each picture, each once.
        groups: A number for each picture; those of equal number stay together.
        shares: Share of each split, the one that must hold every class first; they sum to 1.
        seed: Seed of the shuffling.

    Returns:
        Positions of the pictures of each split, ascending.
    """
    names = [name for name, share in shares.items() if share > 0]
    bundles = _bundles(samples, groups, seed)
    classes = 1 + max((index for indices in labels for index in indices), default=-1)
    # Pictures without any class are dealt out like a class of their own.
    entries = [
        (row, label) for row, bundle in enumerate(bundles) for index in bundle for label in labels[index] or (classes,)
    ]
    table = np.zeros((len(bundles), classes + 1), np.int64)
    np.add.at(table, tuple(np.array(entries).T), 1)
    sizes = np.array([len(bundle) for bundle in bundles], np.int64)
    share = np.array([shares[name] for name in names])
    owner = _deal(table, sizes, share)
    _fill_first(owner, table)
    _fill_empty(owner, table, len(names))
    return {
        name: sorted(index for row in np.flatnonzero(owner == number) for index in bundles[row])
        for number, name in enumerate(names)
    }


def _bundles(samples: Sequence[Sample], groups: Sequence[int], seed: int) -> list[list[int]]:
    """Positions by group: shuffled, then the largest groups first."""
    by_group: dict[int, list[int]] = {}
    for index in sorted(range(len(samples)), key=lambda index: samples[index].name):
        by_group.setdefault(groups[index], []).append(index)
    bundles = list(by_group.values())
    order = np.random.default_rng(seed).permutation(len(bundles))
    return sorted((bundles[i] for i in order), key=len, reverse=True)


def _deal(table: Counts, sizes: Counts, share: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    owner = np.full(len(table), -1, np.intp)
    # Plain numbers: for a few splits and the one class of most rows, arrays would take several times as long.
    wanted: list[list[float]] = (table.sum(0)[None] * share[:, None]).tolist()
    room: list[float] = (sizes.sum() * share).tolist()
    left: list[int] = table.sum(0).tolist()
    held: list[list[tuple[int, int]]] = [[] for _ in table]
    for row, label in np.argwhere(table).tolist():
        held[row].append((label, int(table[row, label])))
    while any(left):
        rarest = min((label for label, count in enumerate(left) if count), key=left.__getitem__)
        for row in np.flatnonzero((owner < 0) & (table[:, rarest] > 0)).tolist():
            # Rounded, so that 0.15 * 20 - 1 - 1 and 0.3 * 10 - 2 are the tie that they are on paper.
            needs = [(round(wanted[s][rarest], 9), round(room[s], 9), -s) for s in range(len(room))]
            choice = -max(needs)[2]
            owner[row] = choice
            for label, count in held[row]:
                wanted[choice][label] -= count
                left[label] -= count
            room[choice] -= int(sizes[row])
    return owner


def _fill_first(owner: npt.NDArray[np.intp], table: Counts) -> None:
    """Moves groups so that the first split has every class."""
    for label in np.flatnonzero(table[owner == 0].sum(0) == 0):
        holders = np.flatnonzero(table[:, label] > 0)
        if len(holders):
            owner[holders[-1]] = 0  # the smallest group of them: groups stand in order of size


def _fill_empty(owner: npt.NDArray[np.intp], table: Counts, splits: int) -> None:
    """Gives each empty split a group, as small as possible, whose classes remain in the first one without it."""
    for number in range(1, splits):
        if (owner == number).any():
            continue
        for row in np.flatnonzero(owner == 0)[::-1]:
            remaining = table[owner == 0].sum(0) - table[row]
            if (remaining[table[row] > 0] > 0).all():
                owner[row] = number
                break
