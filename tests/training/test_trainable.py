"""Data for a task that is not registered is refused before any picture is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from striate.cli import main
from striate.data import open_dataset
from striate.data.synthetic import MakeOptions, make_data
from striate.errors import RequestError
from striate.formats import FORMATS
from striate.tasks import TASKS
from striate.training.trainable import refuse_untrainable


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    return make_data("digits", tmp_path / "scenes", MakeOptions(images=10, task="detection"))


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Leaves some tasks registered; names that no task has yet stand for one."""

    def leave(*names: str) -> None:
        TASKS.names()
        known: dict[str, Any] = {name: TASKS.get(name) if name in TASKS else object() for name in names}
        monkeypatch.setattr(TASKS, "_items", known)

    return leave


def fail(*_: object, **__: object) -> None:
    raise AssertionError("must not be called")


def test_a_sentence_and_exit_code_2_before_pictures_are_read(
    scenes: Path, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only("classification", "multilabel")
    monkeypatch.setattr("striate.data.survey.scan_pictures", fail)
    for arguments in ([], ["--task", "detection"]):
        assert main(["train", str(scenes), *arguments]) == 2
        said = capsys.readouterr().err
        assert "detection can be looked at and converted; training it is not in this version." in said
        assert "This version trains classification, multilabel; --task multilabel learns which classes" in said


def test_it_vanishes_once_the_task_is_registered(
    scenes: Path, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only(*{task for fmt in FORMATS for task in fmt.tasks})
    monkeypatch.setattr("striate.training.trainable.read_for_task", fail)
    refuse_untrainable(scenes)
    refuse_untrainable(scenes, "detection")


def test_another_format_is_not_read_for_it(
    tmp_path: Path, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_data("digits", tmp_path / "digits", MakeOptions(images=20))
    only("classification")
    monkeypatch.setattr("striate.training.trainable.read_for_task", fail)
    refuse_untrainable(root)
    refuse_untrainable(tmp_path / "not there")


def test_what_is_wanted_decides_and_not_what_is_there(scenes: Path, only: Callable[..., None]) -> None:
    only("classification", "multilabel")
    refuse_untrainable(scenes, "multilabel")
    refuse_untrainable(scenes, "no such task")
    with pytest.raises(RequestError, match="segmentation can be looked at and converted") as seen:
        refuse_untrainable(scenes, "segmentation")
    assert seen.value.where == str(scenes)


def test_an_open_data_set_is_judged_by_its_own_task(scenes: Path, only: Callable[..., None]) -> None:
    data = open_dataset(scenes)
    only("classification")
    with pytest.raises(RequestError, match="detection can be looked at and converted"):
        refuse_untrainable(data)
    only("detection")
    refuse_untrainable(data)
