"""Files of ONNX as layers of PyTorch, under the names that they had where they were made, as far as these are known.

Written here because the libraries for it do not read what today's exporters write.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from striate.tools.dissection.layers import LayerGraph, UnknownLayerError
from striate.tools.dissection.onnx_operations import LAYERS, split
from striate.tools.dissection.onnx_step import Given, Step, Value

_DOMAINS = ("", "ai.onnx")


def layers_of_onnx(path: Path, shape: Sequence[int]) -> fx.GraphModule:
    """The network of an ONNX file as layers.

    Args:
        path: The file.
        shape: Channels, height and width of its pictures.

    Raises:
        UnknownLayerError: It has something that has no counterpart here.
    """
    import onnx

    # Sizes that depend on the number of pictures are worked out for one, and written for any.
    return _Walk(onnx.load(path), shape).run()


class _Walk:
    """The state of one reading."""

    def __init__(self, model: Any, shape: Sequence[int]) -> None:
        from onnx import numpy_helper

        self.built = LayerGraph()
        self._model = model
        self._held: dict[str, Given] = {
            one.name: torch.from_numpy(np.array(numpy_helper.to_array(one))) for one in model.graph.initializer
        }
        (picture,) = (one.name for one in model.graph.input if one.name not in self._held)
        self._held[picture] = Value(self.built.picture(), torch.zeros(1, *shape))

    def run(self) -> fx.GraphModule:
        for node in self._model.graph.node:
            try:
                given = self._step(node)
            except UnknownLayerError as error:
                raise UnknownLayerError(f"the layer {node.name or node.output[0]} {error}") from error
            for name, one in zip(node.output, given, strict=False):
                self._held[name] = one
        output = self._held[self._model.graph.output[0].name]
        if not isinstance(output, Value):
            raise UnknownLayerError("an output that does not depend on the picture")
        return self.built.finished(output.node)

    def _step(self, node: Any) -> list[Given]:
        inputs = [self._held[name] if name else None for name in node.input]
        if node.domain not in _DOMAINS:
            raise UnknownLayerError(f"of kind {node.op_type} from {node.domain}")
        if node.op_type == "Shape" and isinstance(inputs[0], Value):
            return [torch.tensor(inputs[0].example.shape)[slice(*_bounds(node))]]
        if not any(isinstance(one, Value) for one in inputs):
            return _computed(node, inputs)
        build = LAYERS.get(node.op_type)
        if build is None:
            raise UnknownLayerError(f"of kind {node.op_type}")
        attributes = {one.name: _plain(one) for one in node.attribute}
        step = Step(self.built, node.op_type, _name_of(node, self._held), inputs, attributes)
        if node.op_type == "Split":
            return list(split(step, len(node.output)))
        return [build(step)]


def _bounds(node: Any) -> tuple[int | None, int | None]:
    found = {one.name: one.i for one in node.attribute}
    return found.get("start"), found.get("end")


def _computed(node: Any, inputs: list[Given]) -> list[Given]:
    """What is the same for all pictures, by ONNX's own reference."""
    from onnx.reference import ReferenceEvaluator

    fed = {name: one.numpy() for name, one in zip(node.input, inputs, strict=True) if name and isinstance(one, Tensor)}
    found = ReferenceEvaluator(node).run(None, fed)
    return [torch.from_numpy(np.array(one)) for one in found]


def _plain(attribute: Any) -> Any:
    from onnx import helper

    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    return list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value


def _name_of(node: Any, held: dict[str, Given]) -> str:
    """The name of the module that it came from: by its weights, by what PyTorch's exporters note, or its own."""
    for name in node.input[1:]:
        if isinstance(held.get(name), Tensor) and name.endswith((".weight", ".bias")):
            return str(name).rpartition(".")[0]
    short = node.op_type.lower()
    noted = {one.key: one.value for one in node.metadata_props}
    if "pkg.torch.onnx.name_scopes" in noted:
        scopes, kinds = (ast.literal_eval(noted[f"pkg.torch.onnx.{key}"]) for key in ("name_scopes", "class_hierarchy"))
        path, kind = (scopes[-2], kinds[-2]) if len(scopes) > 1 else ("", "")
        return str(path) if path and "torch.nn.modules" in kind else f"{path}.{short}".strip(".")
    if node.name.startswith("/"):
        # "/layer1/layer1.0/conv1/Conv": each part of a container is named in full.
        parts: list[str] = []
        for part in node.name.strip("/").split("/")[:-1]:
            if parts and part.startswith(f"{parts[-1]}."):
                parts.pop()
            parts.append(part)
        return ".".join(parts) or short
    clean = str(node.name or short).replace("/", ".").strip(".")
    return clean or short
