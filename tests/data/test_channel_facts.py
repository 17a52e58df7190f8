"""Channels one by one: values, likeness, and what each alone tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from striate.data import Dataset
from striate.data.bands import compose_bands
from striate.data.channel_facts import ChannelLook, look_at_channels
from striate.data.channel_lines import channel_lines
from striate.data.channel_probe import Share
from striate.data.look import look, look_anyway, write_look_page
from striate.data.synthetic import MakeOptions, make_data
from striate.errors import PictureError, RequestError
from striate.structures import Label, Picture, Sample


class Made:
    """A picture in memory."""

    def __init__(self, name: str, pixels: np.ndarray, names: tuple[str, ...]) -> None:
        self.name, self.pixels, self.names = name, pixels, names

    def read(self) -> Picture:
        return Picture(self.pixels, self.names, source=self.name)


def data_of(stack: np.ndarray, names: tuple[str, ...], labels: list[int], groups: list[str] | None = None) -> Dataset:
    samples = tuple(
        Sample(Made(f"{index}", pixels, names), Label(label), groups[index] if groups else None)
        for index, (pixels, label) in enumerate(zip(stack, labels, strict=True))
    )
    return Dataset(Path(), "classification", "made", ("a", "b"), {"train": samples}, channel_names=names)


@pytest.fixture(scope="module")
def bands() -> ChannelLook:
    samples = compose_bands(200, 1, 0)
    names = tuple(f"channel {index}" for index in range(5))
    data = Dataset(Path(), "classification", "made", ("a", "b"), {"train": tuple(samples)}, channel_names=names)
    return look_at_channels(data)


def test_the_one_band_that_carries_the_class_is_named(bands: ChannelLook) -> None:
    assert [one.name for one in bands.telling] == ["channel 3"]
    assert bands.telling[0].tells.low > 0.75
    assert bands.probe.baseline == 0.5
    assert bands.sentences()[0].startswith("Only channel 3 alone tells the classes apart: ")
    assert bands.alike == []


def test_values_are_those_of_the_pixels() -> None:
    values = np.random.default_rng(0).normal(5, 2, (50, 2, 6, 6)).astype(np.float32)
    values[:, 1] = 7
    seen = look_at_channels(data_of(values, ("x", "y"), [0, 1] * 25))
    x, y = seen.channels
    assert (x.low, x.high) == (values[:, 0].min(), values[:, 0].max())
    assert (x.mean, x.std) == pytest.approx((values[:, 0].mean(), values[:, 0].std()), rel=1e-5)
    assert (y.low, y.high, y.mean, y.std, y.constant) == (7, 7, 7, 0, 1)
    assert x.constant == 0
    assert "y: one value everywhere in every picture" in " ".join(seen.sentences())
    assert np.array_equal(np.round(seen.correlation), [[1, 0], [0, 0]])


def test_channels_that_are_alike_are_named_with_their_sign() -> None:
    random = np.random.default_rng(1)
    first = random.integers(0, 200, (60, 1, 8, 8))
    stack = np.concatenate([first, 255 - first, random.integers(0, 200, first.shape)], 1).astype(np.uint8)
    seen = look_at_channels(data_of(stack, ("p", "q", "r"), [0, 1] * 30))
    assert [(one, other) for one, other, _ in seen.alike] == [("p", "q")]
    assert seen.alike[0][2] == pytest.approx(-1)
    assert "p and q are nearly the same (correlation -1.00)." in seen.sentences()


def test_chance_is_no_telling_and_groups_stay_together() -> None:
    random = np.random.default_rng(5)
    # Each group has a look of its own, which tells its class to whoever saw another picture of it.
    looks = random.integers(0, 255, (20, 1, 8, 8))
    members = np.repeat(np.arange(20), 5)
    labels = (members % 2).tolist()
    stack = np.clip(looks[members] + random.integers(-3, 4, (100, 1, 8, 8)), 0, 255).astype(np.uint8)
    apart = look_at_channels(data_of(stack, ("gray",), labels))
    together = look_at_channels(data_of(stack, ("gray",), labels, [f"patient {member}" for member in members]))
    assert apart.probe.together.value > 0.9
    assert together.probe.together.value < 0.75
    assert together.telling == []
    assert (apart.probe.together.count, together.probe.together.count) == (100, 20)


def test_a_share_has_wilsons_interval() -> None:
    # 9 of 10: 0.5958 to 0.9821 (Wilson 1927).
    share = Share.of(0.9, 10)
    assert (share.low, share.high) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    assert not Share.of(0.62, 100).beats(0.5, among=20)
    assert Share.of(0.62, 100).beats(0.5, among=1)


def test_too_few_pictures_and_other_tasks_are_not_probed() -> None:
    stack = np.zeros((10, 1, 4, 4), np.uint8)
    seen = look_at_channels(data_of(stack, ("gray",), [0, 1] * 5))
    assert seen.probe.together is None
    assert "10 training pictures are too few to tell; 40 of two classes are the least." in seen.sentences()[0]
    assert seen.as_dict()["baseline"] is None


def test_a_rule_that_does_not_fit_is_refused() -> None:
    data = data_of(np.full((4, 3, 4, 4), 300, np.float32), ("red", "green", "blue"), [0, 1, 0, 1])
    with pytest.raises(RequestError, match="takes 'nir'"):
        look_at_channels(data, "nir")
    with pytest.raises(PictureError, match="hsv takes colours from 0 to 1"):
        look_at_channels(data, "hsv")


def test_lines_fit_80_columns_with_long_names_and_large_numbers() -> None:
    stack = np.random.default_rng(3).normal(-3e5, 1e4, (50, 3, 4, 4)).astype(np.float32)
    stack[:, 1] *= 1e-9
    names = ("near infrared, second detector", "short", "x")
    seen = look_at_channels(data_of(stack, names, [0, 1] * 25))
    lines = list(channel_lines(seen, 80))
    assert max(map(len, lines)) <= 80
    assert any("near infrared..." in line for line in lines)


def test_look_tells_of_channels_where_asked(tmp_path: Path, class_folders: Callable[..., Path]) -> None:
    root = class_folders({"a": 25, "b": 25})
    seen = look(root, channels="hsv")
    found = seen.as_dict()["channel_facts"]
    assert [one["name"] for one in found["channels"]] == ["hue", "saturation", "value"]
    assert (found["rule"], found["pictures"]) == ("hsv", len(seen.dataset["train"]))
    assert "\n  channels hsv, of " in seen.as_text(80)
    page = write_look_page(seen, tmp_path / "look.html").read_text(encoding="utf-8")
    assert "<figcaption>saturation<" in page
    without = look_anyway(root)
    assert without.as_dict()["channel_facts"] is None
    assert "Each channel, over" not in write_look_page(without, tmp_path / "plain.html").read_text(encoding="utf-8")


def test_a_thousand_pictures_of_five_channels_are_quick(tmp_path: Path) -> None:
    root = make_data("bands", tmp_path / "bands", MakeOptions(images=60, seed=1))
    assert look(root, channels="all").channels.pictures == 42
    stack = np.random.default_rng(4).random((1000, 5, 64, 64), dtype=np.float32)
    data = data_of(stack, tuple("abcde"), [0, 1] * 500)
    began = time.perf_counter()
    seen = look_at_channels(data)
    assert time.perf_counter() - began < 20
    assert (seen.pictures, seen.telling) == (1000, [])
