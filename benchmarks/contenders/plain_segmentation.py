"""Semantic segmentation in the loop of torchvision's references/segmentation, from PNG masks.

The reference trains FCN on ResNet-50 (`--net fcn_resnet50`); with `--net resnet18` it is the same U-Net on ResNet-18
that Striate trains, as a module only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from plain_loop import build_optimizer, take_step, time_training
from protocol import Timing, Work, serve
from torch import nn
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.models.segmentation import fcn_resnet50
from torchvision.transforms import v2

from striate.networks import NetworkOptions, resolve_network
from striate.tasks import TASKS

CLASSES = 11
VOID = 255


class MaskPictures(Dataset[Any]):
    """Pictures with their masks, as torchvision's `VOCSegmentation` reads them."""

    def __init__(self, folder: Path, size: int) -> None:
        self.pictures = sorted((folder / "images" / "train").glob("*.png"))
        self.masks = folder / "masks" / "train"
        self.change = v2.Compose(
            [
                v2.Resize((size, size)),
                v2.RandomHorizontalFlip(),
                v2.ToDtype({tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.int64, "others": None}, scale=True),
                v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        path = self.pictures[place]
        picture = tv_tensors.Image(Image.open(path).convert("RGB"))
        mask = tv_tensors.Mask(Image.open(self.masks / path.name))
        picture, mask = self.change(picture, mask)
        return picture, mask[0]


def build_segmenter(work: Work) -> nn.Module:
    """With fresh weights."""
    if work.net == "fcn_resnet50":
        return fcn_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES)
    options = NetworkOptions(classes=CLASSES, channels=3, size_hw=(work.size, work.size), head="unet")
    return TASKS.get("segmentation").build_network(resolve_network(work.net), options)


def step(network: nn.Module, batch: Any) -> torch.Tensor:
    """Cross-entropy of every known pixel."""
    images, masks = batch
    output = network(images)
    scores = output["out"] if isinstance(output, dict) else output
    return nn.functional.cross_entropy(scores, masks, ignore_index=VOID)


def prepare(work: Work) -> None:
    """Two steps on noise."""
    network = build_segmenter(work).train()
    optimizer = build_optimizer(network, work)
    images = torch.randn(work.batch, 3, work.size, work.size)
    masks = torch.zeros(work.batch, work.size, work.size, dtype=torch.int64)
    for _ in range(2):
        take_step(network, optimizer, step(network, (images, masks)))


def run(work: Work) -> Timing:
    """Trains from the files."""
    torch.manual_seed(work.seed)
    return time_training(work, build_segmenter(work), lambda: MaskPictures(work.data, work.size), step)


if __name__ == "__main__":
    serve("torchvision", prepare, run, {"torch": torch.__version__, "torchvision": torchvision.__version__})
