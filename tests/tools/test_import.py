"""Weights from Keras back into their run, and files that are not opened."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from striate.cli import main
from striate.data.synthetic import MakeOptions, make_data
from striate.errors import ExportError, RequestError
from striate.recipe import Recipe
from striate.runs.run import Run
from striate.tools import export
from striate.tools.importing import import_weights
from striate.training import train
from striate.training.progress import Silent

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("keras") and importlib.util.find_spec("tensorflow")), reason="needs the extra keras"
)

FURTHER = """
import sys
import keras
import numpy as np

model = keras.models.load_model(sys.argv[1], compile=False)
model.compile(optimizer=keras.optimizers.SGD(0.01), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
generator = np.random.default_rng(0)
pixels = generator.integers(0, 256, (16, *model.input_shape[1:]), dtype=np.uint8)
model.fit(pixels, generator.integers(0, 10, 16), batch_size=8, epochs=1, verbose=0)
model.save(sys.argv[2])
"""

FOREIGN = """
import sys
import keras
import tensorflow as tf

entry = keras.Input((28, 28, 1))
keras.Model(entry, keras.layers.Lambda(lambda x: x + 1)(entry)).save(sys.argv[1])
keras.Model(entry, keras.layers.Conv2D(3, 3, name="c1")(entry)).save(sys.argv[2])


class Reads(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.uint8)])
    def __call__(self, pixels):
        return tf.cast(pixels, tf.float32) + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)


module = Reads()
tf.saved_model.save(module, sys.argv[3], signatures=module.__call__)
"""


def run_keras(source: str, *arguments: Path) -> None:
    """Keras by itself, without Striate."""
    environment = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin:/bin"}
    asked = [sys.executable, "-c", source, *map(str, arguments)]
    subprocess.run(asked, env=environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("import")
    make_data("digits", folder / "data", MakeOptions(images=60, task="classification"))
    quick = {"epochs": 1, "precision": "fp32", "threads": 1, "weights": "none", "batch_size": 16}
    recipe = Recipe().with_values(quick | {"network.name": "lenet5", "input.size_hw": [28, 28]})
    return train(folder / "data", recipe, run=folder / "run", progress=Silent())


@pytest.mark.slow
def test_weights_come_back_bit_for_bit_and_with_what_keras_learned(run: Run, tmp_path: Path) -> None:
    done = export(run, "keras", tmp_path / "out")
    before = run.folder.weights_path("best").read_bytes()
    same = import_weights(done.file, run)
    assert (same.weights, same.changed) == (10, 0)
    assert run.folder.weights_path("best").read_bytes() == before
    run_keras(FURTHER, done.file, tmp_path / "further.keras")
    changed = import_weights(tmp_path / "further.keras", run)
    assert changed.changed == changed.weights == 10
    assert changed.before.read_bytes() == before
    # What was said about the old weights is gone; what is there was measured with the new ones.
    assert changed.run.verdict is None
    assert set(changed.run.evaluations) == set(changed.evaluations) == {"validation", "test"}
    assert changed.run.report.is_file()
    assert changed.run.facts.weights["name"] == "imported"
    again = export(changed.run, "keras", tmp_path / "again")
    assert again.parity.passed


@pytest.mark.slow
def test_code_is_never_run_and_foreign_files_are_refused(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, other, reads = tmp_path / "code.keras", tmp_path / "other.keras", tmp_path / "saved_model"
    run_keras(FOREIGN, code, other, reads)
    with pytest.raises(ExportError, match=r"code.keras: Keras cannot read this file .*[Ll]ambda"):
        import_weights(code, run)
    with pytest.raises(RequestError, match=r"another network: the run's layer c1 wants a kernel of \(5, 5, 1, 6\)"):
        import_weights(other, run)
    from striate.tools import TOOLS

    with pytest.raises(ExportError, match=r"code that reaches outside of the model \(ReadFile\)"):
        TOOLS.get("tensorflow").open(reads)
    (tmp_path / "broken.keras").write_bytes(b"no model")
    with pytest.raises(ExportError, match=r"broken.keras: Keras cannot read this file"):
        import_weights(tmp_path / "broken.keras", run)
    with pytest.raises(RequestError, match=r"expected a file that ends in \.keras"):
        import_weights(tmp_path / "none.keras", run)
    assert main(["import", str(other), "--json"]) == 2
    assert "Add --into RUN" in capsys.readouterr().err
    assert json.loads((run.path / "run.json").read_text())["status"] == "done"
