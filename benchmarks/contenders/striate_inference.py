"""Striate: `predict` from files by any runtime, and each runtime's network alone.

Variants: "files:auto", "files:torch"; "alone:torch", "alone:openvino-int8" and the like.
"""

from __future__ import annotations

import time

import torch
from exported_network import noise, pictures_of, time_alone, time_files
from protocol import Timing, Work, serve

import striate
from striate.evaluation.scoring import run_network
from striate.runs.model import Model

_models: list[tuple[Model, str, float]] = []


def prepare(work: Work) -> None:
    """Opens the run by the runtime, and asks it once; what "auto" measures first is set-up."""
    runtime = work.variant.partition(":")[2]
    said: list[str] = []
    began = time.perf_counter()
    model = striate.open_model(work.data / "run", "cpu", runtime=runtime, say=said.append)
    setup_s = time.perf_counter() - began
    model.predict(pictures_of(work)[:2])
    _models.append((model, said[-1].split(" computes")[0] if said else runtime, setup_s))


def run(work: Work) -> Timing:
    """One turn."""
    model, words, setup_s = _models[0]
    if work.variant.startswith("files"):
        timing = time_files(lambda: len(model.predict(work.data / "pictures" / "train")), words)
        timing.setup_s = setup_s
        return timing
    pixels = torch.from_numpy(noise(work))
    answering = model.answering

    def ask() -> None:
        batch = [(slice(0, work.batch), pixels)]
        for _ in run_network(
            answering.network,
            batch,
            model.recipe.input,
            device=model.device,
            channels_last=answering.channels_last,
        ):
            pass

    return time_alone(ask, work, model.facts.parameters, words)


if __name__ == "__main__":
    serve("Striate", prepare, run, {"striate": striate.__version__, "torch": torch.__version__})
