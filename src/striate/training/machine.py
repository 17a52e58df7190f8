"""Where and how the sums are done: device, precision, memory format, threads and compilation.

Which combination is fastest depends on the network and the processor (bfloat16 triples the speed of a ResNet where
the processor multiplies it natively and slows a LeNet), so a few trial steps decide, and what they gave is recorded.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn

from striate.errors import RequestError
from striate.recipe import MachineRecipe


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to do the sums.

    Attributes:
        precision: "fp32", "bf16" or "fp16".
        channels_last: Whether pictures lie as (N, H, W, C) in memory.
        threads: CPU threads.
        compile: Whether the training step is compiled.
    """

    precision: str = "fp32"
    channels_last: bool = False
    threads: int = 1
    compile: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether this is what PyTorch does unasked, the number of threads aside."""
        return self.precision == "fp32" and not self.channels_last and not self.compile

    def __str__(self) -> str:
        words = [self.precision, "channels-last" if self.channels_last else "channels-first"]
        words.append(f"{self.threads} thread{'s' if self.threads != 1 else ''}")
        return ", ".join([*words, "compiled"] if self.compile else words)


@dataclass(frozen=True, slots=True)
class Trial:
    """A setting and the seconds one training step took with it at best."""

    setting: Setting
    step_s: float


def choose_device(asked: str | None) -> torch.device:
    """The device asked for, or the fastest kind there is.

    Raises:
        RequestError: No such device here.
    """
    if asked is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(asked)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise RequestError(
            f"the device {asked!r} cannot be used here ({reason}).",
            where="--device",
            fix="`striate doctor` lists the devices; leave the flag out to take the fastest.",
        ) from error
    return device


def tune_allocator() -> None:
    """Tells glibc to keep freed memory, which a training step asks for again at once.

    Without it every step maps and unmaps its activations, and the kernel zeroes them each time. Does nothing on other
    systems.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
        mallopt = libc.mallopt
    except (OSError, AttributeError):
        # musl and others have no such knob.
        return
    trim_threshold, top_pad, mmap_max = -1, -2, -4
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(top_pad, 256 * 2**20)


@contextlib.contextmanager
def computing(device: torch.device, precision: str) -> Iterator[None]:
    """Autocast for one precision on one device; nothing for fp32."""
    if precision == "fp32":
        yield
        return
    kind = torch.bfloat16 if precision == "bf16" else torch.float16
    with torch.autocast(device.type, dtype=kind):
        yield


def place(network: nn.Module, device: torch.device, channels_last: bool) -> nn.Module:
    """Moves a network to its device and memory format."""
    network = network.to(device)
    return network.to(memory_format=torch.channels_last) if channels_last else network


def processor_threads() -> int:
    """CPU cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))  # type: ignore[attr-defined,unused-ignore]
    except AttributeError:
        return os.cpu_count() or 1


def settings_to_try(recipe: MachineRecipe, device: torch.device) -> list[Setting]:
    """Every combination that the recipe leaves open, the likeliest first."""
    cores = recipe.threads or processor_threads()
    threads = [cores] if recipe.threads or cores == 1 or device.type != "cpu" else [cores, 1]
    if recipe.precision is not None:
        precisions = [recipe.precision]
    elif device.type == "cuda":
        precisions = ["bf16"] if torch.cuda.is_bf16_supported() else ["fp16", "fp32"]
    else:
        precisions = ["fp32"] if device.type == "mps" else ["bf16", "fp32"]
    formats = [True, False] if recipe.channels_last is None else [recipe.channels_last]
    return [
        Setting(precision, channels_last, count, bool(recipe.compile))
        for count, precision, channels_last in product(threads, precisions, formats)
    ]


def measure_settings(
    step: Callable[[nn.Module, Setting], None],
    network: nn.Module,
    settings: list[Setting],
    device: torch.device,
    budget_s: float = 4.0,
) -> list[Trial]:
    """Times training steps under each setting, in alternating rounds, and drops what is clearly slower on the way.

    Args:
        step: Runs one forward, backward and update of the network it is given.
        network: Never changed; copies are trained.
        settings: What to try; the first one is returned untimed where it is alone.
        device: Where.
        budget_s: Seconds after which no further round begins.

    Returns:
        Trials, the fastest first.
    """
    started = time.perf_counter()
    times: dict[Setting, list[float]] = {}
    alive = list(settings)
    copies: dict[bool, nn.Module] = {}
    for setting in settings:
        if setting.channels_last not in copies:
            copies[setting.channels_last] = place(copy.deepcopy(network), device, setting.channels_last)
    for round_number in range(12):
        for setting in alive:
            torch.set_num_threads(setting.threads)
            began = time.perf_counter()
            step(copies[setting.channels_last], setting)
            _finish(device)
            taken = time.perf_counter() - began
            # The first round warms up caches and kernels; it only serves to drop the hopeless.
            times.setdefault(setting, []).append(taken)
        best = min(min(times[setting]) for setting in alive)
        slack = 2.0 if round_number == 0 else 1.25
        # Plain PyTorch stays in until it has had a warm run: what is chosen must never be slower than that.
        alive = [one for one in alive if min(times[one]) <= best * slack or (round_number == 0 and one.is_plain)]
        spent = time.perf_counter() - started
        if round_number >= 1 and (len(alive) == 1 or spent > budget_s):
            break
    # Other work on the machine only ever adds time, so the shortest run tells most about the setting.
    return sorted((Trial(setting, min(times[setting])) for setting in settings), key=lambda trial: trial.step_s)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def apply_setting(setting: Setting, recipe: MachineRecipe, device: torch.device) -> MachineRecipe:
    """Sets the threads, and returns the recipe section with nothing left open."""
    torch.set_num_threads(setting.threads)
    return recipe.model_copy(
        update={
            "device": str(device),
            "precision": setting.precision,
            "channels_last": setting.channels_last,
            "threads": setting.threads,
            "compile": setting.compile,
        }
    )


def setting_of(recipe: MachineRecipe) -> Setting:
    """The setting of a filled recipe section."""
    return Setting(
        precision=recipe.precision or "fp32",
        channels_last=bool(recipe.channels_last),
        threads=recipe.threads or processor_threads(),
        compile=bool(recipe.compile),
    )


def to_device(pixels: Tensor, device: torch.device, channels_last: bool) -> Tensor:
    """Moves a batch to its device and memory format."""
    pixels = pixels.to(device, non_blocking=True)
    return pixels.contiguous(memory_format=torch.channels_last) if channels_last else pixels
