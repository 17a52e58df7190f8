"""Builds, opens and runs networks with Keras and TensorFlow, on orders from standard input.

Runs by itself, without Striate and without PyTorch: TensorFlow and PyTorch's compiler do not go together in one
process, and Keras computes with one backend in each. `striate.tools.process` is at the other end.

An order is a line of JSON, `{"order": name, "arrays": [[type, shape], ...], ...}`, and the bytes of these arrays; so is
an answer, with `{"error": text}` where it went wrong.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

Arrays = list[Any]


def build(order: dict[str, Any], _: Arrays) -> tuple[dict[str, Any], Arrays]:
    """A program as a model of Keras, saved as `.keras`, SavedModel or LiteRT."""
    model = model_of(Path(order["folder"]))
    save(model, order["to"], order["kind"])
    return {"layers": [layer.name for layer in model.layers]}, []


def convert(order: dict[str, Any], _: Arrays) -> tuple[dict[str, Any], Arrays]:
    """A file that somebody else wrote, as another kind of file; code in it is never run."""
    import keras

    if order["from_kind"] == "saved_model":
        refuse_foreign_operations(Path(order["path"]))
        Path(order["to"]).write_bytes(litert_from(order["path"]))
    else:
        save(keras.models.load_model(order["path"], compile=False, safe_mode=True), order["to"], order["kind"])
    return {}, []


def save(model: Any, target: str, kind: str) -> None:
    """A model of Keras as a file of a kind."""
    if kind == "keras":
        model.save(target)
    elif kind == "saved_model":
        model.export(target, format="tf_saved_model", verbose=False)
    else:
        Path(target).write_bytes(as_litert(model))


def model_of(folder: Path, more: dict[str, Any] | None = None) -> Any:
    """The functional model of a program, with its weights; `more` are layers beside Keras' own."""
    import keras

    program = json.loads((folder / "program.json").read_text(encoding="utf-8"))
    arrays = np.load(folder / "arrays.npz", allow_pickle=False)

    def kind_of(name: str) -> Any:
        return (more or {}).get(name) or getattr(keras.layers, name)

    entry = keras.Input(tuple(program["shape"]), dtype=program["dtype"], name="pixels")
    layers = {one["name"]: kind_of(one["kind"])(name=one["name"], **one["config"]) for one in program["layers"]}
    values: dict[int, Any] = {0: entry}

    def given(one: Any) -> Any:
        if isinstance(one, dict):
            return values[one["value"]] if "value" in one else arrays[one["constant"]]
        return [given(part) for part in one] if isinstance(one, list) else one

    for call in program["calls"]:
        does = layers[call["layer"]] if call["layer"] else getattr(keras.ops, call["operation"])
        values[call["result"]] = does(*map(given, call["inputs"]), **call["options"])
    outputs = {name: values[number] for name, number in program["outputs"]}
    model = keras.Model(entry, outputs if len(outputs) > 1 else next(iter(outputs.values())), name="network")
    for one in program["layers"]:
        if one["weights"]:
            # By name: Keras lists last what is not trained.
            held = {weight.name: weight for weight in layers[one["name"]].weights}
            for weight in one["weights"]:
                held[weight["name"]].assign(arrays[f"{one['name']}/{weight['name']}"])
            layers[one["name"]].trainable = one["trainable"]
    return model


