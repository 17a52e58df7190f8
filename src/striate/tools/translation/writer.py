"""The program while it is written: values with their layout, layers with their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from striate.errors import ExportError
from striate.tools.translation.program import Call, Layer, Program, Weight

LAST = (0, 2, 3, 1)
"""Axes that turn `(N, C, H, W)` into `(N, H, W, C)`."""

FIRST = (0, 3, 1, 2)
"""Axes that turn it back."""


@dataclass(frozen=True, slots=True)
class Value:
    """Something that depends on the picture.

    Attributes:
        number: In the program.
        shape: In PyTorch's order of axes, without the batch.
        last: Whether it is a map that Keras holds channels last.
    """

    number: int
    shape: tuple[int, ...]
    last: bool = False

    @property
    def axes(self) -> int:
        """How many axes it has, the batch counted."""
        return 1 + len(self.shape)

    def axis(self, axis: int) -> int:
        """Where Keras has one of PyTorch's axes."""
        axis %= self.axes
        return LAST.index(axis) if self.last else axis

    @property
    def held(self) -> tuple[int, ...]:
        """Its shape as Keras holds it, without the batch."""
        return (*self.shape[1:], self.shape[0]) if self.last else self.shape


Argument: TypeAlias = Value | Tensor | int | float | bool | None


def named(module: str) -> str:
    """What Keras calls a module: `layer1-0-conv1` for `layer1.0.conv1`; its PyTorch backend takes no dots."""
    return module.replace(".", "-") or "layer"


@dataclass(slots=True)
class Writer:
    """Adds layers and operations to a program.

    Attributes:
        program: What is written.
        place: Dotted name of the module whose work is being translated.
        training: Whether the network is translated as it is while it trains.
        leaf: Whether that module has none inside, so that its name is the layer's.
    """

    program: Program
    training: bool = False
    place: str = ""
    leaf: bool = False
    _values: int = 1
    _names: set[str] = field(default_factory=set)

    def refuse(self, what: str) -> ExportError:
        """The error for something that cannot be translated, with its place."""
        return ExportError(
            f"{what} in {self.place or 'the network'} has no counterpart among Keras' layers here.",
            where="the network",
            fix="Use --to onnx, the nearest tool that holds it.",
        )

    def layer(
        self,
        value: Value | Sequence[Value],
        kind: str,
        shape: tuple[int, ...],
        config: dict[str, Any] | None = None,
        *,
        weights: Sequence[tuple[Weight, npt.NDArray[Any]]] = (),
        module: str = "",
        last: bool | None = None,
        suffix: str = "",
        trainable: bool = True,
        **options: Any,
    ) -> Value:
        """Calls a layer, one with weights that was called before again.

        Args:
            value: What goes in.
            kind: Class in `keras.layers`.
            shape: Of what comes out, in PyTorch's order.
            config: Arguments of the class.
            weights: Its weights with PyTorch's arrays.
            module: Name of the module that holds the weights.
            last: Whether what comes out is a map, channels last; as what goes in where not given.
            suffix: What is added to the name of a step that stands beside the one the module is for.
            trainable: Whether Keras may train it.
            options: Arguments of the call by name.
        """
        first = value if isinstance(value, Value) else value[0]
        name = named(module) if weights else self._free_name(suffix or kind.lower(), bool(suffix))
        if name not in self.program.layers:
            self._names.add(name)
            kept = tuple(weight for weight, _ in weights)
            self.program.layers[name] = Layer(name, kind, config or {}, kept, trainable)
            for weight, array in weights:
                self.program.arrays[f"{name}/{weight.name}"] = weight.to_keras(array)
        given = {"value": value.number} if isinstance(value, Value) else [{"value": one.number} for one in value]
        return self._call(shape, first.last if last is None else last, layer=name, inputs=(given,), options=options)

    def operation(
        self, name: str, inputs: Sequence[Any], shape: tuple[int, ...], *, last: bool = False, **options: Any
    ) -> Value:
        """Calls a function of `keras.ops` on values, arrays and plain data.

        Args:
            name: The function.
            inputs: Its first arguments.
            shape: Of what comes out, in PyTorch's order.
            last: Whether what comes out is a map, channels last.
            options: Its arguments by name.
        """
        return self._call(shape, last, operation=name, inputs=tuple(map(self._argument, inputs)), options=options)

    def channels_first(self, value: Value) -> Value:
        """The same with PyTorch's order of axes."""
        if not value.last:
            return value
        return self.layer(value, "Permute", value.shape, {"dims": [3, 1, 2]}, last=False, suffix="channels_first")

    def channels_last(self, value: Value) -> Value:
        """The same as a map, channels last."""
        if value.last:
            return value
        return self.layer(value, "Permute", value.shape, {"dims": [2, 3, 1]}, last=True, suffix="channels_last")

    def _call(self, shape: tuple[int, ...], last: bool, **entries: Any) -> Value:
        value = Value(self._values, shape, last)
        self._values += 1
        self.program.calls.append(Call(value.number, **entries))
        return value

    def _argument(self, given: Any) -> Any:
        if isinstance(given, Value):
            return {"value": given.number}
        if isinstance(given, list | tuple):
            return [self._argument(one) for one in given]
        if isinstance(given, np.ndarray):
            key = f"constant {sum(key.startswith('constant') for key in self.program.arrays)}"
            self.program.arrays[key] = given
            return {"constant": key}
        return given

    def _free_name(self, what: str, beside: bool) -> str:
        """A name for a layer without weights: the module's own where it has nothing inside, else with what it does."""
        name = named(self.place if self.leaf and self.place and not beside else f"{self.place}.{what}".strip("."))
        free, number = name, 2
        while free in self._names:
            free, number = f"{name}_{number}", number + 1
        self._names.add(free)
        return free
