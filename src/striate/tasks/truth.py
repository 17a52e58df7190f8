"""The truth of training pictures, in the form and the coordinates in which a loss wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.structures import Mask, Placement, Sample

Positions = npt.NDArray[np.int64]
_THREADS = 8


class Motion(Protocol):
    """What a random change did to the geometry of a batch; see `striate.data.augmentation`.

    Attributes:
        size_hw: Height and width of the pictures that came out.
    """

    size_hw: tuple[int, int]

    def planes(self, planes: Tensor) -> Tensor:
        """Planes of classes or object numbers `(n, H, W)`, moved as the pixels were; never mixed."""

    def boxes(self, boxes_xyxy: Tensor) -> Tensor:
        """Boxes `(n, M, 4)`: the smallest ones around the moved boxes, not clipped."""


class TruthStore(Protocol):
    """Truth of the pictures of a split, by position."""

    def rows(self, indices: Positions) -> Any:
        """Truth of some pictures, with a method `to(device)`; first axis the picture."""


class ArrayTruth:
    """Truth in one array, such as class indices.

    Args:
        array: First axis the picture.
    """

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.array = array

    def rows(self, indices: Positions) -> Tensor:
        """The rows of some pictures."""
        return torch.from_numpy(np.ascontiguousarray(self.array[indices]))


T = TypeVar("T")
U = TypeVar("U")


def placed(
    samples: Sequence[Sample],
    placements: Sequence[Placement],
    read: Callable[[Sample], T],
    place: Callable[[T, Placement], U],
) -> list[U]:
    """The truth of some frames; that of a picture is read once for all frames of it that stand side by side.

    Args:
        samples: The picture of each frame.
        placements: How it lies in each.
        read: Gives the truth of a picture.
        place: Brings it into a frame.
    """
    groups = [list(group) for _, group in groupby(range(len(samples)), lambda index: id(samples[index]))]

    def work(group: list[int]) -> list[U]:
        truth = read(samples[group[0]])
        return [place(truth, placements[index]) for index in group]

    with ThreadPoolExecutor(_THREADS) as pool:
        return [one for rows in pool.map(work, groups) for one in rows]


class MaskTruth:
    """Semantic masks in the network's frame: `(n, H, W)` uint8, `VOID` where nothing is known.

    Args:
        samples: The picture of each frame.
        placements: How it lies there.
        keep: Whether to read all masks now and keep them; else they are read each time they are asked for.
    """

    def __init__(self, samples: Sequence[Sample], placements: Sequence[Placement], *, keep: bool = True) -> None:
        self._samples = samples
        self._placements = placements
        self._kept = self._read(np.arange(len(samples))) if keep and len(samples) else None

    def rows(self, indices: Positions) -> Tensor:
        """The masks of some pictures."""
        return torch.from_numpy(self._read(indices) if self._kept is None else self._kept[indices])

    def _read(self, indices: Positions) -> npt.NDArray[np.uint8]:
        chosen = indices.tolist()
        rows = placed(
            [self._samples[index] for index in chosen],
            [self._placements[index] for index in chosen],
            mask_of,
            lambda mask, placement: placement.plane_into(mask),
        )
        return np.stack(rows)


def mask_of(sample: Sample) -> npt.NDArray[np.uint8]:
    """The semantic mask of a sample, `(H, W)`.

    Raises:
        PictureError: It cannot be read.
        TypeError: Its annotation is of another kind.
    """
    annotation = sample.read_annotation()
    if not isinstance(annotation, Mask):
        raise TypeError(f"{sample.name} has no semantic mask but {type(annotation).__name__}")
    return annotation.classes