def as_litert(model: Any) -> bytes:
    """By TensorFlow's own converter, from a SavedModel."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, format="tf_saved_model", verbose=False)
        return litert_from(folder)


def litert_from(folder: str) -> bytes:
    """A SavedModel as LiteRT."""
    import tensorflow as tf

    return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def open_keras(path: str) -> Callable[[Any], Arrays]:
    """A `.keras` file; code in it is never run."""
    import keras

    model = keras.models.load_model(path, compile=False, safe_mode=True)

    # Compiled where the backend compiles, which a call of the model is not.
    return lambda pixels: _in_order(model.predict_on_batch(pixels), np.asarray)


def open_saved_model(path: str) -> Callable[[Any], Arrays]:
    """A SavedModel; one with operations that reach outside of it is refused."""
    import tensorflow as tf

    refuse_foreign_operations(Path(path))
    model = tf.saved_model.load(path)
    call = model.signatures["serving_default"]
    (name,) = call.structured_input_signature[1]
    kind = call.structured_input_signature[1][name].dtype
    return lambda pixels: _in_order(call(**{name: tf.constant(pixels, kind)}), lambda tensor: tensor.numpy())


def refuse_foreign_operations(path: Path) -> None:
    """Makes sure that a SavedModel only computes.

    Raises:
        ValueError: It would run Python, or read or write files.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    document = saved_model_pb2.SavedModel()
    document.ParseFromString((path / "saved_model.pb").read_bytes())
    outside = {"PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "LoadLibrary", "MatchingFiles"}
    for graph in document.meta_graphs:
        library = graph.graph_def.library.function
        nodes = [*graph.graph_def.node, *(node for function in library for node in function.node_def)]
        found = sorted({node.op for node in nodes} & outside)
        if found:
            raise ValueError(f"it holds code that reaches outside of the model ({', '.join(found)})")


def open_litert(path: str) -> Callable[[Any], Arrays]:
    """A LiteRT file, by the interpreter that comes with TensorFlow."""
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(model_path=path, num_threads=int(os.environ.get("OMP_NUM_THREADS", "0")) or None)
    runner = interpreter.get_signature_runner()
    (name,) = runner.get_input_details()
    kind = runner.get_input_details()[name]["dtype"]
    return lambda pixels: _in_order(runner(**{name: pixels.astype(kind, copy=False)}), np.array)


OPENERS = {"keras": open_keras, "saved_model": open_saved_model, "litert": open_litert}


def weights(order: dict[str, Any], _: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Names and arrays of the weights of a `.keras` file: `layer/weight`."""
    import keras

    model = keras.models.load_model(order["path"], compile=False, safe_mode=True)
    found = {
        f"{layer.name}/{weight.name}": keras.ops.convert_to_numpy(weight)
        for layer in model.layers
        for weight in layer.weights
    }
    return {"names": list(found)}, list(found.values())


def layers(order: dict[str, Any], _: Arrays) -> tuple[dict[str, Any], Arrays]:
    """The layers of a `.keras` file, what each takes, and their weights."""
    answer: tuple[dict[str, Any], Arrays] = beside("keras_reading").read(order["path"])
    return answer


def beside(name: str) -> Any:
    """A script beside this one, which is not found by its name alone: the folder is not looked through."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _in_order(given: Any, as_array: Callable[[Any], Any]) -> Arrays:
    """Outputs of a model by their names in alphabetical order, which every format keeps."""
    if isinstance(given, dict):
        return [as_array(given[name]) for name in sorted(given)]
    if isinstance(given, list | tuple):
        return [as_array(one) for one in given]
    return [as_array(given)]


class Server:
    """Takes orders until its input ends.

    Args:
        source: Where orders come from.
        sink: Where answers go.
    """

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._open: list[Callable[[Any], Arrays]] = []
        self._orders: dict[str, Callable[[dict[str, Any], Arrays], tuple[dict[str, Any], Arrays]]] = {
            "build": build,
            "convert": convert,
            "open": self.open,
            "run": self.run,
            "weights": weights,
            "layers": layers,
            "train": self.train,
        }

    def open(self, order: dict[str, Any], _: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Opens a file, which `run` asks by its number."""
        self._open.append(OPENERS[order["kind"]](order["path"]))
        return {"number": len(self._open) - 1}, []

    def run(self, order: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Outputs for pixels, channels last."""
        return {}, self._open[order["number"]](arrays[0])

    def train(self, order: dict[str, Any], _: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Makes ready for steps of training, which further orders ask for."""
        script = beside("keras_training")
        training = script.Training(model_of(Path(order["folder"]), script.own_layers()), order)
        self._orders |= {name: getattr(training, name) for name in ("step", "answer", "descend", "state", "restore")}
        return {}, []

    def serve(self) -> None:
        """Answers every order; what goes wrong is an answer, too."""
        while line := self._source.readline():
            order = json.loads(line)
            given = [self._read(*described) for described in order["arrays"]]
            try:
                answer, arrays = self._orders[order["order"]](order, given)
            except Exception as error:  # noqa: BLE001 - whatever a library raises is told at the other end
                answer, arrays = {"error": f"{type(error).__name__}: {error}"}, []
            described = [[str(array.dtype), list(array.shape)] for array in arrays]
            self._sink.write(json.dumps({**answer, "arrays": described}).encode() + b"\n")
            for array in arrays:
                self._sink.write(np.ascontiguousarray(array).data)
            self._sink.flush()

    def _read(self, kind: str, shape: list[int]) -> Any:
        count = int(np.prod(shape)) * np.dtype(kind).itemsize
        return np.frombuffer(self._source.read(count), kind).reshape(shape)


def main() -> None:
    """Standard output is for answers; what libraries print goes to standard error."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    Server(sys.stdin.buffer, sink).serve()


if __name__ == "__main__":
    main()
