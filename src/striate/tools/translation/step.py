"""One operation of PyTorch, with what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from striate.tools.translation.writer import Value, Writer


@dataclass(frozen=True, slots=True)
class Step:
    """What an operation is given.

    Attributes:
        arguments: In PyTorch's order: values, tensors that are the same for all pictures, plain data.
        options: By name.
        keys: For each argument, its name in the network's state; empty for what is no weight.
        shape: Of what comes out, without the batch; empty where it gives several.
    """

    arguments: tuple[Any, ...]
    options: dict[str, Any]
    keys: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def value(self) -> Value:
        """The first argument, where that is what the operation works on."""
        given: Value = self.arguments[0]
        return given

    def get(self, place: int, name: str, default: Any = None) -> Any:
        """An argument by place or name."""
        return self.arguments[place] if place < len(self.arguments) else self.options.get(name, default)

    def pair(self, place: int, name: str, default: Any) -> tuple[int, int]:
        """An argument that is one number for both axes, or two."""
        given = self.get(place, name, default)
        if given is None or given == []:
            given = default
        first, last = (given, given) if isinstance(given, int) else (given[0], given[-1])
        return int(first), int(last)


Translation: TypeAlias = Callable[[Writer, Step], Any]
