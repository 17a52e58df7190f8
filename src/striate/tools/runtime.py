"""Another tool's runtime in the place of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.tools.base import Runner
from striate.tools.graph import named_tensors, rebuilt


class RuntimeNetwork(nn.Module):
    """Looks like a network to everything that asks one; another tool computes.

    Normalisation is inside, so it is given stored pixels as they are; see `takes_stored_pixels`.

    Args:
        runner: Stored pixels to outputs.
        dtype: Type of stored pixels that it takes.
        template: What the network's outputs look like.
        names: Names of the outputs that the tool gives, in order; others are the template's.
    """

    takes_stored_pixels = True

    def __init__(self, runner: Runner, dtype: str, template: Any, names: Sequence[str]) -> None:
        super().__init__()
        self._runner = runner
        self._dtype = np.dtype(dtype)
        self._template = template
        self._names = tuple(names)

    def forward(self, pixels: Tensor) -> Any:
        """Stored pixels, not normalised, `(N, C, H, W)`, to what the network gives."""
        stored = np.ascontiguousarray(pixels.numpy().astype(self._dtype, copy=False))
        # Runtimes may hand out memory that they use again.
        given = [torch.from_numpy(np.array(one)) for one in self._runner(stored)]
        found = dict(named_tensors(self._template)) | dict(zip(self._names, given, strict=True))
        return rebuilt(self._template, iter(found.values()))
