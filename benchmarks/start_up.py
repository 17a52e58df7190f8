"""What `striate --help` costs, beside an interpreter that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.tables import write_table

WANTED = 5.0


def measure_help(rounds: int) -> dict[str, Any]:
    """CPU seconds of both commands, in turn; the first round of each only warms up the disk cache."""
    striate = Path(sys.executable).with_name("striate.exe" if os.name == "nt" else "striate")
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "striate --help": [str(striate), "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            seconds[name].append(_cpu_s(command))
    medians = {name: median(each[1:]) for name, each in seconds.items()}
    spreads = {name: (max(each[1:]) - min(each[1:])) / medians[name] for name, each in seconds.items()}
    return {"median_s": medians, "spread": spreads, "rounds": rounds, "wanted": WANTED}


def _cpu_s(command: list[str]) -> float:
    """CPU seconds, user and system, of a child; elapsed seconds where the system does not tell (Windows)."""
    before, began = _children_s(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    after = _children_s()
    return time.perf_counter() - began if before is None or after is None else after - before


def _children_s() -> float | None:
    try:
        import resource
    except ImportError:
        return None
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_help(result: dict[str, Any]) -> str:
    """The two commands as a table."""
    base = result["median_s"]["python -c pass"]
    rows = [
        [name, f"{seconds / base:.2f}", f"{seconds * 1000:.0f} ms", f"{result['spread'][name]:.0%}", ""]
        for name, seconds in result["median_s"].items()
    ]
    notes = [f"median of {result['rounds']} alternating runs. Aim: at most {result['wanted']:g}."]
    return write_table("CPU time of a start (python -c pass = 1)", ["", "ratio", "median", "spread", ""], rows, notes)
