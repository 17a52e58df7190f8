"""Networks from elsewhere in layers: they compute what their own tools compute, and `inside` opens them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image
from torch import nn
from torch.nn import functional

from striate.cli import main
from striate.errors import ExportError, RequestError
from striate.networks import NetworkOptions
from striate.networks.anatomy import describe_network
from striate.networks.layered import LayeredNetwork
from striate.tools.adopting import adopt
from striate.tools.base import TOOLS
from striate.tools.dissection.dissected import Dissected
from striate.tools.dissection.layers import LayerGraph, UnknownLayerError, with_scores
from striate.tools.dissection.torch_layers import layers_of_program
from striate.tools.exported import Exported

SIZE = (24, 32)


class Theirs(nn.Module):
    """Made by somebody who mixes modules and functions, shares a module, and changes tensors in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True))
        self.left = nn.Conv2d(8, 8, (3, 5), padding="same", groups=2)
        self.right = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.act = nn.ReLU(inplace=True)
        self.up = nn.ConvTranspose2d(16, 6, 2, 2)
        self.norm = nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = torch.cat([self.act(self.left(x)), self.act(self.right(x))], 1)
        x = functional.max_pool2d(x, 3, 2, 1)
        x = functional.leaky_relu(self.norm(self.up(x)), 0.1)
        gate = torch.sigmoid(x.mean((2, 3), keepdim=True))
        x = functional.avg_pool2d(x * gate + 0.5, 2)
        x = functional.adaptive_avg_pool2d(x, 1).view(x.shape[0], -1)
        return self.head(functional.silu(x))


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    torch.manual_seed(3)
    made = Theirs()
    with torch.no_grad():
        # Statistics of its own, so that normalisation does something.
        made.train()(torch.randn(16, 3, *SIZE))
    return made.eval()


def pictures(count: int = 3, size: tuple[int, int] = SIZE) -> torch.Tensor:
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


def layered(layers: torch.fx.GraphModule, size: tuple[int, int] = SIZE) -> LayeredNetwork:
    return LayeredNetwork(layers, layers.graph, size, 3)


@pytest.mark.parametrize("any_number", [True, False])
@pytest.mark.parametrize("decomposed", [True, False])
def test_an_exported_program_gives_the_same_bits(theirs: nn.Module, any_number: bool, decomposed: bool) -> None:
    shapes = ({0: torch.export.Dim("batch", min=1)},) if any_number else None
    program = torch.export.export(theirs, (pictures(2 if any_number else 1),), dynamic_shapes=shapes)
    network = layered(layers_of_program(program.run_decompositions() if decomposed else program))
    with torch.no_grad():
        assert torch.allclose(network(pictures()), theirs(pictures()), atol=1e-6 if decomposed else 0, rtol=0)
    names = [name for name, module in network.named_modules() if not any(module.children())]
    assert {"stem.0", "stem.1", "stem.2", "left", "right", "act", "up", "norm", "head"} <= set(names)
    state, own = network.state_dict(), theirs.state_dict()
    assert all(torch.equal(state[name], own[name]) for name in own if not name.endswith("num_batches_tracked"))


def test_stages_end_where_maps_get_smaller(theirs: nn.Module) -> None:
    network = layered(layers_of_program(torch.export.export(theirs, (pictures(1),))))
    assert [(stage.channels, stage.stride) for stage in network.feature_spec] == [(8, 2), (16, 4)]
    maps = network.forward_features(pictures())
    assert [tuple(one.shape[2:]) for one in maps.values()] == [(12, 16), (6, 8)]
    anatomy = describe_network(network, NetworkOptions(3, 3, SIZE))
    assert anatomy.parameters == sum(one.numel() for one in network.parameters())
    # Stem, one of the two branches, the transposed convolution, the head.
    assert anatomy.depth == 4


