"""The truth of training pictures, in the form and the coordinates in which a loss wants it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.structures import Mask, Placement, Sample

Positions = npt.NDArray[np.int64]
_THREADS = 8


class Motion(Protocol):
    """What a random change did to the geometry of a batch; see `striate.data.augmentation`."""

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


class MaskTruth:
    """Semantic masks in the network's frame: `(n, H, W)` uint8, `VOID` where nothing is known.

    Args:
        samples: The pictures.
        placements: How each lies in the frame.
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
        def one(index: int) -> npt.NDArray[np.uint8]:
            placed: npt.NDArray[np.uint8] = self._placements[index].plane_into(mask_of(self._samples[index]))
            return placed

        with ThreadPoolExecutor(_THREADS) as pool:
            return np.stack(list(pool.map(one, indices.tolist())))


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
