"""Where and how the sums are done: device, precision, memory format, threads and compilation.

Which combination is fastest depends on the network and the processor (bfloat16 triples the speed of a ResNet where
the processor multiplies it natively and slows a LeNet), so a few trial steps decide, and what they gave is recorded.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor, nn

from striate.errors import RequestError, cause_of
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


Step = Callable[[nn.Module, Setting, int], None]
"""A forward and backward pass of a network, under a setting, over some pictures."""

SCREENING_S = 0.05
TRIAL_S = 0.7
TURN_S = 0.02
ROUNDS = 3
TRIAL_SHARE = 0.05
"""Trials take about this share of the time that is known to come, at most: what is over in seconds gains little."""
HOPELESS, CLEAR = 1.5, 1.15


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
        reason = cause_of(error)
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


def seed_device(device: torch.device, seed: int) -> None:
    """Seeds the generator that layers on this device draw from.

    `torch.manual_seed` would seed those of all kinds of device, and formats a stack trace for those that are not in
    use yet: a millisecond, more than some networks take for a step.
    """
    if device.type == "cuda":
        torch.cuda.default_generators[
            torch.cuda.current_device() if device.index is None else device.index
        ].manual_seed(seed)
    elif device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


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


def multiplies_bf16(device: torch.device) -> bool:
    """Whether bfloat16 may pay on this device: where a processor must imitate it, a step takes fifty times as long."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    has_mkldnn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return device.type == "cpu" and has_mkldnn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def settings_to_try(recipe: MachineRecipe, device: torch.device) -> list[Setting]:
    """Every combination that the recipe leaves open, the likeliest first."""
    cores = recipe.threads or processor_threads()
    threads = [cores] if recipe.threads or cores == 1 or device.type != "cpu" else [cores, 1]
    if recipe.precision is not None:
        precisions = [recipe.precision]
    elif device.type == "cuda":
        precisions = ["bf16"] if multiplies_bf16(device) else ["fp16", "fp32"]
    else:
        precisions = ["bf16", "fp32"] if multiplies_bf16(device) else ["fp32"]
    formats = [True, False] if recipe.channels_last is None else [recipe.channels_last]
    return [
        Setting(precision, channels_last, count, bool(recipe.compile))
        for count, precision, channels_last in product(threads, precisions, formats)
    ]


def measure_settings(
    step: Step,
    network: nn.Module,
    settings: list[Setting],
    device: torch.device,
    *,
    pictures: int,
    coming: float = math.inf,
) -> list[Trial]:
    """Times training steps under each setting.

    A few pictures tell the hopeless settings apart; the rest runs in alternating rounds of as many pictures as take
    about `TRIAL_S`, for what is fastest for two pictures need not be for sixty-four. Fewer threads are tried with the
    winner alone: they pay for tiny networks and on busy machines, whatever the format.

    Args:
        step: Runs a forward and backward pass of the network it is given, over the number of pictures it is given.
        network: Never changed; copies are trained.
        settings: What to try.
        device: Where.
        pictures: Pictures of a whole batch.
        coming: Pictures that will be trained on in all, where that is known.

    Returns:
        Trials, the fastest first, with the seconds of a whole batch.
    """
    bench = _Bench(step, network, device)
    most_threads = max(setting.threads for setting in settings)
    rivals = [setting for setting in settings if setting.threads == most_threads]
    if len(rivals) > 1:
        few = bench.pictures_within(SCREENING_S, rivals[0], pictures)
        turns = len(settings) * (1 + ROUNDS)
        bench.turn_s = min(TURN_S, TRIAL_SHARE * coming * bench.take(rivals[0], few) / few / turns)
        bench.run_rounds(rivals, few, rounds=1, slack=HOPELESS)
        rivals = bench.within(rivals, HOPELESS)
    many = bench.pictures_within(TRIAL_S, rivals[0], pictures)
    screened = {setting: bench.seconds_each(setting) for setting in bench.times}
    bench.times.clear()
    bench.run_rounds(rivals, many, rounds=ROUNDS, slack=CLEAR)
    best = min(rivals, key=bench.seconds_each)
    narrower = [setting for setting in settings if replace(setting, threads=most_threads) == best and setting != best]
    bench.run_rounds([best, *narrower], many, rounds=ROUNDS, slack=CLEAR)
    found = screened | {setting: bench.seconds_each(setting) for setting in bench.times}
    return sorted((Trial(setting, each * pictures) for setting, each in found.items()), key=lambda trial: trial.step_s)


class _Bench:
    """Times steps; the shortest run of a setting counts, since other work on the machine only ever adds time."""

    def __init__(self, step: Step, network: nn.Module, device: torch.device) -> None:
        self.times: dict[Setting, list[float]] = {}
        """Seconds for one picture."""
        self.turn_s = TURN_S
        self._step = step
        self._network = network
        self._device = device
        self._copies: dict[bool, nn.Module] = {}

    def take(self, setting: Setting, pictures: int) -> float:
        """Seconds of one step."""
        if setting.channels_last not in self._copies:
            self._copies[setting.channels_last] = place(
                copy.deepcopy(self._network), self._device, setting.channels_last
            )
        torch.set_num_threads(setting.threads)
        began = time.perf_counter()
        self._step(self._copies[setting.channels_last], setting, pictures)
        _finish(self._device)
        return time.perf_counter() - began

    def seconds_each(self, setting: Setting) -> float:
        """Seconds for one picture at best."""
        return min(self.times[setting])

    def within(self, settings: list[Setting], slack: float) -> list[Setting]:
        """Those that take at most `slack` times the best one's time, the fastest first; plain PyTorch always."""
        best = min(map(self.seconds_each, settings))
        kept = [one for one in settings if self.seconds_each(one) <= slack * best or one.is_plain]
        return sorted(kept, key=self.seconds_each)

    def run_rounds(self, settings: list[Setting], pictures: int, *, rounds: int, slack: float) -> None:
        """Warms up, then times in turn; after the first round, what is clearly slower drops out."""
        alive = list(settings)
        for setting in alive:
            self.take(setting, pictures)
        for _ in range(rounds):
            for setting in alive:
                self.times.setdefault(setting, []).append(self._turn(setting, pictures))
            best = min(map(self.seconds_each, alive))
            alive = [setting for setting in alive if self.seconds_each(setting) <= slack * best]
            if len(alive) == 1:
                break

    def _turn(self, setting: Setting, pictures: int) -> float:
        """Seconds for one picture, over as many steps as fill a moment: single short steps are all noise."""
        taken = [self.take(setting, pictures)]
        while sum(taken) < self.turn_s and len(taken) < 20:
            taken.append(self.take(setting, pictures))
        return min(taken) / pictures

    def pictures_within(self, seconds: float, setting: Setting, most: int) -> int:
        """How many pictures make a step of about this length."""
        count = min(most, 2)
        self.take(setting, count)
        while (taken := self.take(setting, count)) < seconds / 2 and count < most:
            count = min(most, max(count + 1, int(count * min(4.0, 0.8 * seconds / max(taken, 1e-6)))))
        return count


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
