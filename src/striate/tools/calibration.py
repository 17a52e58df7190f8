"""Real pictures by which a tool finds out what range the values of each layer take."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError
from striate.runs.known_pictures import pictures_of_split
from striate.runs.run import Run
from striate.structures import evenly

PICTURES = 200
"""Frames of training pictures that calibrate; published recipes take 100 to 500, and ranges settle by then."""


def calibration_frames(run: Run, count: int = PICTURES) -> list[npt.NDArray[np.generic]]:
    """Stored pixels `(1, C, H, W)` of training pictures, spread over the split; of one cut into tiles its middle tile.

    The validation pictures stay out: by them the quantised network is judged.

    Raises:
        DataError: The run's own pictures are gone.
        PictureError: Not one of them can be read.
    """
    samples, _ = pictures_of_split(run.folder, run.facts, run.recipe, None, "train")
    frames = []
    first: PictureError | None = None
    for place in evenly(len(samples), count).tolist():
        try:
            found = run.answering.stored(samples[place].read())[1]
        except PictureError as error:
            first = first or error
            continue
        middle = len(found) // 2
        frames.append(found[middle : middle + 1])
    if first is not None and not frames:
        raise first
    return frames
