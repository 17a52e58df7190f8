"""`striate claims`: lists, measures, keeps what was measured, and refuses what cannot be measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from striate.cli import main
from striate.data.synthetic import MakeOptions, make_data
from striate.recipe import Recipe
from striate.training import train
from striate.training.progress import Silent

QUICK = {"epochs": 1, "precision": "fp32", "channels_last": False, "threads": 1, "network.name": "lenet5"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run with enough test pictures for an interval, and one without."""
    folder = tmp_path_factory.mktemp("claims")
    found = []
    for name, images in (("many", 400), ("few", 60)):
        data = make_data("digits", folder / f"{name}-digits", MakeOptions(images=images))
        found.append(train(data, Recipe().with_values(QUICK), run=folder / name, progress=Silent()).path)
    return found[0], found[1]


def test_the_claims_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "--list"]) == 0
    assert "Convolution layers are rotation invariant." in " ".join(capsys.readouterr().out.split())
    assert main(["claims", "--list", "--json"]) == 0
    assert [one["number"] for one in json.loads(capsys.readouterr().out)] == list(range(1, 11))


def test_a_claim_is_measured_once_and_written_down(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", str(runs[0]), "--only", "sliding-window", "--json"]) == 0
    first = capsys.readouterr()
    shown = json.loads(first.out)
    (claim,) = shown["claims"]
    assert (claim["name"], claim["verdict"]) == ("sliding-window", "holds")
    assert claim["measures"][0]["value"] < 1e-9
    assert "sliding-window: takes about" in first.err
    page = Path(shown["page"]).read_text(encoding="utf-8")
    assert "Convolution is a kernel in a sliding window giving a feature map." in page
    assert main(["claims", str(runs[0]), "--only", "sliding-window", "--json"]) == 0
    second = capsys.readouterr()
    assert "sliding-window: measured before" in second.err
    assert json.loads(second.out)["claims"] == shown["claims"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected the folder of a run. striate claims --list needs none"),
        (["{many}", "--only", "poling"], "there is no claim named 'poling'. Nearest: pooling"),
        (["{many}-digits"], "this is not a run folder"),
    ],
)
def test_wrong_requests(
    runs: tuple[Path, Path], arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [argument.format(many=runs[0]) for argument in arguments]
    assert main(["claims", *filled]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_too_few_pictures_give_no_verdict(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", str(runs[1]), "--only", "sliding-window", "--only", "rotation", "--json"]) == 0
    rotation, window = json.loads(capsys.readouterr().out)["claims"]
    assert rotation["verdict"] == "cannot tell"
    assert "test pictures are too few for an interval" in rotation["summary"]
    # What holds for every single picture needs no interval.
    assert window["verdict"] == "holds"


def test_data_that_does_not_fit_is_no_finding(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from striate.data.synthetic import MakeOptions, make_data

    scenes = make_data("digits", tmp_path / "scenes", MakeOptions(images=10, task="segmentation"))
    assert main(["claims", str(runs[1]), str(scenes), "--only", "sliding-window"]) == 2
    assert "is for" in capsys.readouterr().err
    assert not (runs[1] / "claims.html").exists() or "segmentation" not in (runs[1] / "claims.html").read_text()
    assert main(["claims", str(runs[1]), "--only", "sliding-window", "--out", str(tmp_path)]) == 1
    assert "the page cannot be written (it is a folder)" in capsys.readouterr().err
