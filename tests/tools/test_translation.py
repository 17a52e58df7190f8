"""PyTorch's operations as Keras layers: the same numbers, the same names, the same weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import ExportError
from striate.networks import NetworkOptions, resolve_network
from striate.recipe import InputRecipe
from striate.tasks import TASKS
from striate.tools.graph import Graph
from striate.tools.process import KerasProcess, keras_process
from striate.tools.translation import Program, translate

needs_keras = pytest.mark.skipif(
    not (importlib.util.find_spec("keras") and importlib.util.find_spec("tensorflow")),
    reason="needs the extra keras",
)
SIZE = (11, 14)


class Does(nn.Module):
    """A network of what a function does with some layers."""

    def __init__(self, function: Callable[..., Any], *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x, *self.layers)


def graph_of(network: nn.Module, size_hw: tuple[int, int] = SIZE, channels: int = 4) -> Graph:
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            if module.affine:
                nn.init.normal_(module.bias)
                nn.init.uniform_(module.weight, 0.5, 1.5)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    means = [0.1 * (index + 1) for index in range(channels)]
    recipe = InputRecipe(mean=means, std=[0.2, 0.3, 0.4, 0.5][:channels], scale=255.0, size_hw=size_hw)
    return Graph(network, recipe, "uint8").eval()


@pytest.fixture(scope="module")
def keras() -> KerasProcess:
    return keras_process("tensorflow", 1)


def answers(keras: KerasProcess, program: Program, pixels: Tensor, folder: Path) -> list[np.ndarray]:
    program.write(folder)
    keras.ask("build", folder=str(folder), to=str(folder / "m.keras"), kind="keras")
    number = keras.ask("open", path=str(folder / "m.keras"), kind="keras")[0]["number"]
    _, given = keras.ask("run", [np.moveaxis(pixels.numpy(), 1, -1)], number=number)
    return [np.moveaxis(one, -1, 1) if one.ndim == 4 else one for one in given]


NETWORKS: dict[str, nn.Module] = {
    "padding and stride": nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.Conv2d(6, 5, (3, 5), 1, (1, 2), bias=False)),
    "odd padding": nn.Conv2d(4, 3, 4, 1, 2),
    "enlarged by kernels": nn.Sequential(nn.ConvTranspose2d(4, 3, 2, 2), nn.ConvTranspose2d(3, 5, 3, 2, bias=False)),
    "dilation": nn.Conv2d(4, 3, 3, padding=2, dilation=2),
    "depthwise": nn.Sequential(nn.Conv2d(4, 8, 3, 2, 1, groups=4), nn.Conv2d(8, 6, 1, groups=2)),
    "batch norm": nn.Sequential(nn.BatchNorm2d(4, eps=1e-3, momentum=0.03), nn.BatchNorm2d(4, affine=False)),
    "max pooling": nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2, 2, ceil_mode=True)),
    "mean pooling": nn.Sequential(nn.AvgPool2d(2), nn.AdaptiveAvgPool2d((3, 4)), nn.AdaptiveAvgPool2d((7, 5))),
    "one mean": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)),
    "order of a flattened map": nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4 * 11 * 14, 3)),
    "enlarged": Does(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear") + F.interpolate(x, size=(22, 28))),
    "enlarged by a broken factor": Does(
        lambda x: F.interpolate(x, size=(17, 31), mode="bilinear") * F.interpolate(x, size=(17, 31), mode="nearest")
    ),
    "enlarged to the corners": Does(lambda x: F.interpolate(x, size=(22, 28), mode="bilinear", align_corners=True)),
    "activations": nn.Sequential(
        *(nn.ReLU(), nn.Tanh(), nn.LeakyReLU(0.2), nn.ELU(), nn.SiLU(), nn.Hardswish(), nn.GELU(), nn.Sigmoid()),
        *(nn.Hardsigmoid(), nn.Softplus(), nn.ReLU6(), nn.Hardtanh(-0.3, 0.7), nn.Softmax(1)),
    ),
    "joined and split": Does(
        lambda x: torch.cat([part * factor for factor, part in enumerate(torch.split(x, [1, 3], 1), 2)], 1)
    ),
    "sliced and padded with maps": Does(lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 2))),
    "weighed by its own means": Does(
        lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)) - x.mean((2, 3))[:, :, None, None]
    ),
    "a row for each place": Does(lambda x: F.softplus(x.flatten(2).transpose(1, 2))[:, :, 1:] * 3 + 1),
    "channels last": Does(lambda x: x.permute(0, 2, 3, 1).flatten(1, 2).sum(1)),
    "one channel": Does(lambda x: (x[:, 2] / 7).clamp(0.1, 0.2).neg().exp()),
    "distances to codes": Does(lambda x: -(x.mean((2, 3)).unsqueeze(1) - torch.eye(4)).pow(2).sum(-1)),
    "a layer called twice": Does(lambda x, layer: torch.cat([layer(x), layer(x * 2)], 1), nn.Conv2d(4, 2, 1)),
}


@needs_keras
@pytest.mark.parametrize("name", NETWORKS)
def test_an_operation_gives_the_same_numbers(name: str, keras: KerasProcess, tmp_path: Path) -> None:
    graph = graph_of(NETWORKS[name])
    pixels = torch.randint(0, 256, (3, 4, *SIZE), dtype=torch.uint8)
    with torch.inference_mode():
        expected = graph(pixels)
    found = answers(keras, translate(graph), pixels, tmp_path)
    for one, other in zip(expected, found, strict=True):
        assert one.shape == other.shape
        assert np.abs(one.numpy() - other).max() <= 2e-6 * max(1.0, float(one.abs().max()))


@needs_keras
@pytest.mark.parametrize(
    ("task", "head"), [("detection", "points"), ("instances", "distance"), ("segmentation", "fcn")]
)
def test_heads_give_the_same_numbers(task: str, head: str, keras: KerasProcess, tmp_path: Path) -> None:
    options = NetworkOptions(3, 4, (32, 32), head=head)
    graph = graph_of(TASKS.get(task).build_network(resolve_network("lenet5"), options), (32, 32))
    program = translate(graph)
    pixels = torch.randint(0, 256, (2, 4, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        expected = dict(zip(graph.output_names(), graph(pixels), strict=True))
    names = sorted(name for name, _ in program.outputs)
    for name, other in zip(names, answers(keras, program, pixels, tmp_path), strict=True):
        assert np.abs(expected.pop(name).numpy() - other).max() <= 1e-5 * max(1.0, float(np.abs(other).max()))
    # What is left is the same for all pictures, and is not asked of Keras.
    assert set(expected) == ({"points_xy", "strides"} & set(expected))


def test_layers_keep_the_names_of_modules_and_their_weights_bit_for_bit() -> None:
    options = NetworkOptions(3, 3, (32, 32))
    network = TASKS.get("classification").build_network(resolve_network("resnet20"), options)
    graph = graph_of(network, (32, 32), 3)
    program = translate(graph)
    assert program.layers["layer1-0-conv1"].kind == "Conv2D"
    assert program.layers["layer1-0-bn1"].config["momentum"] == pytest.approx(0.9)
    assert [name for name, layer in program.layers.items() if layer.kind == "Rescaling"] == ["mean", "factor"]
    state = network.state_dict()
    carried = program.carried()
    assert {weight.key for _, weight in carried} == {key for key in state if not key.endswith("num_batches_tracked")}
    for layer, weight in carried:
        back = weight.from_keras(program.arrays[f"{layer.name}/{weight.name}"], tuple(state[weight.key].shape))
        assert back.tobytes() == state[weight.key].numpy().tobytes()


def test_depthwise_kernels_come_back_bit_for_bit() -> None:
    network = nn.Conv2d(4, 8, 3, groups=4)
    program = translate(graph_of(network))
    ((layer, kernel), _) = program.carried()
    assert program.arrays[f"{layer.name}/kernel"].shape == (3, 3, 4, 2)
    back = kernel.from_keras(program.arrays[f"{layer.name}/kernel"], (8, 1, 3, 3))
    assert back.tobytes() == network.weight.detach().numpy().tobytes()


@pytest.mark.parametrize(
    ("network", "what"),
    [
        (Does(lambda x: torch.cumsum(x, 1)), "the operation aten.cumsum.default in the network has no counterpart"),
        (Does(lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect")), "padding with anything but zeros"),
        (Does(lambda x: x.reshape(-1, 4)), "does not have the pictures first|a shape that mixes pictures"),
        (nn.Sequential(nn.MaxPool2d(2, dilation=2)), "a maximum over windows with holes in 0"),
    ],
)
def test_what_keras_cannot_hold_is_named_with_its_place(network: nn.Module, what: str) -> None:
    with pytest.raises(ExportError, match=what):
        translate(graph_of(network))
