"""PyTorch's own exported program, which needs PyTorch and no code of Striate."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import fx

from striate.errors import ExportError, cause_of
from striate.tools.base import TOOLS, Runner, Tool, reading, refuse_several_inputs
from striate.tools.dissection.torch_layers import layers_of_program
from striate.tools.graph import Graph


class TorchTool(Tool):
    """A traced graph and its weights in one file."""

    name = "torch"
    title = "PyTorch (torch.export)"
    packages = ("torch",)
    file = "model.pt2"
    load = '''
def load(path):
    """The network: a function from pixels `(N, C, H, W)` to its outputs."""
    import torch

    module = torch.export.load(path).module()

    def run(pixels):
        given = module(torch.from_numpy(pixels))
        several = given.values() if isinstance(given, dict) else given
        return [one.detach().numpy() for one in ((given,) if isinstance(given, torch.Tensor) else several)]

    return run
'''

    def write(self, graph: Graph, path: Path) -> tuple[str, ...]:
        """With any number of pictures in a batch."""
        try:
            shapes = ({0: torch.export.Dim("batch", min=1)},)
            torch.export.save(torch.export.export(graph, (graph.example(),), dynamic_shapes=shapes), path)
        except Exception as error:
            raise ExportError(
                f"PyTorch cannot trace this network ({cause_of(error)}).",
                where=path,
                fix="`striate tools` lists others.",
            ) from error
        return tuple(graph.output_names())

    def open(self, path: Path) -> Runner:
        """As it was traced, on the processor."""
        program = _load(path)
        refuse_several_inputs(path, len(program.graph_signature.user_inputs))
        module = program.module()

        def run(pixels: Any) -> list[Any]:
            with torch.inference_mode():
                given = module(torch.from_numpy(pixels))
                # Networks from elsewhere may give one tensor by itself.
                several = given.values() if isinstance(given, dict) else given
                return [tensor.numpy() for tensor in ((given,) if isinstance(given, torch.Tensor) else several)]

        return run

    def dissect(self, path: Path, shape: Sequence[int]) -> fx.GraphModule:
        """Under the names that they had where they were traced."""
        del shape
        return layers_of_program(_load(path))


@contextmanager
def quiet() -> Iterator[None]:
    """Without what PyTorch logs, tracebacks among it, before it raises."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _load(path: Path) -> torch.export.ExportedProgram:
    with reading(path, "PyTorch"), quiet():
        return torch.export.load(path)


TOOLS.add(TorchTool.name, TorchTool())
