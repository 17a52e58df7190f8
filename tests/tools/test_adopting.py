"""Classifiers and segmenters that Striate did not write, asked and measured like its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from striate.cli import main
from striate.errors import ExportError, RequestError
from striate.structures import ClassScores
from striate.tools import Exported
from striate.tools.adopting import adopt
from striate.tools.dissection.dissected import Dissected
from striate.tools.layout import is_channels_last
from striate.tools.process import KerasProcess
from striate.tools.sidecar import SIDECAR

MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3), nn.Softmax(1))
    return nn.Sequential(*layers).eval()


@pytest.fixture(scope="module")
def program(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("foreign") / "theirs.pt2"
    torch.export.save(torch.export.export(network, (torch.zeros(1, 3, 16, 20),)), path)
    return path


def write_picture(path: Path, seed: int = 1) -> torch.Tensor:
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float()


def test_it_is_asked_by_what_was_said_of_it(network: nn.Module, program: Path, tmp_path: Path) -> None:
    model = adopt(program, "abc", tmp_path / "own", size_hw=(16, 20), mean=MEAN, std=STD, scale=255)
    pixels = write_picture(tmp_path / "one.png")
    with torch.inference_mode():
        normalised = (pixels / 255 - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
        expected = network(normalised)[0].numpy()
    (found,) = model.predict(tmp_path / "one.png")
    assert isinstance(found.prediction, ClassScores)
    # Shares that sum to 1 stay what they are: no second softmax flattens them.
    assert found.prediction.scores == pytest.approx(expected, abs=1e-5)
    assert json.loads((tmp_path / "own" / SIDECAR).read_text())["gives"] == "shares"


def test_the_command_adopts_and_evaluate_measures(
    program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(4):
            write_picture(tmp_path / "data" / name / f"{number}.png", 10 * ord(name) + number)
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    asked = ["import", str(program), "--classes", str(tmp_path / "names.txt"), "--size", "16x20", "--scale", "255"]
    assert main([*asked, "--out", str(tmp_path / "own"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == ["a", "b", "c"]
    assert main(["evaluate", str(tmp_path / "own"), str(tmp_path / "data"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    # A network that never learned says one thing of all noise.
    assert found["images"] == 12
    assert found["headline"]["value"] == pytest.approx(1 / 3, abs=0.2)


def test_a_segmenter_is_known_by_its_output(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(nn.Conv2d(3, 2, 1), (torch.zeros(1, 3, 16, 20),)), tmp_path / "pixels.pt2")
    model = adopt(tmp_path / "pixels.pt2", ("ground", "thing"), tmp_path / "own", size_hw=(16, 20))
    assert model.task.name == "segmentation"
    write_picture(tmp_path / "one.png")
    assert len(model.predict(tmp_path / "one.png")) == 1


def test_what_does_not_hold_is_said(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RequestError, match=r"gives \(3,\) for a picture, and 2 classes are named"):
        adopt(program, "ab", tmp_path / "a", size_hw=(16, 20))
    with pytest.raises(ExportError, match="does not take pictures of 3 channels and 99 x 20 pixels"):
        adopt(program, "abc", tmp_path / "a", size_hw=(99, 20))
    with pytest.raises(RequestError, match="expected 3 values other than 0 for --std"):
        adopt(program, "abc", tmp_path / "a", size_hw=(16, 20), std=[1, 0, 1])
    with pytest.raises(RequestError, match="the class 'a' is named twice"):
        adopt(program, "aba", tmp_path / "a", size_hw=(16, 20))
    with pytest.raises(RequestError, match="tells two or more classes apart, and 1 is named"):
        adopt(program, "a", tmp_path / "a", size_hw=(16, 20))
    with pytest.raises(RequestError, match="there is nothing here"):
        adopt(tmp_path / "none.onnx", "abc", tmp_path / "a", size_hw=(16, 20))
    (tmp_path / "weights.h5").write_bytes(b"x")
    with pytest.raises(RequestError, match=r"no tool reads files that end in '\.h5'"):
        adopt(tmp_path / "weights.h5", "abc", tmp_path / "a", size_hw=(16, 20))
    assert not (tmp_path / "a").exists()
    for more, words in (
        ([], "Add --into RUN, or --classes NAMES"),
        (["--classes", "a,b,c"], "expected --size and --out"),
        (["--classes", "a,b,c", "--size", "big", "--out", "x"], "expected a size such as 224"),
        (["--classes", "a,b,c", "--size", "16", "--out", "x", "--mean", "dark"], "expected numbers with commas"),
    ):
        assert main(["import", str(program), *more]) == 2
        assert words in " ".join(capsys.readouterr().err.split())


def test_several_outputs_are_refused_with_their_number(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x.mean((2, 3)), x.amax((2, 3))

    torch.export.save(torch.export.export(Two(), (torch.zeros(1, 3, 16, 20),)), tmp_path / "two.pt2")
    with pytest.raises(RequestError, match="gives 2 outputs, and one is understood here"):
        adopt(tmp_path / "two.pt2", "abc", tmp_path / "own", size_hw=(16, 20))


def test_a_killed_process_says_that_it_was_killed() -> None:
    process = KerasProcess("tensorflow")
    process._process.kill()
    process._process.wait()
    with pytest.raises(ExportError, match=r"the process of Keras on tensorflow ended \(signal 9: it was killed"):
        process.ask("weights", path="x.keras")


def test_torchscript_becomes_a_program(network: nn.Module, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    pixels = write_picture(tmp_path / "one.png")
    torch.jit.trace(network, torch.zeros(1, 3, 16, 20)).save(str(tmp_path / "theirs.pt"))
    model = adopt(tmp_path / "theirs.pt", "abc", tmp_path / "own", size_hw=(16, 20))
    assert model.file.name == "model.pt2"
    (found,) = model.predict(tmp_path / "one.png")
    assert isinstance(found.prediction, ClassScores)
    with torch.inference_mode():
        assert found.prediction.scores == pytest.approx(network(pixels)[0].numpy(), abs=1e-5)
    names = {name for name, _ in Dissected(model).network.named_modules()}
    # A layer with weights is known by them.
    assert {"0", "4"} <= names
    with pytest.raises(RequestError, match=r"gives \(3,\) for a picture, and 2 classes are named") as caught:
        adopt(tmp_path / "theirs.pt", "ab", tmp_path / "other", size_hw=(16, 20))
    assert "theirs.pt" in str(caught.value)


def test_pytorch_files_that_are_no_network(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "weights.pt")
    with pytest.raises(RequestError, match="holds weights or pickled objects of PyTorch, and no network"):
        adopt(tmp_path / "weights.pt", "abc", tmp_path / "own", size_hw=(16, 20))
    (tmp_path / "none.pth").write_bytes(b"no archive")
    with pytest.raises(ExportError, match="this is no file that PyTorch writes"):
        adopt(tmp_path / "none.pth", "abc", tmp_path / "own", size_hw=(16, 20))

    class Writes(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch.save(x, "stolen.pt")
            return x.mean((2, 3))

    torch.jit.script(Writes()).save(str(tmp_path / "writes.pt"))
    with pytest.raises(ExportError, match=r"code that reaches outside of the network \(save\)"):
        adopt(tmp_path / "writes.pt", "abc", tmp_path / "own", size_hw=(16, 20))
    assert not (tmp_path / "own").exists()
    torch.jit.script(nn.Conv2d(4, 2, 1)).save(str(tmp_path / "four.pt"))
    with pytest.raises(ExportError, match="cannot be made an exported program for pictures of 3 x 16 x 20"):
        adopt(tmp_path / "four.pt", "ab", tmp_path / "own", size_hw=(16, 20))


def test_weights_beside_a_file_of_onnx_come_along(network: nn.Module, tmp_path: Path) -> None:
    program = torch.onnx.export(network, (torch.zeros(1, 3, 16, 20),), dynamo=True, verbose=False)
    assert program is not None
    program.save(tmp_path / "theirs.onnx", external_data=True)
    assert (tmp_path / "theirs.onnx.data").is_file()
    pixels = write_picture(tmp_path / "one.png")
    model = adopt(tmp_path / "theirs.onnx", "abc", tmp_path / "own", size_hw=(16, 20))
    (tmp_path / "theirs.onnx.data").rename(tmp_path / "elsewhere")
    assert sorted(one.name for one in (tmp_path / "own").iterdir()) == ["example.py", "model.onnx", SIDECAR]
    (found,) = model.predict(tmp_path / "one.png")
    assert isinstance(found.prediction, ClassScores)
    with torch.inference_mode():
        assert found.prediction.scores == pytest.approx(network(pixels)[0].numpy(), abs=1e-5)
    with pytest.raises(ExportError, match="Put the file of its weights"):
        adopt(tmp_path / "theirs.onnx", "abc", tmp_path / "other", size_hw=(16, 20))


def test_what_answers_nothing_is_refused(tmp_path: Path) -> None:
    class Nothing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3)) / 0.0

    torch.export.save(torch.export.export(Nothing(), (torch.zeros(1, 3, 16, 20),)), tmp_path / "nothing.pt2")
    with pytest.raises(ExportError, match="gives values that are no finite numbers"):
        adopt(tmp_path / "nothing.pt2", "abc", tmp_path / "own", size_hw=(16, 20))


def test_outputs_under_names_are_outputs(tmp_path: Path) -> None:
    class Named(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"out": x[:, :2]}

    torch.export.save(torch.export.export(Named(), (torch.zeros(1, 3, 16, 20),)), tmp_path / "named.pt2")
    assert adopt(tmp_path / "named.pt2", "ab", tmp_path / "own", size_hw=(16, 20)).task.name == "segmentation"


def test_damaged_files_are_told_in_a_sentence(program: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cut.pt2").write_bytes(program.read_bytes()[:2000])
    asked = ["--classes", "a,b,c", "--size", "16x20", "--out", str(tmp_path / "own")]
    assert main(["import", str(tmp_path / "cut.pt2"), *asked]) == 1
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert "PyTorch cannot read this file" in said
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text("{}")
    (tmp_path / "plain").write_text("x")
    for name, words in (("run", "this is a run of Striate already"), ("plain", "no ending says which tool wrote it")):
        assert main(["import", str(tmp_path / name), *asked]) == 2
        assert words in " ".join(capfd.readouterr().err.split())


def save_onnx(module: nn.Module, path: Path, *shape: int) -> Path:
    torch.onnx.export(module.eval(), (torch.zeros(1, *shape),), path, dynamo=False)
    return path


class ChannelsLast(nn.Module):
    """As converters from TensorFlow leave a network: channels last outside."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        given = self.inner(pixels.permute(0, 3, 1, 2))
        return given.permute(0, 2, 3, 1) if given.ndim == 4 else given


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("maps", [False, True])
def test_onnx_with_channels_last_is_turned(maps: bool, network: nn.Module, tmp_path: Path) -> None:
    inner = nn.Conv2d(3, 3, 3, padding=1) if maps else network
    file = save_onnx(ChannelsLast(inner), tmp_path / "last.onnx", 16, 20, 3)
    model = adopt(file, "abc", tmp_path / "own", size_hw=(16, 20), scale=255)
    pixels = torch.rand(1, 3, 16, 20)
    with torch.inference_mode():
        expected = inner(pixels)
        torch.testing.assert_close(
            model.task.scores(model.network(pixels)), model.task.scores(expected) if maps else expected
        )
        looked_into = Dissected(model).network(pixels)
    torch.testing.assert_close(looked_into.softmax(1), expected.softmax(1) if maps else expected)


