"""What a network answers for one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt


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


Prediction: TypeAlias = ClassScores | SegmentedPicture
