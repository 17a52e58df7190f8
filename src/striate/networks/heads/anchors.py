"""Where detectors with anchors look: boxes of known shapes on every cell of a pyramid, as large as the objects are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import MultiScaleRoIAlign

from striate.networks.heads.pyramid import spread_points

CELLS = 4
"""Cells that an anchor is wide where nobody knows how large objects are: 32 pixels at stride 8 (Lin et al. 2017)."""

SHAPES = (0.5, 1.0, 2.0)
"""Height for one pixel of width."""


def level_sides(object_sides: Sequence[float] | None, strides: Sequence[int]) -> tuple[float, ...]:
    """Side of the anchors of each level, in pixels of the network's input, finest level first.

    Args:
        object_sides: Sides of small to large objects; those of the levels are spread over them evenly in the logarithm.
        strides: Stride of each level.
    """
    if object_sides is None:
        return tuple(float(CELLS * stride) for stride in strides)
    known = np.log(np.maximum(np.sort(object_sides), 1.0))
    # A single level gets what is in the middle.
    wanted = np.linspace(0, 1, len(strides)) if len(strides) > 1 else np.array([0.5])
    found = np.interp(wanted, np.linspace(0, 1, len(known)) if len(known) > 1 else [0.5], known)
    return tuple(float(side) for side in np.exp(found))


class Anchors(AnchorGenerator):  # type: ignore[misc]
    """Anchors around the middle of every cell, the same in every picture.

    torchvision's stand on the corners of cells, step by whole pixels and have whole sides: on maps of a few odd cells
    they drift away from what the cells see, and small ones become nothing.

    Args:
        sides: For each level, the sides of its anchors in pixels.
        shapes: Height for one pixel of width, of each anchor.
    """

    def __init__(self, sides: Sequence[Sequence[float]], shapes: Sequence[float]) -> None:
        super().__init__(tuple(map(tuple, sides)), (tuple(shapes),) * len(sides))

    def generate_anchors(
        self,
        scales: Sequence[float],
        aspect_ratios: Sequence[float],
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> Tensor:
        """Boxes around the origin, `(shapes * sides, 4)`."""
        sides = torch.as_tensor(scales, dtype=dtype, device=device)
        tall = torch.as_tensor(aspect_ratios, dtype=dtype, device=device).sqrt()
        widths, heights = (sides / tall[:, None]).flatten(), (sides * tall[:, None]).flatten()
        return torch.stack([-widths, -heights, widths, heights], 1) / 2

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """All anchors of each picture `(A, 4)` in pixels, in the order of torchvision's heads."""
        size_hw = (int(image_list.tensors.shape[-2]), int(image_list.tensors.shape[-1]))
        levels = []
        for level, shapes in zip(feature_maps, self.cell_anchors, strict=True):
            middles = spread_points(level, size_hw).repeat(1, 2)
            levels.append((middles[:, None] + shapes.to(level.device)).flatten(0, 1))
        return [torch.cat(levels)] * len(image_list.image_sizes)


class LevelledRoIAlign(MultiScaleRoIAlign):  # type: ignore[misc]
    """Cuts boxes out of the level whose anchors are nearest in size.

    torchvision's own rule knows neither the objects' sizes nor pyramids that leave out a stride.

    Args:
        output_size: Cells of what is cut out, on each side.
        strides: Stride of each level, finest first.
        sides: Side of the anchors of each level.
    """

    def __init__(self, output_size: int, strides: Sequence[int], sides: Sequence[float]) -> None:
        super().__init__([str(index) for index in range(len(strides))], output_size, sampling_ratio=2)
        self.scales = [1.0 / stride for stride in strides]
        # Geometric means of neighbours part the levels.
        borders = [math.sqrt(first * second) for first, second in pairwise(sides)]
        self.map_levels = _LevelMapper(borders)


class _LevelMapper:
    def __init__(self, borders: Sequence[float]) -> None:
        self.borders = list(borders)

    def __call__(self, boxes: list[Tensor]) -> Tensor:
        """Index of the level for every box, pictures end to end: `(n,)` int64."""
        joined = torch.cat(boxes)
        sides = (joined[:, 2:] - joined[:, :2]).clamp_min(0).prod(1).sqrt()
        return torch.bucketize(sides, sides.new_tensor(self.borders))


def image_list(level: Tensor, size_hw: tuple[int, int]) -> ImageList:
    """The pictures of a batch as torchvision's detectors take them: as many as the map has, of one size, no pixels."""
    count = len(level)
    return ImageList(level.new_empty((count, 0, *size_hw)), [size_hw] * count)
