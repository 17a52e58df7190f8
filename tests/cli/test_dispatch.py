"""The frame around every command: answers, JSON, errors, exit codes."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import typer

from striate.cli import main
from striate.cli.commands import COMMANDS
from striate.cli.output import Answer
from striate.errors import DataError, TrainingError


def answer(document: Any = None) -> Answer:
    return Answer(document, lambda console: console.print("for a person [bold]"))


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """Puts a function in the place of the command `fake`."""

    def put(function: Callable[..., Any]) -> None:
        module = types.ModuleType("striate.cli.fake")
        module.command = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "striate.cli.fake", module)
        monkeypatch.setitem(COMMANDS, "fake", "A command of the tests")

    return put


Install = Callable[[Callable[..., Any]], None]
Capture = pytest.CaptureFixture[str]


def test_the_answer_goes_to_a_person_or_to_a_program(install: Install, capsys: Capture) -> None:
    def command(path: Annotated[Path, typer.Argument()], top: Annotated[int, typer.Option()] = 5) -> Answer:
        sys.stdout.write("a library talks\n")
        return answer({"path": path, "top": top, "nan": float("nan"), "array": np.arange(2)})

    install(command)
    assert main(["fake", "ä [b].png", "--top", "3"]) == 0
    seen = capsys.readouterr()
    assert seen.out == "for a person [bold]\n"
    assert seen.err == "a library talks\n"
    assert main(["fake", "ä [b].png", "--json"]) == 0
    seen = capsys.readouterr()
    assert json.loads(seen.out) == {"path": "ä [b].png", "top": 5, "nan": None, "array": [0, 1]}
    assert seen.err == "a library talks\n"


@pytest.mark.parametrize(
    ("raised", "code", "text", "kind"),
    [
        (DataError("no pictures.", where="photos", fix="Add some."), 2, "photos: no pictures. Add some.", "DataError"),
        (TrainingError("the loss left the numbers."), 1, "the loss left the numbers.", "TrainingError"),
        (KeyboardInterrupt(), 130, "interrupted.", "Interrupted"),
        (
            PermissionError(errno.EACCES, "Permission denied", "runs/a"),
            1,
            "runs/a: permission denied. Nothing was lost that was written before.",
            "PermissionError",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "no space left on device. Nothing was lost that was written before.",
            "OSError",
        ),
    ],
)
def test_errors_are_one_sentence(
    raised: BaseException, code: int, text: str, kind: str, install: Install, capsys: Capture
) -> None:
    def command() -> Answer:
        raise raised

    install(command)
    assert main(["fake"]) == code
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("", f"striate: {text}\n")
    assert main(["fake", "--json"]) == code
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["kind"], error["exit_code"]) == (kind, code)
    assert error["message"] in text


def test_a_fault_of_ours_leaves_a_log(
    install: Install, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command() -> Answer:
        return answer({}["missing"])

    install(command)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["fake"]) == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error
    named = re.search(r"is written in (\S+\.log)", error)
    assert named is not None
    assert "this is a fault in Striate, not in your data (KeyError: 'missing')" in error
    assert "KeyError: 'missing'" in Path(named[1]).read_text(encoding="utf-8")
    monkeypatch.setenv("STRIATE_DEBUG", "1")
    assert main(["fake"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["fake", "--tpo", "3"], "No such option: --tpo"),
        (["fake"], "Missing argument 'path'"),
        (["fake", "a", "--top", "many"], "Invalid value for '--top': Input should be a valid integer"),
        (["fake", "a", "b"], "unexpected extra argument"),
    ],
)
def test_wrong_usage(arguments: list[str], text: str, install: Install, capsys: Capture) -> None:
    def command(path: Annotated[Path, typer.Argument()], top: Annotated[int, typer.Option()] = 5) -> Answer:
        return answer()

    install(command)
    assert main(arguments) == 2
    seen = capsys.readouterr()
    assert seen.err.startswith("striate: ")
    assert text in seen.err
    assert "Try `striate fake --help`." in seen.err
    assert main([*arguments, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "UsageError"


def test_paths_behind_two_dashes_are_paths(install: Install, capsys: Capture) -> None:
    def command(path: Annotated[Path, typer.Argument()]) -> Answer:
        return answer({"path": path})

    install(command)
    assert main(["fake", "--json", "--", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"path": "--json"}
    assert main(["fake", "--", "--json"]) == 0
    assert capsys.readouterr().out == "for a person [bold]\n"


def test_unknown_commands_offer_the_nearest(capsys: Capture) -> None:
    assert main(["trian"]) == 2
    assert capsys.readouterr().err == "striate: there is no command 'trian'. Nearest: train.\n"
    assert main(["data", "mkae"]) == 2
    assert "there is no command 'data mkae'. Nearest: data make" in capsys.readouterr().err
    assert main(["--frobnicate"]) == 2
    assert "there is no command '--frobnicate'. `striate --help` lists them all." in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def show(_: object) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    install(lambda: Answer(None, show))
    assert main(["fake"]) == 1
    assert capsys.readouterr().err == ""


def test_only_the_leading_process_answers(install: Install, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    install(lambda: answer({"rank": 1}))
    monkeypatch.setenv("RANK", "1")
    assert main(["fake", "--json"]) == 0
    assert capsys.readouterr().out == ""


def test_a_message_is_one_line_where_nobody_reads_it_on_a_terminal(tmp_path: Path) -> None:
    folder = tmp_path / ("a long name " * 12).strip()
    folder.mkdir()
    process = subprocess.run(
        [sys.executable, "-m", "striate", "look", str(folder)], capture_output=True, text=True, check=False
    )
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith(f"striate: {folder}: the folder is empty")
