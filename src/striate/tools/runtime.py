"""Another tool's runtime in the place of a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.errors import ExportError, cause_of
from striate.tools.base import Runner
from striate.tools.graph import named_tensors, rebuilt

NOT_A_PAIR = "It and striate.json are not of one export: put back the one that belongs to it, or export the run again."


class RuntimeNetwork(nn.Module):
    """Looks like a network to everything that asks one; another tool computes.

    Normalisation is mostly inside, so it is given stored pixels as they are; see `takes_stored_pixels`.

    Args:
        runner: Stored pixels to outputs.
        dtype: Type of stored pixels that it takes.
        template: What the network's outputs look like.
        names: Names of the outputs that the tool gives, in order; others are the template's.
        file: The artefact, for the words of errors.
        single: Whether it takes one picture at a time; any number otherwise.
        normalised: Whether normalisation is inside.

    Attributes:
        takes_stored_pixels: The same: nobody normalises for it.
    """

    def __init__(
        self,
        runner: Runner,
        dtype: str,
        template: Any,
        names: Sequence[str],
        file: Path,
        *,
        single: bool = False,
        normalised: bool = True,
    ) -> None:
        super().__init__()
        self._runner = runner
        self._dtype = np.dtype(dtype)
        self._template = template
        self._names = tuple(names)
        self._file = file
        self._single = single
        self.takes_stored_pixels = normalised

    def forward(self, pixels: Tensor) -> Any:
        """Stored pixels, not normalised, `(N, C, H, W)`, to what the network gives.

        Raises:
            ExportError: The artefact takes other pixels, or gives other outputs.
        """
        expected = dict(named_tensors(self._template))
        if not len(pixels):
            # Tools take one picture or more; a picture in which nothing is found has nothing to be looked at again.
            return rebuilt(self._template, iter([tensor[:0] for tensor in expected.values()]))
        stored = np.ascontiguousarray(pixels.numpy().astype(self._dtype, copy=False))
        parts = [self._run(one) for one in (np.split(stored, len(stored)) if self._single else [stored])]
        given = [np.concatenate(found) if self._single else found[0] for found in zip(*parts, strict=True)]
        if len(given) != len(self._names) or not set(self._names) <= set(expected):
            raise ExportError(
                f"the artefact gives {len(given)} outputs; striate.json names {', '.join(self._names)}; a network of "
                f"this kind gives {', '.join(expected)}.",
                where=self._file,
                fix=NOT_A_PAIR,
            )
        found = expected | {name: torch.from_numpy(one) for name, one in zip(self._names, given, strict=True)}
        return rebuilt(self._template, iter(found.values()))

    def _run(self, stored: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        try:
            # Runtimes may hand out memory that they use again.
            return [np.array(one) for one in self._runner(stored)]
        except Exception as error:
            shape = " x ".join(map(str, stored.shape))
            raise ExportError(
                f"the artefact does not take {shape} {stored.dtype.name} values (pictures, channels, height, width): "
                f"{cause_of(error)}.",
                where=self._file,
                fix=NOT_A_PAIR,
            ) from error
