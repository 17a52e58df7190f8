"""What a picture is said to show.

Pixel coordinates run from 0 at the left and upper edge, x to the right and y down; a box is half-open, so that one
pixel in the corner is `(0, 0, 1, 1)`. Only a format file knows other conventions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

VOID = 255
"""Value of a `Mask` where nobody says what the pixel shows: it counts neither in training nor in figures."""

MOST_MASK_CLASSES = 255
"""Classes that a `Mask` can tell apart: its values are bytes, and the last one is `VOID`."""

SPATIAL_TASKS = ("detection", "segmentation", "instances")
"""Names of the tasks whose annotation says where something is."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Label:
    """One class.

    Attributes:
        index: Position in the data set's class names.
    """

    index: int


@dataclass(frozen=True, slots=True)
class Labels:
    """Several classes at once, or none of them.

    Attributes:
        indices: Positions in the data set's class names, ascending, each once.
    """

    indices: tuple[int, ...]


class _ByContent:
    """Equal where all fields are, arrays by their values."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in self.__dataclass_fields__  # type: ignore[attr-defined]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Boxes(_ByContent):
    """Objects, each in a box.

    Attributes:
        boxes_xyxy: `(N, 4)` float32: left, top, right, bottom, in pixels, half-open.
        classes: `(N,)` int64, positions in the data set's class names.
        iscrowd: `(N,)`; a box around many objects that were not told apart. `None` is none of them.
        ignore: `(N,)`; an object that need not be found and does no harm where it is (VOC's "difficult").

    Raises:
        ValueError: The shapes do not fit each other.
    """

    boxes_xyxy: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    iscrowd: Flags = None  # type: ignore[assignment]
    ignore: Flags = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        _settle_objects(self)

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, chosen: npt.NDArray[np.generic] | slice) -> Boxes:
        """The chosen objects, by positions or flags."""
        return Boxes(self.boxes_xyxy[chosen], self.classes[chosen], self.iscrowd[chosen], self.ignore[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Mask(_ByContent):
    """A class for every pixel.

    Attributes:
        classes: `(H, W)` uint8, positions in the data set's class names; `VOID` where it is not known.

    Raises:
        ValueError: Not two-dimensional bytes.
    """

    classes: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.classes.ndim != 2 or self.classes.dtype != np.uint8:
            raise ValueError(f"a mask is (H, W) uint8, got {self.classes.shape} {self.classes.dtype}")

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.classes.shape[0]), int(self.classes.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Instances(_ByContent):
    """Objects, each with the pixels that belong to it; holes and several parts are kept.

    Attributes:
        size_hw: Height and width of the picture.
        masks: One mask an object, as COCO's compressed run lengths; see `dense`.
        boxes_xyxy: `(N, 4)` float32, the box around each mask, or the one that the annotation gives.
        classes: `(N,)` int64.
        iscrowd: `(N,)`; many objects that were not told apart.
        ignore: `(N,)`; need not be found.

    Raises:
        ValueError: The shapes do not fit each other.
    """

    size_hw: tuple[int, int]
    masks: tuple[bytes, ...]
    boxes_xyxy: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    iscrowd: Flags = None  # type: ignore[assignment]
    ignore: Flags = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        _settle_objects(self)
        if len(self.masks) != len(self.classes):
            raise ValueError(f"{len(self.masks)} masks for {len(self.classes)} objects")

    @classmethod
    def from_dense(
        cls,
        masks: npt.NDArray[np.bool_],
        classes: npt.NDArray[np.int64],
        iscrowd: Flags | None = None,
        ignore: Flags | None = None,
    ) -> Instances:
        """From `(N, H, W)` masks; each object's box is the smallest one around its mask."""
        from faster_coco_eval.core import mask as coco_mask

        size_hw = int(masks.shape[1]), int(masks.shape[2])
        if not len(masks):
            return cls(size_hw, (), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
        packed = coco_mask.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8)))
        return cls.from_run_lengths(size_hw, tuple(one["counts"] for one in packed), classes, iscrowd, ignore)

    @classmethod
    def from_run_lengths(
        cls,
        size_hw: tuple[int, int],
        masks: Sequence[bytes],
        classes: npt.NDArray[np.int64],
        iscrowd: Flags | None = None,
        ignore: Flags | None = None,
    ) -> Instances:
        """From COCO's compressed run lengths; each object's box is the smallest one around its mask."""
        from faster_coco_eval.core import mask as coco_mask

        xywh = np.asarray(coco_mask.toBbox(_packed(size_hw, masks)), np.float32).reshape(-1, 4)
        boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        return cls(size_hw, tuple(masks), boxes, classes, iscrowd, ignore)  # type: ignore[arg-type]

    @classmethod
    def from_label_image(
        cls,
        labels: npt.NDArray[np.integer],
        class_of: int = 0,
        *,
        size_hw: tuple[int, int] | None = None,
        corner_yx: tuple[int, int] = (0, 0),
    ) -> Instances:
        """From an `(H, W)` picture with one value an object and 0 for none; all objects are of one class.

        Objects come in ascending order of their values. Takes time for the picture, not for each object anew: runs of
        one value are found once, down the columns as COCO counts them, and shared out.

        Args:
            labels: Values of the whole picture, or of a part of it.
            class_of: Class of all objects.
            size_hw: Height and width of the whole picture, where `labels` is a part.
            corner_yx: Where the upper left pixel of the part lies in the picture.
        """
        size_hw = size_hw or (int(labels.shape[0]), int(labels.shape[1]))
        if size_hw[0] != labels.shape[0]:
            # A row of nothing at the end of each column: runs of a part must not go on in the next column.
            labels = np.pad(labels, ((0, 1), (0, 0)))
        flat = labels.ravel(order="F")
        changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        starts = np.concatenate([[0], changes])[: len(flat)]
        ends = np.concatenate([changes, [len(flat)]])[: len(flat)]
        order = np.argsort(flat[starts], kind="stable")
        order = order[flat[starts[order]] != 0]
        values, firsts = np.unique(flat[starts[order]], return_index=True)
        bounds = np.stack([starts[order], ends[order]], axis=1)
        if size_hw != labels.shape:
            column, row = np.divmod(bounds[:, :1], labels.shape[0])
            first = (column + corner_yx[1]) * size_hw[0] + row + corner_yx[0]
            bounds = first + np.concatenate([np.zeros_like(first), np.diff(bounds, axis=1)], axis=1)
        objects = np.split(bounds, firsts[1:]) if len(values) else []
        packed = _pack_runs(size_hw, objects)
        return cls.from_run_lengths(size_hw, packed, np.full(len(values), class_of, np.int64))

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, chosen: npt.NDArray[np.generic] | slice) -> Instances:
        """The chosen objects, by positions or flags."""
        positions = np.arange(len(self))[chosen]
        return Instances(
            self.size_hw,
            tuple(self.masks[i] for i in positions),
            self.boxes_xyxy[positions],
            self.classes[positions],
            self.iscrowd[positions],
            self.ignore[positions],
        )

    def dense(self) -> npt.NDArray[np.bool_]:
        """The masks, `(N, H, W)`."""
        from faster_coco_eval.core import mask as coco_mask

        if not len(self):
            return np.zeros((0, *self.size_hw), np.bool_)
        planes: npt.NDArray[np.bool_] = coco_mask.decode(self.packed()).astype(np.bool_).transpose(2, 0, 1)
        return planes

    def packed(self) -> list[dict[str, object]]:
        """The masks as COCO's tools take them: `size` and `counts`."""
        return _packed(self.size_hw, self.masks)

    def areas(self) -> npt.NDArray[np.int64]:
        """Pixels of each mask, `(N,)`."""
        from faster_coco_eval.core import mask as coco_mask

        if not len(self):
            return np.zeros(0, np.int64)
        return np.asarray(coco_mask.area(self.packed()), np.int64)

    def label_image(self) -> npt.NDArray[np.int32]:
        """`(H, W)`: 0 where nothing is, else the number of the object from 1; of overlapping ones the smaller shows."""
        from faster_coco_eval.core import mask as coco_mask

        found = np.zeros(self.size_hw, np.int32)
        packed = self.packed()
        for index in np.argsort(-self.areas(), kind="stable").tolist():
            # One mask at a time, and only where it is: hundreds of objects in a large picture would fill the memory.
            left, top, width, height = np.asarray(coco_mask.toBbox(packed[index]), np.int64).ravel().tolist()
            where = slice(top, top + height), slice(left, left + width)
            found[where][coco_mask.decode(packed[index])[where] != 0] = index + 1
        return found

    def boxes(self) -> Boxes:
        """The objects without their masks."""
        return Boxes(self.boxes_xyxy, self.classes, self.iscrowd, self.ignore)


