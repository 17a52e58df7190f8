"""The benchmark's trained ResNet-18 as each contender gets it: its weights, its exports, its pictures."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from protocol import Timing, Work
from safetensors.torch import load_file
from torch import nn
from torch_networks import build_torch_network, count_parameters

Pixels = npt.NDArray[np.uint8]

ENOUGH_S = 2.0
"""A network alone is asked again and again for this long."""


def pictures_of(work: Work) -> list[Path]:
    """The JPEG files to answer for."""
    return sorted((work.data / "pictures" / "train").rglob("*.jpg"))


def export_of(work: Work, name: str) -> Path:
    """Folder of one of the run's exports."""
    return work.data / "run" / "exports" / name


class Plain(nn.Module):
    """torchvision's ResNet-18 with the run's weights, and normalisation by hand as everybody writes it."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        classes = json.loads((work.data / "run" / "run.json").read_text())["classes"]
        self.network = build_torch_network("resnet18", work.size, len(classes))
        self.network.load_state_dict(load_file(work.data / "run" / "weights" / "best.safetensors"))
        self.mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        self.deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        self.parameters_count = count_parameters(self.network)
        self.eval()

    def forward(self, shares: torch.Tensor) -> torch.Tensor:
        """Pixels between 0 and 1, `(N, 3, H, W)`, to scores."""
        return self.network((shares - self.mean) / self.deviation)


def read_pillow(path: Path, size: int) -> Pixels:
    """A picture squashed to the network's input, `(3, size, size)`, by Pillow."""
    image = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


def noise(work: Work) -> Pixels:
    """A batch of stored pixels."""
    return np.random.default_rng(0).integers(0, 256, (work.batch, 3, work.size, work.size), np.uint8)


def time_alone(ask: Callable[[], object], work: Work, parameters: int = 0, detail: str = "") -> Timing:
    """Asks about one batch for a while, after one pass that is not counted."""
    ask()
    passes, began, used = 0, time.perf_counter(), _processor_s()
    while passes < 3 or time.perf_counter() - began < ENOUGH_S:
        ask()
        passes += 1
    took, cpu_s = time.perf_counter() - began, _processor_s() - used
    return Timing(passes * work.batch, 0.0, [took], parameters=parameters, detail=detail, cpu_s=cpu_s)


def time_files(ask: Callable[[], int], detail: str = "") -> Timing:
    """Answers for all files once."""
    began, used = time.perf_counter(), _processor_s()
    images = ask()
    took, cpu_s = time.perf_counter() - began, _processor_s() - used
    return Timing(images, 0.0, [took], detail=detail, cpu_s=cpu_s)


def _processor_s() -> float:
    """Processor time so far, with that of loader processes that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
