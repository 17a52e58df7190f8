"""Semantic segmentation: hand-computed figures, losses by their formula, answers at the picture's own size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.nn import functional

from striate.structures import VOID, Mask, Picture, Placement, Sample, SegmentedPicture
from striate.tasks import TASKS, LossSettings
from striate.tasks.base import View
from striate.tasks.boundary import boundary_counts, boundary_width, near_edges
from striate.tasks.pixel_figures import confusion, count_pixels, pixel_counts_type
from striate.tasks.segmentation import enlarged_answer
from striate.tasks.truth import MaskTruth

TASK = TASKS.get("segmentation")
CLASSES = ("background", "cat", "dog")


@dataclass(frozen=True)
class Blank:
    name: str = "a.png"

    def read(self) -> Picture:
        return Picture(np.zeros((1, 4, 6), np.uint8), ("gray",))


TRUE = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, VOID, 0]], np.uint8)
SAID = np.array([[0, 0, 1, 0], [0, 1, 1, 1], [2, 0, 1, 0]], np.uint8)


def test_confusion_by_hand() -> None:
    # Rows: true; columns: answered. The void pixel is in neither.
    assert confusion(TRUE, SAID, 3).tolist() == [[4, 1, 0], [1, 3, 0], [1, 0, 1]]


def test_figures_by_hand() -> None:
    scores = count_pixels(TRUE, SAID, 3)
    found = TASK.metrics(scores, np.array([[5, 4, 2]]), CLASSES)
    # background 4 / (5 + 6 - 4), cat 3 / (4 + 4 - 3), dog 1 / (2 + 1 - 1)
    assert found["mean_iou"] == pytest.approx((4 / 7 + 3 / 5 + 1 / 2) / 3)
    assert found["mean_dice"] == pytest.approx((8 / 11 + 6 / 8 + 2 / 3) / 3)
    assert found["foreground_iou"] == pytest.approx((3 / 5 + 1 / 2) / 2)
    assert found["foreground_dice"] == pytest.approx((6 / 8 + 2 / 3) / 2)
    assert found["pixel_accuracy"] == pytest.approx(8 / 11)
    assert found["balanced_pixel_accuracy"] == pytest.approx((4 / 5 + 3 / 4 + 1 / 2) / 3)
    rows = TASK.per_class(scores, np.array([[5, 4, 2]]), CLASSES)
    assert rows[1] == pytest.approx(
        {
            "class": "cat",
            "count": 1,
            "pixels": 4 / 11,
            "iou": 0.6,
            "dice": 0.75,
            "boundary_iou": None,
            "precision": 0.75,
            "recall": 0.75,
        }
    )


def test_a_class_that_nobody_shows_or_answers_does_not_count() -> None:
    scores = np.zeros(1, pixel_counts_type(3))
    scores["confusion"] = [[6, 0, 0], [2, 2, 0], [0, 0, 0]]
    assert TASK.headline_value(scores, np.array([[6, 4, 0]])) == pytest.approx((6 / 8 + 2 / 4) / 2)
    row = TASK.per_class(scores, np.array([[6, 4, 0]]), CLASSES)[2]
    assert (row["iou"], row["precision"], row["recall"]) == (None, None, None)


def test_all_background_is_the_baseline_and_its_pixel_accuracy_means_nothing() -> None:
    targets = np.array([[98, 2, 0], [97, 1, 2]])
    scores = TASK.baseline_scores(targets, targets, CLASSES)
    assert scores["confusion"][0].tolist() == [[98, 0, 0], [2, 0, 0], [0, 0, 0]]
    found = TASK.metrics(scores, targets, CLASSES)
    assert found["pixel_accuracy"] == pytest.approx(195 / 200)
    assert found["mean_iou"] == pytest.approx(195 / 200 / 3)
    assert found["foreground_iou"] == 0


@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 1.0)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_cross_entropy_and_dice_over_known_pixels(weights: tuple[float, ...] | None, smoothing: float) -> None:
    torch.manual_seed(0)
    settings = LossSettings(smoothing, None if weights is None else torch.tensor(weights))
    output = torch.randn(2, 3, 4, 5)
    truth = torch.randint(0, 3, (2, 4, 5), dtype=torch.uint8)
    truth[0, 0, :3] = VOID
    known = truth != VOID
    entropy = functional.cross_entropy(
        output.movedim(1, -1)[known], truth[known].long(), settings.class_weights, label_smoothing=smoothing
    )
    share = torch.softmax(output, 1)
    dice = []
    for index in range(3):
        one = (truth == index).float()
        both = (share[:, index] * one).sum()
        dice.append((2 * both + 1) / (share[:, index][known].sum() + one.sum() + 1))
    expected = entropy + 1 - torch.stack(dice).mean()
    torch.testing.assert_close(TASK.loss(output, truth, settings), expected)


def test_void_pixels_teach_nothing() -> None:
    output = torch.randn(1, 3, 4, 4, requires_grad=True)
    truth = torch.full((1, 4, 4), VOID, dtype=torch.uint8)
    loss = TASK.loss(output, truth, LossSettings())
    (gradient,) = torch.autograd.grad(loss, output)
    assert loss.item() == 0
    assert not gradient.any()


def test_rare_classes_weigh_more_but_not_without_bound() -> None:
    weights = TASK.class_weights(np.array([[10_000, 100, 0]]), CLASSES)
    assert weights[1] / weights[0] == pytest.approx(10, rel=1e-5)
    assert weights[2] == 0
    assert TASK.class_weights(np.array([[10**9, 1, 10**9]]), CLASSES).max() <= 10


def test_answers_are_enlarged_to_the_picture() -> None:
    # Left half of the frame is class 0, right half class 1.
    scores = torch.zeros(2, 4, 8)
    scores[0, :, :4] = scores[1, :, 4:] = 10.0
    placement = Placement((8, 12), (4, 8), (0.5, 8 / 12), (0.0, 0.0))
    answer = enlarged_answer(scores, placement)
    assert answer.shape == (8, 12)
    assert (answer[:, :6] == 0).all()
    assert (answer[:, 6:] == 1).all()


def test_padding_is_no_part_of_the_answer() -> None:
    scores = torch.zeros(2, 8, 8)
    scores[1, :2] = scores[1, 6:] = 10.0
    scores[0, 2:6] = 10.0
    answer = enlarged_answer(scores, Placement((4, 8), (8, 8), (1.0, 1.0), (2.0, 0.0)))
    assert (answer == 0).all()


def test_a_large_picture_is_enlarged_in_bands_with_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    scores = torch.randn(3, 9, 7)
    placement = Placement((50, 41), (9, 7), (9 / 50, 7 / 41), (0.0, 0.0))
    whole = enlarged_answer(scores, placement)
    monkeypatch.setattr("striate.networks.heads.pixels.BAND_PIXELS", 3 * 41 * 4)
    assert np.array_equal(enlarged_answer(scores, placement), whole)


def test_exact_answers_are_measured_at_the_size_of_the_picture() -> None:
    true = np.zeros((8, 12), np.uint8)
    true[:, 6:] = 1
    scores = torch.zeros(1, 2, 4, 8)
    scores[0, 0, :, :4] = scores[0, 1, :, 4:] = 10.0
    placement = Placement((8, 12), (4, 8), (0.5, 8 / 12), (0.0, 0.0))
    sample = Sample(Blank(), Mask(true))
    truth = MaskTruth([sample], [placement])
    frame = truth.rows(np.array([0]))
    exact = TASK.answers(scores, View([sample], [placement], frame, exact=True))
    rough = TASK.answers(scores, View([sample], [placement], frame, exact=False))
    assert exact["confusion"].tolist() == [[[48, 0], [0, 48]]]
    assert rough["confusion"].tolist() == [[[16, 0], [0, 16]]]
    # One column each side of the edge, eight pixels high; in the frame edges are not measured.
    assert exact["boundary"].tolist() == [[[8, 8, 8], [8, 8, 8]]]
    assert not rough["boundary"].any()


def test_truth_is_kept_or_read_each_time_with_the_same_result() -> None:
    generator = np.random.default_rng(0)
    samples = [Sample(Blank(), Mask(generator.integers(0, 3, (10, 15)).astype(np.uint8))) for _ in range(4)]
    placements = [Placement((10, 15), (8, 8), (0.5, 0.5), (1.5, 0.0))] * 4
    kept, read = (MaskTruth(samples, placements, keep=keep) for keep in (True, False))
    index = np.array([2, 0, 2])
    assert torch.equal(kept.rows(index), read.rows(index))
    assert kept.rows(index).dtype == torch.uint8
    assert bool((kept.rows(index) == VOID).any()), "beside the picture nothing is known"


def test_targets_count_pixels_of_each_class_without_void() -> None:
    samples = [Sample(Blank(), Mask(TRUE)), Sample(Blank("b.png"), Mask(np.full((2, 2), 2, np.uint8)))]
    assert TASK.targets(samples, CLASSES).tolist() == [[5, 4, 2], [0, 0, 4]]


def test_predictions_say_how_much_each_class_takes() -> None:
    answer = SegmentedPicture(SAID, CLASSES)
    assert answer.ranked(2) == [("background", 0.5), ("cat", pytest.approx(5 / 12))]
    document = answer.as_document()["mask"]
    assert set(document) == set(CLASSES)
    assert document["dog"]["size"] == [3, 4]


def striped(edge: int, size_hw: tuple[int, int] = (50, 100)) -> np.ndarray:
    plane = np.zeros(size_hw, np.uint8)
    plane[:, edge:] = 1
    return plane


def test_boundary_counts_by_hand() -> None:
    # 2 % of a diagonal of 111.8 are 2 pixels.
    assert boundary_width((50, 100)) == 2
    # True band: columns 48 to 51; answered: 49 to 52. Class 0: 48, 49 and 49, 50; class 1: 50, 51 and 51, 52.
    counts = boundary_counts(striped(50), striped(51), 2, 2)
    assert counts.tolist() == [[100, 100, 50], [100, 100, 50]]
    found = TASK.metrics(count_pixels(striped(50), striped(51), 2, 2), np.array([[2500, 2500]]), CLASSES[:2])
    assert found["boundary_iou"] == pytest.approx(1 / 3)
    assert found["mean_iou"] > 0.97, "which plain IoU hardly notices"


def test_an_answer_of_one_class_has_no_edges() -> None:
    counts = boundary_counts(striped(50), np.zeros((50, 100), np.uint8), 2, 2)
    assert counts.tolist() == [[100, 0, 0], [100, 0, 0]]


def test_void_has_no_edges_of_its_own_and_does_not_count() -> None:
    true = striped(50)
    true[:, 49:51] = VOID
    # The edge runs through the middle of what is void; of each side one column is left.
    assert boundary_counts(true, striped(50), 2, 2).tolist() == [[50, 50, 50], [50, 50, 50]]
    nothing = np.full((50, 100), VOID, np.uint8)
    assert boundary_counts(nothing, striped(50), 2, 2).sum() == 0


def test_near_edges_are_those_that_erosion_takes_away() -> None:
    """Cheng et al. erode each class by a square, a pixel at a time; here the picture's edge does not erode."""
    from scipy import ndimage

    plane = np.random.default_rng(0).integers(0, 3, (4, 5)).astype(np.uint8).repeat(9, 0).repeat(9, 1)
    near = near_edges(plane, 3)
    for k in range(3):
        kept = ndimage.binary_erosion(plane == k, np.ones((3, 3)), iterations=3, border_value=1)
        assert np.array_equal(near & (plane == k), (plane == k) & ~kept)


def test_the_trap_of_mostly_background_is_called_out() -> None:
    scores = np.zeros(1, pixel_counts_type(3))
    scores["confusion"] = [[900, 0, 0], [40, 50, 0], [0, 0, 10]]
    metric, words = TASK.trap(scores, np.array([[900, 90, 10]]), CLASSES)
    assert metric == "pixel_accuracy"
    assert words == (
        "90.0 % of the pixels are 'background': an answer that finds nothing has a pixel accuracy of 90.0 %, and this "
        "network of 96.0 % says little. Judge by mean IoU."
    )
    assert TASK.trap(scores, np.array([[500, 490, 10]]), CLASSES) is None
