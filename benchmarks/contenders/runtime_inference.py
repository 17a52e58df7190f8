"""ONNX Runtime and OpenVINO as their own samples use them, on the files that Striate exported.

Variants: a tool and the name of an export, "onnx:onnx", "openvino:openvino-int8". ONNX Runtime: a loop in one thread, a
batch at a time. OpenVINO: its `classification_sample_async`, which reads picture by picture, and asks several at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import metadata

import numpy as np
from exported_network import export_of, noise, pictures_of, read_pillow, time_files
from protocol import Timing, Work, serve

_asking: list[Callable[[], int]] = []


def prepare(work: Work) -> None:
    """Loads the network and asks it once."""
    tool, _, name = work.variant.partition(":")
    _asking.append((_onnx if tool == "onnx" else _openvino)(work, name))


def run(work: Work) -> Timing:
    """One turn."""
    return time_files(_asking[0], work.variant.partition(":")[2])


def _onnx(work: Work, name: str) -> Callable[[], int]:
    import onnxruntime

    session = onnxruntime.InferenceSession(export_of(work, name) / "model.onnx", providers=["CPUExecutionProvider"])
    session.run(None, {"pixels": noise(work)})

    def ask() -> int:
        paths, answers = pictures_of(work), []
        for start in range(0, len(paths), work.batch):
            pixels = np.stack([read_pillow(path, work.size) for path in paths[start : start + work.batch]])
            answers += session.run(None, {"pixels": pixels})[0].argmax(1).tolist()
        return len(answers)

    return ask


def _openvino(work: Work, name: str) -> Callable[[], int]:
    # It would report that it was imported.
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    core = openvino.Core()
    # Throughput, as the sample asks for; what precision the processor computes in is OpenVINO's own choice.
    compiled = core.compile_model(export_of(work, name) / "model.xml", "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    compiled(noise(work)[:1])

    def ask() -> int:
        answers: dict[int, int] = {}

        def done(request: openvino.InferRequest, index: int) -> None:
            answers[index] = int(request.get_output_tensor().data[0].argmax())

        waiting = openvino.AsyncInferQueue(compiled)
        waiting.set_callback(done)
        for index, path in enumerate(pictures_of(work)):
            waiting.start_async({0: read_pillow(path, work.size)[None]}, index)
        waiting.wait_all()
        return len(answers)

    return ask


if __name__ == "__main__":
    serve("runtimes", prepare, run, {name: metadata.version(name) for name in ("onnxruntime", "openvino")})
