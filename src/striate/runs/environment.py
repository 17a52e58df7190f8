"""The machine and the packages of a run, without the names of people or machines."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("striate", "torch", "torchvision", "timm", "numpy", "pillow")


def describe_environment(device: str = "cpu", threads: int | None = None) -> dict[str, Any]:
    """What a reader needs to know to repeat a run.

    Args:
        device: Where the sums were done.
        threads: CPU threads; those torch uses now where not given.
    """
    import torch

    found: dict[str, Any] = {
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "device": device,
        "threads": threads or torch.get_num_threads(),
        "cores": os.cpu_count(),
    }
    if device.startswith("cuda") and torch.cuda.is_available():
        found["accelerator"] = torch.cuda.get_device_name(device)
        found["cuda"] = torch.version.cuda
    return found


def describe_processor() -> str:
    """The processor's kind and the instructions that PyTorch uses on it."""
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    name = model or platform.processor() or platform.machine()
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
