"""The environment of the peers: packages that Striate itself does not need, beside its own environment."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ENVIRONMENT = REPOSITORY / ".venv-peers"
REQUIREMENTS = Path(__file__).resolve().parent / "peers.txt"


class PeersMissingError(Exception):
    """The environment of the peers cannot be made; the message says why."""


def peer_python() -> Path:
    """The interpreter of the peers' environment, which is made where it is missing or out of date.

    Raises:
        PeersMissingError: It cannot be made, for instance offline.
    """
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = ENVIRONMENT / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    print("Making .venv-peers with Keras, TensorFlow and fastai (once; a few minutes).", file=sys.stderr)
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        _install(python)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PeersMissingError(f"the peers' environment cannot be made: {error}") from error
    stamp.write_text(wanted)
    return python


def _install(python: Path) -> None:
    """Prefers uv where there is one: it is several times faster."""
    has_uv = subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, check=False).returncode == 0
    if has_uv:
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python)]
    else:
        command = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run([*command, "-r", str(REQUIREMENTS)], check=True, stdout=sys.stderr)
