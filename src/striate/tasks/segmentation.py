"""A class for every pixel."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.networks import Network, NetworkOptions
from striate.networks.heads import find_head
from striate.networks.heads.pixels import enlarged_bands, pixel_loss
from striate.networks.spatial import SpatialNetwork
from striate.structures import VOID, Frames, Placement, Prediction, Sample, SegmentedPicture
from striate.tasks.base import TASKS, LossSettings, Scores, Targets, Task, View
from striate.tasks.boundary import boundary_width
from striate.tasks.class_scores import defined
from striate.tasks.pixel_figures import (
    case_dice,
    case_number,
    class_overlaps,
    count_pixels,
    pixel_counts_type,
    pixel_figures,
    total,
    weighted_totals,
)
from striate.tasks.resampling import mean_of_defined
from striate.tasks.truth import MaskTruth, Motion, TruthStore, mask_of

LARGEST_WEIGHT = 10.0
"""Limit of a class weight: a class of a thousandth of the pixels must not drown all others."""

TRAP_SHARE = 0.8
"""From this share of all pixels on, the commonest class makes pixel accuracy say little."""

_THREADS = 8


class Segmentation(Task):
    """A class for every pixel: cross-entropy and Dice loss, mean intersection over union.

    What is kept of an answer is one record a picture, `(N,)`: its confusion matrix with the truth and its pixels near
    edges, see `pixel_counts_type`. Every figure, for any set of pictures, is a sum of those. Targets are the pixels of
    each true class, `(N, K)`. Void pixels are in neither.
    """

    name = "segmentation"
    title = "which class every pixel shows"
    headline = "mean_iou"
    spatial = True
    counts_overlap = True
    live_in_frame = True
    default_head = "unet"

    def finish_network(self, backbone: Network, options: NetworkOptions) -> nn.Module:
        """The backbone with the head that `options.head` names; U-Net where it names none.

        Raises:
            UnknownNameError: No such head for this task.
        """
        info = find_head(options.head or self.default_head, self.name)
        return SpatialNetwork(backbone, info.build(backbone.feature_spec, options), options)

    def targets(self, samples: Sequence[Sample], classes: tuple[str, ...]) -> Targets:
        """Pixels of each class, `(N, K)` int64, void left out."""

        def count(sample: Sample) -> npt.NDArray[np.int64]:
            return np.bincount(mask_of(sample).ravel(), minlength=VOID + 1)[: len(classes)].astype(np.int64)

        with ThreadPoolExecutor(_THREADS) as pool:
            counts = list(pool.map(count, samples))
        return np.stack(counts) if counts else np.zeros((0, len(classes)), np.int64)

    def build_truth(self, samples: Sequence[Sample], targets: Targets, placements: Sequence[Placement]) -> TruthStore:
        """Masks in the network's frame."""
        del targets
        return MaskTruth(samples, placements)

    def move(self, truth: Tensor, motion: Motion) -> Tensor:
        """Masks `(n, H, W)`, moved as the pixels were."""
        return motion.planes(truth)

    def loss(self, output: Tensor, targets: Tensor, settings: LossSettings) -> Tensor:
        """Cross-entropy plus soft Dice loss (Milletari et al. 2016) over the classes that the batch shows.

        Cross-entropy learns fast and tells every pixel; Dice counts a small class as much as a large one.

        Args:
            output: `(N, K, H, W)` scores before softmax.
            targets: `(N, H, W)` class indices; `VOID` does not count.
            settings: Smoothing and class weights, of the cross-entropy.
        """
        known = targets != VOID
        truth = torch.where(known, targets, 0).long()
        return pixel_loss(output, truth, known, settings.class_weights, settings.label_smoothing)

    def soften(self, targets: Tensor, classes: int) -> Tensor:
        """Not for masks.

        Raises:
            ValueError: Always; mixing pictures is refused before training begins.
        """
        raise ValueError(f"masks of {classes} classes are not mixed; got {tuple(targets.shape)}")

    def scores(self, output: Any) -> Tensor:
        """Softmax over the classes: `(N, K, h, w)` float32, in the network's frame."""
        return torch.softmax(output.float(), dim=1)

    def decode(self, output: Any, placements: Sequence[Placement]) -> list[npt.NDArray[np.uint8]]:
        """Classes of the pixels that each frame answers for, in pixels of its picture."""
        return [enlarged_answer(one, placement) for one, placement in zip(output, placements, strict=True)]

    def prediction(
        self, parts: Sequence[npt.NDArray[np.uint8]], placements: Sequence[Placement], classes: tuple[str, ...]
    ) -> Prediction:
        """The mask of one picture, at its own size."""
        mask = np.empty(placements[0].size_hw, np.uint8)
        for part, placement in zip(parts, placements, strict=True):
            mask[placement.owned] = part
        return SegmentedPicture(mask, classes)

    def answers(self, output: Any, view: View) -> Scores:
        """Records of the pixels that each frame of a batch answers for, `(n,)`.

        Pixels near edges are counted at the pictures' own size only; of tiles each by itself, so that an edge in one is
        not seen from its neighbour.
        """
        classes = int(output.shape[1])
        if not view.exact:
            answered = output.argmax(1).cpu().numpy()
            owned = [placement.owned_in_frame for placement in view.placements]
            parts = zip(view.truth.numpy(), answered, owned, strict=True)
            found = np.concatenate([count_pixels(true[own], one[own], classes) for true, one, own in parts])
            return _of_cases(found, view.samples)
        records = []
        frames = zip(view.samples, output, view.placements, strict=True)
        for rows in (list(group) for _, group in groupby(frames, lambda row: id(row[0]))):
            true = mask_of(rows[0][0])
            width_px = boundary_width(true.shape)
            records += [
                count_pixels(true[placement.owned], enlarged_answer(one, placement), classes, width_px)
                for _, one, placement in rows
            ]
        return _of_cases(np.concatenate(records), view.samples)

    def stitch(self, answers: Scores, frames: Frames) -> Scores:
        """Records by picture: frames answer for parts of it that do not overlap."""
        if not frames.tiled:
            return answers
        starts = np.flatnonzero(np.diff(frames.pictures, prepend=-1))
        whole = np.zeros(len(starts), answers.dtype)
        for name in ("confusion", "boundary"):
            whole[name] = np.add.reduceat(answers[name], starts, axis=0)
        whole["case"] = answers["case"][starts]
        return whole

    def headline_value(self, scores: Scores, targets: Targets) -> float:
        """Mean intersection over union; NaN without a pixel."""
        del targets
        return float(mean_of_defined(class_overlaps(*total(scores))["iou"])[0])

    def resampled_metrics(
        self,
        scores: Scores,
        targets: Targets,
        weights: npt.NDArray[np.float64],
        names: Collection[str] | None = None,
    ) -> dict[str, npt.NDArray[np.float64]]:
        """The same metrics as `metrics`, for many resamples at once: their counts are weighted sums."""
        del targets
        found = pixel_figures(*weighted_totals(scores, weights))
        found["case_dice"] = case_dice(scores, weights)
        return {name: values for name, values in found.items() if names is None or name in names}

    def class_weights(self, train_targets: Targets, classes: tuple[str, ...]) -> npt.NDArray[np.float32]:
        """Square root of the inverse share of pixels, mean 1 over the classes that occur, at most 10."""
        counts = train_targets.sum(axis=0, dtype=np.float64)
        weights = np.divide(1.0, np.sqrt(counts), out=np.zeros(len(classes)), where=counts > 0)
        weights /= max(weights[counts > 0].mean(), 1e-12) if (counts > 0).any() else 1.0
        return np.asarray(np.clip(weights, 0.0, LARGEST_WEIGHT), np.float32)

    def metrics(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> dict[str, float]:
        """Mean IoU, mean Dice, the same without the first class, boundary IoU, balanced and plain pixel accuracy.

        Of slices of volumes also the mean over volumes of each one's foreground Dice (`case_dice`). Other means go over
        the classes that the truth or the answers show. The first class is background in most sets; where it takes most
        of every picture, plain pixel accuracy says next to nothing.
        """
        del targets, classes
        found = pixel_figures(*total(scores))
        found["case_dice"] = case_dice(scores, np.ones((1, len(scores))))
        return {name: float(values[0]) for name, values in found.items() if np.isfinite(values[0])}

    def per_class(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> list[dict[str, Any]]:
        """One row a class: pictures that show it, its share of pixels, and its figures."""
        tables, near = total(scores)
        table = tables[0]
        overlaps = {name: values[0] for name, values in class_overlaps(tables, near).items()}
        true, answered, right = table.sum(1), table.sum(0), np.diag(table)
        pictures = (targets > 0).sum(0)
        pixels = max(true.sum(), 1.0)
        return [
            {
                "class": label,
                "count": int(pictures[k]),
                "pixels": float(true[k] / pixels),
                **{name: defined(values[k]) for name, values in overlaps.items()},
                "precision": float(right[k] / answered[k]) if answered[k] else None,
                "recall": float(right[k] / true[k]) if true[k] else None,
            }
            for k, label in enumerate(classes)
        ]

    def baseline_scores(self, train_targets: Targets, targets: Targets, classes: tuple[str, ...]) -> Scores:
        """Every pixel the commonest class of the training pixels."""
        commonest = int(train_targets.sum(0).argmax())
        scores = np.zeros(len(targets), pixel_counts_type(len(classes)))
        scores["confusion"][:, :, commonest] = targets
        return scores

    def trap(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> tuple[str, str] | None:
        """Pixel accuracy, where one class takes so much that saying nothing else looks good."""
        pixels = targets.sum(0)
        commonest, share = int(pixels.argmax()), float(pixels.max() / max(pixels.sum(), 1))
        if share < TRAP_SHARE:
            return None
        own = float(pixel_figures(*total(scores))["pixel_accuracy"][0])
        finds = "that finds nothing" if commonest == 0 else f"that says {classes[commonest]!r} everywhere"
        return "pixel_accuracy", (
            f"{share:.1%} of the pixels are {classes[commonest]!r}: an answer {finds} has a pixel accuracy of "
            f"{share:.1%}, and this network of {own:.1%} says little. Judge by mean IoU."
        ).replace("%", " %")

    def confusion(
        self, scores: Scores, targets: Targets, classes: tuple[str, ...]
    ) -> tuple[npt.NDArray[np.int64], str]:
        """Pixels by true and answered class."""
        del targets, classes
        return np.asarray(scores["confusion"].sum(0), np.int64), "pixels"

    def mistake_words(self, scores: Scores, targets: Targets, index: int, classes: tuple[str, ...]) -> tuple[str, str]:
        """How much of the picture is wrong, and what is taken for what most."""
        del targets
        wrong = scores["confusion"][index].astype(np.float64)
        pixels = max(wrong.sum(), 1.0)
        np.fill_diagonal(wrong, 0)
        true, answered = np.unravel_index(int(wrong.argmax()), wrong.shape)
        return (
            f"{wrong.sum() / pixels:.1%} of its pixels wrong",
            f"mostly {classes[true]} taken for {classes[answered]} ({wrong[true, answered] / pixels:.1%})",
        )

    worst_first = "these have the largest share of wrong pixels"

    def mistakes(self, scores: Scores, targets: Targets) -> npt.NDArray[np.int64]:
        """Pictures with wrong pixels, the largest share of wrong ones first."""
        del targets
        tables = scores["confusion"]
        pixels = tables.sum((1, 2))
        wrong = pixels - np.trace(tables, axis1=1, axis2=2)
        share = wrong / np.maximum(pixels, 1)
        order = np.argsort(-share, kind="stable")
        found: npt.NDArray[np.int64] = order[wrong[order] > 0].astype(np.int64)
        return found


def _of_cases(records: Scores, samples: Sequence[Sample]) -> Scores:
    """Records with the volume that each is of, where the pictures are known."""
    if samples:
        records["case"] = [case_number(sample.case) for sample in samples]
    return records


def enlarged_answer(scores: Tensor, placement: Placement) -> npt.NDArray[np.uint8]:
    """The best class at each pixel that the frame answers for, from scores `(K, h, w)` in the network's frame.

    Scores, not answers, are enlarged, so that borders between classes are smooth.
    """
    region = placement.owned
    answer = np.empty(tuple(part.stop - part.start for part in region), np.uint8)
    for rows, part in enlarged_bands(scores, placement, region):
        answer[rows] = part.argmax(0).to(torch.uint8).cpu().numpy()
    return answer


TASKS.add(Segmentation.name, Segmentation())
