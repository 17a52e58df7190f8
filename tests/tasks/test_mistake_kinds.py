"""Mistakes by kind and their cost, and panoptic quality, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from striate.networks.heads.outputs import packed
from striate.structures import Instances, Ragged
from striate.tasks import TASKS
from striate.tasks.detection import EMPTY_FOUND, EMPTY_TRUTH
from striate.tasks.instances import EMPTY_FOUND as INSTANCE_FOUND
from striate.tasks.instances import EMPTY_TRUTH as INSTANCE_TRUTH
from striate.tasks.matching import counting_score, match_all, precision_recall
from striate.tasks.mistake_kinds import KINDS, report_mistakes
from striate.tasks.panoptic import panoptic_counts, panoptic_figures, panoptic_of_classes

NAMES = [kind.name for kind in KINDS]
SIDE = 10


def box(x: float, y: float = 0, width: float = SIDE) -> list[float]:
    return [x, y, x + width, y + SIDE]


def truth_of(*pictures: list[tuple[list[float], int]], ignored: tuple[int, ...] = ()) -> Ragged:
    rows = [
        {
            "boxes_xyxy": np.array([one for one, _ in objects], np.float32).reshape(-1, 4),
            "classes": np.array([kind for _, kind in objects], np.int64),
            "iscrowd": np.zeros(len(objects), np.bool_),
            "ignore": np.array([n in ignored for n in range(len(objects))], np.bool_),
        }
        for objects in pictures
    ]
    return Ragged.of_rows(rows, EMPTY_TRUTH)


def found_of(*pictures: list[tuple[list[float], int, float]]) -> Ragged:
    rows = [
        {
            "boxes_xyxy": np.array([one for one, _, _ in objects], np.float32).reshape(-1, 4),
            "classes": np.array([kind for _, kind, _ in objects], np.int64),
            "scores": np.array([score for _, _, score in objects], np.float32),
        }
        for objects in pictures
    ]
    return Ragged.of_rows(rows, EMPTY_FOUND)


def report(found: Ragged, truth: Ragged):
    return report_mistakes(match_all(found, truth), found, truth)


def test_objects_count_from_where_precision_and_recall_balance() -> None:
    truth = truth_of([(box(0), 0), (box(100), 0), (box(200), 0)])
    finds = [(box(0), 0, 0.9), (box(100), 0, 0.8), (box(500), 0, 0.6), (box(200), 0, 0.4), (box(600), 0, 0.3)]
    found = found_of(finds)
    # F1 after each: 2/4, 4/5, 4/6, 6/7, 6/8.
    assert counting_score(match_all(found, truth)) == pytest.approx((0.4 + 0.3) / 2)
    assert counting_score(match_all(found_of(finds[:3]), truth_of([(box(0), 0), (box(100), 0)]))) == pytest.approx(0.7)
    assert counting_score(match_all(found_of(finds[:1]), truth_of([(box(0), 0)]))) == pytest.approx(0.45)
    assert counting_score(match_all(found_of([(box(50), 0, 0.9)]), truth_of([(box(0), 0)]))) is None


def test_one_mistake_of_each_kind() -> None:
    truth = truth_of([(box(0), 0), (box(100), 0), (box(200), 0), (box(300), 1), (box(400), 0)])
    found = found_of(
        [
            (box(0), 0, 0.9),  # right
            (box(1), 0, 0.8),  # duplicate: 9 / 11 of the first one
            (box(100), 1, 0.7),  # confused
            (box(206), 0, 0.6),  # localisation: 4 / 16
            (box(306), 0, 0.5),  # both: 4 / 16 of an object of the other class
            (box(700), 0, 0.4),  # background
            (box(800), 0, 0.2),  # too unsure to be shown
        ]
    )
    shown = report(found, truth).shown
    assert [NAMES[k] for k in shown.kind] == [
        "missed", "missed", "confused", "localisation", "both", "duplicate", "background",
    ]  # fmt: skip
    # The fourth and the fifth object have nothing that points at them; "both" does not count as pointing.
    assert shown.true.tolist() == [3, 4, 1, 2, 3, 0, -1]
    assert shown.entry.tolist() == [-1, -1, 2, 3, 4, 1, 5]
    assert shown.overlap.tolist() == pytest.approx([0, 0, 1, 0.25, 0.25, 9 / 11, 0])


def test_the_gain_of_each_kind_by_hand() -> None:
    """Two objects of one class; found: right, background, localisation. Precision 1 up to recall 1/2, then nothing."""
    truth = truth_of([(box(0), 0), (box(100), 0)])
    found = found_of([(box(500), 0, 0.9), (box(0), 0, 0.8), (box(106), 0, 0.7)])
    done = report(found, truth)
    half = 51 * 0.5 / 101
    assert done.map50 == pytest.approx(half)
    gains = dict(zip(NAMES, done.gains, strict=True))
    # Without the background box: precision 1 up to a recall of a half.
    assert gains["background"] == pytest.approx(51 / 101 - half)
    # With the third box in its place: two of three right from a recall of a half on, and before, too.
    assert gains["localisation"] == pytest.approx(2 / 3 - half)
    # Nothing is missed: the third box points at the second object.
    assert gains["missed"] == gains["confused"] == gains["both"] == gains["duplicate"] == 0


def test_what_is_missed_is_no_longer_asked_for() -> None:
    truth = truth_of([(box(0), 0), (box(100), 0)], [(box(0), 1)])
    found = found_of([(box(0), 0, 0.9)], [])
    done = report(found, truth)
    assert done.map50 == pytest.approx(51 / 101 / 2)
    # The first class is found completely then, and of the second nothing is left to find.
    assert done.gains[0] == pytest.approx(1 - 51 / 101 / 2)


def test_a_confused_object_takes_its_right_class() -> None:
    truth = truth_of([(box(0), 0), (box(100), 1)])
    found = found_of([(box(0), 1, 0.9), (box(2), 1, 0.8), (box(100), 1, 0.7)])
    done = report(found, truth)
    # Class 0: nothing. Class 1: one of three right, last.
    assert done.map50 == pytest.approx(1 / 3 / 2)
    # The surest of the two confused ones becomes right, the other is taken away: all is found.
    assert done.gains[1] == pytest.approx(1 - 1 / 6)


def test_a_confused_one_on_an_object_that_is_found_is_taken_away() -> None:
    truth = truth_of([(box(0), 0), (box(100), 1)])
    found = found_of([(box(0), 0, 0.9), (box(1), 1, 0.8), (box(100), 1, 0.7)])
    done = report(found, truth)
    assert done.map50 == pytest.approx((1 + 0.5) / 2)
    assert done.gains[1] == pytest.approx(0.25)


def test_what_is_ignored_is_neither_missed_nor_a_mistake() -> None:
    truth = truth_of([(box(0), 0), (box(100), 0), (box(200), 0)], ignored=(1, 2))
    found = found_of([(box(0), 0, 0.9), (box(100), 0, 0.8)])
    done = report(found, truth)
    assert len(done.shown.kind) == 0
    assert done.map50 == 1
    assert set(done.gains) == {0.0}


def test_nothing_found_is_all_missed_the_largest_first() -> None:
    truth = truth_of([(box(0), 0), (box(100, width=30), 0)], [(box(0, width=20), 1)])
    done = report(found_of([], []), truth)
    assert done.shown.true.tolist() == [1, 2, 0]
    assert done.shown.counts() == [3, 0, 0, 0, 0, 0]
    assert done.gains[0] == 1


def test_the_curve_of_a_class_by_hand() -> None:
    truth = truth_of([(box(0), 0), (box(100), 0)])
    found = found_of([(box(0), 0, 0.9), (box(500), 0, 0.8), (box(100), 0, 0.7)])
    curve = precision_recall(match_all(found, truth), 0)
    assert curve.recall.tolist() == [0.5, 0.5, 1]
    assert curve.precision.tolist() == pytest.approx([1, 0.5, 2 / 3])
    assert curve.score.tolist() == pytest.approx([0.9, 0.8, 0.7])
    curves = TASKS.get("detection").precision_recall(found, truth, ("cat", "dog"))
    assert list(curves) == ["cat"]


def planes(numbers: np.ndarray, kinds: list[int], scores: list[float] | None = None) -> Ragged:
    objects = Instances.from_label_image(numbers)
    row = {"boxes_xyxy": objects.boxes_xyxy, "classes": np.array(kinds)}
    if scores is None:
        row |= {"iscrowd": np.zeros(len(objects), np.bool_), "ignore": np.zeros(len(objects), np.bool_)}
    else:
        row["scores"] = np.array(scores, np.float32)
    row |= packed(objects.masks, objects.size_hw)
    return Ragged.of_rows([row], INSTANCE_TRUTH if scores is None else INSTANCE_FOUND)


def squares() -> tuple[np.ndarray, np.ndarray]:
    true, said = np.zeros((20, 60), np.int32), np.zeros((20, 60), np.int32)
    true[0:10, 0:10], true[0:10, 20:30], true[0:10, 40:50] = 1, 2, 3
    # 8 of 10 columns; as it is; half of it, which is not more than half; and one where nothing is.
    said[0:10, 0:8], said[0:10, 20:30], said[0:10, 40:45], said[15:19, 0:4] = 1, 2, 3, 4
    return true, said


def test_panoptic_quality_by_hand() -> None:
    true, said = squares()
    truth, found = planes(true, [0, 0, 1]), planes(said, [0, 0, 1, 0], [0.9, 0.8, 0.7, 0.6])
    counts = panoptic_counts(match_all(found, truth))
    assert counts[0].tolist() == [[pytest.approx(1.8), 2, 1, 0], [0, 0, 1, 1]]
    figures = panoptic_figures(counts)
    # Class 0: 1.8 / (2 + 1/2); class 1: 0.
    assert figures["panoptic_quality"][0] == pytest.approx(1.8 / 2.5 / 2)
    assert figures["segmentation_quality"][0] == pytest.approx(0.9 / 2)
    assert figures["recognition_quality"][0] == pytest.approx(2 / 2.5 / 2)
    assert panoptic_of_classes(counts[0]).tolist() == pytest.approx([1.8 / 2.5, 0])
    # Unsure ones do not count: the object where nothing is, and the half one.
    surer = panoptic_figures(panoptic_counts(match_all(found, truth), 0.75))
    assert surer["panoptic_quality"][0] == pytest.approx(0.9 / 2)


def test_panoptic_quality_is_that_of_torchmetrics() -> None:
    from torchmetrics.functional.detection import panoptic_quality

    true, said = squares()
    kinds = {0: [2, 0, 0, 1], 1: [2, 0, 0, 1, 0]}

    def plane(numbers: np.ndarray, of: list[int]) -> torch.Tensor:
        return torch.from_numpy(np.stack([np.array(of)[numbers], np.where(numbers > 0, numbers, 0)], -1))[None]

    # Where nothing is stands for a third class, of stuff, which is left out of the comparison.
    expected = panoptic_quality(
        plane(said, kinds[1]), plane(true, kinds[0]), things={0, 1}, stuffs={2}, return_per_class=True
    )
    truth, found = planes(true, [0, 0, 1]), planes(said, [0, 0, 1, 0], [0.9, 0.8, 0.7, 0.6])
    own = panoptic_of_classes(panoptic_counts(match_all(found, truth)).sum(0))
    assert own.tolist() == pytest.approx(expected[0, :2].tolist())


def test_mistakes_of_masks_go_by_masks() -> None:
    true, said = squares()
    truth, found = planes(true, [0, 0, 1]), planes(said, [0, 0, 0, 0], [0.9, 0.8, 0.7, 0.6])
    done = TASKS.get("instances").mistake_report(found, truth)
    assert done is not None
    # Half an object of another class, at an overlap of exactly a half, is in the right place.
    assert [NAMES[k] for k in done.shown.kind] == ["confused", "background"]
