"""What every tool is: something that a network can be written for, and that runs it without PyTorch."""

from __future__ import annotations

import copy
import importlib.metadata
import importlib.util
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeAlias

import numpy.typing as npt
from torch import fx

from striate.errors import ExportError, MissingPartError, RequestError, cause_of
from striate.registry import Registry
from striate.tools.graph import Graph

Runner: TypeAlias = Callable[[npt.NDArray[Any]], list[npt.NDArray[Any]]]
"""Stored pixels `(N, C, H, W)`, as `striate.data.framing.prepare` gives them, to the graph's outputs."""

EXACT = "fp32"
"""The precision of training's own sums, in which a tool has to give PyTorch's outputs but for rounding."""

PRECISIONS = (EXACT, "fp16", "bf16", "int8")
"""Precisions that a tool may have, the exact one first."""


@contextmanager
def reading(path: Path, tool: str) -> Iterator[None]:
    """Turns whatever a tool raises at a file that it cannot read into an `ExportError`."""
    try:
        yield
    except Exception as error:
        raise ExportError(
            f"{tool} cannot read this file ({cause_of(error)}).",
            where=path,
            fix="Copy or export it again, with all that belongs to it.",
        ) from error


def refuse_several_inputs(path: Path, count: int) -> None:
    """Makes sure that a network takes a picture and nothing else.

    Raises:
        ExportError: It takes more.
    """
    if count != 1:
        raise ExportError(
            f"this network takes {count} inputs, and one is understood here.",
            where=path,
            fix="Save it again with one input, the picture.",
        )


class Tool(ABC):
    """One tool; one file registers one.

    Attributes:
        name: Registered name, what `--to` takes.
        title: What it is, in a phrase.
        packages: Packages that it needs, by the names that `pip` knows; the one that runs it first.
        extra: The extra of Striate that holds them; empty where Striate needs them itself.
        file: Name of the file or folder that is written; a file's ending tells the tool where only a file is given.
        load: Python source of `load(path)`, for the example that needs no Striate: the artefact as a function from
            pixels to outputs.
        precisions: Those in which it holds a network.
        without: Why it has not another one, in a sentence.
        quantiser: Packages that writing in int8 needs too.
        precision: The one that this object writes and opens; `at` gives the others.
        takes: Names of the tools whose files, of networks from elsewhere, this one is written from.
    """

    takes: tuple[str, ...] = ()

    precisions: tuple[str, ...] = (EXACT,)
    without: ClassVar[Mapping[str, str]] = MappingProxyType({})
    quantiser: tuple[str, ...] = ()
    precision: str = EXACT
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

    def take(self, name: str, file: Path, path: Path) -> None:
        """Writes a network from another tool's file; it takes the same pixels and gives the same outputs.

        Args:
            name: The other tool, one of `takes`.
            file: The other tool's file.
            path: The new one.

        Raises:
            ExportError: This tool cannot hold something in it.
        """
        raise NotImplementedError(f"{self.name} takes no file of {name}, from {file} to {path}")

    @abstractmethod
    def open(self, path: Path) -> Runner:
        """The network in the tool's own runtime, in this object's precision.

        Raises:
            ExportError: The file is damaged or not of this tool.
        """

    def others(self, path: Path) -> dict[str, Runner]:
        """The network in further runtimes that are installed here, by their names in words."""
        del path
        return {}

    def copy(self, file: Path, target: Path, shape: Sequence[int]) -> None:
        """Copies a file of this tool, or a folder where it writes one, with all that belongs to it.

        What comes out takes pictures, and gives maps, as all artefacts of this tool do here, whatever the order of
        axes was where it was made.

        Args:
            file: The file.
            target: Where to.
            shape: Channels, height and width of the pictures that it takes.

        Raises:
            ExportError: A part of it is missing.
        """
        del shape
        if file.is_dir():
            shutil.copytree(file, target)
        else:
            shutil.copyfile(file, target)

    def dissect(self, path: Path, shape: Sequence[int]) -> fx.GraphModule:
        """The network as layers of PyTorch, so that it can be looked into.

        Args:
            path: The file.
            shape: Channels, height and width of the pictures that it takes.

        Raises:
            ExportError: It cannot be read, or the tool keeps no layers apart.
            UnknownLayerError: Something in it has no counterpart.
        """
        del shape
        raise ExportError(
            f"{self.title} does not keep a network's layers apart, so that they could be looked into.",
            where=path,
            fix="Import it from ONNX, Keras (.keras) or PyTorch (.pt2), and look into that.",
        )

    def describe(self, path: Path) -> str:
        """What a file takes and gives, in words ("takes ... and gives ..."); empty where the tool cannot say.

        Raises:
            ExportError: The file is damaged or not of this tool.
        """
        del path
        return ""

    def at(self, precision: str) -> Self:
        """The same tool for networks in another precision.

        Raises:
            RequestError: It has no such precision; says why, and which it has.
        """
        if precision not in self.precisions:
            raise RequestError(
                self.without.get(precision, f"{self.title} has no precision {precision!r} here."),
                where="--precision",
                fix=f"It has {', '.join(self.precisions)}.",
            )
        made = copy.copy(self)
        made.precision = precision
        return made

    @property
    def label(self) -> str:
        """Name and precision: of the folder of an export, and what `--runtime` takes."""
        return self.name if self.precision == EXACT else f"{self.name}-{self.precision}"

    @property
    def unable(self) -> str:
        """Why this machine cannot compute in this precision, in a sentence; empty where it can."""
        return ""

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed."""
        return absent(self.packages)

    @property
    def runtime(self) -> str:
        """What runs it, with its version: the first of its packages."""
        return f"{self.title.partition(' (')[0]} {installed_version(self.packages[0])}"

    def require(self, *, to_write: bool = False) -> None:
        """Makes sure that the tool is there.

        Args:
            to_write: What only writing needs is asked for too.

        Raises:
            MissingPartError: It is not; says how to add it.
        """
        quantises = to_write and self.precision == "int8"
        missing = (*self.missing, *absent(self.quantiser)) if quantises else self.missing
        if missing:
            raise MissingPartError(
                f"{self.title} needs {' and '.join(missing)}, which is not installed.",
                where=f"--to {self.name}",
                fix=f'pip install "striate[{self.extra}]"',
            )


def absent(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Those that are not installed."""
    return tuple(name for name in packages if not installed_version(name))


def installed_version(package: str) -> str:
    """Version of a package by the name that `pip` knows; empty where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


TOOLS: Registry[Tool] = Registry("tool", "striate.tools")
