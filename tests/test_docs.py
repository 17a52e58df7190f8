"""Everything a user can name is documented, and the generated pages are what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from striate.claims import CLAIMS
from striate.cli.commands import COMMANDS
from striate.data.annotations import LOST_KINDS, MENDED_KINDS
from striate.data.public import PUBLIC_SETS
from striate.data.synthetic import MAKERS
from striate.formats import FORMATS
from striate.networks import NETWORKS
from striate.networks.heads import HEADS
from striate.recipe import recipe_fields
from striate.registry import Registry
from striate.runs.answers import ANSWER_WRITERS
from striate.tasks import TASKS
from striate.tools import TOOLS

DOCS = Path(__file__).parents[1] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_generated_blocks_are_up_to_date(path: Path, generator: ModuleType) -> None:
    text = path.read_text(encoding="utf-8")
    assert generator.generate(text) == text, f"docs/{path.name} is out of date; run: make docs"


def test_every_generated_block_stands_on_a_page(generator: ModuleType) -> None:
    named = {match[2] for path in DOCS.glob("*.md") for match in generator.BLOCK.finditer(page(path.name))}
    assert named == set(generator.GENERATORS)


def test_every_command_is_documented() -> None:
    assert [name for name in COMMANDS if f"## striate {name}\n" not in page("commands.md")] == []


def test_every_recipe_field_is_documented() -> None:
    assert [name for name, *_ in recipe_fields() if f"`{name}`" not in page("recipe.md")] == []


@pytest.mark.parametrize(
    ("registry", "name"),
    [
        pytest.param(NETWORKS, "networks.md", id="networks"),
        pytest.param(HEADS, "networks.md", id="heads"),
        pytest.param(FORMATS, "data.md", id="formats"),
        pytest.param(TASKS, "data.md", id="tasks"),
        pytest.param(MAKERS, "data.md", id="makers"),
        pytest.param(PUBLIC_SETS, "data.md", id="public-sets"),
        pytest.param(CLAIMS, "claims.md", id="claims"),
        pytest.param(TOOLS, "tools.md", id="tools"),
        pytest.param(ANSWER_WRITERS, "boxes-and-masks.md", id="answers"),
    ],
)
def test_every_registered_name_is_documented(registry: Registry[object], name: str) -> None:
    assert len(registry) > 0
    assert [each for each in registry.names() if f"`{each}`" not in page(name)] == []


def test_every_rule_for_boxes_and_masks_is_documented() -> None:
    assert [kind for kind in (*MENDED_KINDS, *LOST_KINDS) if f"| `{kind}` |" not in page("data.md")] == []


def test_links_between_pages_lead_somewhere(repository: Path) -> None:
    for path in [*DOCS.glob("*.md"), *repository.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}, which is not there"
