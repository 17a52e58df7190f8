"""Faster R-CNN with a feature pyramid in the loop of torchvision's references/detection, from COCO files.

The reference trains ResNet-50; ResNet-18 is the cheaper peer of the same kind.
"""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from plain_loop import build_optimizer, take_step, time_training
from protocol import Timing, Work, serve
from torch import nn
from torch.utils.data import Dataset, Subset
from torchvision import tv_tensors
from torchvision.datasets import CocoDetection, wrap_dataset_for_transforms_v2
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.transforms import v2

CLASSES = 11
"""Ten digits and the background."""


def build_detector(work: Work) -> FasterRCNN:
    """With fresh weights; pictures come to it at the size of the work."""
    backbone = resnet_fpn_backbone(backbone_name=work.net, weights=None, trainable_layers=5)
    return FasterRCNN(backbone, CLASSES, min_size=work.size, max_size=work.size)


def open_pictures(work: Work) -> Dataset[Any]:
    """Pictures with objects, as the reference takes them, with its preset `hflip`."""
    change = v2.Compose(
        [
            v2.ToImage(),
            v2.Resize((work.size, work.size)),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    annotations = work.data / "annotations" / "instances_train.json"
    found = CocoDetection(work.data / "images", annotations, transforms=change)
    full = [place for place, number in enumerate(found.ids) if found.coco.getAnnIds(imgIds=number)]
    return Subset(wrap_dataset_for_transforms_v2(found, target_keys=("boxes", "labels")), full)


def collate(samples: list[Any]) -> tuple[tuple[Any, ...], ...]:
    """Pictures and truths apart, as the reference does it."""
    return tuple(zip(*samples, strict=True))


def step(network: nn.Module, batch: Any) -> torch.Tensor:
    """Sum of the four losses."""
    images, targets = batch
    losses = network(list(images), list(targets))
    return torch.stack(list(losses.values())).sum()


def prepare(work: Work) -> None:
    """Two steps on noise."""
    network = build_detector(work).train()
    optimizer = build_optimizer(network, work)
    images = tuple(torch.rand(3, work.size, work.size) for _ in range(work.batch))
    box = tv_tensors.BoundingBoxes([[8, 8, 40, 40]], format="XYXY", canvas_size=(work.size, work.size))
    targets = tuple({"boxes": box.float(), "labels": torch.tensor([1])} for _ in images)
    for _ in range(2):
        take_step(network, optimizer, step(network, (images, targets)))


def run(work: Work) -> Timing:
    """Trains from the files."""
    torch.manual_seed(work.seed)
    return time_training(work, build_detector(work), lambda: open_pictures(work), step, collate)


if __name__ == "__main__":
    serve("torchvision", prepare, run, {"torch": torch.__version__, "torchvision": torchvision.__version__})
