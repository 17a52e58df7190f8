"""Walks through what PyTorch traced and writes it as Keras layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from striate.errors import ExportError, cause_of
from striate.tools.graph import Graph
from striate.tools.translation.layers import LAYERS
from striate.tools.translation.operations import OPERATIONS
from striate.tools.translation.program import Program
from striate.tools.translation.step import Step
from striate.tools.translation.writer import Value, Writer

NETWORK = "network."
"""What the names in a `Graph` begin with."""

TRANSLATIONS = {**LAYERS, **OPERATIONS}

_CHECK = "aten._assert_tensor_metadata.default"


def translate(graph: Graph) -> Program:
    """A network as Keras layers.

    PyTorch traces it down to its elementary operations; each is written as the layer or function of Keras that does
    the same, under the name of the module that it is in. What does not depend on the picture is computed here.

    Args:
        graph: In evaluation mode, where layers that train otherwise (normalisation, dropout) become layers of Keras
            that do the same; in training mode, for all outputs that only training has.

    Raises:
        ExportError: Something in it has no counterpart, or cannot be traced; says where.
    """
    names = graph.output_names()
    exported = trace(graph)
    program = Program((*graph.size_hw, graph.channels), str(graph.dtype).removeprefix("torch."))
    walk = _Walk(exported, Writer(program, graph.training), dict(graph.named_modules()))
    for name, value in zip(names, walk.run(), strict=True):
        # What is the same for all pictures, such as where a detector looks, is no answer to this one.
        if isinstance(value, Value):
            given = walk.writer.channels_last(value) if value.axes == 4 else value
            program.outputs.append((name, given.number))
    return program


def trace(graph: Graph) -> torch.export.ExportedProgram:
    """PyTorch's elementary operations, with any number of pictures in a batch.

    Raises:
        ExportError: It cannot be traced.
    """
    try:
        return torch.export.export(
            graph, (graph.example(),), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},), strict=False
        )
    except Exception as error:
        raise ExportError(
            f"PyTorch cannot trace this network for any number of pictures ({cause_of(error)}).",
            where="the network",
            fix="`striate tools` lists other tools.",
        ) from error


class _Walk:
    """The state of one translation.

    Args:
        exported: What PyTorch traced.
        writer: Where it is written.
        modules: The modules of the graph by name.
    """

    def __init__(
        self, exported: torch.export.ExportedProgram, writer: Writer, modules: dict[str, torch.nn.Module]
    ) -> None:
        self.writer = writer
        self._exported = exported
        self._modules = modules
        signature = exported.graph_signature
        self._keys = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self._lifted = signature.inputs_to_lifted_tensor_constants
        self._found: dict[fx.Node, Any] = {}

    def run(self) -> list[Any]:
        """All steps; gives what the graph gives."""
        for node in self._exported.graph.nodes:
            if node.op == "placeholder":
                self._found[node] = self._given(node)
            elif node.op == "call_function" and str(node.target) != _CHECK:
                self._found[node] = self._translated(node)
            elif node.op == "output":
                mutations = len(self._exported.graph_signature.buffers_to_mutate)
                return [self._found[one] for one in node.args[0][mutations:]]
        raise AssertionError("a graph ends with its output")

    def _given(self, node: fx.Node) -> Value | Tensor:
        """The picture, a weight, or a constant."""
        key = self._keys.get(node.name) or self._lifted.get(node.name)
        if key is None:
            _, *shape = node.meta["val"].shape
            return Value(0, tuple(shape), last=True)
        held = self._exported.state_dict.get(key, self._exported.constants.get(key))
        assert isinstance(held, Tensor)
        return held.detach()

    def _translated(self, node: fx.Node) -> Any:
        arguments = fx.map_arg((node.args, node.kwargs), lambda one: self._found[one])
        if not _has_value(arguments):
            if str(node.target).endswith("_.Tensor"):
                # A count of batches, which would go up here.
                return arguments[0][0]
            return node.target(*arguments[0], **arguments[1])  # type: ignore[operator]
        self._stand_at(node)
        translation = TRANSLATIONS.get(str(node.target))
        if translation is None:
            raise self.writer.refuse(f"the operation {node.target}")
        keys = tuple(self._key_of(one) for one in node.args)
        return translation(self.writer, Step(arguments[0], arguments[1], keys, self._shape_of(node)))

    def _stand_at(self, node: fx.Node) -> None:
        """Tells the writer which module this step belongs to."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        place = stack[-1][0] if stack else ""
        module = self._modules.get(place)
        self.writer.place = place.removeprefix(NETWORK.rstrip(".")).lstrip(".")
        self.writer.leaf = module is not None and next(module.children(), None) is None

    def _shape_of(self, node: fx.Node) -> tuple[int, ...]:
        """Shape of what a step gives, without the batch; empty where it gives several."""
        value = node.meta.get("val")
        if not isinstance(value, Tensor):
            return ()
        pictures: object = value.shape[0]
        if not isinstance(pictures, torch.SymInt):
            raise self.writer.refuse("a result that does not have the pictures first")
        return tuple(int(side) for side in value.shape[1:])

    def _key_of(self, given: Any) -> str:
        """Name of a weight in the network's state; empty for what is none."""
        return self._keys.get(given.name, "").removeprefix(NETWORK) if isinstance(given, fx.Node) else ""


def _has_value(given: Any) -> bool:
    if isinstance(given, Value):
        return True
    if isinstance(given, list | tuple):
        return any(map(_has_value, given))
    return isinstance(given, dict) and any(map(_has_value, given.values()))
