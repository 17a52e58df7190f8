"""kill -9 at random moments: the resumed run ends with the weights of one that was never stopped.

`STRIATE_KILLS=20` makes it twenty moments; one is tried otherwise.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from striate.cli import main
from striate.data.synthetic import make_digits

KILLS = int(os.environ.get("STRIATE_KILLS", "1"))
EPOCHS = 5
START_S, EPOCH_S = 3.0, 0.2
"""About what a process spends on imports and data, in which a kill may leave no run, and what on an epoch."""
SETTINGS = {
    "input.size_hw": "[16, 16]",
    "machine.precision": "fp32",
    "machine.channels_last": "false",
    "machine.threads": "1",
    "machine.checkpoint_s": "0.05",
    "augmentation.mixup": "0.2",
}
FLAGS = ["--net", "resnet20", "--epochs", str(EPOCHS), "--device", "cpu", "--json"]
FLAGS += [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]


def epochs_in(run: Path) -> int:
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def train_and_kill(moment: float, *arguments: str, run: Path) -> None:
    """Trains in a process of its own and kills it after so many epochs; while it starts, where `moment` is negative."""
    process = subprocess.Popen(
        [sys.executable, "-m", "striate", "train", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    limit = time.monotonic() + 300
    while process.poll() is None and epochs_in(run) < int(moment):
        assert time.monotonic() < limit
        time.sleep(0.01)
    time.sleep(-moment * START_S if moment < 0 else moment % 1 * EPOCH_S)
    process.kill()
    message = process.communicate()[1]
    assert process.returncode <= 0, message.decode()


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_weights(tmp_path: Path) -> None:
    data = tmp_path / "digits"
    make_digits(data, images=80)
    # Never stopped, and resumed: in this process. Killed: in another one.
    assert main(["train", str(data), "--run", str(tmp_path / "whole"), *FLAGS]) == 0
    expected = load_file(tmp_path / "whole" / "weights" / "last.safetensors")
    chance = random.Random(0)
    for number in range(KILLS):
        run = tmp_path / f"killed-{number}"
        start = [str(data), "--run", str(run), *FLAGS]
        train_and_kill(chance.uniform(-1, EPOCHS - 1), *start, run=run)
        # Killed before there was a run: the same command makes it.
        again = ["--resume", str(run), "--json"] if (run / "run.json").exists() else start
        assert main(["train", *again]) == 0
        found = load_file(run / "weights" / "last.safetensors")
        assert found.keys() == expected.keys()
        assert all(bool((found[name] == expected[name]).all()) for name in expected), f"kill {number}"
