"""Pieces of pictures that show one mistake each: the true object and the answer over one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError
from striate.pages import Part, Thumbnail, draw_annotation, legend, thumbnail
from striate.runs.structures import SplitScores
from striate.structures import Boxes, Instances, Picture, Ragged, Sample
from striate.tasks.mistake_kinds import KINDS, Mistakes

SHOWN_OF_A_KIND = 8
"""Pictures of each kind of mistake."""

COMPARED = ("the answer", "the truth")
"""What the two colours stand for."""

_SIDE = 168
_MARGIN = 0.45
_FEWEST_PIXELS = 24
_FILL = 0.15


@dataclass(frozen=True, slots=True)
class ShownMistake:
    """One mistake and where it is.

    Attributes:
        kind: Position in `KINDS`.
        picture: Position of the picture.
        found: What was found, the fields of one object; empty where nothing was.
        true: The true object concerned; empty where there is none.
        overlap: What they share.
    """

    kind: int
    picture: int
    found: Mapping[str, npt.NDArray[Any]]
    true: Mapping[str, npt.NDArray[Any]]
    overlap: float


def shown_mistakes(mistakes: Mistakes, scores: SplitScores) -> list[ShownMistake]:
    """The worst of each kind, kind after kind."""
    chosen = []
    for kind in range(len(KINDS)):
        for index in np.flatnonzero(mistakes.kind == kind)[:SHOWN_OF_A_KIND].tolist():
            entry, true = int(mistakes.entry[index]), int(mistakes.true[index])
            owner, place = (scores.scores, entry) if entry >= 0 else (scores.targets, true)
            picture = int(np.searchsorted(np.cumsum(owner.lengths), place, side="right"))
            one, other = _object(scores.scores, entry), _object(scores.targets, true)
            chosen.append(ShownMistake(kind, picture, one, other, float(mistakes.overlap[index])))
    return chosen


def _object(objects: Ragged, place: int) -> dict[str, npt.NDArray[Any]]:
    return {name: each[place : place + 1] for name, each in objects.values.items()} if place >= 0 else {}


def mistake_thumbnails(
    mistakes: list[ShownMistake], scores: SplitScores, samples: Mapping[str, Sample], classes: tuple[str, ...]
) -> dict[int, list[Thumbnail]]:
    """Pictures of mistakes by kind; those whose picture is not at hand are left out.

    One picture is in memory at a time.

    Args:
        mistakes: Which.
        scores: Names of the pictures.
        samples: Pictures by name.
        classes: Class names.
    """
    drawn: dict[int, list[tuple[int, Thumbnail]]] = {}
    # Picture by picture, so that each is read once.
    order = sorted(range(len(mistakes)), key=lambda index: mistakes[index].picture)
    read: tuple[int, Picture | None] = (-1, None)
    for index in order:
        one = mistakes[index]
        name = scores.names[one.picture]
        if read[0] != one.picture:
            read = one.picture, _read(samples.get(name))
        if read[1] is not None:
            drawn.setdefault(one.kind, []).append((index, _thumbnail(read[1], one, name, classes)))
    return {kind: [shown for _, shown in sorted(pairs, key=lambda pair: pair[0])] for kind, pairs in drawn.items()}


def compared_legend() -> Part:
    """What the colours of `mistake_thumbnails` mean."""
    return legend(COMPARED)


def _read(sample: Sample | None) -> Picture | None:
    try:
        return None if sample is None else sample.read()
    except PictureError:
        # The report goes on without it; the table of counts does not need it.
        return None


def _thumbnail(picture: Picture, one: ShownMistake, name: str, classes: tuple[str, ...]) -> Thumbnail:
    both = [(index, part) for index, part in enumerate((one.found, one.true)) if part]
    boxes = np.concatenate([part["boxes_xyxy"] for _, part in both]).astype(np.float64)
    left, top, right, bottom = _region(boxes, picture.size_hw)
    piece = replace(picture, pixels=picture.pixels[:, top:bottom, left:right])
    colours = np.array([index for index, _ in both], np.int64)
    drawn: Boxes | Instances = Boxes((boxes - [left, top, left, top]).astype(np.float32), colours)
    if all("masks" in part for _, part in both):
        size_hw = tuple(int(side) for side in both[0][1]["sizes_hw"][0])
        masks = [part["masks"][0] for _, part in both]
        whole = Instances.from_run_lengths((size_hw[0], size_hw[1]), masks, colours)
        drawn = Instances.from_dense(whole.dense()[:, top:bottom, left:right], colours)
    pixels = draw_annotation(piece, drawn, COMPARED, boxes=isinstance(drawn, Boxes), max_side=_SIDE, fill=_FILL)
    caption, figures = _words(one, classes)
    detail = " · ".join(text for text in (figures, name) if text)
    return thumbnail(pixels, caption, detail=detail, alt=f"{name}: {caption}", max_side=_SIDE, drawn=True)


def _region(boxes: npt.NDArray[np.float64], size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """What to cut out around boxes, so that their surroundings are seen: left, top, right, bottom."""
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    half = max(float((high - low).max()) * (0.5 + _MARGIN), _FEWEST_PIXELS / 2)
    ends = np.array(size_hw[::-1])
    middle = np.clip((low + high) / 2, 0, ends)
    left, top = np.floor(np.clip(middle - half, 0, ends - 1)).astype(int).tolist()
    right, bottom = np.ceil(np.clip(middle + half, [left + 1, top + 1], ends)).astype(int).tolist()
    return left, top, right, bottom


def _words(one: ShownMistake, classes: tuple[str, ...]) -> tuple[str, str]:
    """A caption, and the figures behind it."""
    found = classes[int(one.found["classes"][0])] if one.found else ""
    true = classes[int(one.true["classes"][0])] if one.true else ""
    caption = {
        "missed": f"{true} missed",
        "confused": f"{true} taken for {found}",
        "localisation": f"{found}, badly placed",
        "both": f"{true} taken for {found}, badly placed",
        "duplicate": f"{found} found twice",
        "background": f"{found} where none is",
    }[KINDS[one.kind].name]
    score = f"score {float(one.found['scores'][0]):.2f}" if one.found else ""
    overlap = f"overlap {one.overlap:.0%}" if one.overlap else ""
    return caption, ", ".join(text for text in (score, overlap) if text)
