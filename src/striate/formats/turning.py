"""Annotation made on pixels as a file stores them, turned upright as reading turns the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from striate.images import Header
from striate.images.orientation import apply_orientation, upright_size_hw
from striate.structures import Boxes, Instances, Mask

_QUARTER_TURNS = (5, 6, 7, 8)
_FLIPPED_X = (2, 3, 6, 7)
_FLIPPED_Y = (3, 4, 7, 8)

Turned = TypeVar("Turned", Boxes, Instances, Mask)


def find_orientations(claims: Sequence[tuple[tuple[int, int] | None, Header | None]]) -> list[int]:
    """How annotation of each picture has to be turned: its EXIF orientation where it was made on the stored pixels.

    A tool that ignores the orientation does so for all pictures, but only a picture that is turned by 90 degrees and is
    no square shows it, by its size. So the size decides for those pictures, and for the others what those say together:
    they are turned where some of those have the stored size and none has the upright one.

    Args:
        claims: For each picture the height and width that its annotation gives, `None` where it gives none, and the
            header of its file, `None` where that cannot be read. Pictures that one tool annotated in one go.

    Returns:
        EXIF orientations for `turn_upright`; 1 where annotation is right as it is.
    """
    told = [_made_on_stored_pixels(claimed, header) for claimed, header in claims]
    ignores_orientation = True in told and False not in told
    found = []
    for (claimed, header), stored in zip(claims, told, strict=True):
        fits = header is not None and claimed in (None, upright_size_hw(header.size_hw, header.orientation))
        turns = stored is True or (stored is None and ignores_orientation and fits)
        found.append(header.orientation if turns and header is not None else 1)
    return found


def _made_on_stored_pixels(claimed: tuple[int, int] | None, header: Header | None) -> bool | None:
    """`None` where the size does not tell."""
    if claimed is None or header is None or header.orientation not in _QUARTER_TURNS:
        return None
    height, width = header.size_hw
    if height == width or claimed not in ((height, width), (width, height)):
        return None
    return claimed == (width, height)


def turn_boxes(
    boxes_xyxy: npt.NDArray[np.float32], stored_size_hw: tuple[int, int], orientation: int
) -> npt.NDArray[np.float32]:
    """Turns boxes `(N, 4)` as `images.orientation.apply_orientation` turns the pixels that they are drawn on.

    Args:
        boxes_xyxy: Left, top, right, bottom on the stored pixels.
        stored_size_hw: Height and width as stored.
        orientation: EXIF value; any that is not 2 to 8 changes nothing.
    """
    left, top, right, bottom = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4).T
    if orientation in _QUARTER_TURNS:
        left, top, right, bottom = top, left, bottom, right
    height, width = upright_size_hw(stored_size_hw, orientation)
    if orientation in _FLIPPED_X:
        left, right = width - right, width - left
    if orientation in _FLIPPED_Y:
        top, bottom = height - bottom, height - top
    return np.stack([left, top, right, bottom], axis=1).astype(np.float32)


def turn_upright(annotation: Turned, stored_size_hw: tuple[int, int], orientation: int) -> Turned:
    """Turns annotation made on the stored pixels.

    Args:
        annotation: Boxes or masks.
        stored_size_hw: Height and width of the picture as stored; masks bring their own.
        orientation: EXIF value, from `find_orientations`.
    """
    if orientation == 1:
        return annotation
    if isinstance(annotation, Mask):
        return Mask(np.ascontiguousarray(apply_orientation(annotation.classes, orientation)).astype(np.uint8))
    boxes = turn_boxes(annotation.boxes_xyxy, stored_size_hw, orientation)
    if isinstance(annotation, Boxes):
        return Boxes(boxes, annotation.classes, annotation.iscrowd, annotation.ignore)
    # One mask at a time: a crowd of large ones would fill the memory.
    masks: list[bytes] = []
    for index in range(len(annotation)):
        stored = annotation[index : index + 1].dense()
        upright = apply_orientation(stored, orientation).astype(np.bool_)
        masks += Instances.from_dense(upright, annotation.classes[index : index + 1]).masks
    size_hw = upright_size_hw(annotation.size_hw, orientation)
    return Instances(size_hw, tuple(masks), boxes, annotation.classes, annotation.iscrowd, annotation.ignore)
