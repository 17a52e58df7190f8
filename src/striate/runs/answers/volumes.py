"""Label volumes on the grid of the volumes that they answer for."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError, RequestError
from striate.formats.storing import make_folder, stored
from striate.images.volumes import SliceSource, find_volume_kind, put_slice, read_volume_header, upright_size
from striate.runs.answers.base import ANSWER_WRITERS, AnswerOrder, AnswerWriter
from striate.runs.answers.growing import place_below
from striate.runs.structures import PicturePrediction
from striate.structures import VOID, SegmentedPicture, Turn


class _Volumes(AnswerWriter):
    name = "volumes"
    title = "a label volume for each volume, with its grid and geometry (NAME_seg.nii.gz, or DICOM SEG)"
    tasks = ("segmentation",)

    def __init__(self, order: AnswerOrder) -> None:
        super().__init__(order)
        self._source: SliceSource | None = None
        self._labels: npt.NDArray[np.uint8] = np.zeros((0, 0, 0), np.uint8)

    def add(self, answer: PicturePrediction) -> None:
        source = answer.source
        if not isinstance(source, SliceSource):
            raise RequestError(
                "this is a picture by itself; label volumes are for volumes.",
                where=answer.path,
                fix="Use --as masks.",
            )
        if self._source is None or self._source.path != source.path:
            self._finish()
            self._source = source
            # Slices that cannot be read stay void.
            self._labels = np.full(upright_size(read_volume_header(source.path)), VOID, np.uint8)
        if isinstance(answer.prediction, SegmentedPicture):
            put_slice(self._labels, source.plane, source.index, answer.prediction.mask)

    def close(self, *, complete: bool) -> None:
        if complete:
            self._finish()

    def _finish(self) -> None:
        source, self._source = self._source, None
        kind = None if source is None else find_volume_kind(source.path)
        if source is None or kind is None:
            return
        header = read_volume_header(source.path)
        labels = self._labels
        if header.geometry.known:
            labels = Turn.upright(header.geometry).undo(labels)
        folder = make_folder(self.order.out / place_below(self.order.asked, source.path).parent)
        with TemporaryDirectory(dir=folder) as place:
            try:
                written = kind.write_labels(np.ascontiguousarray(labels), source.path, self.order.classes, Path(place))
            except PictureError as error:
                raise RequestError(error.what, where=error.where, fix=error.fix) from error
            target = _free(folder, written.name)
            stored(target, lambda: written.rename(target))


def _free(folder: Path, name: str) -> Path:
    """A name that nothing has: volumes of two patients may be called alike."""
    stem, dot, ending = name.partition(".")
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{dot}{ending}"
    return path


ANSWER_WRITERS.add(_Volumes.name, _Volumes)
