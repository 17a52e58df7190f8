"""Mask R-CNN (He, Gkioxari, Dollár and Girshick 2017) on any backbone, from torchvision's parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import paste_masks_in_image

from striate.networks.heads.base import HEADS, HeadInfo
from striate.networks.heads.outputs import NO_INSTANCES, Found, InstanceOutputs, as_found, packed
from striate.networks.heads.truth import InstanceBatch, scenes_of_instances
from striate.networks.heads.two_stage import CELLS, WIDTH, TwoStageHead, TwoStageOutputs
from striate.structures import Instances, Placement

LEAST_INSIDE = 0.5
"""Share from which a pixel belongs to the object."""


class MaskRcnnOutputs(TwoStageOutputs, InstanceOutputs):
    """Boxes from two stages, and the pixels of the object in each."""

    __slots__ = ()

    def loss(self, truth: InstanceBatch, class_weights: Tensor | None) -> Tensor:
        """Losses of the proposals, of what is said about them, and of their masks."""
        del class_weights
        return self.head.loss(self, scenes_of_instances(truth))

    @torch.no_grad()
    def decode(self, placements: Sequence[Placement]) -> list[Found]:
        """The surest of overlapping objects of a class, at the size of each picture."""
        rows = self.head.second_stage(self)
        return [place_masks(row, placement) for row, placement in zip(rows, placements, strict=True)]


class MaskRcnnHead(TwoStageHead):
    """Proposes boxes, then says the class of each, moves its edges, and draws the object in it.

    Args:
        spec: Stages of the backbone.
        options: What the caller chose; background is none of the classes.
    """

    def build_mask_parts(self, classes: int) -> dict[str, nn.Module]:
        """Four convolutions on squares of twice the cells, enlarged once."""
        return {
            "mask_roi_pool": self.build_pool(2 * CELLS),
            "mask_head": MaskRCNNHeads(WIDTH, (WIDTH,) * 4, 1),
            "mask_predictor": MaskRCNNPredictor(WIDTH, WIDTH, classes + 1),
        }

    def forward(self, maps: dict[str, Tensor], size_hw: tuple[int, int]) -> MaskRcnnOutputs:
        """What the first stage says."""
        return MaskRcnnOutputs(self, *self.first_stage(maps), size_hw)


def place_masks(row: dict[str, Tensor], placement: Placement) -> Found:
    """Objects of one picture from torchvision's boxes and the masks in them; those without a pixel are left out.

    Args:
        row: `boxes` `(n, 4)` in the network's frame, `labels` from 1, `scores`, and `masks` `(n, 1, m, m)`, shares.
        placement: How the picture lies in the frame.
    """
    (down, across), (top, left) = placement.scale_yx, placement.offset_yx
    rows, columns = placement.covered
    shown_hw, corner_yx = (rows.stop - rows.start, columns.stop - columns.start), (rows.start, columns.start)
    boxes = row["boxes"].cpu()
    boxes = (boxes - boxes.new_tensor([left, top] * 2)) / boxes.new_tensor([across, down] * 2)
    boxes = boxes - boxes.new_tensor([corner_yx[1], corner_yx[0]] * 2)
    masks, places, kept = [], [], []
    # In the border of a frame that is wider than its picture a box can lie where there is nothing to draw on.
    there = (boxes[:, 2:] > 0).all(1) & (boxes[:, :2] < boxes.new_tensor([shown_hw[1], shown_hw[0]])).all(1)
    for index in torch.nonzero(there).flatten().tolist():
        box, share = boxes[index], row["masks"][index].cpu()
        # One at a time: hundreds of planes as large as the picture need not be held at once.
        plane = paste_masks_in_image(share[None], box[None], shown_hw)[0, 0] >= LEAST_INSIDE
        if bool(plane.any()):
            labels = plane.numpy().astype(np.int32)
            one = Instances.from_label_image(labels, size_hw=placement.size_hw, corner_yx=corner_yx)
            masks.append(one.masks[0])
            places.append(one.boxes_xyxy[0])
            kept.append(index)
    if not kept:
        return dict(NO_INSTANCES)
    chosen = as_found(torch.from_numpy(np.stack(places)), row["labels"][kept] - 1, row["scores"][kept])
    return chosen | packed(masks, placement.size_hw)


HEADS.add(
    "mask_rcnn",
    HeadInfo(
        name="mask_rcnn",
        task="instances",
        title="two stages: proposals of boxes that may hold an object, then its class, its edges and its pixels",
        paper="He, Gkioxari, Dollár and Girshick: Mask R-CNN, ICCV 2017",
        build=MaskRcnnHead,
        note="Three levels of 128 channels, 512 numbers for a proposal, 128 sampled in a picture; anchors are as large "
        "as the training objects; an object is learned by what is seen of it, where others cover it.",
        weighs_classes=False,
        needs_sides=True,
    ),
)
