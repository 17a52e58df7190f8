"""Writes a run's network for another tool, and lets it through the gate or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch

from striate.errors import ExportError, RequestError
from striate.runs.files import write_json
from striate.runs.known_pictures import pictures_of_split
from striate.runs.model import Model
from striate.runs.run import Run
from striate.structures import Sample
from striate.tools.base import EXACT, TOOLS, Tool
from striate.tools.calibration import calibration_frames
from striate.tools.exported import SIDECAR, Exported, write_sidecar
from striate.tools.gate import Parity, check
from striate.tools.graph import Graph
from striate.tools.looks import seen_in, write_looks
from striate.tools.page import write_parity_page

EXPORTS = "exports"
"""Folder in a run that holds its exports, one folder each."""

PARITY = "parity.json"
EXAMPLE = "example.py"


@dataclass(frozen=True, slots=True)
class Export:
    """What was written.

    Attributes:
        folder: Holds the artefact, its sidecar, an example, and what the gate found.
        file: The artefact.
        page: What the gate found, as a page.
        parity: The same as numbers.
    """

    folder: Path
    file: Path
    page: Path
    parity: Parity


def export(
    run: Run | str | Path,
    to: str,
    folder: str | Path | None = None,
    *,
    precision: str = EXACT,
    say: Callable[[str], None] = lambda _: None,
) -> Export:
    """Writes the network of a run for another tool and compares what both say about real pictures.

    Args:
        run: A finished run, or its folder.
        to: Name of the tool.
        folder: Where to; `exports/TOOL` in the run folder where not given, with a precision `exports/TOOL-PRECISION`.
        precision: fp32; fp16, whose weights take half the room; bf16, in which the processor computes; int8, whole
            numbers, whose ranges pictures of the training split tell. The lower ones are judged by the metric.
        say: Told what goes on.

    Raises:
        UnknownNameError: No such tool.
        MissingPartError: The tool is not installed.
        RequestError: The folder holds something else, or the tool or this machine has no such precision.
        ExportError: The tool cannot hold the network, or its answers are not PyTorch's; what was found stays in the
            folder.
        StorageError: Files cannot be written.
    """
    tool = TOOLS.get(to).at(precision)
    tool.require(to_write=True)
    if tool.unable:
        raise RequestError(tool.unable, where=f"--precision {precision}", fix="Export it on a machine that has them.")
    # Where the network was trained does not matter; it is handed over and compared on the processor.
    run = Run.open(run.path if isinstance(run, Run) else run, "cpu")
    target = Path(folder) if folder is not None else run.path / EXPORTS / tool.label
    refuse_foreign_folder(target)
    target.mkdir(parents=True, exist_ok=True)
    file = target / tool.file
    graph = Graph(run.network, run.recipe.input, run.facts.dtype).eval()
    with torch.inference_mode():
        output = run.network(graph.example(1).to(torch.float32))
    if precision == "int8":
        graph.calibration = calibration_frames(run)
        say(f"calibrating on {len(graph.calibration)} pictures of the training split")
        output = seen_in(run.network, run.recipe.input, graph.calibration)
    # To be shown pictures it may have been turned channels-last, and exporters write strides down as gathers.
    graph.to(memory_format=torch.contiguous_format)
    say(f"writing {file}")
    outputs = tool.write(graph, file)
    looks = write_looks(output, tool, target)
    write_sidecar(run, tool, outputs, target, looks)
    (target / EXAMPLE).write_text(example_of(tool, two_stage=bool(looks)), encoding="utf-8")
    samples, _ = pictures_of_split(run.folder, run.facts, run.recipe, None, "validation")
    return judge(run, tool, target, samples, say)


def judge(model: Model, tool: Tool, folder: Path, samples: list[Sample], say: Callable[[str], None]) -> Export:
    """Lets an artefact through the gate or not, and writes down what was found.

    Args:
        model: What it was made from.
        tool: Its tool.
        folder: Holds it and its sidecar.
        samples: Pictures with their truth that both are asked about.
        say: Told what goes on.

    Raises:
        ExportError: It does not pass.
        StorageError: Files cannot be written.
    """
    file = folder / tool.file
    parity = check(model, Exported(file), tool.runtime, samples, say)
    write_json(folder / PARITY, parity.as_dict())
    page = write_parity_page(model, parity, folder / "parity.html")
    if not parity.passed:
        raise ExportError(
            f"the exported network does not pass: {' '.join(parity.reasons)}",
            where=file,
            fix=f"See {page}. Do not hand it over.",
        )
    return Export(folder, file, page, parity)


def refuse_foreign_folder(folder: Path) -> None:
    """Makes sure that a folder is new, empty, or holds an export, which is replaced.

    Raises:
        RequestError: It holds something else.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RequestError("expected a folder, found a file.", where=folder, fix="Choose another place.")
    if not (folder / SIDECAR).is_file() and any(folder.iterdir()):
        raise RequestError(
            "this folder is not empty, and no export lies in it.", where=folder, fix="Choose an empty or new folder."
        )


def example_of(tool: Tool, *, two_stage: bool = False) -> str:
    """A script that asks the artefact about pictures and needs no Striate.

    Args:
        tool: Runs it.
        two_stage: Whether the network looks at its maps again.
    """
    folder = resources.files("striate.tools") / "examples"
    before, rest = (folder / EXAMPLE).read_text(encoding="utf-8").split("# <load>\n")
    after = rest.split("# </load>")[1]
    if two_stage:
        # One file that needs no other: all that comes after the preparing of pictures is done in two stages.
        steps = (folder / "two_stage.py").read_text(encoding="utf-8").split("# <steps>\n")[1]
        after = f"{after.split('def boxes(')[0]}{steps}"
    return f"{before}{tool.load.strip()}\n{after}"