def test_shares_become_the_scores_that_they_were_made_of(theirs: nn.Module) -> None:
    plain = layers_of_program(torch.export.export(nn.Sequential(theirs, nn.Softmax(1)).eval(), (pictures(1),)))
    network = layered(with_scores(plain, "shares", 3, 3))
    with torch.no_grad():
        assert torch.equal(network(pictures()), theirs(pictures()))

    class Function(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scores = theirs(x).exp()
            return scores / scores.sum(1, keepdim=True)

    other = layered(with_scores(layers_of_program(torch.export.export(Function(), (pictures(1),))), "shares", 3, 3))
    with torch.no_grad():
        assert torch.allclose(other(pictures()).softmax(1), theirs(pictures()).softmax(1), atol=1e-6)


@pytest.mark.parametrize("dynamo", [True, False])
def test_a_file_of_onnx_gives_the_same_answers(
    theirs: nn.Module, dynamo: bool, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "theirs.onnx"
    if dynamo:
        shapes = ({0: torch.export.Dim("batch", min=1)},)
        program = torch.onnx.export(theirs, (pictures(2),), dynamo=True, dynamic_shapes=shapes, verbose=False)
        assert program is not None
        program.save(path)
    else:
        torch.onnx.export(
            theirs, (pictures(2),), str(path), dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "batch"}}
        )
    network = layered(TOOLS.get("onnx").dissect(path, (3, *SIZE)))
    with torch.no_grad():
        assert torch.allclose(network(pictures()), theirs(pictures()), atol=1e-5)
    assert {"stem.0", "left", "right", "up", "head"} <= {name for name, _ in network.named_modules()}


