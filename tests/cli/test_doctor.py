from __future__ import annotations

import importlib.metadata
import json

import pytest

from striate.cli import doctor, main

Capture = pytest.CaptureFixture[str]


def test_the_machine_for_a_program(capsys: Capture) -> None:
    assert main(["doctor", "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["versions"]["torch"] == importlib.metadata.version("torch")
    assert seen["devices"][0]["device"] == "cpu"
    assert seen["devices"][0]["threads"] >= 1
    assert seen["precision"]["speeds"]["fp32"] == 1.0
    assert seen["memory_gib"] > 0
    assert seen["disk_free_gib"] >= 0
    assert {part["part"] for part in seen["parts"]} == {
        "dev",
        "export",
        "jax",
        "keras",
        "medmnist",
        "scans",
        "tensorboard",
    }
    assert seen["weights"]["embedded"] == "timm/tf_efficientnet_lite0"
    assert seen["weights"]["offline"] is True


def test_a_missing_part_comes_with_the_command_that_adds_it(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    installed = doctor._installed
    monkeypatch.setattr(doctor, "_installed", lambda name: name != "medmnist" and installed(name))
    monkeypatch.setattr(doctor, "_precision_speeds", lambda: {"device": "cpu", "speeds": {"fp32": 1.0}})
    assert main(["doctor"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert '[medmnist] missing medmnist; add: pip install "striate[medmnist]"' in text
    assert "[tensorboard] installed" in text or "[tensorboard] missing" in text
