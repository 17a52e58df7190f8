"""An exported network, asked about pictures from its artefact alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.errors import CheckpointError, RequestError
from striate.evaluation import Evaluation
from striate.networks import resolve_network
from striate.recipe import Recipe, parse_recipe
from striate.runs.files import plain, write_json
from striate.runs.known_pictures import pictures_of_data
from striate.runs.model import Model
from striate.runs.run import Run
from striate.runs.structures import RunFacts
from striate.structures import Problem
from striate.tools.base import EXACT, TOOLS, Runner, Tool
from striate.tools.graph import PLAIN
from striate.tools.looks import open_looks, require_file
from striate.tools.meaning import SCORES, scores_behind
from striate.tools.runtime import RuntimeNetwork
from striate.tools.sidecar import (
    INSIDE,
    RESIZE,
    SIDECAR,
    SIDECAR_VERSION,
    facts_of,
    normalisation_of,
    read_sidecar,
)

if TYPE_CHECKING:
    import torch

    from striate.data import Dataset


def input_of(run: Run) -> dict[str, Any]:
    """How pictures come to a run's network, as the sidecar says it."""
    facts, recipe, rule = run.facts, run.recipe.input, run.recipe.data.channels
    return {
        "shape": ["batch", facts.options.channels, *facts.options.size_hw],
        "dtype": facts.dtype,
        "channels": list(facts.channel_names),
        "picture_channels": list(facts.picture_channels),
        "rule": rule if isinstance(rule, str) else None,
        "fit": recipe.fit,
        "tile_scale": recipe.tile_scale,
        "tile_overlap": recipe.tile_overlap,
        "window": recipe.window,
        "plane": run.recipe.data.plane,
        "neighbours": run.recipe.data.neighbours,
        "resize": RESIZE,
        "normalisation": INSIDE,
    }


def weights_digest(run: Run) -> str:
    """By what an export is known to be made of the weights that the run has now.

    Raises:
        CheckpointError: They are missing.
    """
    path = run.folder.weights_path("best")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(
            "the weights cannot be read.", where=path, fix="Put the run's own files back, or train again."
        ) from error


def write_sidecar(
    run: Run, tool: Tool, outputs: tuple[str, ...], folder: Path, looks: dict[str, Any] | None = None
) -> Path:
    """Writes what is needed to feed an artefact and to understand its answers; docs/tools.md says what is what.

    Args:
        run: What was exported.
        tool: To which tool.
        outputs: Names of the outputs.
        folder: Where the artefact lies.
        looks: What `write_looks` gave, for heads of two stages.

    Raises:
        StorageError: It cannot be written.
    """
    facts = run.facts
    # Where the pictures of training lay is nobody's business who gets the artefact.
    known = facts.with_values(data="", weights={}).as_dict()
    document: dict[str, Any] = {
        "version": SIDECAR_VERSION,
        "tool": tool.name,
        "precision": tool.precision,
        "file": tool.file,
        "task": facts.task,
        "classes": facts.classes,
        "input": input_of(run),
        "outputs": outputs,
        "count_from": run.count_from,
        "weights": weights_digest(run),
        "run": known,
    }
    if looks:
        document |= looks
    path = folder / SIDECAR
    write_json(path, plain(document))
    return path


