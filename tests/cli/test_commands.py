"""What holds for every command."""

from __future__ import annotations

import importlib
import inspect

import pytest

from striate.cli import main
from striate.cli.commands import COMMANDS, module_name, overview

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_explains_and_gives_an_example(name: str, capsys: Capture) -> None:
    assert main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: striate {name} ")
    assert f"  Example:\n      striate {name}" in text
    assert "--json" in text
    assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_and_option_is_explained(name: str) -> None:
    function = importlib.import_module(module_name(name)).command
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        hint = next(each for each in parameter.annotation.__metadata__ if hasattr(each, "help"))
        assert hint.help, f"striate {name}: {parameter.name}"


def test_the_overview_names_every_command(capsys: Capture) -> None:
    for arguments in ([], ["--help"], ["-h"], ["help"]):
        assert main(arguments) == 0
        text = capsys.readouterr().out
        assert text == overview()
        assert [name for name, summary in COMMANDS.items() if name not in text or summary not in text] == []
        assert max(map(len, text.splitlines())) <= 80


def test_a_group_shows_its_own_commands(capsys: Capture) -> None:
    assert main(["data", "--help"]) == 0
    text = capsys.readouterr().out
    assert "data convert" in text
    assert "train" not in text
