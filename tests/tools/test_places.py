"""Deliberately broken exports: each is refused, and the place of its cause is named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from striate.data.pixels import normalise
from striate.errors import CheckpointError, ExportError
from striate.recipe import Recipe
from striate.runs.answering import Answering
from striate.runs.run import Run
from striate.structures import Picture, Placement
from striate.tools import Exported, Tool, export
from striate.tools.base import TOOLS
from striate.tools.fed import pixels_apart
from striate.tools.graph import Graph
from striate.tools.onnx import OnnxTool
from striate.tools.places import Recorded, close, first_apart, order_of
from striate.tools.sidecar import SIDECAR
from striate.tools.torch_program import TorchTool
from striate.training import train
from striate.training.progress import Silent

QUICK = {"epochs": 1, "precision": "fp32", "channels_last": False, "threads": 1, "batch_size": 8, "weights": "none"}
QUICK |= {"fit": "squash"}


@pytest.fixture
def coloured(runs_folder: Path) -> Run:
    """On pictures of three unlike channels."""
    torch.set_num_threads(1)
    place, data = runs_folder / "coloured", runs_folder / "colours"
    if (place / "run.json").exists():
        return Run.open(place)
    draw = np.random.default_rng(0)
    for kind, colour in {"red": (200, 80, 40), "blue": (40, 80, 200)}.items():
        (data / kind).mkdir(parents=True)
        for index in range(12):
            pixels = np.clip(draw.normal(colour, 40, (24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(data / kind / f"{index}.png")
    recipe = Recipe().with_values(QUICK | {"network.name": "lenet5", "input.size_hw": [32, 32]})
    return train(data, recipe, run=place, progress=Silent())


@pytest.fixture
def lend() -> Iterator[Callable[[Tool], str]]:
    """Registers a tool for the time of a test, and gives its name."""
    lent: list[Tool] = []

    def register(tool: Tool) -> str:
        TOOLS.add(tool.name, tool)
        lent.append(tool)
        return tool.name

    yield register
    for tool in lent:
        TOOLS._items.pop(tool.name)


class Broken(OnnxTool):
    """Writes another network than it is given."""

    name = "broken"

    def __init__(self, change: Callable[[Graph], nn.Module]) -> None:
        self.change = change

    def write(self, graph: Graph, path: Path) -> tuple[str, ...]:
        return super().write(self.change(copy.deepcopy(graph)), path)  # type: ignore[arg-type]


class Bgr(nn.Module):
    """Reads its pixels' channels the other way round."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.inner = graph
        self.example, self.output_names = graph.example, graph.output_names

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        given: tuple[Tensor, ...] = self.inner(torch.cat([pixels[:, 2:], pixels[:, 1:2], pixels[:, :1]], 1))
        return given


def layers(graph: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [layer for layer in graph.modules() if type(layer) is kind]


def other_epsilon(graph: Graph) -> nn.Module:
    layers(graph, nn.BatchNorm2d)[2].eps = 0.1  # type: ignore[assignment]
    return graph


def swapped_weights(graph: Graph) -> nn.Module:
    first = layers(graph, nn.Conv2d)[0]
    first.weight.data = first.weight.data.flip(1)  # type: ignore[operator]
    return graph


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "place"),
    [
        (Bgr, "input (the channels come in the order 2, 1, 0)"),
        (swapped_weights, nn.Conv2d),
        (other_epsilon, nn.BatchNorm2d),
    ],
)
def test_a_broken_network_is_refused_at_its_layer(
    coloured: Run,
    quick_run: Callable[[str, str, dict[str, object]], Run],
    change: Callable[[Graph], nn.Module],
    place: str | type[nn.Module],
    tmp_path: Path,
    lend: Callable[[Tool], str],
) -> None:
    run = quick_run("masks", "segmentation", {}) if place is nn.BatchNorm2d else coloured
    if not isinstance(place, str):
        names = [name for name, layer in run.network.named_modules() if type(layer) is place]
        place = names[2 if place is nn.BatchNorm2d else 0]
    with pytest.raises(ExportError) as seen:
        export(run, lend(Broken(change)), tmp_path / "bad")
    assert "In the network: the output scores differs by" in seen.value.what
    assert f"; first at {place}." in seen.value.what
    document = json.loads((tmp_path / "bad" / "parity.json").read_text(encoding="utf-8"))
    assert document["place"] == f"first at {place}"
    assert f"first at {place}" in (tmp_path / "bad" / "parity.html").read_text(encoding="utf-8")


