"""ONNX files made smaller: weights stored in half, or everything that has weights computed in whole numbers."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from striate.tools.weighted import Node, first_layers, last_layers

if TYPE_CHECKING:
    import onnx

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")

_QUANTISED = (*WEIGHTED, "Add", "Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat")
"""What is computed in whole numbers: layers with weights, and what lies between them without a change of range."""


def halve_weights(path: Path) -> None:
    """Stores weights in fp16, in place; the runtime makes fp32 of them once, when it loads the file."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(path)
    graph = model.graph
    used = {name for node in graph.node if node.op_type in WEIGHTED for name in node.input[1:2]}
    largest = float(np.finfo(np.float16).max)
    widened = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name not in used or values.dtype != np.float32 or np.abs(values).max(initial=0) > largest:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.fp16"))
        widened.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*widened, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)


def quantise(source: Path, path: Path, calibration: Sequence[npt.NDArray[np.generic]]) -> None:
    """Writes a file whose layers compute in whole numbers of 8 bits, by ONNX Runtime's own quantiser.

    Weights take 7 of their 8 bits: processors without VNNI add two products in 16 bits, where 8 would overflow.

    Args:
        source: The file in fp32.
        path: The file to write.
        calibration: Stored pixels `(1, C, H, W)` each.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Batch normalisation is folded into the convolutions first, else it would be rounded for itself.
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)
        try:
            quantize_static(
                prepared,
                path,
                _Reader(calibration),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(_QUANTISED),
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=_kept(onnx.load(prepared)),
            )
        finally:
            root.setLevel(level)


class _Reader:
    """Calibration pictures as ONNX Runtime's quantiser takes them, one after another."""

    def __init__(self, frames: Sequence[npt.NDArray[np.generic]]) -> None:
        self._frames = iter(frames)

    def get_next(self) -> dict[str, Any] | None:
        """The next one; `None` after the last."""
        frame = next(self._frames, None)
        return None if frame is None else {"pixels": frame}


def _kept(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that stay in fp32."""
    nodes = [
        Node(node.name, node.op_type in WEIGHTED, tuple(node.input), tuple(node.output)) for node in model.graph.node
    ]
    return [*first_layers(nodes), *last_layers(nodes)]
