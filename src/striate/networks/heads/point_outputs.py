"""Which point of a pyramid answers for which object, the loss that follows, and boxes from what the points say.

Points are assigned by how well they do already (task-aligned assignment: Feng, Zhong, Gao, Scott and Huang, "TOOD",
ICCV 2021, section 3.2): of the points inside an object's box, those with the highest score ** 0.5 * overlap ** 6 answer
for it; a point claimed twice answers for the object that it overlaps most. Their class score is to become the overlap,
so that at test the score says how good the box is. Objects that are ignored claim points that then teach nothing.

Differs from the paper in that class loss is binary cross-entropy against soft targets, without focusing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from striate.networks.heads.outputs import BoxOutputs, Found, as_found
from striate.networks.heads.truth import BoxBatch

CANDIDATES = 10
"""Points that answer for one object, at most."""

SCORE_POWER, OVERLAP_POWER = 0.5, 6.0
BOX_WEIGHT = 2.0
LEAST_SCORE = 0.02
"""Boxes that score less are not kept: they are many, and change the area under the curve by nothing."""

SAME_OBJECT = 0.5
"""Overlap from which two boxes of one class are the same object, and the less sure one is dropped."""

_MOST_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class PointOutputs(BoxOutputs):
    """What the points of a pyramid say, all levels end to end.

    Attributes:
        scores: `(N, P, K)` class scores before the sigmoid.
        boxes_xyxy: `(N, P, 4)` in pixels of the network's input.
        points_xy: `(P, 2)` where the points lie, in the same pixels.
        strides: `(P,)` pixels for one step at each point.
    """

    scores: Tensor
    boxes_xyxy: Tensor
    points_xy: Tensor
    strides: Tensor

    def __len__(self) -> int:
        return len(self.scores)

    def float(self) -> PointOutputs:
        """The same in float32."""
        return PointOutputs(self.scores.float(), self.boxes_xyxy.float(), self.points_xy, self.strides)

    def confidence(self) -> Tensor:
        """Scores of every class at every point: `(N, P, K)`."""
        return torch.sigmoid(self.scores.float())

    def loss(self, truth: BoxBatch, class_weights: Tensor | None) -> Tensor:
        """Class loss plus box loss, over the sum of what the points should have scored."""
        with torch.no_grad():
            assigned = assign_points(self, truth)
        total = assigned.quality.sum().clamp_min(1.0)
        entropy = functional.binary_cross_entropy_with_logits(self.scores, assigned.scores, reduction="none")
        if class_weights is not None:
            entropy = entropy * torch.where(assigned.scores > 0, class_weights, torch.ones_like(entropy))
        class_loss = (entropy * assigned.known[..., None]).sum() / total
        answering = assigned.quality > 0
        found, true = self.boxes_xyxy[answering], assigned.boxes_xyxy[answering]
        box_loss = (_generalised_overlap_loss(found, true) * assigned.quality[answering]).sum() / total
        return class_loss + BOX_WEIGHT * box_loss

    @torch.no_grad()
    def decode(self, most: int) -> list[Found]:
        """The surest of overlapping boxes of a class, at most `most` a picture, in pixels of the network's input."""
        from torchvision.ops import batched_nms

        found = []
        for scores, boxes in zip(self.confidence(), self.boxes_xyxy.float(), strict=True):
            classes = scores.shape[1]
            flat = scores.flatten()
            surest = flat.topk(min(_MOST_LOOKED_AT, len(flat)))
            kept = surest.values > LEAST_SCORE
            index = surest.indices[kept]
            values, kinds, chosen = surest.values[kept], index % classes, boxes[index // classes]
            order = batched_nms(chosen, values, kinds, SAME_OBJECT)[:most]
            found.append(as_found(chosen[order], kinds[order], values[order]))
        return found


class Assigned:
    """What every point is to say.

    Attributes:
        scores: `(N, P, K)` target scores.
        boxes_xyxy: `(N, P, 4)` target boxes, where `quality` is above 0.
        quality: `(N, P)` target score of the point's class; 0 for background.
        known: `(N, P)` whether the point is to learn at all.
    """

    __slots__ = ("boxes_xyxy", "known", "quality", "scores")

    def __init__(self, scores: Tensor, boxes_xyxy: Tensor, quality: Tensor, known: Tensor) -> None:
        self.scores = scores
        self.boxes_xyxy = boxes_xyxy
        self.quality = quality
        self.known = known


def assign_points(output: PointOutputs, truth: BoxBatch) -> Assigned:
    """Assigns points to objects; see the head of this file."""
    pictures, points, classes = output.scores.shape
    objects = truth.classes.shape[1]
    scores = output.scores.new_zeros(pictures, points, classes)
    if objects == 0:
        nothing = output.scores.new_zeros(pictures, points)
        return Assigned(scores, torch.zeros_like(output.boxes_xyxy), nothing, torch.ones_like(nothing))
    there = truth.classes >= 0
    inside = _inside(output.points_xy, truth.boxes_xyxy, output.strides) & there[..., None]
    overlap = _overlaps(truth.boxes_xyxy, output.boxes_xyxy)
    chosen_class = truth.classes.clamp_min(0)[:, :, None].expand(-1, -1, points)
    score = torch.sigmoid(output.scores).transpose(1, 2).gather(1, chosen_class)
    fitness = score**SCORE_POWER * overlap**OVERLAP_POWER * inside
    # A tiny bonus for being near keeps the first steps going, when no box overlaps anything yet.
    fitness = fitness + inside * 1e-9 * (1 + overlap)
    best = fitness.topk(min(CANDIDATES, points), dim=2)
    claims = torch.zeros_like(inside).scatter_(2, best.indices, best.values > 0) & inside
    # Each point answers for one object at most: the one that it overlaps most.
    rank = torch.where(claims, overlap + 1e-6, torch.zeros_like(overlap))
    strongest, owner = rank.max(1)
    taken = strongest > 0
    owns = torch.zeros_like(claims).scatter_(1, owner[:, None], taken[:, None]) & claims
    ignored = truth.ignore.gather(1, owner) & taken
    # Scores aim at the overlap, the best point of an object at the best overlap (TOOD, section 3.3).
    fit = fitness * owns
    highest = fit.amax(2, keepdim=True).clamp_min(1e-12)
    quality = (fit / highest * (overlap * owns).amax(2, keepdim=True)).amax(1)
    quality = torch.where(taken & ~ignored, quality.clamp_min(1e-4), torch.zeros_like(quality))
    kind = truth.classes.clamp_min(0).gather(1, owner)
    scores.scatter_(2, kind[..., None], quality[..., None])
    boxes = truth.boxes_xyxy.gather(1, owner[..., None].expand(-1, -1, 4))
    return Assigned(scores, boxes, quality, (~ignored).to(quality.dtype))


def _inside(points_xy: Tensor, boxes_xyxy: Tensor, strides: Tensor) -> Tensor:
    """Whether each point lies in each box, `(N, M, P)`; a box smaller than a step is grown to hold a point."""
    centre = (boxes_xyxy[..., :2] + boxes_xyxy[..., 2:])[:, :, None] / 2
    half = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2])[:, :, None] / 2
    reach = torch.maximum(half, 0.5 * strides[None, None, :, None])
    inside: Tensor = ((points_xy - centre).abs() <= reach).all(-1)
    return inside


def _overlaps(true: Tensor, found: Tensor) -> Tensor:
    """Intersection over union of every true box with every found one, `(N, M, P)`."""
    low = torch.maximum(true[:, :, None, :2], found[:, None, :, :2])
    high = torch.minimum(true[:, :, None, 2:], found[:, None, :, 2:])
    both = (high - low).clamp_min(0).prod(-1)
    area_true = (true[..., 2:] - true[..., :2]).clamp_min(0).prod(-1)
    area_found = (found[..., 2:] - found[..., :2]).clamp_min(0).prod(-1)
    return both / (area_true[:, :, None] + area_found[:, None] - both).clamp_min(1e-6)


def _generalised_overlap_loss(found: Tensor, true: Tensor) -> Tensor:
    """1 minus generalised IoU of pairs (Rezatofighi et al. 2019): `(n,)`."""
    from torchvision.ops import generalized_box_iou_loss

    loss: Tensor = generalized_box_iou_loss(found, true)
    return loss