def test_openvino_with_channels_last_is_turned(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    inner = nn.Conv2d(3, 3, 3, padding=1)
    model = openvino.convert_model(ChannelsLast(inner), example_input=torch.zeros(1, 16, 20, 3), input=[1, 16, 20, 3])
    openvino.save_model(model, tmp_path / "last.xml", compress_to_fp16=False)
    mine = adopt(tmp_path / "last.xml", "abc", tmp_path / "own", size_hw=(16, 20), scale=255)
    pixels = torch.rand(1, 3, 16, 20)
    with torch.inference_mode():
        torch.testing.assert_close(mine.network(pixels), inner(pixels), atol=1e-4, rtol=1e-4)


def head(outputs: int, *last: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, outputs), *last)
    return nn.Sequential(*layers).eval()


def adopt_program(module: nn.Module, folder: Path, classes: str, **said: str) -> Exported:
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 16, 20),)), folder / "theirs.pt2")
    return adopt(folder / "theirs.pt2", classes, folder / "own", size_hw=(16, 20), scale=255, **said)


def said_by_the_example(model: Exported, picture: Path) -> str:
    asked = [sys.executable, model.path / "example.py", picture]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split(": ")[1].strip()


@pytest.mark.parametrize("sigmoid", [pytest.param(True, marks=pytest.mark.slow), False])
def test_one_output_tells_two_classes_apart(sigmoid: bool, tmp_path: Path) -> None:
    module = head(1, *([nn.Sigmoid()] if sigmoid else []))
    model = adopt_program(module, tmp_path, "ab")
    assert (model.task.name, model.gives) == ("classification", "probabilities" if sigmoid else "scores")
    pixels = write_picture(tmp_path / "one.png")
    with torch.inference_mode():
        given = module(pixels / 255)
    second = float(given if sigmoid else given.sigmoid())
    (found,) = model.predict(tmp_path / "one.png")
    assert isinstance(found.prediction, ClassScores)
    assert found.prediction.scores == pytest.approx([1 - second, second], abs=1e-6)
    # Taken apart, the sigmoid at the end is none of its layers any more: reasons are looked for in scores.
    scores = Dissected(model).network(pixels / 255)
    assert torch.softmax(scores, 1).tolist()[0] == pytest.approx([1 - second, second], abs=1e-6)
    best = max(("a", 1 - second), ("b", second), key=lambda one: one[1])
    assert said_by_the_example(model, tmp_path / "one.png") == f"{best[0]} {best[1]:.4f}"


