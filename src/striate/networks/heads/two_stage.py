"""What Faster and Mask R-CNN share, from torchvision's parts on any backbone: proposals, then a look at each of them.

The second stage looks at other boxes while it learns than when it answers: those that are sampled by the truth. So
the outputs keep the maps and what is needed for the second stage, and run it when they are asked for their loss or
their answers. What is sampled is drawn from torch's own generator, which the training loop seeds in every step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead, concat_box_prediction_layers

from striate.networks.base import NetworkOptions
from striate.networks.heads.anchors import SHAPES, Anchors, LevelledRoIAlign, image_list, level_sides
from striate.networks.heads.base import Head
from striate.networks.heads.looks import Look
from striate.networks.heads.outputs import MOST_FOUND, ObjectOutputs
from striate.networks.heads.pyramid import FeaturePyramid
from striate.networks.heads.truth import Scene
from striate.structures import FeatureSpec

WIDTH = 128
"""Channels of the pyramid: half of the papers'."""

FEATURES = 512
"""Numbers that describe a proposal: half of the papers'."""

CELLS = 7
"""Cells on each side of what is cut out around a proposal."""

LEAST_SCORE = 0.05
_SAME_OBJECT = 0.5


@dataclass(frozen=True, slots=True)
class TwoStageOutputs(ObjectOutputs):
    """What the first stage says, and the maps for the second.

    Attributes:
        head: Made them; runs the second stage.
        levels: Maps of the pyramid, each `(N, C, h, w)`, finest first.
        objectness: Of each level `(N, anchors, h, w)`, before the sigmoid.
        edges: Of each level `(N, 4 * anchors, h, w)`: boxes relative to their anchors.
        size_hw: Height and width of the network's input.
    """

    head: TwoStageHead
    levels: list[Tensor]
    objectness: list[Tensor]
    edges: list[Tensor]
    size_hw: tuple[int, int]

    def __len__(self) -> int:
        return len(self.levels[0])

    def float(self) -> Self:
        """The same in float32."""
        in_float = ([one.float() for one in maps] for maps in (self.levels, self.objectness, self.edges))
        levels, objectness, edges = in_float
        return replace(self, levels=levels, objectness=objectness, edges=edges)

    def looks(self) -> dict[str, Look]:
        """Those of the head."""
        return self.head.looks()

    def confidence(self) -> Tensor:
        """How sure every anchor is to show an object: `(N, A)`."""
        return torch.sigmoid(torch.cat([level.float().flatten(1) for level in self.objectness], 1))


