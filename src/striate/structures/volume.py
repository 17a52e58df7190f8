"""A stack of slices as a scanner or a microscope gives it, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.structures.levels import Levels
from striate.structures.picture import PIXEL_DTYPES

PLANES = ("axial", "coronal", "sagittal")
"""Planes through a body, by the axis that slices follow once a volume is upright: 0, 1, 2."""

_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))
"""Ends of the axes of LPS coordinates: where values are low, where they are high."""


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """Where the voxels of a volume lie, in millimetres.

    Attributes:
        affine: `(4, 4)` float64: position of the centre of voxel (slice, row, column, 1) in LPS coordinates, which are
            those of DICOM and ITK: x to the patient's left, y to the back, z to the head. NIfTI's are RAS: x and y
            there have the other sign.
        known: Whether the file says so; else voxels count as cubes of 1 mm in the order of the file.
    """

    affine: npt.NDArray[np.float64]
    known: bool = True

    @classmethod
    def unknown(cls) -> Geometry:
        """Cubes of 1 mm, in the order of the file: columns to the left, rows to the back, slices to the head."""
        return cls.of((1.0, 1.0, 1.0), known=False)

    @classmethod
    def of(cls, spacing_mm: tuple[float, float, float], known: bool = True) -> Geometry:
        """Upright with this spacing of slices, rows and columns, the first voxel at the origin."""
        affine = np.zeros((4, 4))
        affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing_mm, 1.0
        return cls(affine, known)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of the centres of neighbouring slices, rows and columns, in mm."""
        slices, rows, columns = np.sqrt((self.affine[:3, :3] ** 2).sum(0)).tolist()
        return slices, rows, columns

    @property
    def letters(self) -> str:
        """Where slices, rows and columns go, each by the nearest axis of the body: `SPL` is upright."""
        return "".join(
            _LETTERS[axis][int(self.affine[axis, index] > 0)] for index, axis in enumerate(self._nearest_axes())
        )

    def _nearest_axes(self) -> tuple[int, int, int]:
        """Axis of the body (0 left, 1 back, 2 head) that slices, rows and columns follow most nearly, each once."""
        share = np.abs(self.affine[:3, :3]) / np.maximum(self.spacing_mm, 1e-12)
        # Not each for itself: two axes of a slanted volume may be nearest to the same axis of the body.
        first, second, third = max(permutations(range(3)), key=lambda axes: sum(share[axes[i], i] for i in range(3)))
        return first, second, third

    def same_grid(self, other: Geometry, tolerance_mm: float = 1e-2) -> bool:
        """Whether voxels lie at the same places, to this many mm (and a rounding of the directions)."""
        return bool(np.allclose(self.affine, other.affine, rtol=1e-4, atol=tolerance_mm))


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """A scan, a stack of slices, or a sequence of them, never silently narrowed.

    Attributes:
        voxels: `(S, C, H, W)`, dtype uint8, uint16, int16 or float32; slices, channels (or times), rows, columns, as
            the file has them.
        channel_names: One name a channel.
        geometry: Where voxels lie.
        levels: What its values are like.
        modality: DICOM's word for the kind of scanner (CT, MR, ...); empty where unknown.
        notes: What reading changed or left out, one phrase each.
        source: Where it came from.

    Raises:
        ValueError: Wrong dtype, wrong number of dimensions, no voxels, or names that do not fit the channels.
    """

    voxels: npt.NDArray[Any]
    channel_names: tuple[str, ...]
    geometry: Geometry
    levels: Levels
    modality: str = ""
    notes: tuple[str, ...] = field(default=())
    source: str = ""

    def __post_init__(self) -> None:
        if self.voxels.dtype.name not in PIXEL_DTYPES:
            raise ValueError(f"voxels must be one of {', '.join(PIXEL_DTYPES)}, got {self.voxels.dtype.name}")
        if self.voxels.ndim != 4 or self.voxels.size == 0:
            raise ValueError(f"voxels must be (S, C, H, W) with at least one voxel, got shape {self.voxels.shape}")
        if len(self.channel_names) != self.voxels.shape[1]:
            raise ValueError(f"{self.voxels.shape[1]} channels but {len(self.channel_names)} channel names")

    @property
    def size_shw(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        return int(self.voxels.shape[0]), int(self.voxels.shape[2]), int(self.voxels.shape[3])

    def upright(self) -> Volume:
        """Turned by whole axes, without resampling: slices go to the head, rows to the back, columns to the left.

        That is how a radiologist sees axial slices. A volume whose geometry is not known stays as it is.
        """
        if not self.geometry.known:
            return self
        turn = Turn.upright(self.geometry)
        return replace(
            self,
            voxels=turn.apply(self.voxels.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
            geometry=Geometry(turn.turned_affine(self.geometry.affine, self.size_shw)),
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of the order and direction of a volume's axes, which moves voxels and changes none.

    Attributes:
        order: Which axis of the file becomes the first, second and third.
        flipped: Whether each of these runs backwards.
    """

    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @classmethod
    def upright(cls, geometry: Geometry) -> Turn:
        """The turn that makes a volume upright."""
        axes = geometry._nearest_axes()
        # Slices follow the body's third axis, rows its second, columns its first.
        order = axes.index(2), axes.index(1), axes.index(0)
        flipped = tuple(bool(geometry.affine[body, index] < 0) for body, index in zip((2, 1, 0), order, strict=True))
        return cls(order, flipped)  # type: ignore[arg-type]

    def apply(self, voxels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Turned voxels, a view: the first three axes of the array; further ones stay."""
        turned = voxels.transpose(*self.order, *range(3, voxels.ndim))
        return turned[tuple(slice(None, None, -1) if back else slice(None) for back in self.flipped)]

    def undo(self, voxels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The opposite of `apply`."""
        unflipped = voxels[tuple(slice(None, None, -1) if back else slice(None) for back in self.flipped)]
        return unflipped.transpose(*np.argsort(self.order).tolist(), *range(3, voxels.ndim))

    def turned_affine(self, affine: npt.NDArray[np.float64], size_shw: tuple[int, int, int]) -> npt.NDArray[np.float64]:
        """The affine of the turned volume; `size_shw` is that of the volume before."""
        turned = affine.copy()
        for new, (old, back) in enumerate(zip(self.order, self.flipped, strict=True)):
            turned[:, new] = -affine[:, old] if back else affine[:, old]
            if back:
                turned[:, 3] += affine[:, old] * (size_shw[old] - 1)
        return turned


@dataclass(frozen=True, slots=True)
class Slicing:
    """How volumes become the slices that a network sees.

    Attributes:
        plane: Name of the plane, one of `PLANES`; the one with the finest pixels where `None`.
        neighbours: Slices on either side that are shown with each; by the distance of slices where `None`.
    """

    plane: str | None = None
    neighbours: int | None = None
