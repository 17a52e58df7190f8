"""Pictures with their answers drawn in."""

from __future__ import annotations

from pathlib import Path

from striate.images import read_picture
from striate.runs.answers.base import ANSWER_WRITERS, EVERY_TASK, AnswerOrder, AnswerWriter
from striate.runs.answers.growing import AnswerNames
from striate.runs.overlay import draw_answer, write_marked
from striate.runs.structures import PicturePrediction


class _Overlays(AnswerWriter):
    name = "overlays"
    title = "each picture with its answer drawn in, as PNG"
    tasks = EVERY_TASK

    def __init__(self, order: AnswerOrder) -> None:
        super().__init__(order)
        self._names = AnswerNames(order.out, order.asked)

    def add(self, answer: PicturePrediction) -> None:
        picture = read_picture(Path(answer.path)) if answer.source is None else answer.source.read()
        image = draw_answer(picture, answer.prediction, self.order.top, self.order.drawn_from)
        write_marked(image, self._names.free(answer.path))

    def close(self, *, complete: bool) -> None:
        """Nothing is left to do: each picture is whole."""


ANSWER_WRITERS.add(_Overlays.name, _Overlays)
