"""Runs a network over pictures, without gradients, and keeps what its answers are measured by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.recipe import InputRecipe
from striate.structures import Frames, Prediction
from striate.tasks import Task
from striate.tasks.base import Scores, View


def measure_batches(
    network: nn.Module,
    batches: Iterable[tuple[slice, Tensor]],
    task: Task,
    recipe: InputRecipe,
    view: Callable[[slice], View],
    *,
    device: torch.device,
    precision: str = "fp32",
    channels_last: bool = False,
) -> Scores:
    """What a network answers to stored pictures, as its task measures it: in order, first axis the picture.

    Args:
        network: Set to evaluation mode.
        batches: Places and stored pixels, as `striate.data.batches.in_order` gives them.
        task: Turns outputs into answers.
        recipe: A filled input recipe.
        view: What is known of the pictures at some places.
        device: Where the network is.
        precision: "fp32", "bf16" or "fp16".
        channels_last: Memory format of the network.
    """
    outputs = run_network(network, batches, recipe, device=device, precision=precision, channels_last=channels_last)
    return task.join([task.answers(output, view(place)) for place, output in outputs])


@torch.inference_mode()
def run_network(
    network: nn.Module,
    batches: Iterable[tuple[slice, Tensor]],
    recipe: InputRecipe,
    *,
    device: torch.device,
    precision: str = "fp32",
    channels_last: bool = False,
) -> Iterator[tuple[slice, Any]]:
    """Outputs of a network, batch by batch, with the places of their pictures; arguments as `measure_batches` has."""
    from striate.data.pixels import normalise

    network.eval()
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    for place, stored in batches:
        pixels = stored.to(device)
        if stored.ndim == 4 and not takes_stored_pixels(network):
            pixels = normalise(pixels, recipe)
            if channels_last:
                pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=kinds.get(precision, torch.bfloat16), enabled=precision in kinds):
            output = network(pixels)
        yield place, output


def takes_stored_pixels(network: nn.Module) -> bool:
    """Whether a network normalises its pictures itself; those that other tools compute do."""
    return bool(getattr(network, "takes_stored_pixels", False))


def predict_pictures(
    outputs: Iterable[tuple[slice, Any]], frames: Frames, task: Task, classes: tuple[str, ...]
) -> Iterator[Prediction]:
    """The answer for each picture, as soon as the outputs for all of its frames are there.

    Args:
        outputs: Places of frames and what the network said about them, in order.
        frames: All frames.
        task: Says what outputs mean.
        classes: Class names.
    """
    parts: list[Any] = []
    done = 0
    ends = np.flatnonzero(np.diff(frames.pictures, append=-1)) + 1
    for place, output in outputs:
        parts += task.decode(output, frames.placements[place])
        while done < len(ends) and ends[done] <= place.stop:
            first = int(ends[done - 1]) if done else 0
            count = int(ends[done]) - first
            own, parts = parts[:count], parts[count:]
            yield task.prediction(own, frames.placements[first : first + count], classes)
            done += 1
