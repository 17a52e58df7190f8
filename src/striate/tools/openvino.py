"""OpenVINO: the fastest on Intel's and AMD's processors."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from striate.errors import ExportError, cause_of
from striate.tools.base import TOOLS, Runner, Tool
from striate.tools.graph import Graph
from striate.tools.onnx import OnnxTool


class OpenvinoTool(Tool):
    """Written by way of ONNX, which OpenVINO reads as it is.

    Its own converter would report to its makers; reading, writing and running do not.
    """

    name = "openvino"
    title = "OpenVINO"
    packages = ("openvino", *OnnxTool.packages)
    extra = "export"
    file = "model.xml"
    load = '''
def load(path):
    """The network: a function from pixels `(N, C, H, W)` to its outputs."""
    import openvino

    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda pixels: list(compiled(pixels).values())
'''

    def write(self, graph: Graph, path: Path) -> tuple[str, ...]:
        """Weights go beside it, in `model.bin`, in fp32."""
        import openvino

        with tempfile.TemporaryDirectory() as folder:
            step = Path(folder) / "model.onnx"
            names = OnnxTool().write(graph, step)
            try:
                model = openvino.Core().read_model(step)
                openvino.save_model(model, path, compress_to_fp16=False)
            except Exception as error:
                raise ExportError(
                    f"OpenVINO cannot hold this network ({cause_of(error)}).", where=path, fix="Use --to onnx."
                ) from error
        return names

    def open(self, path: Path) -> Runner:
        """On the processor, in fp32, with as many threads as PyTorch has."""
        import openvino

        try:
            core = openvino.Core()
            options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
            compiled = core.compile_model(core.read_model(path), "CPU", options)
        except Exception as error:
            raise ExportError(
                f"OpenVINO cannot read this file ({cause_of(error)}).", where=path, fix="Export the run again."
            ) from error
        outputs = list(compiled.outputs)

        def run(pixels: Any) -> list[Any]:
            given = compiled(pixels)
            return [given[one] for one in outputs]

        return run


TOOLS.add(OpenvinoTool.name, OpenvinoTool())
