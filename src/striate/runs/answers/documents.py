"""Plain JSON: the list that `striate predict --json` prints, written as answers come."""

from __future__ import annotations

import json

from striate.runs.answers.base import ANSWER_WRITERS, EVERY_TASK, AnswerOrder, AnswerWriter
from striate.runs.answers.growing import GrowingFile
from striate.runs.files import plain
from striate.runs.structures import PicturePrediction


class _Documents(AnswerWriter):
    name = "json"
    title = "answers.json, the list that --json prints"
    tasks = EVERY_TASK

    def __init__(self, order: AnswerOrder) -> None:
        super().__init__(order)
        self._file = GrowingFile(order.out / "answers.json")

    def add(self, answer: PicturePrediction) -> None:
        text = json.dumps(plain(answer.as_dict(self.order.top)), allow_nan=False)
        self._file.write((",\n" if self._file.begun else "[\n") + text)

    def close(self, *, complete: bool) -> None:
        if self._file.begun:
            self._file.write("\n]\n")
        self._file.close(complete=complete)


ANSWER_WRITERS.add(_Documents.name, _Documents)