def test_a_sigmoid_for_each_class_is_several_labels(tmp_path: Path) -> None:
    module = head(3, nn.Sigmoid())
    model = adopt_program(module, tmp_path, "abc")
    assert (model.task.name, model.gives) == ("multilabel", "probabilities")
    pixels = write_picture(tmp_path / "one.png")
    with torch.inference_mode():
        expected = module(pixels / 255)[0].tolist()
    (found,) = model.predict(tmp_path / "one.png")
    assert isinstance(found.prediction, ClassScores)
    assert found.prediction.scores == pytest.approx(expected, abs=1e-6)
    assert found.prediction.several


def test_of_a_sigmoid_for_each_class_one_class_can_be_asked_for(tmp_path: Path) -> None:
    model = adopt_program(head(3, nn.Sigmoid()), tmp_path, "abc", task="classification")
    write_picture(tmp_path / "one.png")
    (found,) = model.predict(tmp_path / "one.png")
    assert isinstance(found.prediction, ClassScores)
    assert not found.prediction.several
    best = found.prediction
    assert said_by_the_example(model, tmp_path / "one.png") == f"{best.label} {best.score:.4f}"


def test_what_is_said_of_the_outputs_goes_before_what_noise_shows(tmp_path: Path) -> None:
    module = head(3)
    (tmp_path / "first").mkdir()
    model = adopt_program(module, tmp_path / "first", "abc", task="multilabel")
    assert (model.task.name, model.gives) == ("multilabel", "scores")
    with pytest.raises(RequestError, match=r"gives \(3,\) for a picture, which is no segmentation"):
        adopt_program(module, tmp_path, "abc", task="segmentation")
    with pytest.raises(RequestError, match="there is no 'odds' here"):
        adopt_program(module, tmp_path, "abc", gives="odds")
    with pytest.raises(RequestError, match=r"gives \(1,\) for a picture, which is no multilabel"):
        adopt_program(head(1), tmp_path, "ab", task="multilabel")


