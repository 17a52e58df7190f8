"""What Striate chooses by itself for the machine, beside every choice by hand and beside eager fp32."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.pictures import make_digits, make_photographs, make_small_photographs
from benchmarks.processes import Contender, alternate
from benchmarks.tables import write_table

WANTED = 0.95


@dataclass(frozen=True, slots=True)
class Case:
    """One network and batch.

    Attributes:
        title: As it stands above the table.
        net: Network.
        size: Side of its input, in pixels.
        batch: Pictures in one step.
        compiles: Time a compiled setting too.
    """

    title: str
    net: str
    size: int
    batch: int
    compiles: bool = False


CASES = (
    Case("LeNet-5 @28", "lenet5", 28, 64, compiles=True),
    Case("ResNet-18 @32", "resnet18", 32, 64),
    Case("ResNet-18 @224", "resnet18", 224, 16),
)
QUICK_CASES = (
    Case("LeNet-5 @28", "lenet5", 28, 64),
    Case("ResNet-18 @32", "resnet18", 32, 32),
    Case("ResNet-18 @224", "resnet18", 224, 4),
)


def measure_choice(case: Case, folder: Path, rounds: int) -> dict[str, Any]:
    """Steps under all settings in one process; in turn with it the chosen one and eager fp32, untuned.

    These have a process each: beside seven others a network is slower.
    """
    make = {28: make_digits, 32: make_small_photographs, 224: make_photographs}[case.size]
    data = make(folder / f"choice-{case.size}-{2 * case.batch}", 2 * case.batch)
    arguments = ["--data", str(data.resolve()), "--net", case.net, "--size", str(case.size)]
    arguments += ["--batch", str(case.batch), "--epochs", "1"]
    variant = ["--variant", "compile"] if case.compiles else []
    settings = Contender("Striate's settings", "striate_settings.py", [*arguments, *variant])
    eager = Contender("eager fp32", "striate_settings.py", [*arguments, "--variant", "eager"])
    alone = Contender("Striate's choice", "striate_settings.py", [*arguments, "--variant", "chosen"])
    alternate([settings, eager, alone], rounds)
    failure = settings.failure or eager.failure or alone.failure
    facts: dict[str, Any] = {"title": case.title, "batch": case.batch, "failure": failure}
    if facts["failure"]:
        return facts
    eager_s = median(next(iter(result["step_s"].values())) for result in eager.results)
    names = settings.results[0]["step_s"]
    step_s = {name: median(result["step_s"][name] for result in settings.results) for name in names}
    # Compiling pays only in runs of many thousand steps: it is shown, but an ordinary run is better off without.
    usual = {name: seconds for name, seconds in step_s.items() if "compiled" not in name}
    chosen = [result["chosen"] for result in settings.results]
    of_best = [min(usual.values()) / step_s[name] for name in chosen]
    return facts | {
        "eager_s": eager_s,
        "step_s": step_s,
        "chosen": chosen,
        "of_best": median(of_best),
        "to_eager": eager_s / median(next(iter(result["step_s"].values())) for result in alone.results),
        "choice_s": settings.median("choice_s"),
        "compile_s": settings.results[0]["compile_s"],
        "spread": eager.spread(lambda result: next(iter(result["step_s"].values()))),
    }


def write_choice(result: dict[str, Any]) -> str:
    """All settings, the fastest first, as speeds over eager fp32 in a process of its own."""
    title = f"Settings: {result['title']}, batches of {result['batch']} (eager fp32, untuned allocator = 1)"
    if result["failure"]:
        return f"{title}\n  {result['failure']}"
    eager_s, chosen = result["eager_s"], result["chosen"]
    rows = []
    for name, seconds in sorted(result["step_s"].items(), key=lambda item: item[1]):
        times = chosen.count(name)
        mark = f"chosen in {times} of {len(chosen)} rounds" if times else ""
        if "compiled" in name:
            mark = _break_even(seconds, result)
        rows.append([name, f"{eager_s / seconds:.2f}", f"{seconds * 1000:.1f} ms", mark])
    notes = [
        f"The choice has {result['of_best']:.2f} of the best speed (aim: {WANTED}) and {result['to_eager']:.2f} times "
        "eager fp32 (aim: never below 1);",
        f"it took {result['choice_s']:.1f} s. Spread of eager fp32 between rounds: {result['spread']:.0%}.",
    ]
    return write_table(title, ["", "speed", "a step", ""], rows, notes)


def _break_even(seconds: float, result: dict[str, Any]) -> str:
    gain_s = min(result["step_s"][name] for name in result["chosen"]) - seconds
    if gain_s <= 0:
        return f"{result['compile_s']:.0f} s to compile: never pays"
    return f"{result['compile_s']:.0f} s to compile: pays after {result['compile_s'] / gain_s:,.0f} steps"