class TwoStageHead(Head):
    """Proposes boxes that may hold an object, then looks at each.

    Args:
        spec: Stages of the backbone.
        options: What the caller chose; background is none of the classes.
    """

    def __init__(self, spec: FeatureSpec, options: NetworkOptions) -> None:
        super().__init__()
        self.pyramid = FeaturePyramid(spec, WIDTH)
        self.strides = self.pyramid.strides
        self.sides = level_sides(options.object_sides, self.strides)
        self.proposing: Any = RegionProposalNetwork(
            Anchors([[side] for side in self.sides], SHAPES),
            RPNHead(WIDTH, len(SHAPES)),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=256,
            positive_fraction=0.5,
            pre_nms_top_n={"training": 1000, "testing": 500},
            post_nms_top_n={"training": 1000, "testing": 500},
            nms_thresh=0.7,
        )
        self.looking: Any = RoIHeads(
            self.build_pool(CELLS),
            TwoMLPHead(WIDTH * CELLS**2, FEATURES),
            FastRCNNPredictor(FEATURES, options.classes + 1),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=128,
            positive_fraction=0.25,
            bbox_reg_weights=None,
            score_thresh=LEAST_SCORE,
            nms_thresh=_SAME_OBJECT,
            detections_per_img=MOST_FOUND,
            **self.build_mask_parts(options.classes),
        )

    def build_pool(self, cells: int) -> LevelledRoIAlign:
        """Cuts squares of so many cells out of the pyramid."""
        return LevelledRoIAlign(cells, self.strides, self.sides)

    def build_mask_parts(self, classes: int) -> dict[str, nn.Module]:
        """What `RoIHeads` needs for masks; nothing where boxes are all that is asked for."""
        del classes
        return {}

    def first_stage(self, maps: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Maps of the pyramid, objectness, and boxes relative to their anchors."""
        levels = self.pyramid(maps)
        objectness, edges = self.proposing.head(levels)
        return levels, objectness, edges

    def loss(self, output: TwoStageOutputs, scenes: list[Scene]) -> Tensor:
        """The losses of both stages, summed.

        Anchors and proposals that show what is ignored, and no object, are neither positive nor background.
        """
        targets = [scene.as_targets(first_class=1) for scene in scenes]
        first, proposals = self._proposal_loss(output, scenes, targets)
        kept = [boxes[~scene.is_silent(boxes)] for boxes, scene in zip(proposals, scenes, strict=True)]
        if not any(len(boxes) for boxes in kept) and not any(len(scene.boxes_xyxy) for scene in scenes):
            # Every weight gets a gradient all the same: processes that train together must agree on which have one.
            return first + torch.stack([weight.sum() for weight in self.looking.parameters()]).sum() * 0.0
        sizes = [output.size_hw] * len(output)
        _, losses = self.looking.train()(_named(output.levels), kept, sizes, targets)
        total: Tensor = sum(losses.values(), start=first)
        return total

    @torch.no_grad()
    def second_stage(self, output: TwoStageOutputs) -> list[dict[str, Tensor]]:
        """What torchvision's second stage finds in each picture; classes count from 1."""
        output = output.float()
        _, objectness, edges, anchors = self._all_anchors(output)
        looking = self.looking.eval()
        found: list[dict[str, Tensor]] = []
        for index, boxes in enumerate(self._propose(output, objectness, edges, anchors)):
            # One picture at a time: masks of hundreds of objects in each of many pictures would take gigabytes.
            levels = [level[index : index + 1] for level in output.levels]
            found += looking(_named(levels), [boxes], [output.size_hw])[0]
        return found

    def looks(self) -> dict[str, Look]:
        """Layers of the second stage: "boxes", and "masks" where it draws any."""
        looking, channels = self.looking, self.pyramid.out_channels
        found = {"boxes": Look([looking.box_head, looking.box_predictor], channels, CELLS)}
        if looking.has_mask():
            found["masks"] = Look([looking.mask_head, looking.mask_predictor], channels, 2 * CELLS)
        return found

    def look_by(self, others: Mapping[str, nn.Module]) -> None:
        """Lets other modules do what `looks` do, of the same names and with the same answers."""
        self.looking.box_head, self.looking.box_predictor = nn.Identity(), others["boxes"]
        if self.looking.has_mask():
            self.looking.mask_head, self.looking.mask_predictor = nn.Identity(), others["masks"]

    def cut_out(self, output: TwoStageOutputs) -> dict[str, Tensor]:
        """What each of `looks` is given while these outputs are decoded; pictures end to end."""
        with _first_inputs({"boxes": self.looking.box_head, "masks": self.looking.mask_head}) as seen:
            self.second_stage(output)
        return {name: torch.cat(parts) for name, parts in seen.items()}

    def describe(self) -> dict[str, Any]:
        """How proposals are made, cut out and chosen from, in plain numbers, for those who decode without this code."""
        proposing, looking = self.proposing, self.looking
        return {
            "anchors": [shapes.tolist() for shapes in proposing.anchor_generator.cell_anchors],
            "scales": list(looking.box_roi_pool.scales),
            "borders": looking.box_roi_pool.map_levels.borders,
            "most_of_a_level": proposing.pre_nms_top_n(),
            "most_proposals": proposing.post_nms_top_n(),
            "proposals_apart": proposing.nms_thresh,
            "least_side": proposing.min_size,
            "edge_weights": list(looking.box_coder.weights),
            "least_score": looking.score_thresh,
            "objects_apart": looking.nms_thresh,
            "most_objects": looking.detections_per_img,
        }

    def _proposal_loss(
        self, output: TwoStageOutputs, scenes: list[Scene], targets: list[dict[str, Tensor]]
    ) -> tuple[Tensor, list[Tensor]]:
        """Loss of the first stage, and its proposals for each picture."""
        nothing, objectness, edges, anchors = self._all_anchors(output)
        with torch.no_grad():
            proposals = self._propose(output, objectness, edges, anchors)
            labels, matched = self.proposing.assign_targets_to_anchors(anchors, targets)
            for own, boxes, scene in zip(labels, anchors, scenes, strict=True):
                own[(own == 0) & scene.is_silent(boxes)] = -1
            wanted = self.proposing.box_coder.encode(matched, anchors)
        if not any(bool((own >= 0).any()) for own in labels):
            return nothing, proposals
        losses: tuple[Tensor, Tensor] = self.proposing.compute_loss(objectness, edges, labels, wanted)
        return losses[0] + losses[1], proposals

    def _all_anchors(self, output: TwoStageOutputs) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """A loss of nothing, objectness and boxes of all anchors of all pictures, and the anchors of each picture."""
        objectness, edges = concat_box_prediction_layers(output.objectness, output.edges)
        anchors = self.proposing.anchor_generator(image_list(output.levels[0], output.size_hw), output.levels)
        return (objectness.sum() + edges.sum()) * 0.0, objectness, edges, anchors

    def _propose(
        self, output: TwoStageOutputs, objectness: Tensor, edges: Tensor, anchors: list[Tensor]
    ) -> list[Tensor]:
        """Boxes that may hold an object, `(n, 4)` for each picture; not followed by gradients."""
        boxes = self.proposing.box_coder.decode(edges.detach(), anchors).view(len(output), -1, 4)
        counts = [level[0].numel() for level in output.objectness]
        sizes = [output.size_hw] * len(output)
        proposals: list[Tensor] = self.proposing.filter_proposals(boxes, objectness.detach(), sizes, counts)[0]
        return proposals


def _named(levels: list[Tensor]) -> dict[str, Tensor]:
    return {str(index): level for index, level in enumerate(levels)}


@contextmanager
def _first_inputs(layers: Mapping[str, nn.Module | None]) -> Iterator[dict[str, list[Tensor]]]:
    """What each layer is given in each of its calls, while the context lasts."""
    seen: dict[str, list[Tensor]] = {}
    hooks = []
    for name, layer in layers.items():
        if layer is not None:
            note = partial(_note, seen, name)
            hooks.append(layer.register_forward_pre_hook(note))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _note(seen: dict[str, list[Tensor]], name: str, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    seen.setdefault(name, []).append(inputs[0])
