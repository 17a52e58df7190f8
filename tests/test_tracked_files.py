"""What is committed holds on every machine: no paths of one machine, no addresses of package registries."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

FORBIDDEN = {
    "a path of one machine": re.compile(rf"(?<![\w.])/({'|'.join(['work', 'root', 'home', 'farm', 'Users'])})/[a-z.]"),
    "a package registry": re.compile("|".join([r"pypi\.(org|python)", "pythonhosted", r"download\.pytorch\.org/whl"])),
}


@pytest.fixture(scope="module")
def tracked(repository: Path) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    paths = [repository / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and path != Path(__file__)]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_files_hold_on_every_machine(what: str, tracked: list[Path]) -> None:
    found = []
    for path in tracked:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path}:{number}: {line[:120]}" for number, line in enumerate(lines, 1) if FORBIDDEN[what].search(line)
        ]
    assert found == [], f"{what} in tracked files"


def test_constraints_are_exact_versions(repository: Path) -> None:
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*( ; .+)?", line), f"not an exact version: {line}"
    names = {line.split("==")[0] for line in lines}
    assert {"torch", "torchvision", "timm", "pytest", "ruff", "mypy"} <= names
    for line in lines:
        if line.startswith(("nvidia-", "cuda-", "triton")):
            assert "sys_platform == 'linux'" in line, f"only Linux has this package: {line}"
