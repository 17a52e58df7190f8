"""`python -m benchmarks`: prints ratios from one run; the last lines say how the machine was."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import (
    choice,
    families,
    fuzz_scans,
    inference,
    large_picture,
    parity,
    spatial,
    start_up,
    throughput,
    time_to_accuracy,
)
from benchmarks.fuzzing.sources import KINDS
from benchmarks.peers import REPOSITORY, PeersMissingError, peer_python

PARTS = ("throughput", "time-to-98", "choice", "help", "families", "spatial", "large", "parity", "inference", "fuzz")
Result = tuple[str, dict[str, Any], Callable[[dict[str, Any]], str]]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Striate beside its peers, on the same work, in one run."
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part; may be repeated")
    parser.add_argument(
        "--case", default="", metavar="TEXT", help="of throughput, choice and spatial only what is named like this"
    )
    parser.add_argument("--rounds", type=int, help="alternating runs of each contender (3; 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="smaller work and one round: a check, not a measurement")
    parser.add_argument("--no-peers", action="store_true", help="leave out Keras and fastai")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output, tables on error")
    parser.add_argument("--data", type=Path, default=REPOSITORY / ".cache" / "benchmarks", help="where pictures go")
    return parser.parse_args()


def main() -> None:
    options = parse()
    # Ended from outside, the contenders must end too: some of them are stopped and would stay so for ever.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    began = time.monotonic()
    parts = tuple(options.only or PARTS)
    output = sys.stderr if options.json else sys.stdout
    peers, missing = _find_peers(options, parts)
    document: dict[str, Any] = {"machine": describe_machine(), "quick": options.quick, "peers_missing": missing}
    for part, result, write in measure(options, parts, peers):
        document.setdefault(part, []).append(result)
        print(f"\n{write(result)}", file=output, flush=True)
    document["seconds"] = time.monotonic() - began
    print(f"\n{_closing(document)}", file=output)
    if options.json:
        print(json.dumps(document, indent=2))
    if any(result["fail"] for part in ("families", "parity", "fuzz") for result in document.get(part, [])):
        sys.exit(1)


def measure(options: argparse.Namespace, parts: tuple[str, ...], peers: Path | None) -> Iterator[Result]:
    """Measures part by part; each result comes with the function that writes it down."""
    quick: bool = options.quick
    rounds = options.rounds or (1 if quick else 3)

    def asked_for(case: Any) -> bool:
        return options.case.lower() in case.title.lower()

    if "help" in parts:
        yield "help", start_up.measure_help(5 if quick else 20), start_up.write_help
    if "families" in parts:
        yield "families", families.measure_families(quick), families.write_families
    if "spatial" in parts:
        places = spatial.QUICK if quick else spatial.FULL
        for task in filter(asked_for, spatial.CASES):
            yield "spatial", spatial.measure_case(task, options.data, rounds, places), spatial.write_case
    if "large" in parts:
        yield "large", large_picture.measure_large(options.data, quick), large_picture.write_large
    if "parity" in parts:
        yield "parity", parity.measure_parity(), parity.write_parity
    if "fuzz" in parts:
        for kind in KINDS:
            count = fuzz_scans.QUICK_COUNT if quick else fuzz_scans.COUNT
            yield "fuzz", fuzz_scans.measure_fuzz(kind, count), fuzz_scans.write_fuzz
    if "inference" in parts:
        amount = inference.QUICK if quick else inference.FULL
        for result in inference.measure_inference(options.data, rounds, amount):
            yield "inference", result, inference.write_inference
    if "time-to-98" in parts:
        yield "time-to-98", time_to_accuracy.measure_race(options.data, peers, rounds), time_to_accuracy.write_race
    if "choice" in parts:
        for setting in filter(asked_for, choice.QUICK_CASES if quick else choice.CASES):
            yield "choice", choice.measure_choice(setting, options.data, min(rounds, 2)), choice.write_choice
    if "throughput" in parts:
        for case in filter(asked_for, throughput.QUICK_CASES if quick else throughput.CASES):
            yield "throughput", throughput.measure_case(case, options.data, peers, rounds), throughput.write_case


def describe_machine() -> dict[str, Any]:
    """What the figures were measured on."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    facts: dict[str, Any] = {"system": platform.platform(terse=True), "python": platform.python_version()}
    return facts | {"processor": _processor(), "cores": os.cpu_count(), "load_before": load}


def _processor() -> str:
    """Model and, where the kernel tells, the instructions that decide how much bf16 and int8 gain."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    lines = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in lines.items()}
    known = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    flags = [flag for flag in known if flag in facts.get("flags", "").split()]
    return f"{facts.get('model name', platform.processor())} ({', '.join(flags)})"


def _find_peers(options: argparse.Namespace, parts: tuple[str, ...]) -> tuple[Path | None, str]:
    if options.no_peers or not {"throughput", "time-to-98"} & set(parts):
        return None, ""
    try:
        return peer_python(), ""
    except PeersMissingError as error:
        print(error, file=sys.stderr)
        return None, str(error)


def _closing(document: dict[str, Any]) -> str:
    machine = document["machine"]
    versions: dict[str, str] = {}
    for part in ("throughput", "spatial", "time-to-98", "inference"):
        for result in document.get(part, []):
            for row in result.get("rows", []):
                versions |= row["versions"]
    lines = [f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}"]
    if versions:
        lines.append(", ".join(f"{name} {version}" for name, version in sorted(versions.items())))
    if document["peers_missing"]:
        lines.append(document["peers_missing"][:100])
    if machine["load_before"] and machine["load_before"] > 0.5:
        lines.append(
            f"The machine was busy before (load {machine['load_before']:.1f}): measure again when it is quiet."
        )
    if document["quick"]:
        lines.append("--quick: too little work for figures to quote.")
    return "\n".join([*lines, f"{document['seconds'] / 60:.1f} minutes"])


if __name__ == "__main__":
    main()
