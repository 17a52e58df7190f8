"""A model of Keras as plain data, for `keras_worker.py`: its layers, what each takes, and their weights."""

from __future__ import annotations

from typing import Any

Arrays = list[Any]


class Reading:
    """Walks from a model's outputs back to its input; models inside of it are taken apart, too.

    Attributes:
        steps: In the order in which they are computed: `result`, `name`, `kind`, `config`, `inputs` (numbers of
            results; 0 is the picture), `shapes` of what is taken, without the pictures, `numbers` (of an operation with
            numbers beside values, as `x / 255`: its arguments, with nothing for values), and `weights` (names; their
            arrays in `arrays` in the same order).
        arrays: Of all weights.
    """

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.arrays: Arrays = []
        self._known: dict[tuple[str, int], int] = {}
        self._count = 0

    def read(self, model: Any) -> int:
        """Reads a model of one input and one output; gives the number of its output.

        Raises:
            ValueError: It has more, or its graph is not known.
        """
        return self._model(model, [0], "")[0]

    def _model(self, model: Any, given: list[int], prefix: str) -> list[int]:
        # A model of layers in a row holds a functional one.
        whole = getattr(model, "_functional", None) or model
        if not hasattr(whole, "_nodes"):
            raise ValueError(f"{model.name} is a class of its own, of which only its code knows what it computes")
        if len(whole.inputs) != len(given):
            raise ValueError(f"{model.name} takes {len(whole.inputs)} inputs, and {len(given)} is understood here")
        # One model may be called several times, each time with other inputs.
        place = f"{prefix}@{self._count}"
        for tensor, number in zip(whole.inputs, given, strict=True):
            self._known[place, id(tensor)] = number
        return [self._value(tensor, place, prefix) for tensor in whole.outputs]

    def _value(self, tensor: Any, place: str, prefix: str) -> int:
        pending = [tensor]
        while pending:
            one = pending[-1]
            if (place, id(one)) in self._known:
                pending.pop()
                continue
            operation, index, _ = one._keras_history
            node = operation._inbound_nodes[index]
            missing = [taken for taken in node.input_tensors if (place, id(taken)) not in self._known]
            if missing:
                pending += missing
                continue
            given = [self._known[place, id(taken)] for taken in node.input_tensors]
            for result, number in zip(node.output_tensors, self._step(operation, node, given, prefix), strict=True):
                self._known[place, id(result)] = number
        return self._known[place, id(tensor)]

    def _step(self, operation: Any, node: Any, given: list[int], prefix: str) -> list[int]:
        import keras

        name = f"{prefix}{operation.name}"
        if isinstance(operation, keras.Model):
            return self._model(operation, given, f"{name}/")
        is_layer = isinstance(operation, keras.layers.Layer)
        weights = list(operation.weights) if is_layer else []
        self._count += 1
        self.steps.append(
            {
                "result": self._count,
                "name": name,
                "kind": type(operation).__name__,
                "config": _plain(operation.get_config()) if is_layer else {},
                "inputs": given,
                "shapes": [list(taken.shape[1:]) for taken in node.input_tensors],
                "numbers": [] if is_layer else _numbers(node.arguments.args, name),
                "weights": [weight.name for weight in weights],
            }
        )
        self.arrays += [keras.ops.convert_to_numpy(weight) for weight in weights]
        if len(node.output_tensors) != 1:
            raise ValueError(f"{name} gives {len(node.output_tensors)} values, and one is understood here")
        return [self._count]


def _numbers(arguments: Any, name: str) -> list[float | None]:
    import keras

    found = [None if keras.backend.is_keras_tensor(one) else one for one in arguments]
    if all(one is None for one in found):
        return []
    if not all(one is None or isinstance(one, int | float) for one in found):
        raise ValueError(f"{name} has arguments that are neither values nor numbers")
    return found


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """What JSON can hold of a layer's arguments."""
    return {key: value for key, value in config.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def read(path: str) -> tuple[dict[str, Any], Arrays]:
    """The layers of a `.keras` file; code in it is never run."""
    import keras

    reading = Reading()
    output = reading.read(keras.models.load_model(path, compile=False, safe_mode=True))
    return {"steps": reading.steps, "output": output}, reading.arrays
