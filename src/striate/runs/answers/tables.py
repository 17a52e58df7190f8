"""A CSV table: one row for each object, or for each class of a picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from striate.runs.answers.base import ANSWER_WRITERS, EVERY_TASK, AnswerOrder, AnswerWriter
from striate.runs.answers.growing import GrowingFile
from striate.runs.structures import PicturePrediction
from striate.structures import ClassScores, DetectedInstances, DetectedObjects, Prediction, SegmentedPicture

Cells = list[str]
_CORNERS = ["xmin", "ymin", "xmax", "ymax"]


class _Table(AnswerWriter):
    name = "csv"
    title = "answers.csv, a row for each object or class"
    tasks = EVERY_TASK

    def __init__(self, order: AnswerOrder) -> None:
        super().__init__(order)
        self._file = GrowingFile(order.out / "answers.csv")

    def add(self, answer: PicturePrediction) -> None:
        header = columns_of(answer.prediction)
        if not self._file.begun:
            self._file.write_rows([["path", *header]])
        # A picture in which nothing was found has a row too, or nobody could tell that it was looked at.
        rows = list(cells_of(answer.prediction, self.order.top)) or [[""] * len(header)]
        self._file.write_rows([answer.path, *cells] for cells in rows)

    def close(self, *, complete: bool) -> None:
        self._file.close(complete=complete)


def columns_of(answer: Prediction) -> Cells:
    """Names of the columns for an answer; corners are in pixels, areas in pixels that belong to the object."""
    if isinstance(answer, ClassScores):
        return ["class", "score", *(["present"] if answer.several else [])]
    if isinstance(answer, SegmentedPicture):
        return ["class", "pixels", "share"]
    return ["class", "score", *_CORNERS, *(["area"] if isinstance(answer, DetectedInstances) else [])]


def cells_of(answer: Prediction, top: int | None) -> Iterator[Cells]:
    """Cells of each row.

    Args:
        answer: Any answer.
        top: Classes of a picture that is classified as a whole; all where `None`.
    """
    if isinstance(answer, ClassScores):
        for name, score in answer.ranked(top):
            yield [name, _decimals(score), *([str(int(score >= answer.threshold))] if answer.several else [])]
    elif isinstance(answer, SegmentedPicture):
        for name, share in answer.ranked():
            yield [name, str(round(share * answer.mask.size)), f"{share:.6g}"]
    else:
        yield from _objects(answer)


def _objects(answer: DetectedObjects) -> Iterator[Cells]:
    areas = _areas(answer)
    for index, kind in enumerate(answer.classes.tolist()):
        corners = [_decimals(value) for value in answer.boxes_xyxy[index]]
        yield [answer.names[kind], _decimals(answer.scores[index]), *corners, *areas[index : index + 1]]


def _areas(answer: DetectedObjects) -> Cells:
    return list(map(str, answer.areas().tolist())) if isinstance(answer, DetectedInstances) else []


def _decimals(value: float | np.float32) -> str:
    """The shortest decimals that give the same float32."""
    return np.format_float_positional(np.float32(value), unique=True, trim="-")


ANSWER_WRITERS.add(_Table.name, _Table)
