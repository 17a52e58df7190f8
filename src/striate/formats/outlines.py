"""Masks as outlines, and outlines as masks, by the rules of COCO's tools."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from striate.errors import RequestError

Points = npt.NDArray[np.float64]
Corner = tuple[int, int]


def fill_outlines(outlines: Sequence[Points], size_hw: tuple[int, int]) -> bytes:
    """The pixels inside any of some outlines, as COCO's compressed run lengths.

    An outline that crosses itself is filled by the even-odd rule, so that a hole can be joined to it by a seam.

    Args:
        outlines: `(N, 2)` each, x and y in pixels, N at least 3.
        size_hw: Height and width of the picture; what lies outside is cut off.
    """
    from faster_coco_eval.core import mask as coco_mask

    packed = coco_mask.frPyObjects([points.ravel().tolist() for points in outlines], *size_hw)
    return bytes((packed[0] if len(packed) == 1 else coco_mask.merge(packed))["counts"])


def trace_outline(mask: npt.NDArray[np.bool_]) -> Points:
    """One outline along the edges of the pixels, `(N, 2)` with x and y; `fill_outlines` gives the same mask again.

    Further parts and holes are joined to the first part by seams that run there and back along edges of pixels, and
    so hold nothing: between them lie an even number of lines either way.

    Args:
        mask: `(H, W)`, with at least one pixel.
    """
    loops = _loops(mask)
    start = loops[0][0]
    points = list(loops[0])
    if len(loops) > 1:
        points.append(start)
    for loop in loops[1:]:
        corner = (loop[0][0], start[1])
        points += [corner, *loop, loop[0], corner, start]
    return np.array(points, np.float64)


def refuse_inexact(outline: Points, counts: bytes, size_hw: tuple[int, int], name: str, format: str) -> None:
    """Makes sure that an outline, as it is written, gives the mask back that it is of.

    Args:
        outline: `(N, 2)` in pixels; none where the mask is empty.
        counts: The mask, as COCO's compressed run lengths.
        size_hw: Height and width of the picture.
        name: Name of the picture.
        format: Name of the format.

    Raises:
        RequestError: It does not.
    """
    if not len(outline) or fill_outlines([outline], size_hw) != counts:
        raise RequestError(
            f"picture {name} has an object whose outline would not give the same pixels again.",
            where=format,
            fix="Write the format `coco`, which holds masks as they are.",
        )


def _loops(mask: npt.NDArray[np.bool_]) -> list[list[Corner]]:
    """Closed lines around parts and holes, by their corners."""
    ways = _edges(mask)
    loops = []
    while ways:
        start = next(iter(ways))
        at, loop = start, [start]
        while (at := _take(ways, at)) != start:
            loop.append(at)
        loops.append(_corners(loop))
    return loops


def _edges(mask: npt.NDArray[np.bool_]) -> dict[Corner, list[Corner]]:
    """Edges between a pixel of the mask and one outside, from end to end with the mask on the right."""
    padded = np.pad(mask, 1).astype(np.int8)
    down, across = np.diff(padded, axis=0), np.diff(padded, axis=1)
    ways: dict[Corner, list[Corner]] = {}
    # Differences lie between two pixels of the padded mask, whose own pixels begin at 1.
    for steps, sign, begin, end in (
        (down, 1, (-1, 0), (0, 0)),
        (down, -1, (0, 0), (-1, 0)),
        (across, 1, (0, 0), (0, -1)),
        (across, -1, (0, -1), (0, 0)),
    ):
        for y, x in np.argwhere(steps == sign).tolist():
            ways.setdefault((x + begin[0], y + begin[1]), []).append((x + end[0], y + end[1]))
    return ways


def _take(ways: dict[Corner, list[Corner]], at: Corner) -> Corner:
    """The next corner, whose way is used up: where two parts touch at a corner, two ways lead on."""
    ends = ways[at]
    end = ends.pop()
    if not ends:
        del ways[at]
    return end


def _corners(loop: Sequence[Corner]) -> list[Corner]:
    """The points at which a closed line turns."""
    turns = []
    for before, point, after in zip([loop[-1], *loop[:-1]], loop, [*loop[1:], loop[0]], strict=True):
        if not (before[0] == point[0] == after[0] or before[1] == point[1] == after[1]):
            turns.append(point)
    return turns
