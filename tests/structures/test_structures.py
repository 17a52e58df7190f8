from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from striate.structures import ClassScores, FeatureSpec, Label, Picture, PictureSource, Problem, Sample, Stage


def picture(shape: tuple[int, ...] = (1, 4, 6), dtype: str = "uint8") -> Picture:
    return Picture(np.zeros(shape, dtype), tuple(f"c{i}" for i in range(shape[0])))


class Memory:
    """A picture source that holds its picture."""

    name = "memory#0"

    def read(self) -> Picture:
        return picture()


@pytest.mark.parametrize(("dtype", "bits"), [("uint8", 8), ("uint16", 16), ("int16", 16), ("float32", 32)])
def test_pixels_keep_their_type(dtype: str, bits: int) -> None:
    made = picture((2, 4, 6), dtype)
    assert made.pixels.dtype == dtype
    assert (made.bit_depth, made.channels, made.size_hw) == (bits, 2, (4, 6))


def test_pixels_that_are_no_picture() -> None:
    with pytest.raises(ValueError, match="pixels must be one of uint8, uint16, int16, float32, got float64"):
        picture(dtype="float64")
    with pytest.raises(ValueError, match=r"pixels must be \(C, H, W\) with at least one pixel, got shape \(4, 6\)"):
        picture((4, 6))
    with pytest.raises(ValueError, match=r"at least one pixel, got shape \(1, 0, 6\)"):
        picture((1, 0, 6))
    with pytest.raises(ValueError, match="1 channels but 3 channel names"):
        Picture(np.zeros((1, 2, 2), np.uint8), ("red", "green", "blue"))


def test_stages_come_finest_first() -> None:
    spec = FeatureSpec((Stage("stem", 64, 4), Stage("stage2", 128, 8)))
    assert [stage.name for stage in spec] == ["stem", "stage2"]
    assert spec["stage2"].channels == 128
    with pytest.raises(KeyError, match="no stage 'stage9'; stages: stem, stage2"):
        spec["stage9"]
    with pytest.raises(ValueError, match=r"finest first, got strides \[8, 4\]"):
        FeatureSpec((Stage("a", 1, 8), Stage("b", 1, 4)))
    with pytest.raises(ValueError, match=r"strides \[\]"):
        FeatureSpec(())


def test_scores_are_ranked_best_first_and_ties_keep_their_order() -> None:
    scores = ClassScores(np.array([0.2, 0.4, 0.4], np.float32), ("a", "b", "c"))
    assert (scores.label, scores.score) == ("b", pytest.approx(0.4))
    assert [name for name, _ in scores.ranked()] == ["b", "c", "a"]
    assert [name for name, _ in scores.ranked(top=1)] == ["b"]


def test_a_sample_reads_its_picture_when_asked() -> None:
    sample = Sample(Memory(), Label(1), group="patient 7")
    assert isinstance(sample.source, PictureSource)
    assert sample.name == "memory#0"
    assert sample.read().size_hw == (4, 6)


def test_the_nouns_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Label(1).index = 2  # type: ignore[misc]


def test_a_problem_is_plain_data() -> None:
    problem = Problem("truncated", "a/b.jpg", "the file ends early.", "It is left out.", "dropped")
    assert json.loads(json.dumps(problem.as_dict())) == {
        "kind": "truncated",
        "path": "a/b.jpg",
        "detail": "the file ends early.",
        "fix": "It is left out.",
        "severity": "dropped",
    }
