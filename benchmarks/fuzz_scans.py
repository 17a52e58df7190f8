"""Thousands of damaged scans: is each one read or refused in words, in bounded time and memory?

`python -m benchmarks.fuzz_scans --kind tiff --seed 1234` reads one again, in its own process.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.sources import KINDS
from benchmarks.fuzzing.ways import Fuzz, Outcome
from benchmarks.peers import REPOSITORY
from benchmarks.tables import write_table

COUNT, QUICK_COUNT = 2000, 100
LIMIT_S = 10.0
"""For all ways into one file together."""

MEMORY = 2 << 30
"""Of address space beyond what a process has that only imported; no file may ask for more."""

_DATA = REPOSITORY.parent / "shared" / "data"


def measure_fuzz(kind: str, count: int, data: Path = _DATA, first: int = 0) -> dict[str, Any]:
    """Reads damaged files of one kind, each by its seed, in processes that are replaced when they die."""
    began = time.monotonic()
    outcomes = []
    with tempfile.TemporaryDirectory() as name:
        fuzz = Fuzz(kind, data, Path(name) / "files")
        os.environ["STRIATE_CACHE"] = str(Path(name) / "cache")
        _warm()
        seed = first
        while seed < first + count:
            for outcome in _work(fuzz, seed, first + count):
                outcomes.append(outcome)
                seed = outcome["seed"] + 1
    kinds = Counter[str]()
    for outcome in outcomes:
        kinds.update(outcome["refused"])
    faulty = [outcome for outcome in outcomes if outcome["faults"]]
    return {
        "kind": kind,
        "files": len(fuzz.sounds),
        "count": len(outcomes),
        "read": sum(outcome["read"] > 0 and not outcome["faults"] for outcome in outcomes),
        "refused": sum(outcome["read"] == 0 and not outcome["faults"] for outcome in outcomes),
        "kinds": dict(kinds.most_common()),
        "faults": [{"seed": one["seed"], "name": one["name"], "faults": one["faults"]} for one in faulty],
        "largest": max((outcome["peak_gib"], -outcome["seed"]) for outcome in outcomes),
        "slowest": max((outcome["seconds"], -outcome["seed"]) for outcome in outcomes),
        "seconds": time.monotonic() - began,
        "fail": bool(faulty),
    }


def _warm() -> None:
    """Loads what reading loads in the parent, so that each worker begins with it and is measured without it."""
    for name in ("gdcm", "highdicom", "imagecodecs", "nibabel", "nrrd", "openjpeg", "tifffile"):
        importlib.import_module(name)


def _work(fuzz: Fuzz, first: int, end: int) -> Iterator[dict[str, Any]]:
    """One worker's outcomes, until it is done, dies or falls silent; its death is the outcome of its last seed."""
    reading, writing = os.pipe()
    trace = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed below
    process = os.fork()
    if process == 0:
        os.close(reading)
        _serve(fuzz, first, end, writing, trace)
    os.close(writing)
    seed, rest, how = first, b"", ""
    with open(reading, "rb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor
        while True:
            if not select.select([pipe], [], [], LIMIT_S)[0]:
                how = f"nothing after {LIMIT_S:.0f} s"
                os.kill(process, signal.SIGUSR1)
                time.sleep(0.5)
                os.kill(process, signal.SIGKILL)
                break
            block = pipe.read(1 << 16)
            if not block:
                break
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                outcome = json.loads(line)
                seed = outcome["seed"] + 1
                yield outcome
    _, status = os.waitpid(process, 0)
    if seed < end:
        trace.seek(0)
        calls = [line.strip() for line in trace.read().splitlines() if line.strip().startswith("File")]
        died = f"ended by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {status >> 8}"
        fault = f"{how or died} ({' < '.join(calls[:6])})"
        name = fuzz.sounds[seed % len(fuzz.sounds)].name
        yield asdict(Outcome(name, faults=[fault])) | {"seed": seed, "peak_gib": 0.0, "seconds": LIMIT_S}
    trace.close()


def _serve(fuzz: Fuzz, first: int, end: int, writing: int, trace: Any) -> None:
    """The worker: never returns."""
    code = 1
    try:
        faulthandler.enable(trace)
        faulthandler.register(signal.SIGUSR1, trace)
        _limit_memory()
        with open(writing, "wb", buffering=0) as pipe:
            for seed in range(first, end):
                began = time.monotonic()
                outcome = asdict(fuzz.run(seed))
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                outcome |= {"seed": seed, "seconds": time.monotonic() - began, "peak_gib": peak / 2**20}
                pipe.write(json.dumps(outcome).encode() + b"\n")
        code = 0
    finally:
        os._exit(code)


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    taken = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))


def write_fuzz(result: dict[str, Any]) -> str:
    """The table."""
    cells = [
        ["damaged files", f"{result['count']} of {result['files']} sound ones"],
        ["read in some way", str(result["read"])],
        ["refused in words", str(result["refused"])],
        ["anything else", str(len(result["faults"]))],
        ["largest process", f"{result['largest'][0]:.2f} GiB (seed {-result['largest'][1]})"],
        ["slowest file, all ways", f"{result['slowest'][0]:.1f} s (seed {-result['slowest'][1]})"],
        ["time", f"{result['seconds']:.0f} s"],
    ]
    notes = [", ".join(f"{count} {kind}" for kind, count in result["kinds"].items())]
    notes += [f"Seed {one['seed']} ({one['name']}): {'; '.join(one['faults'])}" for one in result["faults"]]
    return write_table(f"Damaged {result['kind']} files", ["", ""], cells, notes)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_scans", description=__doc__)
    parser.add_argument("--kind", choices=tuple(KINDS), action="append", help="all where not given")
    parser.add_argument("--count", type=int, default=COUNT, help="damaged files of each kind")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    parser.add_argument("--seed", type=int, help="only this one, in this process, its file kept")
    parser.add_argument("--data", type=Path, default=_DATA, help="folder of the real data sets")
    options = parser.parse_args()
    kinds = options.kind or list(KINDS)
    if options.seed is not None:
        folder = Path(tempfile.mkdtemp())
        os.environ["STRIATE_CACHE"] = str(folder / "cache")
        print(Fuzz(kinds[0], options.data, folder / "files").run(options.seed), folder)
        return
    results = [measure_fuzz(kind, options.count, options.data, options.first) for kind in kinds]
    for result in results:
        print(write_fuzz(result), flush=True)
        for fault in result["faults"]:
            print(json.dumps(fault), file=sys.stderr)
    if any(result["fail"] for result in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
