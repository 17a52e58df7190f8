"""What the plain PyTorch loops for boxes and masks share: the loop of torchvision's references, fp32, NCHW, eager.

Like `references/detection/train.py` and `references/segmentation/train.py` at the same batch: pictures are read and
changed one by one by torchvision's v2 transforms in loader processes, and SGD with momentum takes the steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from protocol import EpochClock, Timing, Work
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torch_networks import count_parameters

Step = Callable[[nn.Module, Any], torch.Tensor]
"""Network and batch to loss."""


def take_step(network: nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Backward and update."""
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    loss.item()


def build_optimizer(network: nn.Module, work: Work) -> torch.optim.Optimizer:
    """SGD, as both references have it."""
    return torch.optim.SGD(network.parameters(), work.rate, momentum=0.9, weight_decay=1e-4)


def time_training(
    work: Work,
    network: nn.Module,
    open_pictures: Callable[[], Dataset[Any]],
    step: Step,
    collate: Callable[[list[Any]], Any] | None = None,
) -> Timing:
    """Trains from the files with a fresh network, and takes the time of every epoch."""
    optimizer = build_optimizer(network, work)
    began = time.perf_counter()
    pictures = open_pictures()
    loader = DataLoader(pictures, work.batch, shuffle=True, num_workers=work.workers, collate_fn=collate)
    read_s = time.perf_counter() - began
    clock, seen = EpochClock(), 0
    network.train()
    for _ in range(work.epochs):
        clock.start()
        for batch in loader:
            take_step(network, optimizer, step(network, batch))
            seen += len(batch[0])
        clock.stop()
    detail = f"{work.workers} workers, {torch.get_num_threads()} threads"
    return Timing(seen, read_s, clock.epoch_s, parameters=count_parameters(network), detail=detail)
