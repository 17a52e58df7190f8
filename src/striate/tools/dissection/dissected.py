"""A network from elsewhere in layers of PyTorch, to be looked into."""

from __future__ import annotations

import copy
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from striate.errors import ExportError, RequestError, StriateError, cause_of
from striate.networks.layered import LayeredNetwork
from striate.recipe import Recipe
from striate.runs.model import Model
from striate.runs.structures import RunFacts
from striate.tools.dissection.layers import UnknownLayerError, with_scores
from striate.tools.exported import Exported, open_model
from striate.tools.gate import TOLERANCE
from striate.tools.meaning import SCORES
from striate.tools.sidecar import FOREIGN_TASKS

_TRIALS = 2


class Dissected(Model):
    """What an artefact holds, layer by layer; PyTorch computes, and says what the tool's own runtime says.

    Args:
        exported: The artefact.

    Raises:
        RequestError: It gives more than classes of pictures or of pixels.
    """

    def __init__(self, exported: Exported) -> None:
        if exported.facts.task not in FOREIGN_TASKS:
            raise RequestError(
                f"a network for {exported.facts.task} is looked into as the run that it came from.",
                where=exported.file,
                fix="Give the folder of the run.",
            )
        self.exported = exported

    @property
    def path(self) -> Path:
        """The folder of the artefact."""
        return self.exported.path

    @cached_property
    def facts(self) -> RunFacts:
        """Those of the artefact, with its file in the place of a network's name."""
        facts = self.exported.facts
        return facts if facts.net else facts.with_values(net=self.exported.file.name)

    @property
    def recipe(self) -> Recipe:
        """How pictures come to it."""
        return self.exported.recipe

    @property
    def device(self) -> torch.device:
        """The processor."""
        return self.exported.device

    @cached_property
    def network(self) -> LayeredNetwork:
        """Its layers, which were held against the tool's own runtime.

        Raises:
            MissingPartError: The tool is not installed.
            ExportError: It cannot be taken apart, or gives other answers then.
        """
        self.exported.tool.require()
        try:
            return self._built()
        except StriateError:
            raise
        except UnknownLayerError as error:
            raise self._refusal(f"{error} cannot be taken apart here.") from error
        except Exception as error:
            # What somebody else made may do anything at all.
            raise self._refusal(f"this network cannot be taken apart into layers ({cause_of(error)}).") from error

    def _built(self) -> LayeredNetwork:
        exported, options = self.exported, self.facts.options
        layers = exported.tool.dissect(exported.file, (options.channels, *options.size_hw))
        if not any(isinstance(one, nn.Conv2d) for one in layers.modules()):
            raise self._refusal("this network has no convolution, so there are no maps to be looked into.")
        with torch.no_grad():
            outputs = layers(torch.zeros(1, options.channels, *options.size_hw)).shape[1]
        layers = with_scores(layers, exported.gives, len(self.classes), outputs)
        network = LayeredNetwork(layers, layers.graph, options.size_hw, options.channels)
        self._compare(network)
        return network

    def _compare(self, network: LayeredNetwork) -> None:
        noise = torch.randn(_TRIALS, self.facts.options.channels, *self.facts.options.size_hw, generator=_seeded())
        if self.exported.network.takes_stored_pixels:
            noise = (noise * 64 + 128).clamp(0, 255).round()
        with torch.inference_mode():
            here, there = network(noise), self.exported.network(noise)
            # What is shown is computed in double precision, which not all networks can be.
            copy.deepcopy(network).double()(noise.double())
        if self.exported.gives != SCORES:
            # The scores behind shares that are next to nothing are not known to a digit.
            here, there = self.task.scores(here), self.task.scores(there)
        apart = float((here - there).abs().max() / there.abs().max())
        if not apart <= TOLERANCE:
            raise self._refusal(
                f"taken apart, this network gives other answers than {self.exported.tool.title} does: they differ by "
                f"{apart:.1e} of the largest value; {TOLERANCE:.0e} is allowed."
            )

    def _refusal(self, what: str) -> ExportError:
        return ExportError(
            what,
            where=self.exported.file,
            fix="Its answers can be had all the same: striate predict, striate evaluate.",
        )


def in_layers(path: str | Path) -> Model:
    """A run by its folder, or an artefact by its file or folder, with a network that can be looked into.

    Raises:
        RequestError: There is neither, or the artefact gives more than classes of pictures or of pixels.
        CheckpointError: It is damaged.
    """
    opened = open_model(path, "cpu")
    return Dissected(opened) if isinstance(opened, Exported) else opened


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


__all__ = ["Dissected", "in_layers"]
