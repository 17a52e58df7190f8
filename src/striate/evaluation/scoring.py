"""Runs a network over pictures, without gradients, and keeps its scores."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.recipe import InputRecipe
from striate.tasks import Task


@torch.inference_mode()
def score_batches(
    network: nn.Module,
    batches: Iterable[tuple[slice, Tensor]],
    task: Task,
    recipe: InputRecipe,
    *,
    device: torch.device,
    precision: str = "fp32",
    channels_last: bool = False,
) -> npt.NDArray[np.float32]:
    """Scores of stored pictures, in order: first axis the picture.

    Args:
        network: Set to evaluation mode.
        batches: Places and stored pixels, as `striate.data.batches.in_order` gives them.
        task: Turns outputs into scores.
        recipe: A filled input recipe.
        device: Where the network is.
        precision: "fp32", "bf16" or "fp16".
        channels_last: Memory format of the network.
    """
    from striate.data.pixels import normalise

    network.eval()
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    parts: list[npt.NDArray[np.float32]] = []
    for _, stored in batches:
        pixels = stored.to(device)
        if stored.ndim == 4:
            pixels = normalise(pixels, recipe)
            if channels_last:
                pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=kinds.get(precision, torch.bfloat16), enabled=precision in kinds):
            output = network(pixels)
        parts.append(task.scores(output).float().cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)
