"""One small generic registry; a name that is taken raises.

Each package that holds one thing per file (networks, formats, tasks, ...) owns one `Registry`. The registry imports
the package's modules when it is first asked, so a new file registers itself by being there.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

from striate.errors import UnknownNameError

T = TypeVar("T")

_importing = threading.RLock()
"""One lock for all registries, so that two that import each other's packages cannot wait for each other."""


class Registry(Generic[T]):
    """Things of one kind, by name.

    Args:
        kind: What the things are, singular, for error texts ("network", "format").
        package: Dotted name of the package whose modules register themselves; imported on first use.
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self._package = package
        self._loaded = package is None
        self._loading = False
        self._items: dict[str, T] = {}

    def add(self, name: str, item: T) -> T:
        """Registers `item`.

        Raises:
            ValueError: The name is taken.
        """
        if name in self._items:
            raise ValueError(f"{self.kind} {name!r} is registered already; choose another name.")
        self._items[name] = item
        return item

    def get(self, name: str) -> T:
        """Returns the thing of that name.

        Raises:
            UnknownNameError: No such name; the nearest ones are offered.
        """
        self._load()
        if name in self._items:
            return self._items[name]
        near = difflib.get_close_matches(name.lower(), list(self._items), n=3, cutoff=0.4)
        known = "Nearest: " + ", ".join(near) if near else "Known: " + ", ".join(self.names())
        raise UnknownNameError(f"there is no {self.kind} named {name!r}.", fix=known + ".")

    def names(self) -> list[str]:
        """All names, in the order of registration."""
        self._load()
        return list(self._items)

    def __iter__(self) -> Iterator[T]:
        self._load()
        return iter(self._items.values())

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._items

    def __len__(self) -> int:
        self._load()
        return len(self._items)

    def _load(self) -> None:
        if self._loaded or self._package is None:
            return
        # Threads that come while another one imports must wait, or they would see half of the names. A module that
        # asks while it is being imported itself sees what is there so far.
        with _importing:
            if self._loaded or self._loading:
                return
            self._loading = True
            try:
                package = importlib.import_module(self._package)
                for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
                    importlib.import_module(f"{self._package}.{module.name}")
                self._loaded = True
            finally:
                self._loading = False
