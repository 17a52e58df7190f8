"""Imports point one way: a package may import what stands above it in the list, never what stands below."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ORDER = (
    "errors",
    "registry",
    "glossary",
    "recipe",
    "structures",
    "images",
    "pages",
    "networks",
    "formats",
    "tasks",
    "data",
    "evaluation",
    "runs",
    "training",
    "inside",
    "claims",
    "tools",
    "serving",
    "workbench",
    "api",
    "cli",
)
STRANGERS = {"inside", "claims", "tools"}
"""Packages that do not know each other."""

SOURCE = Path(__file__).parents[1] / "src" / "striate"


def house_imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and package of every import of `striate.*` in a file, inside functions and type-checking blocks too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            named = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        else:
            continue
        for name in named:
            parts = name.split(".")
            if parts[0] == "striate" and len(parts) > 1 and not parts[1].startswith("__"):
                yield node.lineno, parts[1]


def package_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


FILES = [path for path in sorted(SOURCE.rglob("*.py")) if path.parent != SOURCE or not path.stem.startswith("__")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_point_up(path: Path) -> None:
    own = package_of(path)
    assert own in ORDER, f"{own} has no place in the order of packages; DESIGN and this list say where things live"
    for line, other in house_imports(path):
        assert other in ORDER, f"{path}:{line} imports striate.{other}, which has no place in the order"
        assert ORDER.index(other) <= ORDER.index(own), f"{path}:{line}: {own} must not know {other}"
        assert not {own, other} <= STRANGERS or own == other, f"{path}:{line}: {own} and {other} do not know each other"


def test_the_check_sees_imports_everywhere(tmp_path: Path) -> None:
    source = (
        "import striate.cli\ndef f():\n    from striate import runs\n    from striate.data.dataset import Dataset\n"
    )
    path = tmp_path / "module.py"
    path.write_text(source, encoding="utf-8")
    assert list(house_imports(path)) == [(1, "cli"), (3, "runs"), (4, "data")]
