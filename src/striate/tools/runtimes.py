"""Which runtime computes the answers of a run: PyTorch, one of its own exports, or the fastest of them here and now."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from striate.errors import RequestError, StriateError, UnknownNameError
from striate.evaluation.scoring import run_network
from striate.runs.environment import describe_processor
from striate.runs.files import read_json
from striate.runs.run import Run
from striate.tools.base import EXACT, TOOLS
from striate.tools.exported import Exported, weights_digest
from striate.tools.exporting import EXPORTS, PARITY
from striate.tools.graph import named_tensors

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from striate.tools.runtime import RuntimeNetwork

AUTO = "auto"
PYTORCH = "torch"
"""The run's own network. The export of that name is PyTorch too, and no faster."""

HINT = "Often faster: striate export {run} --to openvino, and the same with --precision int8."

TRIAL = 8
"""Pictures in a pass that is timed. Rates hardly change above, and on a slow processor time does."""

_SECONDS = 0.3
_ROUNDS = 2
_WORTH = 1.05
"""How much faster an export must be to be taken: below that, PyTorch's own answers are the better bargain."""


class RunThrough(Run):
    """A run whose answers one of its exports computes; what it measures is not kept in the run's folder.

    Args:
        run: The run.
        exported: Its export.
    """

    keeps_measurements = False

    def __init__(self, run: Run, exported: Exported) -> None:
        super().__init__(run.folder, "cpu")
        self.exported = exported

    def __repr__(self) -> str:
        return f"RunThrough({str(self.path)!r}, {self.exported.tool.label!r})"

    @cached_property
    def network(self) -> RuntimeNetwork:
        """The export in its own runtime."""
        return self.exported.network


def with_runtime(run: Run, runtime: str | None, say: Callable[[str], None] = lambda _: None) -> Run:
    """The run as another runtime computes it.

    Args:
        run: The run.
        runtime: "torch" or `None` for the run itself; a tool ("onnx"), or a tool and its precision ("openvino-int8"),
            for that export; "auto" for the fastest export by a measurement made now, or PyTorch where none is faster.
        say: Told what was chosen, by what figures, and what could not be chosen.

    Raises:
        UnknownNameError: No such runtime.
        RequestError: The run has no such export, or none that may be used here.
    """
    if runtime is None or runtime == PYTORCH:
        return run
    if runtime == AUTO:
        return _fastest(run, say)
    _check_name(runtime)
    if run.wanted_device not in (None, "cpu"):
        raise RequestError(
            f"exported networks run on the processor, not on {run.wanted_device}.",
            where=f"--runtime {runtime}",
            fix="Leave one of the two out.",
        )
    folder = run.path / EXPORTS / runtime
    why = why_not(run, folder) if folder.is_dir() else "the run has no such export."
    if why:
        raise RequestError(f"{runtime}: {why}", where=folder, fix=f"Make it: {_command(run, runtime)}.")
    return RunThrough(run, _opened(folder))


def why_not(run: Run, folder: Path) -> str:
    """Why an export of a run is not used, in a sentence; empty where it may be.

    Args:
        run: The run.
        folder: Where the export lies.
    """
    try:
        exported = _opened(folder)
        parity = read_json(folder / PARITY, fix="Export the run again.")
    except StriateError as error:
        return error.what
    if not parity.get("passed"):
        return f"it did not pass: {' '.join(parity.get('reasons', []))}"
    if exported.weights != weights_digest(run):
        return "it was made of other weights than the run has now."
    if parity.get("machine") != describe_processor():
        # Whole numbers overflow on one processor and not on another; what was shown there is not shown here.
        return f"it was compared on another processor ({parity.get('machine') or 'which one is not recorded'})."
    if exported.tool.missing:
        return f"{' and '.join(exported.tool.missing)} is not installed."
    return exported.tool.unable


def _fastest(run: Run, say: Callable[[str], None]) -> Run:
    candidates: dict[str, Run] = {}
    for folder in sorted((run.path / EXPORTS).glob("*/")):
        if folder.name == PYTORCH:
            continue
        if why := why_not(run, folder):
            say(f"{folder.name} is left out: {why} Mend it: {_command(run, folder.name)}.")
        else:
            candidates[folder.name] = RunThrough(run, _opened(folder))
    if not candidates:
        say(f"PyTorch computes: the run has no export that can be used. {HINT.format(run=run.path)}")
        return run
    channels_last = _channels_last(run)
    rates = {PYTORCH: _rate(channels_last)}
    for name, candidate in candidates.items():
        rates[name] = _rate(candidate)
    best = max(candidates, key=lambda name: rates[name])
    chosen = best if rates[best] > _WORTH * rates[PYTORCH] else PYTORCH
    others = ", ".join(f"{name} {rate:.0f}" for name, rate in sorted(rates.items()) if name != chosen)
    batch = f"in batches of {TRIAL}, the network alone, measured now"
    say(f"{_title(chosen)} computes: {rates[chosen]:.0f} pictures/s ({others}; {batch}).")
    return channels_last if chosen == PYTORCH else candidates[chosen]


def _title(name: str) -> str:
    return "PyTorch" if name == PYTORCH else name


def _channels_last(run: Run) -> Run:
    """The run with its network in the memory format that processors convolve faster in; answers are the same."""
    changed = Run(run.folder, str(run.device))
    changed.recipe = run.recipe.with_values({"machine.channels_last": True})
    return changed


def _rate(run: Run) -> float:
    """Pictures a second of the network alone, as answering asks it: the median of some passes after a first one."""
    import torch

    facts = run.facts
    shape = (TRIAL, facts.options.channels, *facts.options.size_hw)
    pixels = torch.randint(0, 256, shape).to(getattr(torch, facts.dtype))
    answering = run.answering
    seconds: list[float] = []
    began = time.perf_counter()
    while len(seconds) <= _ROUNDS or time.perf_counter() - began < _SECONDS:
        seconds.append(_pass_s(answering.network, pixels, run, answering.channels_last))
    return TRIAL / statistics.median(seconds[1:])


def _pass_s(network: torch.nn.Module, pixels: torch.Tensor, run: Run, channels_last: bool) -> float:
    began = time.perf_counter()
    batches = [(slice(0, len(pixels)), pixels)]
    for _, output in run_network(network, batches, run.recipe.input, device=run.device, channels_last=channels_last):
        # Reading a value waits for the device.
        next(tensor for _, tensor in named_tensors(output)).flatten()[:1].cpu()
    return time.perf_counter() - began


def _opened(folder: Path) -> Exported:
    file = Exported.find(folder)
    if file is None:
        raise RequestError("no export lies in it.", where=folder, fix="Export the run again.")
    return Exported(file)


def _check_name(runtime: str) -> None:
    name, _, precision = runtime.partition("-")
    if name not in TOOLS:
        known = ", ".join([AUTO, *TOOLS.names()])
        raise UnknownNameError(
            f"there is no runtime named {runtime!r}.",
            where="--runtime",
            fix=f"Known: {known}; and a tool with a precision, as openvino-int8.",
        )
    TOOLS.get(name).at(precision or EXACT)


def _command(run: Run, runtime: str) -> str:
    name, _, precision = runtime.partition("-")
    return f"striate export {run.path} --to {name}{f' --precision {precision}' if precision else ''}"


__all__ = ["AUTO", "PYTORCH", "RunThrough", "why_not", "with_runtime"]
