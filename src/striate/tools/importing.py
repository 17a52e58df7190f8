"""Weights that were trained further in Keras, brought back into the run that they came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from striate.errors import ExportError, RequestError
from striate.evaluation import Evaluation
from striate.runs.known_pictures import pictures_of_split
from striate.runs.report import write_report
from striate.runs.run import Run
from striate.tools.base import TOOLS
from striate.tools.graph import Graph
from striate.tools.keras import FromKeras
from striate.tools.process import keras_process
from striate.tools.translation import Program, translate


@dataclass(frozen=True, slots=True)
class Imported:
    """What was brought back.

    Attributes:
        run: The run, with the weights of the file.
        weights: How many weights came with it.
        changed: How many of them differ from those that the run had.
        before: The run's own weights, as they were.
        evaluations: What was measured with the new ones, by split.
    """

    run: Run
    weights: int
    changed: int
    before: Path
    evaluations: dict[str, Evaluation]


def import_weights(
    file: str | Path, into: Run | str | Path, *, say: Callable[[str], None] = lambda _: None
) -> Imported:
    """Puts the weights of a `.keras` file that was exported from a run into that run, and measures it anew.

    The run keeps its recipe and its history; its own weights stay beside the new ones. Its verdict, which was about
    them, goes.

    Args:
        file: The file; code in it is never run.
        into: The run, or its folder.
        say: Told what goes on.

    Raises:
        MissingPartError: Keras is not installed.
        RequestError: There is no such file, or it holds another network.
        ExportError: The file cannot be read.
        DataError: The run's own pictures, on which it is measured, are gone.
    """
    tool = TOOLS.get("keras")
    assert isinstance(tool, FromKeras)
    tool.require()
    file = Path(file)
    if not file.is_file() or file.suffix != Path(tool.file).suffix:
        raise RequestError(
            f"expected a file that ends in {Path(tool.file).suffix}.",
            where=file,
            fix="Give what `striate export RUN --to keras` wrote and Keras has saved since.",
        )
    run = Run.open(into.path if isinstance(into, Run) else into, "cpu")
    splits = [name for name in ("validation", "test") if run.facts.images.get(name)]
    for name in splits:
        pictures_of_split(run.folder, run.facts, run.recipe, None, name)
    say(f"reading {file}")
    held = _weights_of(tool, file)
    program = translate(Graph(run.network, run.recipe.input, run.facts.dtype).eval())
    own = run.network.state_dict()
    state, changed = merged(program, held, own, file)
    before = _put_aside(run)
    run.folder.write_weights("best", state)
    run.folder.forget_measurements()
    run.folder.write_facts(run.facts.with_values(weights={"name": "imported", "source": f"Keras, {file.name}"}))
    run = Run.open(run.path, "cpu")
    evaluations = {}
    for name in splits:
        say(f"measuring the {name} split")
        evaluations[name] = run.evaluate(split=name)
    if evaluations:
        deciding = list(evaluations.values())[-1]
        run.folder.write_facts(run.facts.with_values(headline=deciding.headline, split=deciding.split))
    write_report(run.folder)
    return Imported(Run.open(run.path), len(program.carried()), changed, before, evaluations)


def merged(
    program: Program, held: Mapping[str, npt.NDArray[Any]], own: Mapping[str, torch.Tensor], file: Path
) -> tuple[dict[str, torch.Tensor], int]:
    """A network's state with the weights that a file of Keras holds, and how many of them are other ones.

    Args:
        program: The network as Keras layers.
        held: Weights in the file, by `layer/weight`.
        own: The network's own state; what Keras does not hold stays as it is.
        file: The file, for error texts.

    Raises:
        RequestError: A layer is missing there, or has another shape.
    """
    state, changed = dict(own), 0
    for layer, weight in program.carried():
        found = held.get(f"{layer.name}/{weight.name}")
        wanted = program.arrays[f"{layer.name}/{weight.name}"]
        if found is None or found.shape != wanted.shape:
            there = "has none" if found is None else f"has {found.shape}"
            raise RequestError(
                f"this is another network: the run's layer {layer.name} wants a {weight.name} of {wanted.shape}, and "
                f"the file {there}.",
                where=file,
                fix="Import into the run that it was exported from; layers must keep their names. For a network from "
                "elsewhere: --classes NAMES --size N --out DIR.",
            )
        tensor = torch.from_numpy(weight.from_keras(found, tuple(own[weight.key].shape)))
        # Bits are compared, so that not a number equals itself.
        changed += not np.array_equal(tensor.numpy().view(np.uint8), own[weight.key].numpy().view(np.uint8))
        state[weight.key] = tensor
    return state, changed


def _weights_of(tool: FromKeras, file: Path) -> dict[str, npt.NDArray[Any]]:
    process = keras_process(tool.backend, torch.get_num_threads())
    try:
        answer, arrays = process.ask("weights", path=str(file))
    except ExportError as error:
        raise ExportError(
            f"Keras cannot read this file ({error.what.rstrip('.')}).",
            where=file,
            fix="It may be cut off: save or copy it again. Models with code of their own are not opened.",
        ) from error
    return dict(zip(answer["names"], arrays, strict=True))


def _put_aside(run: Run) -> Path:
    """Copies the run's weights beside themselves, under a name that is free."""
    source = run.folder.weights_path("best")
    number = 1
    while (target := source.with_name(f"before-import-{number}{source.suffix}")).exists():
        number += 1
    target.write_bytes(source.read_bytes())
    return target
