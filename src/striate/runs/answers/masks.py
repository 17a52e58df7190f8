"""Pictures of answers: a class for each pixel, or the number of an object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from striate.errors import RequestError
from striate.formats.storing import prepare_folder
from striate.runs.answers.base import ANSWER_WRITERS, AnswerOrder, AnswerWriter
from striate.runs.answers.growing import AnswerNames, GrowingFile
from striate.runs.overlay import write_marked
from striate.runs.structures import PicturePrediction
from striate.structures import DetectedInstances, Instances, SegmentedPicture

MASKS_FOLDER = "masks"
OBJECTS_FILE = "_objects.csv"
_COLUMNS = ["file", "value", "class", "score", "pixels", "path"]


class _Masks(AnswerWriter):
    name = "masks"
    title = (
        "masks/, a PNG for each picture with the class of each pixel or the number of its object, and a table of them"
    )
    tasks = ("segmentation", "instances")

    def __init__(self, order: AnswerOrder) -> None:
        super().__init__(order)
        self._folder = order.out / MASKS_FOLDER
        prepare_folder(self._folder)
        self._names = AnswerNames(self._folder, order.asked)
        self._table = GrowingFile(self._folder / self._table_name())

    def add(self, answer: PicturePrediction) -> None:
        path = self._names.free(answer.path)
        if isinstance(answer.prediction, SegmentedPicture):
            self._begin_classes()
            write_marked(Image.fromarray(answer.prediction.mask), path)
        elif isinstance(answer.prediction, DetectedInstances):
            self._add_objects(answer, answer.prediction, path)

    def close(self, *, complete: bool) -> None:
        self._table.close(complete=complete)

    def _table_name(self) -> str:
        from striate.formats.masks.semantic import CLASSES_FILE

        return CLASSES_FILE if self.order.task == "segmentation" else OBJECTS_FILE

    def _begin_classes(self) -> None:
        from striate.formats.masks.semantic import class_rows

        if not self._table.begun:
            self._table.write_rows(class_rows(self.order.classes))

    def _add_objects(self, answer: PicturePrediction, found: DetectedInstances, path: Path) -> None:
        found = found.counted(self.order.drawn_from)
        labels = label_image(found, answer.size_hw, answer.path)
        write_marked(Image.fromarray(labels), path)
        if not self._table.begun:
            self._table.write_rows([_COLUMNS])
        pixels = np.bincount(labels.ravel(), minlength=len(found) + 1)[1:].tolist()
        name = path.relative_to(self._folder).as_posix()
        self._table.write_rows(
            [name, index + 1, found.names[kind], f"{score:.6g}", count, answer.path]
            for index, (kind, score, count) in enumerate(
                zip(found.classes.tolist(), found.scores.tolist(), pixels, strict=True)
            )
        )


def label_image(found: DetectedInstances, size_hw: tuple[int, int], name: str) -> npt.NDArray[np.uint16]:
    """`(H, W)`: 0 where nothing is, else the position of the object from 1; of overlapping ones the smaller shows.

    Args:
        found: Objects in one picture.
        size_hw: Its height and width.
        name: The picture, for an error.

    Raises:
        RequestError: There are more objects than 16 bits can count.
    """
    from striate.formats.masks.label_images import MOST_OBJECTS

    if len(found) > MOST_OBJECTS:
        raise RequestError(
            f"{len(found)} objects were found, and a label image of 16 bit holds {MOST_OBJECTS}.",
            where=name,
            fix="Choose --as coco, or give a higher --min-score.",
        )
    annotation = found.as_annotation()
    if not isinstance(annotation, Instances):
        return np.zeros(size_hw, np.uint16)
    return annotation.label_image().astype(np.uint16)


ANSWER_WRITERS.add(_Masks.name, _Masks)
