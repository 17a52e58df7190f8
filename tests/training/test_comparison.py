"""Networks side by side: trained with one recipe, or finished ones measured on the same pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from striate.cli import main
from striate.data.synthetic import MakeOptions, make_data
from striate.errors import RequestError
from striate.recipe import Recipe
from striate.runs.run import Run
from striate.tools.adopting import adopt
from striate.training import compare

QUICK = {"epochs": 1, "precision": "fp32", "threads": 1, "weights": "none", "input.size_hw": [32, 32]}


class Reordered(nn.Module):
    """Somebody else's copy of a network, whose classes come in another order."""

    def __init__(self, network: nn.Module, order: list[int]) -> None:
        super().__init__()
        self.network, self.order = network, order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)[:, self.order]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "digits"
    make_data("digits", folder, MakeOptions(images=120))
    return folder


@pytest.fixture(scope="module")
def together(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared") / "out"
    found = compare(data, ["lenet5", "resnet20"], Recipe().with_values(QUICK), folder=folder)
    assert {row.net for row in found.rows} == {"lenet5", "resnet20"}
    best, other = found.rows
    assert best.behind is None
    assert other.behind is not None
    # What it is behind is the difference of both figures, for both were measured on the same pictures.
    apart = best.network.measured.headline.value - other.network.measured.headline.value
    assert other.behind.value == pytest.approx(apart)
    assert "Those that were trained here" in (folder / "comparison.html").read_text(encoding="utf-8")
    return folder


def test_finished_ones_are_measured_and_nothing_is_trained(
    data: Path, together: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.open(together / "lenet5", "cpu")
    entry = run.recipe.input
    classes = run.classes[::-1]
    file = tmp_path / "theirs.pt2"
    network = Reordered(run.network, list(range(len(classes)))[::-1]).eval()
    shape = (1, run.facts.options.channels, *run.facts.options.size_hw)
    torch.export.save(torch.export.export(network, (torch.zeros(shape),)), file)
    assert entry.scale is not None
    adopt(
        file,
        classes,
        tmp_path / "theirs",
        size_hw=run.facts.options.size_hw,
        channels=shape[1],
        mean=entry.mean,
        std=entry.std,
        scale=entry.scale,
    )
    asked = ["compare", str(data), "--also", str(together / "lenet5"), "--also", str(tmp_path / "theirs")]
    assert main([*asked, "--out", str(tmp_path / "out"), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["networks"]
    assert {first["net"], second["net"]} == {"lenet5", "theirs"}
    # The same network under two names: the order of the classes makes no difference.
    assert first["headline"]["value"] == second["headline"]["value"] == run.metrics.headline.value
    assert (second["behind"]["low"], second["behind"]["high"]) == (0, 0)
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["comparison.html"]
    page = (tmp_path / "out/comparison.html").read_text(encoding="utf-8")
    assert "lenet5 and theirs came finished" in page
    assert "Those that were trained here" not in page


def test_what_cannot_be_compared_is_said_before_anything_is_trained(
    data: Path, together: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Sum(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3))

    torch.export.save(torch.export.export(Sum(), (torch.zeros(1, 3, 32, 32),)), tmp_path / "sum.pt2")
    adopt(tmp_path / "sum.pt2", ("cat", "dog", "cow"), tmp_path / "animals", size_hw=(32, 32))
    for asked, words in (
        (["--also", str(together / "lenet5")], "at least two different networks, found lenet5"),
        (
            ["--nets", "lenet5", "--also", str(tmp_path / "animals")],
            "this network knows cat, dog and cow; expected",
        ),
        (["--nets", "lenet5", "--also", str(tmp_path / "none")], "none"),
    ):
        assert main(["compare", str(data), *asked, "--out", str(tmp_path / "out")]) == 2
        assert words in " ".join(capsys.readouterr().err.split())
        assert not (tmp_path / "out").exists()
    boxes = tmp_path / "boxes"
    make_data("digits", boxes, MakeOptions(images=12, task="detection"))
    models = {name: Run.open(together / name, "cpu") for name in ("lenet5", "resnet20")}
    with pytest.raises(RequestError, match="this network is for classification, and the data for detection"):
        compare(boxes, (), finished=models, folder=tmp_path / "out")


def test_other_pictures_of_one_class_are_all_measured(
    data: Path, together: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.open(together / "lenet5", "cpu")
    (folder,) = [one for one in data.rglob(run.classes[0]) if one.is_dir()][:1]
    shutil.copytree(folder, tmp_path / "other" / run.classes[0])
    count = len(list((tmp_path / "other").rglob("*.png")))
    asked = ["compare", str(tmp_path / "other"), *(f"--also={together / name}" for name in ("lenet5", "resnet20"))]
    assert main([*asked, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert f"on {count} pictures, all there are" in said
    assert f"on {count} pictures, all there are." in (tmp_path / "out/comparison.html").read_text(encoding="utf-8")
