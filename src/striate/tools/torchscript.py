"""TorchScript files as exported programs, which all else here works on."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch

from striate.errors import ExportError, RequestError, cause_of
from striate.tools.torch_program import quiet

ENDINGS = (".pt", ".pth", ".ts", ".torchscript", ".jit")
"""PyTorch's own files have no ending of their own: what is in them tells."""

_REACHES_OUTSIDE = re.compile(r"\b(?:torch|aten)\.(save|from_file)\(")
"""Functions of TorchScript that write or map files."""


def as_program(file: Path, shape: Sequence[int], target: Path) -> None:
    """Writes a TorchScript file as an exported program that takes one picture.

    Args:
        file: What `torch.jit.save` wrote.
        shape: Channels, height and width of its pictures.
        target: The new file.

    Raises:
        RequestError: The file holds weights or pickled objects, and no network by itself.
        ExportError: It cannot be read, reaches outside of itself, or has something that a program cannot hold.
    """
    from torch._export.converter import TS2EPConverter

    _check(file)
    picture = torch.zeros(1, *shape)
    try:
        # PyTorch advises torch.export instead, which is what this is for.
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            script = torch.jit.load(file, map_location="cpu").eval()  # type: ignore[no-untyped-call]
            program = TS2EPConverter(script, (picture,)).convert()
            torch.export.save(program, target)
    except Exception as error:
        raise ExportError(
            f"this TorchScript cannot be made an exported program for pictures of {' x '.join(map(str, shape))} "
            f"({cause_of(error)}).",
            where=file,
            fix="Say what it takes: --size and --channels; or save it by torch.export where it was made.",
        ) from error


def _check(file: Path) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            code = [archive.read(name).decode(errors="replace") for name in names if "/code/" in name]
    except (OSError, zipfile.BadZipFile) as error:
        raise ExportError(
            f"this is no file that PyTorch writes ({cause_of(error)}).", where=file, fix="Copy it again."
        ) from error
    if not any(name.endswith("/constants.pkl") for name in names):
        raise RequestError(
            "this file holds weights or pickled objects of PyTorch, and no network that could be run without its code.",
            where=file,
            fix="Save the network by torch.export.save (.pt2) or torch.jit.save where its code is.",
        )
    found = sorted({match for text in code for match in _REACHES_OUTSIDE.findall(text)})
    if found:
        raise ExportError(
            f"it holds code that reaches outside of the network ({', '.join(found)}).",
            where=file,
            fix="Ask who made it for a network that only computes.",
        )