def onnx_file(path: Path, nodes: list[onnx.NodeProto], held: dict[str, np.ndarray], outputs: list[int | str]) -> Path:
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, *SIZE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", *outputs])],
        [onnx.numpy_helper.from_array(array, name) for name, array in held.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def test_onnx_of_other_writers(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    kernel = random.normal(size=(4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["a"], name="first", auto_pad="SAME_UPPER", strides=[2, 2]),
        helper.make_node("Clip", ["a", "low", "high"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1]),
        helper.make_node("Resize", ["c", "", "scales"], ["d"], mode="nearest", nearest_mode="floor",
                         coordinate_transformation_mode="asymmetric"),
        helper.make_node("Transpose", ["d"], ["e"], perm=[0, 2, 3, 1]),
        helper.make_node("Shape", ["e"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["count"]),
        helper.make_node("Concat", ["count", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["e", "target"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["g"]),
        helper.make_node("Add", ["g", "bias"], ["h"]),
        helper.make_node("Softmax", ["h"], ["y"], axis=-1),
    ]  # fmt: skip
    # 12 x 16 after the stride, 7 x 9 after pooling (2 x 2 windows over an edge), twice that after resizing.
    held = {
        "k": kernel,
        "low": np.array(0, np.float32),
        "high": np.array(6, np.float32),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "zero": np.array([0]),
        "rest": np.array([-1]),
        "w": random.normal(size=(12 * 16 * 4, 3)).astype(np.float32) / 50,
        "bias": random.normal(size=3).astype(np.float32),
    }
    path = onnx_file(tmp_path / "made.onnx", nodes, held, [3])
    tool = TOOLS.get("onnx")
    network = layered(tool.dissect(path, (3, *SIZE)))
    with torch.no_grad():
        found = network(pictures())
    assert np.allclose(found.numpy(), tool.open(path)(pictures().numpy())[0], atol=1e-5)
    assert isinstance(network.get_submodule("clip"), nn.ReLU6)


def test_what_onnx_has_and_this_has_not_is_named(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("LpNormalization", ["x"], ["a"], name="strange", axis=1),
        helper.make_node("ReduceMean", ["a"], ["y"], axes=[2, 3], keepdims=0),
    ]
    path = onnx_file(tmp_path / "made.onnx", nodes, {}, [3])
    with pytest.raises(UnknownLayerError, match="the layer strange of kind LpNormalization"):
        TOOLS.get("onnx").dissect(path, (3, *SIZE))


MAKE = """
import sys, os
import numpy as np
import keras
from keras import layers as L

keras.utils.set_random_seed(0)
entry = keras.Input((24, 32, 3))
x = L.Rescaling(1 / 127.5, -1.0)(entry)
x = L.Conv2D(8, 3, 2, "same", name="first")(x)
x = L.BatchNormalization(name="norm")(x)
x = L.Activation("relu", name="act")(x)
inner_entry = keras.Input((12, 16, 8))
y = L.DepthwiseConv2D(3, padding="same", activation="silu", name="each")(inner_entry)
y = L.SeparableConv2D(8, 3, padding="same", name="apart")(y)
inner = keras.Model(inner_entry, L.Add(name="sum")([inner_entry, y]), name="block")
x = inner(inner(x))
x = L.MaxPooling2D(3, 2, "same", name="pool")(x)
a = L.Conv2DTranspose(6, 4, 2, "same", name="up")(x)
b = L.UpSampling2D(2, interpolation="bilinear", name="enlarge")(x)
x = L.Concatenate(name="both")([a, b])
x = L.ZeroPadding2D(((1, 0), (0, 2)))(x)
x = L.AveragePooling2D(2, name="mean")(x)
x = 1 - (x + L.GlobalMaxPooling2D(keepdims=True)(x)) / 2 * 0.5
x = L.Resizing(5, 7)(x)
x = L.Dropout(0.5)(x)
tail = keras.Sequential([L.Flatten(), L.Dense(5, activation="tanh", name="hidden"), L.Dense(3, activation="softmax")])
model = keras.Model(entry, tail(x))
for weight in model.weights:
    if "moving" in weight.name or weight.name in ("gamma", "beta"):
        weight.assign(np.random.default_rng(len(weight.path)).uniform(0.5, 1.5, weight.shape))
model.save(sys.argv[1])
parts = [keras.Input((24, 32, 3)), L.Conv2D(4, 3), L.GroupNormalization(2), L.GlobalAveragePooling2D()]
keras.Sequential(parts).save(sys.argv[2])
"""


@pytest.fixture(scope="module")
def keras_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("keras")
    files = folder / "theirs.keras", folder / "grouped.keras"
    backend = TOOLS.get("keras").backend  # type: ignore[attr-defined]
    subprocess.run(
        [sys.executable, "-c", MAKE, *map(str, files)], check=True, env={**os.environ, "KERAS_BACKEND": backend}
    )
    return files


@pytest.mark.slow
def test_a_model_of_keras_is_opened_under_its_own_names(
    keras_files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Dissected(adopt(keras_files[0], "abc", tmp_path / "own", size_hw=SIZE))
    # Held against Keras' own answers when it is made.
    network = model.network
    names = {name for name, module in network.named_modules() if not any(module.children())}
    assert {"first", "norm", "act", "block.each", "block.each_silu", "block.apart.pointwise", "up"} <= names
    # The softmax at its end is gone: scores are what is explained.
    with torch.no_grad():
        assert float(network(torch.rand(2, 3, *SIZE) * 255).sum(1).abs().max()) > 1.01
    for name in "abc":
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(2):
            write_picture(tmp_path / "data" / name / f"{number}.png", 10 * ord(name) + number)
    asked = [
        "inside",
        str(tmp_path / "own"),
        str(tmp_path / "data/a/1.png"),
        "--data",
        str(tmp_path / "data"),
        "--json",
    ]
    assert main([*asked, "--layer", "first"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["neuron"]["sum"] == pytest.approx(found["neuron"]["computed"], abs=1e-9)
    assert [step["kind"] for step in found["neuron"]["steps"]] == ["normalisation", "activation"]
    page = Path(found["page"]).read_text(encoding="utf-8")
    assert "Inside model.keras" in page
    assert "Of 6 pictures of the given data" in page


@pytest.mark.slow
def test_a_layer_of_keras_that_is_not_known_is_named(keras_files: tuple[Path, Path], tmp_path: Path) -> None:
    model = Dissected(adopt(keras_files[1], "abcd", tmp_path / "own", size_hw=SIZE))
    with pytest.raises(ExportError, match=r"the layer group_normalization of kind GroupNormalization cannot be taken"):
        _ = model.network


def write_picture(path: Path, seed: int) -> None:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)).save(path)


def test_the_page_of_a_program(theirs: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.export.save(torch.export.export(theirs, (pictures(1),)), tmp_path / "theirs.pt2")
    adopt(tmp_path / "theirs.pt2", "abc", tmp_path / "own", size_hw=SIZE, scale=255)
    write_picture(tmp_path / "one.png", 5)
    assert main(["inside", str(tmp_path / "own"), str(tmp_path / "one.png"), "--layer", "left", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["neuron"]["sum"] == pytest.approx(found["neuron"]["computed"], abs=1e-9)
    assert "--data names some" in Path(found["page"]).read_text(encoding="utf-8")


def test_tools_that_keep_no_layers_say_which_do(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="does not keep a network's layers apart"):
        TOOLS.get("litert").dissect(tmp_path / "model.tflite", (3, *SIZE))


def test_other_answers_are_noticed(theirs: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.export.save(torch.export.export(theirs, (pictures(1),)), tmp_path / "theirs.pt2")
    model = adopt(tmp_path / "theirs.pt2", "abc", tmp_path / "own", size_hw=SIZE)
    broken = layers_of_program(torch.export.load(tmp_path / "theirs.pt2"))
    broken.get_submodule("norm").eps = 0.1
    monkeypatch.setattr(type(model.tool), "dissect", lambda *_: broken)
    with pytest.raises(ExportError, match="taken apart, this network gives other answers than PyTorch"):
        _ = Dissected(model).network


def test_networks_for_boxes_are_looked_into_as_runs(
    theirs: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.export.save(torch.export.export(theirs, (pictures(1),)), tmp_path / "theirs.pt2")
    model = adopt(tmp_path / "theirs.pt2", "abc", tmp_path / "own", size_hw=SIZE)
    monkeypatch.setattr(Exported, "facts", model.facts.with_values(task="detection"))
    with pytest.raises(RequestError, match="a network for detection is looked into as the run that it came from"):
        Dissected(Exported(model.file))


def test_names_that_modules_have_for_other_things() -> None:
    built = LayerGraph()
    value = built.layer("train", nn.Conv2d(3, 4, 3), built.picture())
    value = built.layer("block.float", nn.ReLU(), value)
    # Another layer of the same name is another layer; the same function twice is called again.
    value = built.layer("block.float", nn.Tanh(), built.layer("block.float", nn.ReLU(), value))
    network = layered(built.finished(value))
    assert [name for name, _ in network.named_modules() if name] == [
        "train_",
        "block",
        "block.float_",
        "block.float__2",
    ]
    assert network(pictures()).shape == (3, 4, 22, 30)


class Attention(nn.Module):
    """Layers that mix places, and name the number of pictures anywhere but first."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, 8)
        self.mix = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.mix(self.patches(x).flatten(2).transpose(1, 2)).mean(1))


class Remembering(nn.Module):
    """Holds a state for each picture."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.rows = nn.LSTM(4, 3, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rows(self.first(x).mean(3).transpose(1, 2))[0][:, -1]


@pytest.mark.parametrize(
    ("network", "any_number", "words"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 32, 3)), True, "has no convolution, so there are no maps"),
        (Attention(), False, "cannot be taken apart into layers"),
        (Remembering(), True, "the layer rows, which is recurrent, cannot be taken apart here"),
    ],
    ids=["linear", "attention", "lstm"],
)
def test_networks_that_cannot_be_looked_into_say_so(
    network: nn.Module, any_number: bool, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = ({0: torch.export.Dim("batch", min=1)},) if any_number else None
    example = pictures(2 if any_number else 1)
    torch.export.save(torch.export.export(network.eval(), (example,), dynamic_shapes=shapes), tmp_path / "theirs.pt2")
    adopt(tmp_path / "theirs.pt2", "abc", tmp_path / "own", size_hw=SIZE, scale=255)
    write_picture(tmp_path / "one.png", 5)
    assert main(["inside", str(tmp_path / "own"), str(tmp_path / "one.png")]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert words in said
    assert "striate predict, striate evaluate" in said
    assert main(["predict", str(tmp_path / "own"), str(tmp_path / "one.png")]) == 0
