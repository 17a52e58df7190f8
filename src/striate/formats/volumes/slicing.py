"""How volumes are cut into the slices that a network sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striate.images.volumes import VolumeHeader, upright_size, upright_spacing_mm
from striate.structures import PLANES, Slicing

COARSER = 1.5
"""Slices lie along an axis whose voxels are this many times as long as those of every other one."""

NEAR = 4.0
"""Neighbouring slices this many pixels apart still show the same things."""

FEWEST = 3
"""Volumes of fewer slices have no neighbours worth showing."""


def settle_slicing(slicing: Slicing, headers: Sequence[VolumeHeader], *, spatial: bool) -> tuple[int, int, str]:
    """Position of the plane in `PLANES`, number of neighbours, and both in words.

    Args:
        slicing: What is asked for.
        headers: Some of the volumes.
        spatial: Whether each slice is answered for itself; a class of the whole volume needs no neighbours.
    """
    spacings = np.array([upright_spacing_mm(header) for header in headers])
    spacing = np.median(spacings, axis=0)
    if slicing.plane is not None:
        axis, why = PLANES.index(slicing.plane), "as asked"
    else:
        coarsest = int(spacing.argmax())
        others = np.delete(spacing, coarsest)
        known = any(header.geometry.known for header in headers)
        if known and spacing[coarsest] > COARSER * others.max():
            axis, why = coarsest, "pixels are finest in it"
        else:
            axis, why = 0, "voxels are about as long in all directions"
    neighbours = slicing.neighbours
    if neighbours is None:
        slices = float(np.median([upright_size(header)[axis] for header in headers]))
        near = spacing[axis] <= NEAR * float(np.delete(spacing, axis).max())
        neighbours = int(spatial and near and slices >= FEWEST)
    words = f"Volumes are cut into {PLANES[axis]} slices ({why})"
    if neighbours:
        words += f", each with {neighbours} on either side as further channels"
    return axis, neighbours, words + "."
