"""What every tool is: something that a network can be written for, and that runs it without PyTorch."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy.typing as npt

from striate.errors import MissingPartError
from striate.registry import Registry
from striate.tools.graph import Graph

Runner: TypeAlias = Callable[[npt.NDArray[Any]], list[npt.NDArray[Any]]]
"""Stored pixels `(N, C, H, W)`, as `striate.data.framing.prepare` gives them, to the graph's outputs."""


class Tool(ABC):
    """One tool; one file registers one.

    Attributes:
        name: Registered name, what `--to` takes.
        title: What it is, in a phrase.
        packages: Packages that it needs, by the names that `pip` knows.
        extra: The extra of Striate that holds them; empty where Striate needs them itself.
        file: Name of the file or folder that is written; a file's ending tells the tool where only a file is given.
        load: Python source of `load(path)`, for the example that needs no Striate: the artefact as a function from
            pixels to outputs.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    extra: str = ""
    file: str
    load: str

    @abstractmethod
    def write(self, graph: Graph, path: Path) -> tuple[str, ...]:
        """Writes the network.

        Args:
            graph: What is to be written, in evaluation mode on the CPU.
            path: The file, or the folder where the tool writes one.

        Returns:
            Names of the outputs, in the order in which the artefact gives them. What is the same for all pictures may
            be left out.

        Raises:
            ExportError: The tool cannot hold something in it.
        """

    @abstractmethod
    def open(self, path: Path) -> Runner:
        """The network in the tool's own runtime, in fp32.

        Raises:
            ExportError: The file is damaged or not of this tool.
        """

    def others(self, path: Path) -> dict[str, Runner]:
        """The network in further runtimes that are installed here, by their names in words."""
        del path
        return {}

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed."""
        return tuple(name for name in self.packages if not installed_version(name))

    @property
    def runtime(self) -> str:
        """What runs it, with versions."""
        return ", ".join(f"{name} {installed_version(name)}" for name in self.packages)

    def require(self) -> None:
        """Makes sure that the tool is there.

        Raises:
            MissingPartError: It is not; says how to add it.
        """
        if self.missing:
            raise MissingPartError(
                f"{self.title} needs {' and '.join(self.missing)}, which is not installed.",
                where=f"--to {self.name}",
                fix=f'pip install "striate[{self.extra}]"',
            )


def installed_version(package: str) -> str:
    """Version of a package by the name that `pip` knows; empty where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


TOOLS: Registry[Tool] = Registry("tool", "striate.tools")