Annotation: TypeAlias = Label | Labels | Boxes | Mask | Instances


@runtime_checkable
class AnnotationSource(Protocol):
    """Annotation in files of its own, read when asked for. Must be picklable, as `PictureSource` is."""

    @property
    def name(self) -> str:
        """Path of the annotation, for people."""

    def read(self) -> Annotation:
        """Reads the annotation.

        Raises:
            PictureError: It cannot be read; the file is named.
        """


def _packed(size_hw: tuple[int, int], masks: Sequence[bytes]) -> list[dict[str, object]]:
    return [{"size": list(size_hw), "counts": counts} for counts in masks]


def _pack_runs(size_hw: tuple[int, int], objects: Sequence[npt.NDArray[np.int64]]) -> list[bytes]:
    """COCO's compressed run lengths of objects, each given as `(R, 2)` first and last + 1 of its runs down columns."""
    from faster_coco_eval.core import mask as coco_mask

    if not objects:
        return []
    unpacked = []
    for bounds in objects:
        lengths = np.diff(bounds.ravel(), prepend=0, append=size_hw[0] * size_hw[1])
        # Where the object reaches the last pixel, nothing follows.
        unpacked.append({"size": list(size_hw), "counts": lengths[: len(lengths) - (lengths[-1] == 0)].tolist()})
    return [one["counts"] for one in coco_mask.frPyObjects(unpacked, *size_hw)]


def _settle_objects(objects: Boxes | Instances) -> None:
    """Fills flags that were left out, and checks that everything is equally long."""
    count = len(objects.classes)
    none = np.zeros(count, np.bool_)
    boxes = np.asarray(objects.boxes_xyxy, np.float32)
    if boxes.size == 0:
        boxes = boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes are (N, 4), got {boxes.shape}")
    values: dict[str, npt.NDArray[np.generic]] = {
        "boxes_xyxy": boxes,
        "classes": np.asarray(objects.classes, np.int64),
        "iscrowd": none if objects.iscrowd is None else np.asarray(objects.iscrowd, np.bool_),
        "ignore": none if objects.ignore is None else np.asarray(objects.ignore, np.bool_),
    }
    for name, value in values.items():
        if len(value) != count:
            raise ValueError(f"{name} holds {len(value)} entries for {count} objects")
        object.__setattr__(objects, name, value)
