"""OpenVINO: the fastest on Intel's and AMD's processors."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch

from striate.errors import ExportError, cause_of
from striate.tools.base import PRECISIONS, TOOLS, Runner, Tool, reading, refuse_several_inputs
from striate.tools.graph import Graph
from striate.tools.layout import is_channels_last
from striate.tools.onnx import OnnxTool
from striate.tools.openvino_lower import quantise
from striate.tools.telemetry import import_openvino


class OpenvinoTool(Tool):
    """Written by way of ONNX, which OpenVINO reads as it is.

    Its own converter would report to its makers; see `striate.tools.telemetry` for what else would.
    """

    name = "openvino"
    title = "OpenVINO"
    packages = ("openvino", *OnnxTool.packages)
    extra = "export"
    file = "model.xml"
    takes = ("onnx", "torch")
    precisions = PRECISIONS
    quantiser = ("nncf",)
    load = '''
def load(path):
    """The network: a function from pixels `(N, C, H, W)` to its outputs."""
    import sys

    # Else OpenVINO reports that it was imported to its makers.
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda pixels: list(compiled(pixels).values())
'''

    def at(self, precision: str) -> Self:
        """The same tool for another precision; bf16 is no other file, but asked for when it is loaded."""
        made = super().at(precision)
        made.load = made.load.replace('"f32"', f'"{made._computes_in}"')
        return made

    @property
    def unable(self) -> str:
        """Only bf16 needs a processor that has it."""
        openvino = import_openvino()

        if self.precision != "bf16" or "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            return ""
        return "this processor has no instructions for bf16 (AVX-512 BF16 or AMX), so nothing would be gained or shown."

    @property
    def _computes_in(self) -> str:
        """What sums are done in where they are not done in whole numbers."""
        return "bf16" if self.precision == "bf16" else "f32"

    def write(self, graph: Graph, path: Path) -> tuple[str, ...]:
        """Weights go beside it, in `model.bin`."""
        openvino = import_openvino()

        with tempfile.TemporaryDirectory() as folder:
            step = Path(folder) / "model.onnx"
            names = OnnxTool().write(graph, step)
            try:
                model = openvino.Core().read_model(step)
                if self.precision == "int8":
                    model = quantise(model, graph.calibration)
                openvino.save_model(model, path, compress_to_fp16=self.precision == "fp16")
            except Exception as error:
                raise ExportError(
                    f"OpenVINO cannot hold this network ({cause_of(error)}).", where=path, fix="Use --to onnx."
                ) from error
        return names

    def take(self, name: str, file: Path, path: Path) -> None:
        """From ONNX as it is, from PyTorch by way of ONNX."""
        openvino = import_openvino()

        with tempfile.TemporaryDirectory() as folder:
            step = file
            if name == "torch":
                step = Path(folder) / "model.onnx"
                OnnxTool().take(name, file, step)
            try:
                openvino.save_model(openvino.Core().read_model(step), path, compress_to_fp16=False)
            except Exception as error:
                raise ExportError(
                    f"OpenVINO cannot hold this network ({cause_of(error)}).", where=path, fix="Ask it where it is."
                ) from error

    def copy(self, file: Path, target: Path, shape: Sequence[int]) -> None:
        """Weights lie beside the graph; one that takes pictures with channels last is made to take them first."""
        openvino = import_openvino()

        with reading(file, self.title):
            model = openvino.Core().read_model(file)
        shapes = [one.partial_shape for one in model.inputs if one.partial_shape.rank.is_static]
        sizes = [[one.get_length() if one.is_static else "" for one in axes] for axes in shapes]
        if len(sizes) == 1 and is_channels_last(sizes[0], shape):
            steps = openvino.preprocess.PrePostProcessor(model)
            steps.input().tensor().set_layout(openvino.Layout("NCHW"))
            steps.input().model().set_layout(openvino.Layout("NHWC"))
            for place, given in enumerate(model.outputs):
                if len(given.partial_shape) == 4:
                    steps.output(place).model().set_layout(openvino.Layout("NHWC"))
                    steps.output(place).tensor().set_layout(openvino.Layout("NCHW"))
            openvino.save_model(steps.build(), target, compress_to_fp16=False)
            return
        super().copy(file, target, shape)
        weights = file.with_suffix(".bin")
        if weights.is_file():
            shutil.copyfile(weights, target.with_suffix(weights.suffix))

    def open(self, path: Path) -> Runner:
        """On the processor, with as many threads as PyTorch has."""
        openvino = import_openvino()

        with reading(path, self.title):
            core = openvino.Core()
            threads = torch.get_num_threads()
            options = {"INFERENCE_PRECISION_HINT": self._computes_in, "INFERENCE_NUM_THREADS": threads}
            compiled = core.compile_model(core.read_model(path), "CPU", options)
        refuse_several_inputs(path, len(compiled.inputs))
        outputs = list(compiled.outputs)

        def run(pixels: Any) -> list[Any]:
            given = compiled(pixels)
            return [given[one] for one in outputs]

        return run


TOOLS.add(OpenvinoTool.name, OpenvinoTool())
