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

from striate.data.synthetic import make_digits

KILLS = int(os.environ.get("STRIATE_KILLS", "1"))
SETTINGS = {
    "machine.precision": "fp32",
    "machine.channels_last": "false",
    "machine.threads": "1",
    "machine.checkpoint_s": "0.2",
    "augmentation.mixup": "0.2",
}
FLAGS = ["--net", "resnet20", "--epochs", "6", "--device", "cpu", "--json"]
FLAGS += [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "striate", "train", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(*arguments: str) -> None:
    process = start(*arguments)
    message = process.communicate(timeout=300)[1]
    assert process.returncode == 0, message.decode()


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_weights(tmp_path: Path) -> None:
    data = tmp_path / "digits"
    make_digits(data, images=120)
    began = time.monotonic()
    finish(str(data), "--run", str(tmp_path / "whole"), *FLAGS)
    whole_s = time.monotonic() - began
    expected = load_file(tmp_path / "whole" / "weights" / "last.safetensors")
    chance = random.Random(0)
    for number in range(KILLS):
        run = tmp_path / f"killed-{number}"
        process = start(str(data), "--run", str(run), *FLAGS)
        time.sleep(chance.uniform(0.05, 0.95) * whole_s)
        process.kill()
        process.communicate()
        if (run / "run.json").exists():
            finish("--resume", str(run), "--json")
        else:
            # Killed before there was a run: the same command makes it.
            finish(str(data), "--run", str(run), *FLAGS)
        found = load_file(run / "weights" / "last.safetensors")
        assert found.keys() == expected.keys()
        assert all(bool((found[name] == expected[name]).all()) for name in expected), f"kill {number}"
