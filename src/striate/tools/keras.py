"""Keras: a functional model of its own layers, which computes with TensorFlow, JAX or PyTorch."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx

from striate.errors import ExportError
from striate.tools.base import TOOLS, Runner, Tool, installed_version
from striate.tools.graph import Graph
from striate.tools.process import BACKENDS, keras_process
from striate.tools.translation import translate

TENSORFLOWS = ("tensorflow-cpu", "tensorflow")
"""Packages that hold TensorFlow; one is enough."""


class FromKeras(Tool):
    """Base of what is written from, and run by, a process of Keras.

    Attributes:
        kind: What the process calls it.
    """

    extra = "keras"
    packages: tuple[str, ...] = ("keras", TENSORFLOWS[0])
    kind: str

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed; TensorFlow under either of its names is enough."""
        lacking = [name for name in self.packages if name not in TENSORFLOWS and not installed_version(name)]
        if TENSORFLOWS[0] in self.packages and not any(map(installed_version, TENSORFLOWS)):
            lacking.append(TENSORFLOWS[0])
        return tuple(lacking)

    def write(self, graph: Graph, path: Path) -> tuple[str, ...]:
        """Channels last, under the names that the layers have in PyTorch; normalisation is the first of them."""
        program = translate(graph)
        process = keras_process(self.backend, torch.get_num_threads())
        with tempfile.TemporaryDirectory() as folder:
            program.write(Path(folder))
            process.ask("build", folder=folder, to=str(path), kind=self.kind)
        return tuple(sorted(name for name, _ in program.outputs))

    def take(self, name: str, file: Path, path: Path) -> None:
        """By Keras' and TensorFlow's own exporters."""
        process = keras_process(self.backend, torch.get_num_threads())
        kind = {"keras": "keras", "tensorflow": "saved_model"}[name]
        process.ask("convert", path=str(file), from_kind=kind, to=str(path), kind=self.kind)

    def open(self, path: Path) -> Runner:
        """In a process of its own, on the processor, with as many threads as PyTorch has."""
        return self.open_on(path, self.backend)

    def open_on(self, path: Path, backend: str) -> Runner:
        """The same, computed with one of Keras' backends.

        Raises:
            ExportError: The file is damaged, holds code, or is not of this tool.
        """
        process = keras_process(backend, torch.get_num_threads())
        try:
            number = process.ask("open", path=str(path), kind=self.kind)[0]["number"]
        except ExportError as error:
            raise ExportError(
                f"{self.title} cannot read this file ({error.what.rstrip('.')}).",
                where=path,
                fix="Copy or export it again; layers with code of their own are not opened.",
            ) from error

        def run(pixels: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
            # Maps lie channels last in Keras; everyone else here has them first.
            _, given = process.ask("run", [np.moveaxis(pixels, 1, -1)], number=number)
            return [np.moveaxis(one, -1, 1) if one.ndim == 4 else one for one in given]

        return run

    @property
    def backend(self) -> str:
        """What Keras computes with."""
        return "tensorflow"

    @property
    def runtime(self) -> str:
        """TensorFlow under the name by which it is installed here."""
        version = next(found for found in map(installed_version, TENSORFLOWS) if found)
        return f"{self.title.partition(' (')[0]}, TensorFlow {version}"


class KerasTool(FromKeras):
    """Layers that can be read, and trained further by `fit`."""

    name = "keras"
    title = "Keras, on TensorFlow, JAX or PyTorch"
    packages = ("keras",)
    file = "model.keras"
    kind = "keras"
    load = '''
def load(path):
    """The network: a function from pixels `(N, C, H, W)` to its outputs."""
    import os

    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    model = keras.models.load_model(path, compile=False)

    def run(pixels):
        given = model(np.moveaxis(pixels, 1, -1), training=False)
        outputs = [given[name] for name in sorted(given)] if isinstance(given, dict) else [given]
        arrays = [keras.ops.convert_to_numpy(one) for one in outputs]
        return [np.moveaxis(one, -1, 1) if one.ndim == 4 else one for one in arrays]

    return run
'''

    @property
    def backends(self) -> tuple[str, ...]:
        """What Keras can compute with here, the one that it does compute with first."""
        there = {name for name, package in BACKENDS.items() if installed_version(package)}
        if any(map(installed_version, TENSORFLOWS)):
            there.add("tensorflow")
        return tuple(name for name in BACKENDS if name in there)

    @property
    def backend(self) -> str:
        """TensorFlow where it is installed, else JAX, else PyTorch."""
        return self.backends[0]

    @property
    def runtime(self) -> str:
        """Keras, and what it computes with."""
        return f"Keras {installed_version('keras')} on {self.backend}"

    def dissect(self, path: Path, shape: Sequence[int]) -> fx.GraphModule:
        """Under their own names, channels first."""
        # timm, some of whose layers stand for Keras', takes a second to load.
        from striate.tools.dissection.keras_layers import layers_of_keras

        del shape
        answer, arrays = keras_process(self.backend, torch.get_num_threads()).ask("layers", path=str(path))
        return layers_of_keras(answer["steps"], answer["output"], arrays)

    def others(self, path: Path) -> dict[str, Runner]:
        """The other backends."""
        return {f"Keras on {name}": self.open_on(path, name) for name in self.backends[1:]}


TOOLS.add(KerasTool.name, KerasTool())