@pytest.mark.filterwarnings("ignore")
def test_what_is_said_and_what_is_seen_have_to_go_together(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="which are no shares"):
        adopt_program(head(1, nn.Sigmoid()), tmp_path, "ab", gives="shares")
    with pytest.raises(RequestError, match="which are no probabilities"):
        adopt_program(head(1), tmp_path, "ab", gives="probabilities")
    with pytest.raises(RequestError, match="maps of one pixel"):
        adopt_program(nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1)), tmp_path, "ab")


@pytest.mark.filterwarnings("ignore")
def test_several_inputs_are_refused_with_their_number(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            return (one + other).mean((2, 3))

    pictures = torch.zeros(1, 3, 16, 20), torch.zeros(1, 3, 16, 20)
    torch.export.save(torch.export.export(Two(), pictures), tmp_path / "two.pt2")
    torch.onnx.export(Two(), pictures, tmp_path / "two.onnx", dynamo=False)
    for name in ("two.pt2", "two.onnx"):
        with pytest.raises(ExportError, match="this network takes 2 inputs, and one is understood here") as seen:
            adopt(tmp_path / name, "abc", tmp_path / "own", size_hw=(16, 20))
        assert str(seen.value.where) == str(tmp_path / name)
    file = save_onnx(head(3), tmp_path / "fixed.onnx", 3, 16, 20)
    with pytest.raises(ExportError) as seen:
        adopt(file, "abc", tmp_path / "own", size_hw=(20, 16))
    assert "It must take one picture at a time or any number" in seen.value.fix


@pytest.mark.filterwarnings("ignore")
def test_five_channels_may_come_last_too(tmp_path: Path) -> None:
    inner = nn.Sequential(nn.Conv2d(5, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    file = save_onnx(ChannelsLast(inner), tmp_path / "last.onnx", 16, 20, 5)
    model = adopt(file, "abc", tmp_path / "own", size_hw=(16, 20), channels=5)
    pixels = torch.rand(1, 5, 16, 20)
    with torch.inference_mode():
        torch.testing.assert_close(model.network(pixels), inner(pixels))


@pytest.mark.parametrize(
    ("sizes", "shape", "last"),
    [
        (["n", 28, 28, 1], (1, 28, 28), True),
        (["n", 1, 28, 28], (1, 28, 28), False),
        (["n", "h", "w", 3], (3, 28, 28), True),
        (["n", "c", "h", "w"], (3, 28, 28), False),
        (["n", 3, 3, 3], (3, 3, 3), False),
        (["n", 28, 28], (3, 28, 28), False),
    ],
)
def test_which_axis_holds_the_channels(sizes: list[object], shape: tuple[int, int, int], last: bool) -> None:
    assert is_channels_last(sizes, shape) is last
