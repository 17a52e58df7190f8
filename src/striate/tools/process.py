"""Keras and TensorFlow in a process of their own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from striate.errors import ExportError

BACKENDS = {"tensorflow": "tensorflow-cpu", "jax": "jax", "torch": "torch"}
"""What Keras computes with, and the package of each."""


class KerasProcess:
    """A process that takes orders; it ends with this object.

    Args:
        backend: What Keras computes with.
        threads: Threads that it computes with.
    """

    def __init__(self, backend: str = "tensorflow", threads: int = 1) -> None:
        self.backend = backend
        # Read when the process has died; lives as long as this object.
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        worker = resources.files("striate.tools.workers") / "keras_worker.py"
        # Without the folder of the script, in which modules are named like packages.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **_surroundings(backend, threads)},
            # Ctrl-C is for us, who end it in order: what it has learned is fetched first.
            start_new_session=True,
        )
        weakref.finalize(self, _end, self._process, self._log)

    def ask(
        self, order: str, arrays: Sequence[npt.NDArray[Any]] = (), **entries: Any
    ) -> tuple[dict[str, Any], list[npt.NDArray[Any]]]:
        """Gives an order and waits for the answer.

        Args:
            order: Its name.
            arrays: What it works on.
            entries: What else it says; plain data.

        Raises:
            ExportError: It could not be carried out, or the process has died.
        """
        into, out = self._process.stdin, self._process.stdout
        assert into is not None
        assert out is not None
        try:
            described = [[str(array.dtype), list(array.shape)] for array in arrays]
            into.write(json.dumps({"order": order, "arrays": described, **entries}).encode() + b"\n")
            for array in arrays:
                into.write(np.ascontiguousarray(array).data)
            into.flush()
            line = out.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            raise ExportError(
                f"the process of Keras on {self.backend} ended ({self._last_words()}).",
                where="Keras",
                fix="Try again; a training goes on with --resume. `striate tools` shows the versions here.",
            )
        answer = json.loads(line)
        found = [_read(out, kind, shape) for kind, shape in answer.pop("arrays")]
        if "error" in answer:
            raise ExportError(
                f"{_first_sentence(answer['error'])}.",
                where=f"Keras on {self.backend}",
                fix="Look at what it says; `striate tools` lists the versions here.",
            )
        return answer, found

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        code = self._process.wait()
        if code < 0:
            return f"signal {-code}: it was killed, or memory ran out"
        return lines[-1][:300] if lines else f"exit code {code}"


def _first_sentence(text: str) -> str:
    """What comes after it is advice for people who write Keras, such as to trust a file."""
    return text.splitlines()[0].partition(". ")[0][:300].rstrip(".")


@lru_cache
def keras_process(backend: str, threads: int) -> KerasProcess:
    """The process of a backend, started when it is first asked for: TensorFlow alone needs seconds to wake up."""
    return KerasProcess(backend, threads)


def _read(source: IO[bytes], kind: str, shape: list[int]) -> npt.NDArray[Any]:
    count = int(np.prod(shape)) * np.dtype(kind).itemsize
    return np.frombuffer(source.read(count), kind).reshape(shape).copy()


def _surroundings(backend: str, threads: int) -> dict[str, str]:
    """Quiet, on the processor, with as many threads as PyTorch has, and in fp32 to the last bit."""
    return {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "OMP_NUM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
    }


def _end(process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    process.terminate()
    process.wait()
    log.close()


__all__ = ["BACKENDS", "KerasProcess", "keras_process"]
