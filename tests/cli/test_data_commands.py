"""`striate data ...`, `striate compare` and `striate demo`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from striate.cli import demo, main

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred real digits, ten of each class."""
    folder = tmp_path_factory.mktemp("data") / "digits"
    assert main(["data", "make", "digits", str(folder), "--images", "100", "--scale", "2"]) == 0
    return folder


def read_json(capsys: Capture, *arguments: str) -> Any:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_make(digits: Path, capsys: Capture) -> None:
    assert sorted(path.name for path in digits.iterdir()) == [str(number) for number in range(10)]
    assert len(list(digits.rglob("*.png"))) == 100
    assert main(["data", "make", "digits", str(digits)]) == 2
    assert main(["data", "make", "digit", str(digits / "new")]) == 2
    assert "there is no built-in data set named 'digit'. Nearest: digits" in capsys.readouterr().err


def test_get_says_at_once_that_it_may_not_connect(tmp_path: Path, capsys: Capture) -> None:
    assert main(["data", "get", "cifar10", str(tmp_path / "cifar")]) == 1
    assert "cifar10: STRIATE_OFFLINE forbids connections" in capsys.readouterr().err
    assert not (tmp_path / "cifar").exists()
    assert main(["data", "get", "cifar11", str(tmp_path / "cifar")]) == 2
    assert "Nearest: cifar10" in capsys.readouterr().err


def test_convert_there_and_back(digits: Path, tmp_path: Path, capsys: Capture) -> None:
    done = read_json(capsys, "data", "convert", str(digits), str(tmp_path / "table"), "--to", "table")
    assert (done["format"], done["images"], done["problems"]) == ("table", 100, [])
    back = read_json(capsys, "data", "convert", str(tmp_path / "table"), str(tmp_path / "back"), "--to", "folders")
    assert back["splits"] == done["splits"]
    assert len(list((tmp_path / "back").rglob("*.png"))) == 100
    assert main(["data", "convert", str(digits), str(tmp_path / "other"), "--to", "tables"]) == 2
    assert "there is no format named 'tables'. Nearest: table" in capsys.readouterr().err


def test_split_is_what_training_would_use(digits: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "divided"
    done = read_json(capsys, "data", "split", str(digits), str(out), "--test-share", "0.2", "--seed", "3")
    assert sum(done["splits"].values()) == 100
    assert done["splits"]["test"] == 20
    seen = read_json(capsys, "look", str(out), "--no-page")
    assert seen["splits"] == done["splits"]
    assert seen["given_splits"] == ["train", "validation", "test"]


def test_look_shows_what_training_refuses_and_ends_like_it(digits: Path, tmp_path: Path, capsys: Capture) -> None:
    shutil.copytree(digits / "0", tmp_path / "one" / "0")
    assert main(["look", str(tmp_path / "one"), "--page", str(tmp_path / "page.html")]) == 2
    seen = capsys.readouterr()
    assert "format   folders" in seen.out
    assert "are of one class, '0'" in " ".join(seen.out.split())
    assert not (tmp_path / "page.html").exists()
    assert main(["look", str(tmp_path / "one"), "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["refused"]["fix"].startswith("Add pictures of another class")
    assert document["page"] is None
    assert main(["look", str(tmp_path / "nothing")]) == 2


@pytest.mark.slow
def test_compare_ranks_networks_on_the_same_pictures(digits: Path, tmp_path: Path, capsys: Capture) -> None:
    machine = ["--precision", "fp32", "--set", "channels_last=false", "--set", "threads=1"]
    arguments = ["compare", str(digits), "--nets", "lenet5,resnet20", "--epochs", "2", "--out", str(tmp_path / "out")]
    done = read_json(capsys, *arguments, *machine)
    assert {row["net"] for row in done["networks"]} == {"lenet5", "resnet20"}
    values = [row["headline"]["value"] for row in done["networks"]]
    assert values == sorted(values, reverse=True)
    assert Path(done["page"]).is_file()
    assert main(["compare", str(digits), "--nets", "lenet5"]) == 2
    assert "a comparison needs at least two different networks" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("narrow_heads")
@pytest.mark.parametrize(("word", "task"), [("classify", "classification"), ("instances", "instances")])
def test_the_demo_goes_the_whole_road(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, word: str, task: str
) -> None:
    # Which setting is the fastest is not looked at.
    monkeypatch.setattr("striate.training.machine.TRIAL_S", 0.05)
    asked = ["demo", "--out", str(tmp_path), "--task", word, "--images", "20"]
    found = read_json(capsys, *asked, "--minutes", "0.1")
    assert list(found) == [task]
    done = found[task]
    assert done["look"]["images"] == 20
    assert done["train"]["verdict"]["state"] in ("underfit", "overfit", "balanced", "too early")
    assert done["evaluate"]["headline"] == done["train"]["headline"]
    assert Path(done["report"]).is_file()
    assert 1 <= len(done["predict"]) == len({each["path"] for each in done["predict"]}) <= demo.PICTURES
    assert len(list(Path(done["answers"]).rglob("*.csv"))) == 1
    assert main([*asked, "--minutes", "-1"]) == 2


def test_the_demo_shares_its_minutes_out(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, float] = {}

    def note(level: demo.Level, out: Path, minutes: float, images: int | None) -> dict[str, Any]:
        given[level.task] = minutes
        assert (out, images) == (tmp_path / level.task, level.images)
        return {}

    monkeypatch.setattr(demo, "_go", note)
    read_json(capsys, "demo", "--out", str(tmp_path))
    assert given == {level.task: level.minutes for level in demo.LEVELS}
    twice = 2 * sum(level.minutes for level in demo.LEVELS)
    read_json(capsys, "demo", "--out", str(tmp_path), "--minutes", str(twice))
    assert given == {level.task: pytest.approx(2 * level.minutes) for level in demo.LEVELS}
    read_json(capsys, "demo", "--out", str(tmp_path), "--minutes", "3", "--task", "detect")
    assert given["detection"] == 3
    assert main(["demo", "--out", str(tmp_path), "--task", "video"]) == 2
    assert "the demo shows no 'video'" in capsys.readouterr().err


@pytest.mark.slow
def test_look_at_channels_with_and_without_a_rule(tmp_path: Path, capsys: Capture, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "make", "bands", "set", "--images", "100"]) == 0
    wanted = [f"channel {index}" for index in range(5)]
    for arguments in (
        ["set", "--channels"],
        ["--channels", "set"],
        ["--channels", "all", "set"],
        ["set", "--channels=all"],
    ):
        found = read_json(capsys, "look", *arguments, "--no-page")["channel_facts"]
        assert [one["name"] for one in found["channels"]] == wanted
    found = read_json(capsys, "look", "set", "--channels", "3", "--no-page")["channel_facts"]
    assert [one["name"] for one in found["channels"]] == ["channel 3"]
    assert read_json(capsys, "look", "set", "--no-page")["channel_facts"] is None
    assert main(["look", "set", "--channels", "nir", "--no-page"]) == 2
    assert "the rule 'nir' takes 'nir'; the channels are channel 0, channel 1," in capsys.readouterr().err
    assert main(["look", "set", "--channels"]) == 0
    assert "Each channel, over" in (tmp_path / "runs" / "look-set.html").read_text(encoding="utf-8")
