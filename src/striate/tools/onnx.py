"""ONNX, run by ONNX Runtime."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import fx

from striate.errors import ExportError, cause_of
from striate.tools.base import TOOLS, Runner, Tool, reading, refuse_several_inputs
from striate.tools.dissection.onnx_layers import layers_of_onnx
from striate.tools.graph import Graph
from striate.tools.layout import turn_channels_first
from striate.tools.onnx_lower import halve_weights, quantise


class OnnxTool(Tool):
    """The exchange format that most runtimes read."""

    name = "onnx"
    title = "ONNX Runtime (ONNX)"
    packages = ("onnxruntime", "onnx", "onnxscript")
    extra = "export"
    file = "model.onnx"
    takes = ("torch",)
    precisions = ("fp32", "fp16", "int8")
    without = MappingProxyType(
        {"bf16": "ONNX Runtime computes convolutions on the processor in fp32 or in whole numbers, not in bf16."}
    )
    load = '''
def load(path):
    """The network: a function from pixels `(N, C, H, W)` to its outputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(None, {session.get_inputs()[0].name: pixels})
'''

    def write(self, graph: Graph, path: Path) -> tuple[str, ...]:
        """By PyTorch's own exporter, with any number of pictures in a batch."""
        if self.precision != "int8":
            names = self._write_exact(graph, path)
            if self.precision == "fp16":
                halve_weights(path)
            return names
        with tempfile.TemporaryDirectory() as folder:
            exact = Path(folder) / self.file
            names = self._write_exact(graph, exact)
            try:
                quantise(exact, path, graph.calibration)
            except Exception as error:
                raise ExportError(
                    f"ONNX Runtime cannot quantise this network ({cause_of(error)}).",
                    where=path,
                    fix="Use --precision fp16, or --to openvino.",
                ) from error
        return names

    def _write_exact(self, graph: Graph, path: Path) -> tuple[str, ...]:
        names = graph.output_names()
        with _writing(path, "`striate tools` lists others; --to torch holds whatever PyTorch can trace."):
            program = torch.onnx.export(
                graph,
                (graph.example(),),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                input_names=["pixels"],
                output_names=names,
                verbose=False,
            )
            assert program is not None  # Only without dynamo.
            program.save(path, external_data=False)
        return tuple(names)

    def take(self, name: str, file: Path, path: Path) -> None:
        """An exported program, by PyTorch's own exporter."""
        del name
        with _writing(path, "Export it to ONNX where it was made, and import that."):
            program = torch.onnx.export(torch.export.load(file), dynamo=True, verbose=False)
            assert program is not None
            program.save(path, external_data=False)

    def copy(self, file: Path, target: Path, shape: Sequence[int]) -> None:
        """PyTorch's exporter puts weights into a file beside it; here they go into the file itself.

        A network that takes pictures with channels last, as those from TensorFlow do, gets a step before it that turns
        them, and one behind it where it gives maps.
        """
        import onnx

        with reading(file, "ONNX"):
            model = onnx.load(file, load_external_data=False)
        outside = any(one.data_location == onnx.TensorProto.EXTERNAL for one in model.graph.initializer)
        try:
            if outside:
                model = onnx.load(file)
        except Exception as error:
            raise ExportError(
                f"the weights of this file cannot be read ({cause_of(error)}).",
                where=file,
                fix="Put the file of its weights (mostly NAME.onnx.data) beside it.",
            ) from error
        if turn_channels_first(model, shape) or outside:
            onnx.save(model, target)
        else:
            super().copy(file, target, shape)

    def open(self, path: Path) -> Runner:
        """On the processor, with as many threads as PyTorch has."""
        session = self._session(path)
        refuse_several_inputs(path, len(session.get_inputs()))
        name = session.get_inputs()[0].name
        return lambda pixels: list(session.run(None, {name: pixels}))

    def dissect(self, path: Path, shape: Sequence[int]) -> fx.GraphModule:
        """Under the names that the file has them by; normalisation that was folded away stays away."""
        return layers_of_onnx(path, shape)

    def describe(self, path: Path) -> str:
        """Names, types and shapes, as the file has them."""
        session = self._session(path)
        takes, gives = (
            ", ".join(f"{one.name} {one.type} {one.shape}" for one in ends)
            for ends in (session.get_inputs(), session.get_outputs())
        )
        return f"takes {takes} and gives {gives}"

    def _session(self, path: Path) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4
        with reading(path, "ONNX Runtime"):
            return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@contextmanager
def _writing(path: Path, fix: str) -> Iterator[None]:
    """Turns what PyTorch's exporter raises into an `ExportError`."""
    try:
        with _quiet():
            yield
    except Exception as error:
        raise ExportError(
            f"PyTorch's exporter cannot write this network as ONNX ({cause_of(error)}).", where=path, fix=fix
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's progress and its notes on what it will change one day."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


TOOLS.add(OnnxTool.name, OnnxTool())
