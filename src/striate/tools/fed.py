"""What an artefact is fed of a picture, held against what PyTorch is fed of it."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.runs.files import plain
from striate.runs.run import Run
from striate.tools.exported import Exported, input_of
from striate.tools.places import order_of
from striate.tools.sidecar import SIDECAR

_SAME_PIXELS = 1e-5


def pixels_apart(own: Tensor, given: Tensor) -> str:
    """How the tool's pixels differ from PyTorch's, in words; empty where they do not.

    Args:
        own: What PyTorch is fed, `(F, C, H, W)`, normalised.
        given: What the tool is fed, normalised as the artefact does it.
    """
    if own.shape[1:] != given.shape[1:]:
        here, there = (" x ".join(map(str, one.shape[1:])) for one in (own, given))
        return f"as {there} values (channels, height, width) and not as {here}"
    if len(own) != len(given):
        return f"in {len(given)} tiles and not in {len(own)}"
    if torch.allclose(own, given, atol=_SAME_PIXELS):
        return ""
    if order := order_of(own, given):
        return f"with its channels in the order {', '.join(map(str, order))}"
    gap = float((own - given).abs().mean())
    return f"as other pixels than to PyTorch ({gap:.2g} standard deviations on average): resized or placed otherwise"


def sidecar_apart(run: Run, exported: Exported) -> str:
    """Which fields of the sidecar say something else of the input than the run does, one sentence each."""
    own, given = plain(input_of(run)), exported.input_entry
    names = [name for name in own if given.get(name) != own[name]]
    if not names:
        return f"{SIDECAR} says the same of the input as the run, so it is in how this Striate follows it."
    return " ".join(f"`input.{name}` in {SIDECAR} is {given.get(name)}, the run's {own[name]}." for name in names)


__all__ = ["pixels_apart", "sidecar_apart"]
