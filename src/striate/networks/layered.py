"""A network of which nothing is known but its layers and what goes from one to the next."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from striate.networks.base import Backbone
from striate.structures import FeatureSpec, Stage

SHRUNK = 0.7
"""A map of this share of the stage's first map, or less, begins another stage; edges that are cut off do not."""


class LayeredNetwork(Backbone):
    """A graph of layers as a network with stages.

    A stage ends where maps get smaller: its map is the last one of its size. What enlarges maps again, as the second
    half of a segmenter does, belongs to no stage.

    Args:
        layers: Holds the layers under their names.
        graph: One input, the picture, and one output.
        size_hw: Height and width of the pictures.
        channels: Their channels.
    """

    def __init__(self, layers: nn.Module, graph: fx.Graph, size_hw: tuple[int, int], channels: int) -> None:
        super().__init__()
        for name, child in layers.named_children():
            self.add_module(name, child)
        for name, parameter in layers.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        for name, buffer in layers.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        self._graph = graph
        self.eval()
        with torch.no_grad():
            self._stages = self._find_stages(torch.zeros(1, channels, *size_hw))

    @property
    def feature_spec(self) -> FeatureSpec:
        """Named after the layers that give their maps."""
        return FeatureSpec(tuple(stage for stage, _ in self._stages))

    def forward(self, x: Tensor) -> Tensor:
        """What the graph gives."""
        given: Tensor = _Walk(self, self._graph).run(x)
        return given

    def forward_features(self, x: Tensor) -> dict[str, Tensor]:
        """Feature maps by stage name, finest first."""
        walk = _Walk(self, self._graph, {node for _, node in self._stages})
        walk.run(x)
        return {stage.name: walk.seen[node] for stage, node in self._stages}

    def _find_stages(self, picture: Tensor) -> tuple[tuple[Stage, str], ...]:
        """Each stage with the name of the node that gives its map."""
        walk = _Walk(self, self._graph, {node.name for node in self._graph.nodes})
        walk.run(picture)
        side = first = least = min(picture.shape[2:])
        found: list[tuple[Stage, str]] = []
        for node in self._graph.nodes:
            if _enlarges(walk, node):
                break
            given = walk.seen[node.name]
            is_map = node.op == "call_module" and isinstance(given, Tensor) and given.ndim == 4
            if not is_map or not 1 < min(given.shape[2:]) <= least:
                continue
            least = min(given.shape[2:])
            if found and least > SHRUNK * first:
                found.pop()
            else:
                first = least
            name = str(node.target) if str(node.target) not in {stage.name for stage, _ in found} else node.name
            # Without padding maps are a little smaller than size over stride.
            found.append((Stage(name, int(given.shape[1]), max(1, round(side / least))), node.name))
        return tuple(found)


def _enlarges(walk: _Walk, node: fx.Node) -> bool:
    """Whether a node makes larger maps of maps; a place of which a map is filled is none."""
    sides, outer = (
        [min(one.shape[2:]) for one in (walk.seen[name] for name in names) if isinstance(one, Tensor) and one.ndim == 4]
        for names in ([one.name for one in node.all_input_nodes], [node.name])
    )
    return bool(sides and outer) and max(sides) > 1 and SHRUNK * outer[0] > max(sides)


class _Walk(fx.Interpreter):
    """One pass, which keeps what some nodes give."""

    def __init__(self, network: nn.Module, graph: fx.Graph, wanted: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        super().__init__(network, graph=graph)
        self.seen: dict[str, Any] = {}
        self._wanted = wanted

    def run_node(self, n: fx.Node) -> Any:
        given = super().run_node(n)
        if n.name in self._wanted:
            self.seen[n.name] = given
        return given
