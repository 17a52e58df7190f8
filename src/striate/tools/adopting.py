"""Networks from elsewhere: what is needed to ask them is written beside them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import ExportError, RequestError, cause_of
from striate.runs.files import plain, write_json
from striate.tools import torchscript
from striate.tools.base import TOOLS, Runner, Tool
from striate.tools.exported import Exported
from striate.tools.graph import PLAIN
from striate.tools.sidecar import INSIDE, SHARES, SIDECAR, SIDECAR_VERSION

_TRIALS = 4


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
) -> Exported:
    """Copies a classifier or a semantic segmenter that Striate did not write, with a sidecar that tells how to ask it.

    The network is run once on noise: that shows its task, and whether it gives scores or shares that sum to 1.

    Args:
        file: A file of one of the tools, or of TorchScript; code in it is never run.
        classes: Names of its classes, in the order of its outputs.
        folder: Where it goes; must be new or empty.
        size_hw: Height and width of its input, in pixels.
        channels: Channels of its input.
        mean: Subtracted from each channel, after dividing by `scale`; 0 where not given.
        std: Each channel is divided by it then; 1 where not given.
        scale: What stored values are divided by; 255 brings those of 8 bits between 0 and 1.

    Raises:
        RequestError: No such file, or what is said of it does not hold.
        MissingPartError: Its tool is not installed.
        ExportError: It cannot be read or run.
    """
    file, folder = Path(file), Path(folder)
    if len(classes) < 2:
        raise RequestError(
            f"a network tells two or more classes apart, and {len(classes)} is named.",
            where="--classes",
            fix="Name them all; save a network with one output, whose sigmoid decides, with an output for each class.",
        )
    if len(set(classes)) < len(classes):
        twice = next(name for name in classes if list(classes).count(name) > 1)
        raise RequestError(
            f"the class {twice!r} is named twice.",
            where="--classes",
            fix="Name each class once, in the order of outputs.",
        )
    tool = _tool_of(file)
    tool.require()
    if folder.exists() and any(folder.iterdir()):
        raise RequestError("this folder is not empty.", where=folder, fix="Choose a new one with --out.")
    means, stds = [float(one) for one in mean or [0.0] * channels], [float(one) for one in std or [1.0] * channels]
    if len(means) != channels or len(stds) != channels or 0 in stds or scale == 0:
        raise RequestError(
            f"expected {channels} values other than 0 for --std, {channels} for --mean, and a --scale other than 0; "
            f"found {stds}, {means} and {scale:g}.",
            where=file,
            fix="Give one value for each channel, with commas between them.",
        )
    shape = (channels, *size_hw)
    # Even where nothing is to be done it wants floats, which is what normalised pixels are.
    normalisation = {"mean": means, "std": stds, "scale": float(scale)}
    if file.suffix not in torchscript.ENDINGS:
        return _take_in(file, file, tool, classes, folder, shape, normalisation)
    with tempfile.TemporaryDirectory() as place:
        program = Path(place) / tool.file
        torchscript.as_program(file, shape, program)
        return _take_in(program, file, tool, classes, folder, shape, normalisation)


def _take_in(
    file: Path,
    where: Path,
    tool: Tool,
    classes: Sequence[str],
    folder: Path,
    shape: tuple[int, int, int],
    normalisation: dict[str, Any],
) -> Exported:
    """Finds out how the network is asked, and puts it into its folder; `where` is what the caller named."""
    runner = tool.open(file)
    given = _outputs(runner, where, shape, tool.describe(file))
    task = {2: "classification", 4: "segmentation"}.get(given.ndim)
    if task is None or given.shape[1] != len(classes):
        raise RequestError(
            f"this network gives {tuple(given.shape[1:])} for a picture, and {len(classes)} classes are named.",
            where=where,
            fix="Name each class once, in the order of the outputs: scores (classes) or (classes, height, width).",
        )
    if not np.isfinite(given).all():
        raise ExportError(
            "this network gives values that are no finite numbers for a picture of noise.",
            where=where,
            fix="Look at it where it was made.",
        )
    channels = shape[0]
    plainly = normalisation == {"mean": [0.0] * channels, "std": [1.0] * channels, "scale": 1.0}
    document: dict[str, Any] = {
        "version": SIDECAR_VERSION,
        "tool": tool.name,
        "file": tool.file,
        "task": task,
        "classes": list(classes),
        "input": {
            "shape": ["batch" if len(given) > 1 else 1, *shape],
            "dtype": "uint8",
            "fit": "squash",
            "normalisation": INSIDE if plainly and _takes_bytes(runner, shape) else normalisation,
        },
        "outputs": [PLAIN],
    }
    if _are_shares(given):
        document["gives"] = SHARES
    folder.mkdir(parents=True, exist_ok=True)
    tool.copy(file, folder / tool.file)
    write_json(folder / SIDECAR, plain(document))
    return Exported(folder / tool.file)


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


def _outputs(runner: Runner, file: Path, shape: tuple[int, ...], described: str) -> npt.NDArray[Any]:
    """What the network gives for noise: for several pictures at once where it takes several."""
    floats = np.random.default_rng(0).normal(size=(_TRIALS, *shape)).astype(np.float32)
    whole = np.clip(floats * 64 + 128, 0, 255).astype(np.uint8)
    failures = []
    for pictures in (floats, whole, floats[:1], whole[:1]):
        try:
            outputs = runner(pictures)
        except Exception as error:  # noqa: BLE001 - every runtime has errors of its own
            failures.append(cause_of(error))
            continue
        if len(outputs) == 1:
            return np.asarray(outputs[0])
        raise RequestError(
            f"this network gives {len(outputs)} outputs, and one is understood here.",
            where=file,
            fix="Save it again with the output that holds the scores of the classes alone.",
        )
    # Why it does not take one picture of floats, which nearly all do.
    raise ExportError(
        f"this network does not take pictures of {shape[0]} channels and {shape[1]} x {shape[2]} pixels "
        f"({failures[2]})." + (f" It {described}." if described else ""),
        where=file,
        fix="Say what it takes: --size and --channels.",
    )


def _takes_bytes(runner: Runner, shape: tuple[int, ...]) -> bool:
    try:
        runner(np.zeros((1, *shape), np.uint8))
    except Exception:  # noqa: BLE001 - every runtime has errors of its own
        return False
    return True


def _are_shares(given: npt.NDArray[Any]) -> bool:
    """Whether outputs are shares of the classes that sum to 1, not scores."""
    return bool((given >= 0).all() and np.allclose(given.sum(1), 1, atol=1e-3))
