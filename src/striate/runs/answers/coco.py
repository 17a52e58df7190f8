"""COCO's JSON with a score for each object; its list `annotations` is what COCO's tools call results."""

from __future__ import annotations

import json
from pathlib import Path

from striate.runs.answers.base import ANSWER_WRITERS, AnswerOrder, AnswerWriter
from striate.runs.answers.growing import GrowingFile
from striate.runs.structures import PicturePrediction
from striate.structures import DetectedObjects


class _Coco(AnswerWriter):
    name = "coco"
    title = "coco.json, COCO's lists of pictures and objects with a score each"
    tasks = ("detection", "instances")

    def __init__(self, order: AnswerOrder) -> None:
        super().__init__(order)
        self._file = GrowingFile(order.out / "coco.json")
        self._images: list[dict[str, object]] = []
        self._objects = 0

    def add(self, answer: PicturePrediction) -> None:
        from striate.formats.coco.writing import object_records

        height, width = answer.size_hw
        number = len(self._images) + 1
        name = Path(answer.path).as_posix()
        self._images.append({"id": number, "file_name": name, "height": height, "width": width})
        found = answer.prediction
        assert isinstance(found, DetectedObjects)
        if not self._file.begun:
            self._file.write('{"annotations": [')
        for record, score in zip(object_records(found.as_annotation()), found.scores.tolist(), strict=True):
            self._objects += 1
            text = json.dumps({"id": self._objects, "image_id": number, **record, "score": score}, allow_nan=False)
            self._file.write((",\n" if self._objects > 1 else "\n") + text)

    def close(self, *, complete: bool) -> None:
        from striate.formats.coco.writing import category_records

        if self._file.begun:
            # Pictures come last, so that no object has to wait for them in memory.
            images, categories = json.dumps(self._images), json.dumps(category_records(self.order.classes))
            self._file.write(f'\n],\n"images": {images},\n"categories": {categories}}}\n')
        self._file.close(complete=complete)


ANSWER_WRITERS.add(_Coco.name, _Coco)
