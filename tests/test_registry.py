from __future__ import annotations

import sys
from pathlib import Path

import pytest

from striate.errors import UnknownNameError
from striate.registry import Registry


def test_names_come_back_in_order_of_registration() -> None:
    registry: Registry[int] = Registry("number")
    registry.add("two", 2)
    registry.add("one", 1)
    assert registry.names() == ["two", "one"]
    assert list(registry) == [2, 1]
    assert registry.get("one") == 1
    assert "two" in registry
    assert "three" not in registry
    assert len(registry) == 2


def test_a_taken_name_raises() -> None:
    registry: Registry[int] = Registry("number")
    registry.add("one", 1)
    with pytest.raises(ValueError, match="number 'one' is registered already; choose another name"):
        registry.add("one", 2)
    assert registry.get("one") == 1


def test_unknown_name_offers_the_nearest() -> None:
    registry: Registry[int] = Registry("network")
    for name in ("resnet18", "resnet34", "vgg11"):
        registry.add(name, 0)
    with pytest.raises(UnknownNameError, match=r"there is no network named 'resnet81'\. Nearest: resnet18"):
        registry.get("resnet81")
    with pytest.raises(UnknownNameError, match=r"Known: resnet18, resnet34, vgg11\."):
        registry.get("?")


def test_a_new_file_registers_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "plants"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from striate.registry import Registry\nPLANTS = Registry('plant', 'plants')\n", encoding="utf-8"
    )
    for name in ("oak", "elm"):
        (package / f"{name}.py").write_text(
            f"from plants import PLANTS\nPLANTS.add('{name}', '{name} tree')\n", encoding="utf-8"
        )
    monkeypatch.syspath_prepend(tmp_path)
    import plants  # type: ignore[import-not-found]

    assert "plants.oak" not in sys.modules
    assert plants.PLANTS.names() == ["elm", "oak"]
    assert plants.PLANTS.get("oak") == "oak tree"
