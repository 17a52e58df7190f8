"""What a network answers for one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from striate.structures.annotation import Boxes, Instances, Mask
from striate.structures.overlaps import box_overlaps

SHOWN_FROM = 0.3
"""Score from which a found object is drawn, and counted where found objects are counted; predictions hold all."""

SAME_THING = 0.5
"""Overlap from which two found objects of different classes are one thing that the network cannot name."""


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Scores of all classes for one picture.

    Attributes:
        scores: `(K,)` float32; they sum to 1 for one-label tasks, each lies in 0..1 by itself for several labels.
        classes: `K` class names.
        several: Whether several classes may hold at once.
        threshold: Score from which a class counts as present where several may hold.
    """

    scores: npt.NDArray[np.float32]
    classes: tuple[str, ...]
    several: bool = False
    threshold: float = 0.5

    @property
    def label(self) -> str:
        """The class with the highest score."""
        return self.classes[int(self.scores.argmax())]

    @property
    def score(self) -> float:
        """Its score."""
        return float(self.scores.max())

    def ranked(self, top: int | None = None) -> list[tuple[str, float]]:
        """Classes and scores, best first; all of them where `top` is `None`."""
        order = np.argsort(-self.scores, kind="stable")[:top]
        return [(self.classes[i], float(self.scores[i])) for i in order]

    def as_document(self, top: int | None = None) -> dict[str, Any]:
        """Plain data: the `top` best classes; where several may hold, those at the threshold are marked `present`."""
        return {
            "labels": [
                {"class": name, "score": score, **({"present": score >= self.threshold} if self.several else {})}
                for name, score in self.ranked(top)
            ]
        }


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedPicture:
    """A class for every pixel of one picture.

    Attributes:
        mask: `(H, W)` uint8, positions in the class names, at the picture's own size.
        classes: `K` class names.
    """

    mask: npt.NDArray[np.uint8]
    classes: tuple[str, ...]

    @property
    def label(self) -> str:
        """The class with most pixels."""
        return self.ranked(1)[0][0]

    @property
    def score(self) -> float:
        """Its share of the pixels."""
        return self.ranked(1)[0][1]

    def ranked(self, top: int | None = None) -> list[tuple[str, float]]:
        """Classes that occur with their share of the pixels, the largest first; all of them where `top` is `None`."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.classes))
        order = [k for k in np.argsort(-counts, kind="stable").tolist() if counts[k]]
        return [(self.classes[k], float(counts[k] / self.mask.size)) for k in order[:top]]

    def as_document(self, top: int | None = None) -> dict[str, Any]:
        """Plain data: for each class that occurs its pixels as COCO's compressed run lengths; `top` changes nothing."""
        del top
        from faster_coco_eval.core import mask as coco_mask

        found = {}
        for index in np.unique(self.mask).tolist():
            packed = coco_mask.encode(np.asfortranarray(self.mask == index).astype(np.uint8))
            found[self.classes[index]] = {"size": list(packed["size"]), "counts": packed["counts"].decode("ascii")}
        return {"mask": found}

    def as_annotation(self) -> Mask:
        """The same as annotation, to be drawn or written."""
        return Mask(self.mask)


@dataclass(frozen=True, slots=True, eq=False)
class DetectedObjects:
    """Objects found in one picture.

    Attributes:
        boxes_xyxy: `(N, 4)` float32, in pixels of the picture, the surest first.
        classes: `(N,)` int64, positions in the class names.
        scores: `(N,)` float32 in 0..1.
        names: `K` class names.
    """

    boxes_xyxy: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def label(self) -> str:
        """The class of the surest object; empty where none was found."""
        return self.names[int(self.classes[0])] if len(self) else ""

    @property
    def score(self) -> float:
        """Its score; 0 where none was found."""
        return float(self.scores[0]) if len(self) else 0.0

    def counts(self, score: float) -> dict[str, int]:
        """How many `counted` objects each class has, the most frequent class first."""
        numbers = np.bincount(self.counted(score).classes, minlength=len(self.names))
        return {self.names[k]: int(numbers[k]) for k in np.argsort(-numbers, kind="stable").tolist() if numbers[k]}

    def of(self, kept: npt.NDArray[np.bool_]) -> Self:
        """Some of them."""
        return replace(self, boxes_xyxy=self.boxes_xyxy[kept], classes=self.classes[kept], scores=self.scores[kept])

    def surer_than(self, score: float) -> Self:
        """Those that score at least this much."""
        return self.of(self.scores >= score)

    def counted(self, score: float) -> Self:
        """Those that score at least this much, each thing once.

        A network that wavers between two classes finds the same thing as both; the surer class is kept. Metrics judge
        every class by itself and keep both.
        """
        sure = self.surer_than(score)
        boxes = sure.boxes_xyxy.astype(np.float64)
        kept = np.ones(len(sure), bool)
        for first in range(len(sure)):
            if not kept[first]:
                continue
            overlap = box_overlaps(boxes[first], boxes[first + 1 :])
            kept[first + 1 :] &= (overlap < SAME_THING) | (sure.classes[first + 1 :] == sure.classes[first])
        return sure.of(kept)

    def ranked(self, top: int | None = None) -> list[tuple[str, float]]:
        """Classes of which something was found, with the highest score of each, the surest first."""
        best: dict[str, float] = {}
        for kind, score in zip(self.classes.tolist(), self.scores.tolist(), strict=True):
            best[self.names[kind]] = max(score, best.get(self.names[kind], 0.0))
        return sorted(best.items(), key=lambda pair: -pair[1])[:top]

    def as_document(self, top: int | None = None) -> dict[str, Any]:
        """Plain data: every object with class, score and corners; `top` changes nothing."""
        del top
        return {
            "boxes": [
                {"class": self.names[kind], "score": score, "xyxy": box}
                for kind, score, box in zip(
                    self.classes.tolist(), self.scores.tolist(), self.boxes_xyxy.tolist(), strict=True
                )
            ]
        }

    def as_annotation(self) -> Boxes | Instances:
        """The same as annotation, to be drawn or written; scores are left out."""
        return Boxes(self.boxes_xyxy, self.classes)


