"""A network as Keras layers and operations, as plain data: what one process translates and another one builds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Weight:
    """Where a layer's weight comes from.

    Attributes:
        name: What Keras calls it: kernel, bias, gamma, beta, moving_mean, moving_variance.
        key: Its name in PyTorch's state; empty where it was computed from several.
        axes: Order of the axes that turns PyTorch's array into Keras'.
        shape: Shape of PyTorch's array before the axes are put in order; its own where not given.
    """

    name: str
    key: str
    axes: tuple[int, ...]
    shape: tuple[int, ...] | None = None

    def to_keras(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """PyTorch's array in Keras' order; not a bit of any number changes."""
        return np.ascontiguousarray(np.transpose(array if self.shape is None else array.reshape(self.shape), self.axes))

    def from_keras(self, array: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """Keras' array in PyTorch's order and shape."""
        return np.ascontiguousarray(np.transpose(array, np.argsort(self.axes))).reshape(shape)


@dataclass(frozen=True, slots=True)
class Layer:
    """One Keras layer.

    Attributes:
        name: Name of the module that it stands for, with dashes for dots.
        kind: Class in `keras.layers`.
        config: Arguments of that class.
        weights: Its weights, in the order in which Keras lists them.
        trainable: Whether Keras may train it.
    """

    name: str
    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    weights: tuple[Weight, ...] = ()
    trainable: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """One step of the computation.

    Attributes:
        result: Number of the value that it gives.
        layer: Name of the layer that is called; empty where an operation is.
        operation: Function in `keras.ops`; empty where a layer is called.
        inputs: Arguments: `{"value": number}`, `{"constant": key}`, lists of these, or plain data.
        options: Arguments by name; plain data.
    """

    result: int
    layer: str = ""
    operation: str = ""
    inputs: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Program:
    """A network, channels last.

    Attributes:
        shape: Of a picture, `(H, W, C)`.
        dtype: Type of its stored values.
        layers: In the order in which they are called first.
        calls: In order; value 0 is the input.
        outputs: Name and value of each output. Maps `(N, C, H, W)` come out as `(N, H, W, C)`.
        arrays: Weights by `layer/name`, in Keras' order, and constants by their keys.
    """

    shape: tuple[int, int, int]
    dtype: str
    layers: dict[str, Layer] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    outputs: list[tuple[str, int]] = field(default_factory=list)
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Writes `program.json` and `arrays.npz`, which `workers/keras_worker.py` reads."""
        document = {
            "shape": self.shape,
            "dtype": self.dtype,
            "layers": [asdict(layer) for layer in self.layers.values()],
            "calls": [asdict(call) for call in self.calls],
            "outputs": self.outputs,
        }
        (folder / "program.json").write_text(json.dumps(document), encoding="utf-8")
        np.savez(folder / "arrays.npz", allow_pickle=False, **self.arrays)

    def carried(self) -> list[tuple[Layer, Weight]]:
        """Weights that stand for one of PyTorch's, each once."""
        return [(layer, weight) for layer in self.layers.values() for weight in layer.weights if weight.key]
