"""The package from outside: cheap to import, complete, and quick to answer."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import striate
from striate.recipe import Recipe

HEAVY = ("torch", "torchvision", "timm", "sklearn", "pydantic", "typer", "rich", "numpy")


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    "start",
    [
        "import striate",
        "from striate.cli import main; main(['--help'])",
        "from striate.cli import main; main(['data'])",
        "from striate.cli import main; main(['--version'])",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(start: str) -> None:
    done = run_python("-c", f"{start}\nimport sys; print([name for name in {HEAVY} if name in sys.modules])")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_of_a_command_does_not_import_torch() -> None:
    code = "import sys; from striate.cli import main; main(['train', '--help']); assert 'torch' not in sys.modules"
    assert run_python("-c", code).returncode == 0


def cpu_s(*arguments: str) -> float:
    before = os.times()
    run_python(*arguments)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count the CPU time of child processes")
def test_help_costs_at_most_five_times_an_empty_python() -> None:
    pairs = []
    for _ in range(5):
        pairs.append((cpu_s("-m", "striate", "--help"), cpu_s("-c", "pass")))
        time.sleep(0.05)
    ours, empty = (min(times) for times in zip(*pairs, strict=True))
    assert ours <= 5 * max(empty, 0.01)


def test_running_the_package_is_running_the_command() -> None:
    done = run_python("-m", "striate", "--version")
    assert (done.returncode, done.stdout) == (0, f"striate {striate.__version__}\n")
    assert run_python("-m", "striate", "no-such-command").returncode == 2


def test_every_public_name_is_there_and_documented() -> None:
    for name in striate.__all__:
        assert getattr(striate, name).__doc__, name
    assert set(striate.__all__) <= set(dir(striate))
    assert striate.Recipe is Recipe
    with pytest.raises(AttributeError, match="module 'striate' has no attribute 'nothing'"):
        _ = striate.nothing


def test_types_are_shipped() -> None:
    assert (Path(striate.__file__).parent / "py.typed").is_file()


def test_the_version_stands_in_one_more_place_only(repository: Path) -> None:
    assert f'version = "{striate.__version__}"' in (repository / "pyproject.toml").read_text(encoding="utf-8")
