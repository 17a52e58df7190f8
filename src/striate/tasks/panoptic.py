"""Panoptic quality (Kirillov et al. 2019, "Panoptic Segmentation", section 4) of found objects.

Ours is the figure of things alone: there is no stuff in instance segmentation. Found objects count from `SHOWN_FROM`
on, since the measure knows no scores. Where two of them claim the same object, the surer one has it, as in Kirillov's
own treatment of overlapping answers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from striate.structures import SHOWN_FROM
from striate.tasks.matching import Matched
from striate.tasks.resampling import divided, mean_of_defined

Floats = npt.NDArray[np.float64]


def panoptic_counts(matched: Matched, least_score: float = SHOWN_FROM) -> Floats:
    """What the figure is made of, `(N, K, 4)`: sum of overlaps, right ones, wrong ones, missed ones.

    Args:
        matched: Every found and every true object.
        least_score: Score from which a found object counts.
    """
    counts = np.zeros((matched.pictures, matched.classes, 4))
    shown = (matched.score >= least_score) & ~matched.aside[0]
    # An object is found where more than half is shared, so that no other one can claim it as well.
    right = shown & (matched.overlap > 0.5)
    place = (matched.picture, matched.kind)
    np.add.at(counts[..., 0], (place[0][right], place[1][right]), matched.overlap[right])
    for column, chosen in ((1, right), (2, shown & ~right)):
        np.add.at(counts[..., column], (place[0][chosen], place[1][chosen]), 1)
    counts[..., 3] = matched.objects - counts[..., 1]
    return counts


def panoptic_figures(counts: Floats) -> dict[str, Floats]:
    """Panoptic, segmentation and recognition quality from sums of `panoptic_counts`, `(B, K, 4)`: each `(B,)`.

    Means go over the classes that the truth or the answers show.
    """
    overlaps, right, wrong, missed = np.moveaxis(counts, -1, 0)
    whole = right + (wrong + missed) / 2
    segmentation = np.where(right > 0, divided(overlaps, right), np.where(whole > 0, 0.0, np.nan))
    return {
        "panoptic_quality": mean_of_defined(divided(overlaps, whole)),
        "segmentation_quality": mean_of_defined(segmentation),
        "recognition_quality": mean_of_defined(divided(right, whole)),
    }


def panoptic_of_classes(counts: Floats) -> Floats:
    """Panoptic quality of each class from sums of `panoptic_counts`, `(K, 4)`: `(K,)`, NaN where nobody shows it."""
    return divided(counts[:, 0], counts[:, 1] + (counts[:, 2] + counts[:, 3]) / 2)