class Exported(Model):
    """A network in another tool's format, with the verbs of a run.

    Args:
        file: The artefact; `striate.json` lies beside it.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._document = read_sidecar(file)

    @classmethod
    def find(cls, path: str | Path) -> Path | None:
        """The artefact at a path, a file or a folder that `striate export` wrote; `None` where there is none."""
        path = Path(path)
        if path.is_dir():
            _refuse_without_sidecar(path)
            if (path / "saved_model.pb").is_file():
                return path
            if not (path / SIDECAR).is_file() or (path / "run.json").is_file():
                return None
            # The name alone: a sidecar does not lead out of its folder.
            return path / Path(str(read_sidecar(path / SIDECAR)["file"])).name
        endings = {Path(tool.file).suffix for tool in TOOLS} - {""}
        return path if path.suffix in endings and path.is_file() else None

    def __repr__(self) -> str:
        return f"Exported({str(self.file)!r})"

    @property
    def tool(self) -> Tool:
        """The tool that runs it."""
        return TOOLS.get(str(self._document["tool"])).at(str(self._document.get("precision", EXACT)))

    @property
    def weights(self) -> str:
        """Digest of the weights that it was made of; empty where an older Striate wrote it."""
        return str(self._document.get("weights", ""))

    @property
    def path(self) -> Path:
        """The folder of the artefact."""
        return self.file.parent

    @cached_property
    def facts(self) -> RunFacts:
        """What the run's `run.json` said, without where its data lay."""
        return facts_of(self._document, self.file.with_name(SIDECAR))

    @property
    def is_foreign(self) -> bool:
        """Whether Striate did not write it."""
        return "run" not in self._document

    @property
    def gives(self) -> str:
        """What its outputs are: one of `meaning.GIVES`."""
        return str(self._document.get("gives", SCORES))

    def described_as(self, tool: Tool) -> dict[str, Any]:
        """What its sidecar says, for the same network in another tool."""
        return {**self._document, "tool": tool.name, "file": tool.file}

    @property
    def input_entry(self) -> dict[str, Any]:
        """What the sidecar says of the input."""
        return dict(self._document["input"])

    @cached_property
    def recipe(self) -> Recipe:
        """How pictures come to it; normalisation is inside what Striate exports, so none is left to be done."""
        entry = self._document["input"]
        kept, slicing = (
            {name: entry[name] for name in names if entry.get(name) is not None}
            for names in (("fit", "tile_scale", "tile_overlap", "window"), ("plane", "neighbours"))
        )
        size_hw = [int(side) for side in entry["shape"][2:]]
        return parse_recipe(
            {
                "input": kept | normalisation_of(self._document) | {"size_hw": size_hw},
                "data": {"channels": entry.get("rule"), **slicing},
            },
            self.file.with_name(SIDECAR),
        )

    @cached_property
    def device(self) -> torch.device:
        """The processor."""
        import torch

        return torch.device("cpu")

    @cached_property
    def network(self) -> RuntimeNetwork:
        """The artefact in its own runtime.

        Raises:
            MissingPartError: The runtime is not installed.
            ExportError: The artefact cannot be read.
        """
        self.tool.require()
        require_file(self.file)
        return self.network_of(self.tool.open(self.file))

    def network_of(self, runner: Runner) -> RuntimeNetwork:
        """The network as one runtime computes it."""
        if self.is_foreign:
            runner = _as_scores(runner, self.gives, len(self.classes))
        template = self._template()
        open_looks(template, self._document.get("looks", {}), self.tool, self.file.parent)
        entry, names = self.input_entry, self._document["outputs"]
        inside = entry.get("normalisation", INSIDE) == INSIDE
        # Where normalisation is not inside, what comes is normalised.
        dtype, single = self.facts.dtype if inside else "float32", entry["shape"][0] == 1
        return RuntimeNetwork(runner, dtype, template, names, self.file, single=single, normalised=inside)

    def _template(self) -> Any:
        """What the network's outputs look like: from one with the same layers, whose weights do not matter."""
        import torch

        if self._document["outputs"] == [PLAIN]:
            return torch.empty(0)
        facts = self.facts
        network = self.task.build_network(resolve_network(facts.net), facts.options).eval()
        with torch.inference_mode():
            return network(torch.zeros(1, facts.options.channels, *facts.options.size_hw))

    def evaluate(
        self,
        data: Dataset | str | Path | None,
        split: str | None = None,
        *,
        seed: int = 0,
        problems: list[Problem] | None = None,
    ) -> Evaluation:
        """Measures the exported network on data.

        Args:
            data: Pictures with the classes that it knows, or a path to them.
            split: Name of the split; "test" where the folder gave one, else all of its pictures.
            seed: Fixes the resamples of the intervals.
            problems: Gets one entry for each picture that cannot be read.

        Raises:
            RequestError: No data was given, or no such split.
            DataError: The data has another task, or classes that the network does not know.
        """
        if data is None:
            raise RequestError(
                "an exported network does not know where its data is.",
                where=self.file,
                fix="Name the data: striate evaluate MODEL DATA.",
            )
        samples, name = pictures_of_data(data, self.facts, self.recipe, split)
        # What was frequent in training is not handed over: the baseline is that of the pictures measured on.
        return self.measure(samples, name, seed=seed, problems=problems)[0]


def open_model(
    path: str | Path,
    device: str | None = None,
    *,
    runtime: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Run | Exported:
    """A run by its folder, or an exported network by its file or folder.

    Args:
        path: Where it is.
        device: Where a run computes; exported networks run on the processor.
        runtime: What computes the answers of a run: "torch" (where not given), the name of an export, or "auto" for the
            fastest on this machine; see `striate.tools.runtimes.with_runtime`.
        say: Told what "auto" chose.

    Raises:
        RequestError: There is neither, or the runtime does not go with it.
        CheckpointError: It is damaged.
    """
    from striate.tools.runtimes import with_runtime

    file = Exported.find(path)
    if file is None:
        return with_runtime(Run.open(path, device), runtime, say)
    if runtime is not None:
        raise RequestError(
            "this is an export already; a runtime is chosen among the exports of a run.",
            where=f"--runtime {runtime}",
            fix="Leave it out, or give the folder of the run.",
        )
    return Exported(file)


def _refuse_without_sidecar(folder: Path) -> None:
    """Tells the folder of an export that lacks its sidecar from one that is none."""
    files = [folder / tool.file for tool in TOOLS if (folder / tool.file).exists()]
    if files and not (folder / SIDECAR).is_file():
        read_sidecar(files[0])


def _as_scores(runner: Runner, gives: str, classes: int) -> Runner:
    """Scores of all classes behind what the runner gives."""
    import torch

    return lambda pixels: [
        scores_behind(torch.from_numpy(np.array(one)), gives, classes).numpy() for one in runner(pixels)
    ]


__all__ = ["SIDECAR", "Exported", "open_model", "weights_digest", "write_sidecar"]
