"""Heads of two stages in other tools: the first stage is one graph, and every look at its maps another beside it.

One graph for all was the other way, with ONNX's own RoiAlign and NonMaxSuppression. PyTorch's exporter cannot trace
torchvision's suppression and pooling, whose numbers of boxes differ from picture to picture, and every other tool would
need operations of its own for them. Layers all tools hold. So what has weights is in graphs, and whoever decodes makes
proposals, drops doubles and cuts out of maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.data.pixels import normalise
from striate.errors import CheckpointError, ExportError
from striate.networks.heads.looks import Look
from striate.networks.heads.outputs import ObjectOutputs
from striate.recipe import InputRecipe
from striate.tools.base import Tool
from striate.tools.graph import Graph
from striate.tools.runtime import RuntimeNetwork

_FRAMES = 16
_CUTS = 200
"""Pictures, and what is cut out of their maps, by which a tool finds out what range values take."""


def looks_of(output: Any) -> dict[str, Look]:
    """Layers that decoding a network's outputs asks again; none where they are all in the outputs' own graph."""
    return output.looks() if isinstance(output, ObjectOutputs) else {}


def graph_of(look: nn.Module, channels: int, cells: int) -> Graph:
    """What is cut out of maps is float32 and stays as it is."""
    recipe = InputRecipe(size_hw=(cells, cells), mean=(0.0,) * channels, std=(1.0,) * channels, scale=1.0)
    return Graph(look, recipe, "float32").eval()


def file_of(file: str, look: str) -> str:
    """Name of a look's file beside that of the network: `model.onnx`, `model.boxes.onnx`."""
    path = Path(file)
    return f"{path.stem}.{look}{path.suffix}"


def write_looks(output: Any, tool: Tool, folder: Path) -> dict[str, Any]:
    """Writes the graph of each look that decoding a network's outputs takes.

    Returns:
        For the sidecar: `looks`, for each its file, its outputs and the shape of what it is given; and `proposing`, how
        boxes come to them. Empty where no look is needed.

    Raises:
        ExportError: The tool cannot hold one.
    """
    written = {}
    cuts = cuts_of(output) if tool.precision == "int8" else {}
    for name, look in looks_of(output).items():
        graph = graph_of(look, look.channels, look.cells)
        if name in cuts:
            graph.calibration = [cut[None].numpy() for cut in cuts[name][:: max(1, len(cuts[name]) // _CUTS)]]
        file = file_of(tool.file, name)
        outputs = tool.write(graph, folder / file)
        shape = ["objects", look.channels, look.cells, look.cells]
        written[name] = {"file": file, "outputs": list(outputs), "shape": shape}
    return {"looks": written, "proposing": output.head.describe()} if written else {}


def open_looks(output: Any, entries: Mapping[str, Any], tool: Tool, folder: Path) -> None:
    """Lets the tool do what the layers of a network's outputs would do while they are decoded.

    Args:
        output: From a network with the same layers, whose weights do not matter.
        entries: What `write_looks` gave.
        tool: Runs them.
        folder: Where their files lie.

    Raises:
        CheckpointError: The sidecar does not know one of them.
        ExportError: A file is missing or cannot be read.
    """
    opened = {}
    for name, look in looks_of(output).items():
        try:
            # The name alone: a sidecar does not lead out of its folder.
            file, names = folder / Path(str(entries[name]["file"])).name, list(entries[name]["outputs"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"the sidecar does not say where the network's second look at {name} lies (`looks.{name}`).",
                where=folder,
                fix="Export the run again.",
            ) from error
        require_file(file)
        with torch.inference_mode():
            said = look(torch.zeros(1, look.channels, look.cells, look.cells))
        opened[name] = RuntimeNetwork(tool.open(file), "float32", said, names, file)
    if opened:
        output.head.look_by(opened)


def cuts_of(output: Any) -> dict[str, Tensor]:
    """What each look is given; noise where nothing was found that could be cut out, so that nothing goes unasked."""
    looks = looks_of(output)
    if not looks:
        return {}
    found: dict[str, Tensor] = output.head.cut_out(output)
    for name, look in looks.items():
        if not len(found[name]):
            noise = torch.Generator().manual_seed(0)
            found[name] = torch.rand(8, look.channels, look.cells, look.cells, generator=noise)
    return found


def seen_in(network: nn.Module, recipe: InputRecipe, frames: Sequence[npt.NDArray[np.generic]]) -> Any:
    """A network's outputs for some of the pictures that calibrate, from which its looks are calibrated.

    Args:
        network: The network.
        recipe: How stored pixels are normalised.
        frames: Stored pixels, `(1, C, H, W)` each.
    """
    with torch.inference_mode():
        return network(normalise(torch.from_numpy(np.concatenate(frames[:_FRAMES])), recipe))


def require_file(file: Path) -> None:
    """Makes sure that a part of an export is there.

    Raises:
        ExportError: It is missing.
    """
    if not file.exists():
        raise ExportError("the artefact is missing.", where=file, fix="Put it back, or export the run again.")


__all__ = ["cuts_of", "file_of", "graph_of", "looks_of", "open_looks", "require_file", "seen_in", "write_looks"]
