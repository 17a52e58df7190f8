"""Networks from elsewhere: what is needed to ask them is written beside them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import ExportError, RequestError, cause_of
from striate.runs.files import plain, write_json
from striate.structures import Count
from striate.tools import torchscript
from striate.tools.base import TOOLS, Runner, Tool
from striate.tools.exported import Exported
from striate.tools.exporting import EXAMPLE, example_of
from striate.tools.graph import PLAIN
from striate.tools.meaning import GIVES, PROBABILITIES, SCORES, SHARES, meaning_of
from striate.tools.sidecar import FOREIGN_TASKS, INSIDE, SIDECAR, SIDECAR_VERSION

_TRIALS = 4
_LOUDER = 30.0
"""Scores that lie between 0 and 1 for noise hardly do so for noise this many times as loud."""


def adopt(
    file: str | Path,
    classes: Sequence[str],
    folder: str | Path,
    *,
    size_hw: tuple[int, int],
    channels: int = 3,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    scale: float = 1.0,
    task: str | None = None,
    gives: str | None = None,
) -> Exported:
    """Copies a classifier or a semantic segmenter that Striate did not write, with a sidecar that tells how to ask it.

    The network is run on noise: that shows its task and what it gives, where nothing is said of them.

    Args:
        file: A file of one of the tools, or of TorchScript; code in it is never run.
        classes: Names of its classes, in the order of its outputs; of one output, whose sigmoid decides between two
            classes, that of 0 and that of 1.
        folder: Where it goes; must be new or empty.
        size_hw: Height and width of its input, in pixels.
        channels: Channels of its input.
        mean: Subtracted from each channel, after dividing by `scale`; 0 where not given.
        std: Each channel is divided by it then; 1 where not given.
        scale: What stored values are divided by; 255 brings those of 8 bits between 0 and 1.
        task: "classification", "multilabel" or "segmentation".
        gives: "scores", which a softmax or a sigmoid is still to be made of; "shares", which a softmax made; or
            "probabilities", which a sigmoid made.

    Raises:
        RequestError: No such file, or what is said of it does not hold.
        MissingPartError: Its tool is not installed.
        ExportError: It cannot be read or run.
    """
    file, folder = Path(file), Path(folder)
    _check_classes(classes)
    tool = _tool_of(file)
    tool.require()
    if folder.exists() and any(folder.iterdir()):
        raise RequestError("this folder is not empty.", where=folder, fix="Choose a new one with --out.")
    said = _Said(
        file,
        tuple(classes),
        (channels, *size_hw),
        _normalisation(file, channels, mean, std, scale),
        _known("--task", task, FOREIGN_TASKS),
        _known("--gives", gives, GIVES),
    )
    with tempfile.TemporaryDirectory() as place:
        copied = Path(place) / tool.file
        try:
            if file.suffix in torchscript.ENDINGS:
                torchscript.as_program(file, said.shape, copied)
            else:
                tool.copy(file, copied, said.shape)
            return _take_in(copied, tool.open(copied), tool, said, folder)
        except ExportError as error:
            # By the name that the caller knows.
            raise ExportError(error.what.replace(str(copied), str(file)), where=file, fix=error.fix) from error


@dataclass(frozen=True, slots=True)
class _Said:
    """What the caller said of a network: the file that was named, and what is none where nothing was said."""

    file: Path
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    normalisation: dict[str, Any]
    task: str | None
    gives: str | None


def _check_classes(classes: Sequence[str]) -> None:
    if len(classes) < 2:
        raise RequestError(
            f"a network tells two or more classes apart, and {len(classes)} is named.",
            where="--classes",
            fix="Name them all; of one output, whose sigmoid decides, the classes of 0 and of 1: --classes no,yes",
        )
    if len(set(classes)) < len(classes):
        twice = next(name for name in classes if list(classes).count(name) > 1)
        raise RequestError(
            f"the class {twice!r} is named twice.",
            where="--classes",
            fix="Name each class once, in the order of outputs.",
        )


def _normalisation(
    file: Path, channels: int, mean: Sequence[float] | None, std: Sequence[float] | None, scale: float
) -> dict[str, Any]:
    means, stds = [float(one) for one in mean or [0.0] * channels], [float(one) for one in std or [1.0] * channels]
    if len(means) != channels or len(stds) != channels or 0 in stds or scale == 0:
        raise RequestError(
            f"expected {channels} values other than 0 for --std, {channels} for --mean, and a --scale other than 0; "
            f"found {stds}, {means} and {scale:g}.",
            where=file,
            fix="Give one value for each channel, with commas between them.",
        )
    return {"mean": means, "std": stds, "scale": float(scale)}


def _known(option: str, value: str | None, names: Collection[str]) -> str | None:
    if value is not None and value not in names:
        raise RequestError(f"there is no {value!r} here.", where=option, fix=f"One of {', '.join(names)}.")
    return value


def _take_in(file: Path, runner: Runner, tool: Tool, said: _Said, folder: Path) -> Exported:
    """Finds out how a network is asked, and puts it into its folder with all that lies beside it."""
    given, louder = _outputs(runner, said.file, said.shape, tool.describe(file))
    task, gives = _understood(given, louder, said)
    # Even where nothing is to be done a network wants floats, which is what normalised pixels are.
    plainly = said.normalisation == _normalisation(file, said.shape[0], None, None, 1.0)
    document: dict[str, Any] = {
        "version": SIDECAR_VERSION,
        "tool": tool.name,
        "file": tool.file,
        "task": task,
        "classes": list(said.classes),
        "input": {
            "shape": ["batch" if len(given) > 1 else 1, *said.shape],
            "dtype": "uint8",
            "fit": "squash",
            "normalisation": INSIDE if plainly and _takes_bytes(runner, said.shape) else said.normalisation,
        },
        "outputs": [PLAIN],
        "gives": gives,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for part in file.parent.iterdir():
        shutil.move(part, folder / part.name)
    write_json(folder / SIDECAR, plain(document))
    (folder / EXAMPLE).write_text(example_of(tool), encoding="utf-8")
    return Exported(folder / tool.file)


def _understood(given: npt.NDArray[Any], louder: npt.NDArray[Any], said: _Said) -> tuple[str, str]:
    """Task of a network and what it gives, by what it gave for noise and for louder noise."""
    maps, outputs = given.ndim == 4, given.shape[1] if given.ndim > 1 else 0
    if given.ndim not in (2, 4) or not (outputs == len(said.classes) or (outputs == 1 and len(said.classes) == 2)):
        raise RequestError(
            f"this network gives {tuple(given.shape[1:])} for a picture, and {len(said.classes)} classes are named.",
            where=said.file,
            fix="Name each class once, in the order of the outputs: scores (classes) or (classes, height, width).",
        )
    if not np.isfinite(given).all():
        raise ExportError(
            "this network gives values that are no finite numbers for a picture of noise.",
            where=said.file,
            fix="Look at it where it was made.",
        )
    if maps and given.shape[2:] == (1, 1) != said.shape[1:]:
        raise RequestError(
            f"this network gives {tuple(given.shape[1:])} for a picture: maps of one pixel.",
            where=said.file,
            fix="A classifier gives (classes): save it again without the last two axes.",
        )
    seen = np.concatenate([given, louder[np.isfinite(louder).reshape(len(louder), -1).all(1)]])
    found = meaning_of(seen)
    gives = said.gives or found
    if gives not in (SCORES, found) and (gives, found) != (PROBABILITIES, SHARES):
        raise RequestError(
            f"this network gave values from {seen.min():.3g} to {seen.max():.3g} for noise, which are no {gives}.",
            where="--gives",
            fix=f"They look like {found}. Leave --gives out to have it found out.",
        )
    by_itself = gives == PROBABILITIES and outputs > 1
    task = said.task or ("segmentation" if maps else "multilabel" if by_itself else "classification")
    if maps != (task == "segmentation") or (task == "multilabel" and outputs < len(said.classes)):
        raise RequestError(
            f"this network gives {tuple(given.shape[1:])} for a picture, which is no {task}.",
            where="--task",
            fix="Leave --task out to have it found out.",
        )
    return task, gives


def _tool_of(file: Path) -> Tool:
    if not file.exists():
        raise RequestError("there is nothing here.", where=file, fix="Give the file of a network.")
    if (file / "run.json").is_file():
        raise RequestError(
            "this is a run of Striate already.", where=file, fix="Ask it as it is: striate predict, evaluate, compare."
        )
    if (file / "saved_model.pb").is_file():
        return TOOLS.get("tensorflow")
    if file.suffix in torchscript.ENDINGS:
        return TOOLS.get("torch")
    for tool in TOOLS:
        if Path(tool.file).suffix and Path(tool.file).suffix == file.suffix:
            return tool
    known = {Path(tool.file).suffix for tool in TOOLS if Path(tool.file).suffix}
    endings = ", ".join(sorted({*known, *torchscript.ENDINGS}))
    raise RequestError(
        f"no tool reads files that end in {file.suffix!r}." if file.suffix else "no ending says which tool wrote it.",
        where=file,
        fix=f"Give one that ends in {endings}, or the folder of a SavedModel.",
    )


def _outputs(
    runner: Runner, file: Path, shape: tuple[int, ...], described: str
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """What the network gives for noise, for several pictures at once where it takes several, and for louder noise."""
    floats = np.random.default_rng(0).normal(size=(_TRIALS, *shape)).astype(np.float32)
    whole = np.clip(floats * 64 + 128, 0, 255).astype(np.uint8)
    failures = []
    for quiet, loud in ((floats, floats * _LOUDER), (whole, (whole > 128) * np.uint8(255))):
        for count in (_TRIALS, 1):
            try:
                # Runtimes may hand out memory that they use again.
                outputs, louder = ([np.array(one) for one in runner(part[:count])] for part in (quiet, loud))
            except Exception as error:  # noqa: BLE001 - every runtime has errors of its own
                failures.append(cause_of(error))
                continue
            if len(outputs) == 1 and len(outputs[0]) == count:
                return outputs[0], louder[0]
            if len(outputs) == 1:
                failures.append(f"it gives {len(outputs[0])} answers for {count:d} of them")
                continue
            raise RequestError(
                f"this network gives {len(outputs)} outputs, and one is understood here.",
                where=file,
                fix="Save it again with the output that holds the scores of the classes alone.",
            )
    # Why it does not take one picture of floats, which nearly all do.
    raise ExportError(
        f"this network does not take pictures of {Count(shape[0]):channel} and {shape[1]} x {shape[2]} pixels "
        f"({failures[1]})." + (f" It {described}." if described else ""),
        where=file,
        fix="Say what it takes: --size and --channels. It must take one picture at a time or any number, and channels "
        "first or, in ONNX and OpenVINO with sizes that are no open axes, last.",
    )


def _takes_bytes(runner: Runner, shape: tuple[int, ...]) -> bool:
    try:
        runner(np.zeros((1, *shape), np.uint8))
    except Exception:  # noqa: BLE001 - every runtime has errors of its own
        return False
    return True