def test_another_resize_filter_is_found_before_the_network(
    coloured: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Answering.shown

    def nearest(self: Answering, picture: Picture) -> tuple[tuple[Placement, ...], Tensor]:
        placements, frames = shown(self, picture)
        if self.recipe.input.scale == 1.0:
            pixels = torch.from_numpy(picture.pixels.astype(np.float32))[None]
            frames = nn.functional.interpolate(pixels, size=frames.shape[-2:], mode="nearest")
        return placements, frames

    monkeypatch.setattr(Answering, "shown", nearest)
    words = r"does not pass: Before the network: .* comes to the tool as other pixels than to PyTorch .*: resized or "
    with pytest.raises(ExportError, match=words) as seen:
        export(coloured, "onnx", tmp_path / "bad")
    assert "In the network" not in seen.value.what
    monkeypatch.undo()
    sidecar = tmp_path / "bad" / SIDECAR
    document = json.loads(sidecar.read_text(encoding="utf-8"))
    document["input"]["resize"] = "nearest"
    sidecar.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"`input.resize` is 'nearest'; expected 'bilinear with antialiasing'"):
        Exported(tmp_path / "bad" / "model.onnx")


def test_pixels_that_differ_are_put_in_words() -> None:
    own = torch.rand(1, 3, 8, 8)
    assert pixels_apart(own, own + 1e-6) == ""
    assert pixels_apart(own, own.flip(1)) == "with its channels in the order 2, 1, 0"
    assert pixels_apart(own, torch.rand(1, 3, 4, 8)).startswith("as 3 x 4 x 8 values (channels, height, width) and not")
    assert pixels_apart(own, torch.cat([own, own])) == "in 2 tiles and not in 1"
    gray = torch.rand(1, 1, 8, 8).expand(-1, 3, -1, -1)
    assert order_of(gray, gray.flip(1)) == ()


def test_layers_come_in_order_of_computation_with_their_own_names() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(4, 2)
            self.first = nn.Linear(4, 4)
            self.relu = nn.ReLU(inplace=True)
            self.same = self.relu
            self.dropout = nn.Dropout()

        def forward(self, given: Tensor) -> Tensor:
            said = self.relu(self.first(given))
            found: Tensor = self.last(self.dropout(self.same(said - 1))) * self.last.in_features
            return found

    network = Twice().eval()
    given = torch.randn(3, 4)
    with torch.inference_mode():
        recorded = Recorded(network)
        given_by_each = list(recorded(given).values())
        found = dict(zip(recorded.names, given_by_each, strict=True))
        assert list(found) == ["input", "first", "relu", "relu (call 2)", "last", "output scores"]
        # The next layer writes into the same memory.
        assert torch.equal(found["first"], network.first(given))
        assert torch.equal(found["output scores"], network(given))
    assert type(network.first) is nn.Linear, "the network itself stays as it is"


@pytest.mark.slow
def test_a_file_that_was_changed_later_is_told_from_a_wrong_writer(coloured: Run) -> None:
    recipe, dtype = coloured.recipe.input, coloured.facts.dtype
    stored = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)

    def words(tool: Tool) -> str:
        network = coloured.network.cpu()
        return first_apart(
            network,
            lambda one: Graph(one, recipe, dtype).eval(),
            tool,
            stored.numpy(),
            normalise(stored.clone(), recipe),
            tolerance=1e-4,
        )

    assert (
        words(TorchTool()) == "written again it gives the right answers, so this file was changed after it was written"
    )

    class Fusing(TorchTool):
        def write(self, graph: Graph, path: Path) -> tuple[str, ...]:
            if not any(isinstance(layer, Recorded) for layer in graph.modules()):
                graph = copy.deepcopy(graph)
                swapped_weights(graph)
            return super().write(graph, path)

    assert words(Fusing()) == "each layer alone is right, so it is in how the tool computes several of them at once"

    class Unable(TorchTool):
        def write(self, graph: Graph, path: Path) -> tuple[str, ...]:
            raise ExportError("it cannot be written.", where=path)

    assert words(Unable()).startswith("the first layer could not be looked for: ")


def test_what_is_no_number_is_never_close() -> None:
    one = np.array([1.0, 2.0], np.float32)
    assert close(one, one + 1e-5, 1e-4)
    assert not close(one, one + 1e-3, 1e-4)
    assert not close(one, np.array([1.0, np.nan], np.float32), 1e-4)
    assert not close(one, one[:1], 1e-4)
    assert close(one[:0], one[:0], 1e-4)