@dataclass(frozen=True, slots=True, eq=False)
class DetectedInstances(DetectedObjects):
    """Objects found in one picture, each with its pixels.

    Attributes:
        masks: One mask an object, as COCO's compressed run lengths.
        sizes_hw: `(N, 2)` height and width of the picture, for each.
    """

    masks: tuple[bytes, ...]
    sizes_hw: npt.NDArray[np.int64]

    def of(self, kept: npt.NDArray[np.bool_]) -> Self:
        """Some of them."""
        return replace(
            DetectedObjects.of(self, kept),
            masks=tuple(mask for mask, one in zip(self.masks, kept, strict=True) if one),
            sizes_hw=self.sizes_hw[kept],
        )

    def areas(self) -> npt.NDArray[np.int64]:
        """Pixels of each object, `(N,)`."""
        found = self.as_annotation()
        return found.areas() if isinstance(found, Instances) else np.zeros(0, np.int64)

    def as_document(self, top: int | None = None) -> dict[str, Any]:
        """Plain data: every object with class, score, corners and run lengths; `top` changes nothing."""
        rows = DetectedObjects.as_document(self, top)["boxes"]
        for row, mask, size_hw in zip(rows, self.masks, self.sizes_hw.tolist(), strict=True):
            row["rle"] = {"size": size_hw, "counts": mask.decode("ascii")}
        return {"instances": rows}

    def as_annotation(self) -> Boxes | Instances:
        """The same as annotation, to be drawn or written; scores are left out."""
        if not len(self):
            return Boxes(self.boxes_xyxy, self.classes)
        size_hw = (int(self.sizes_hw[0, 0]), int(self.sizes_hw[0, 1]))
        return Instances(size_hw, self.masks, self.boxes_xyxy, self.classes)


Prediction: TypeAlias = ClassScores | SegmentedPicture | DetectedObjects


def prediction_of_document(
    document: Mapping[str, Any], classes: tuple[str, ...], size_hw: tuple[int, int]
) -> SegmentedPicture | DetectedObjects:
    """What `as_document` gave, of an answer that says where something is.

    Args:
        document: Plain data with `mask` or `boxes`.
        classes: Class names.
        size_hw: Height and width of the picture.

    Raises:
        KeyError, ValueError: It is no such document.
    """
    if "mask" in document:
        from faster_coco_eval.core import mask as coco_mask

        mask = np.zeros(size_hw, np.uint8)
        for name, packed in document["mask"].items():
            pixels = coco_mask.decode({"size": list(packed["size"]), "counts": packed["counts"].encode("ascii")})
            mask[pixels.astype(np.bool_)] = classes.index(name)
        return SegmentedPicture(mask, classes)
    rows = document["instances"] if "instances" in document else document["boxes"]
    boxes = np.array([row["xyxy"] for row in rows], np.float32).reshape(-1, 4)
    kinds = np.array([classes.index(row["class"]) for row in rows], np.int64)
    scores = np.array([row["score"] for row in rows], np.float32)
    if "instances" not in document:
        return DetectedObjects(boxes, kinds, scores, classes)
    masks = tuple(row["rle"]["counts"].encode("ascii") for row in rows)
    sizes_hw = np.array([row["rle"]["size"] for row in rows], np.int64).reshape(-1, 2)
    return DetectedInstances(boxes, kinds, scores, classes, masks, sizes_hw)
