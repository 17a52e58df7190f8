"""Pictures on the page of `striate look`: small, with their boxes and masks where they have some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from striate.data.survey import Survey
from striate.errors import PictureError
from striate.images import FileSource, read_picture
from striate.pages import Thumbnail, display_pixels, draw_annotation, thumbnail
from striate.structures import Annotation, Boxes, Instances, Label, Labels, Picture, Sample

_MARGIN = 0.25
_PIECE_FILL = 0.12
"""An object on its own is looked at closely, so its mask hardly covers it."""

_FEWEST_NAMED = 13
"""From this number of classes on colours are no longer enough, so names stand beside boxes."""

_MOST_BOXED = 15
"""Instances above which boxes would hide the masks."""

_LONGEST_NAME = 44


@dataclass(frozen=True)
class Shown:
    """The pictures of a data set, ready to be shown.

    Attributes:
        survey: The data set.
    """

    survey: Survey

    def thumbnails(
        self, samples: Sequence[Sample], captions: Sequence[str], side: int, *, named: bool = False
    ) -> list[Thumbnail]:
        """Whole pictures with what their annotation says; those that have gone since are left out.

        Args:
            samples: Pictures.
            captions: A caption for each.
            side: Longest side of each, in pixels.
            named: Whether the picture's name stands below it.
        """
        found = []
        for sample, caption in zip(samples, captions, strict=True):
            try:
                picture = _read_small(sample, (side, side))
                annotation = sample.read_annotation()
            except PictureError:
                continue  # it could be read a moment ago; the page shows what is still there
            detail = _shortened(sample.name) if named else ""
            if annotation is None or isinstance(annotation, Label | Labels):
                found.append(thumbnail(picture, caption, detail=detail, alt=sample.name, max_side=side))
            else:
                found.append(self._drawn(picture, sample, annotation, caption, detail, side))
        return found

    def objects(self, chosen: Sequence[tuple[Sample, int]], side: int) -> list[Thumbnail]:
        """Objects cut out of their pictures, with a little of what is around them.

        Args:
            chosen: Pictures, each with the position of an object in its annotation.
            side: Longest side of each piece, in pixels.
        """
        found = []
        for sample, position in chosen:
            try:
                annotation = sample.read_annotation()
                assert isinstance(annotation, Boxes | Instances)
                one = annotation[position : position + 1]
                picture = _read_small(sample, _enough(sample, one, side))
            except PictureError:
                continue
            piece, moved = _cut_out(picture, one, sample.size_hw or picture.size_hw)
            pixels = draw_annotation(piece, moved, self.survey.dataset.classes, max_side=side, fill=_PIECE_FILL)
            found.append(thumbnail(pixels, alt=sample.name, max_side=side, drawn=True))
        return found

    def _drawn(
        self, picture: Picture, sample: Sample, annotation: Annotation, caption: str, detail: str, side: int
    ) -> Thumbnail:
        classes = self.survey.dataset.classes
        pixels = draw_annotation(
            picture,
            annotation,
            classes,
            names=len(classes) >= _FEWEST_NAMED,
            boxes=isinstance(annotation, Instances) and len(annotation) <= _MOST_BOXED,
            max_side=side,
            size_hw=sample.size_hw,
        )
        remark = "" if picture.bit_depth == 8 else display_pixels(picture.pixels, picture.channel_names)[1]
        detail = "; ".join(text for text in (detail, remark) if text)
        return thumbnail(pixels, caption, detail=detail, alt=sample.name, max_side=side, drawn=True)


def _enough(sample: Sample, one: Boxes | Instances, side: int) -> tuple[int, int]:
    """The size at which a picture must be read so that an object has as many pixels as are shown."""
    if sample.size_hw is None:
        return 1 << 20, 1 << 20
    left, top, right, bottom = one.boxes_xyxy[0].tolist()
    share = min(1.0, side / max(1.0, right - left, bottom - top))
    height, width = sample.size_hw
    return max(1, round(height * share)), max(1, round(width * share))


def _shortened(name: str) -> str:
    """The end of a long path: that is where names differ."""
    return name if len(name) <= _LONGEST_NAME else f"...{name[-_LONGEST_NAME + 3 :]}"


def _read_small(sample: Sample, at_least_hw: tuple[int, int]) -> Picture:
    if isinstance(sample.source, FileSource):
        return read_picture(sample.source.path, at_least_hw=at_least_hw)
    return sample.read()


def _cut_out(picture: Picture, one: Boxes | Instances, size_hw: tuple[int, int]) -> tuple[Picture, Boxes | Instances]:
    """A piece of a picture around an object, and the object in the piece's pixels."""
    scale = np.array([picture.size_hw[1] / size_hw[1], picture.size_hw[0] / size_hw[0]] * 2)
    box = one.boxes_xyxy[0].astype(np.float64) * scale
    margin = max(2.0, _MARGIN * max(box[2] - box[0], box[3] - box[1]))
    ends = np.array(picture.size_hw[::-1])
    left, top = np.floor(np.clip(box[:2] - margin, 0, ends - 1)).astype(int).tolist()
    right, bottom = np.ceil(np.clip(box[2:] + margin, [left + 1, top + 1], ends)).astype(int).tolist()
    piece = replace(picture, pixels=picture.pixels[:, top:bottom, left:right])
    moved = (box - [left, top, left, top]).astype(np.float32)[None]
    if isinstance(one, Boxes):
        return piece, replace(one, boxes_xyxy=moved)
    mask = _resized(one.dense()[0], picture.size_hw)[top:bottom, left:right]
    return piece, replace(Instances.from_dense(mask[None], one.classes), boxes_xyxy=moved)


def _resized(mask: npt.NDArray[np.bool_], size_hw: tuple[int, int]) -> npt.NDArray[np.bool_]:
    rows = np.arange(size_hw[0]) * mask.shape[0] // size_hw[0]
    columns = np.arange(size_hw[1]) * mask.shape[1] // size_hw[1]
    resized: npt.NDArray[np.bool_] = mask[rows][:, columns]
    return resized
