"""What tests on real data share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from striate.data.look import Look, look


@pytest.fixture(scope="module")
def look_at(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Look]:
    """Looks at a set by its name, once; a test whose set is not here is skipped."""
    seen: dict[tuple[str, str | None], Look] = {}

    def at(name: str, format: str | None = None) -> Look:
        if not (shared_data / name).exists():
            pytest.skip(f"no {name}")
        if (name, format) not in seen:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("STRIATE_CACHE", str(tmp_path_factory.mktemp("cache")))
                seen[name, format] = look(shared_data / name, format=format)
        return seen[name, format]

    return at
