"""The page's own sums are the network's: by its data in NumPy, and by its script in a browser where there is one."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from striate.inside.neuron import neuron_sum
from striate.inside.pointing import pointing_data, pointing_part
from striate.inside.recording import Recording, record
from striate.networks import NetworkOptions, build_network
from striate.pages import Section, render_page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def recorded(name: str) -> Recording:
    torch.manual_seed(0)
    network = build_network(name, NetworkOptions(classes=10, channels=3, size_hw=(64, 72)))
    return record(network, torch.randn(1, 3, 64, 72))


def floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float64)


def added_up(data: dict[str, Any], y: int, x: int) -> float:
    """What the page's script does, again."""
    top, left, bottom, right = data["taken_region"]
    taken = floats(data["taken"]).reshape(data["channels"], bottom - top, right - left)
    weights = floats(data["weights"]).reshape(data["channels"], *data["window"])
    total = data["bias"]
    for i in range(data["window"][0]):
        for j in range(data["window"][1]):
            row = y * data["stride"][0] - data["before"][0] + i * data["dilation"][0]
            column = x * data["stride"][1] - data["before"][1] + j * data["dilation"][1]
            if 0 <= row < data["taken_size"][0] and 0 <= column < data["taken_size"][1]:
                total += float(weights[:, i, j] @ taken[:, row - top, column - left])
    return total


@pytest.mark.parametrize(
    "name", ["lenet5_1998", "lenet5", "alexnet", "vgg11_bn", "googlenet", "resnet18", "timm/tf_efficientnet_lite0"]
)
@pytest.mark.parametrize("most", [10**9, 2000])
def test_the_page_can_add_up_every_place_that_it_lets_one_point_at(
    name: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striate.inside.pointing.MOST_VALUES", most)
    recording = recorded(name)
    random = np.random.default_rng(0)
    layers = [call for call in recording.of_kind("convolution") if call.given.ndim == 4]
    for _ in range(8):
        call = layers[random.integers(len(layers))]
        unit = int(random.integers(call.units))
        start = tuple(int(random.integers(side)) for side in call.map_hw)
        data = pointing_data(recording, neuron_sum(recording, call.name, unit, start))
        top, left, bottom, right = data["region"]
        assert top <= start[0] < bottom
        assert left <= start[1] < right
        for y in {top, start[0], bottom - 1}:
            for x in {left, start[1], right - 1}:
                assert added_up(data, y, x) == pytest.approx(float(call.given[0, unit, y, x]), rel=1e-4, abs=1e-5)


def test_a_linear_layer_has_no_places() -> None:
    recording = recorded("lenet5")
    assert pointing_part(recording, neuron_sum(recording, "f6", 3)) is None


def test_the_browser_adds_up_what_the_network_computed(tmp_path: Path) -> None:
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no browser here")
    recording = recorded("lenet5")
    shown = neuron_sum(recording, "c3", 5, (2, 7))
    part = pointing_part(recording, shown)
    assert part is not None
    page = tmp_path / "page.html"
    page.write_text(render_page("Pointing", [Section("One", [part]), Section("Two", [part])]), encoding="utf-8")
    assert page.read_text(encoding="utf-8").count("A feature map to point at") == 1
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    seen = subprocess.run(
        [browser, *flags, page.as_uri()], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    sums = [float(text) for text in re.findall(r'data-sum="([^"]+)"', seen)]
    assert sums == [pytest.approx(shown.total, rel=1e-5)] * 2
    assert "c3[5] at (x=7, y=2)" in seen
    assert "products" in seen
