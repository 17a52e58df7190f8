"""Preparing pictures: sizes, types and value ranges survive as promised."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.data.framing import Preparation, prepare
from striate.data.pixels import ArrayStore, StreamingStore, channel_statistics, normalise, store_pixels
from striate.errors import PictureError, StorageError
from striate.recipe import InputRecipe
from striate.structures import Picture, Sample


class Source:
    def __init__(self, name: str, pixels: np.ndarray | None) -> None:
        self.name, self.pixels = name, pixels

    def __repr__(self) -> str:
        return f"Source({self.name})"

    def read(self) -> Picture:
        if self.pixels is None:
            raise PictureError("it ends too early.", where=self.name, kind="truncated")
        names = ("gray",) if len(self.pixels) == 1 else ("red", "green", "blue")
        return Picture(self.pixels, names)


def picture(pixels: np.ndarray) -> Picture:
    return Source("x", pixels).read()


def test_normalise_is_the_formula() -> None:
    recipe = InputRecipe(mean=(0.5, 0.25), std=(0.5, 2.0), scale=200.0)
    batch = torch.tensor([[[[100]], [[50]]], [[[200]], [[0]]]], dtype=torch.uint8)
    assert torch.allclose(normalise(batch, recipe).flatten(), torch.tensor([0.0, 0.0, 1.0, -0.125]))


def test_statistics_are_those_of_all_values() -> None:
    array = np.random.default_rng(0).integers(0, 256, (5, 2, 3, 4)).astype(np.uint8)
    mean, std = channel_statistics(ArrayStore(array), 255.0)
    values = array.transpose(1, 0, 2, 3).reshape(2, -1) / 255
    assert np.allclose(mean, values.mean(1), atol=1e-5)
    assert np.allclose(std, values.std(1), atol=1e-5)


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_every_cache_gives_the_same_rows(cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    rng = np.random.default_rng(1)
    samples = [Sample(Source(str(i), rng.integers(0, 256, (3, 5 + i, 6)).astype(np.uint8))) for i in range(7)]
    expected = np.concatenate([list(prepare(sample.read(), Preparation((4, 4), 3))) for sample in samples])
    for _ in range(2):
        store, problems = store_pixels(samples, Preparation((4, 4), 3), dtype=np.dtype(np.uint8), cache=cache)
        assert problems == []
        assert np.array_equal(store.rows(np.array([6, 0, 3])).numpy(), expected[[6, 0, 3]])
    assert len(list(tmp_path.glob("pixels-*.npy"))) == (1 if cache == "disk" else 0)


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_an_unreadable_picture_is_a_problem_and_the_others_stay(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    flat = np.full((1, 2, 2), 7, dtype=np.uint8)
    samples = [Sample(Source("good", flat)), Sample(Source("cut.jpg", None)), Sample(Source("also good", flat))]
    store, problems = store_pixels(samples, Preparation((2, 2), 1), dtype=np.dtype(np.uint8), cache=cache)
    assert [(problem.kind, problem.path, problem.severity) for problem in problems] == [
        ("truncated", "cut.jpg", "dropped")
    ]
    assert np.all(store.rows(np.array([0, 2])).numpy() == 7)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("count", [0, 1, 63, 64, 1000, 2500])
def test_every_picture_is_prepared_once_and_counted(count: int) -> None:
    samples = [Sample(Source(str(i), np.full((1, 1, 1), i % 251, dtype=np.uint8))) for i in range(count)]
    seen: list[tuple[int, int]] = []
    store, _ = store_pixels(
        samples,
        Preparation((1, 1), 1),
        dtype=np.dtype(np.uint8),
        cache="memory",
        progress=lambda done, whole: seen.append((done, whole)),
    )
    assert store.rows(np.arange(count)).flatten().tolist() == [i % 251 for i in range(count)]
    assert seen[-1:] == [(count, count)][: min(1, count)]
    assert all(before[0] < after[0] for before, after in itertools.pairwise(seen))


def test_a_stray_eight_bit_picture_fills_sixteen_bits() -> None:
    samples = [Sample(Source("stray", np.full((1, 1, 1), 255, dtype=np.uint8)))]
    store, _ = store_pixels(samples, Preparation((1, 1), 1), dtype=np.dtype(np.uint16), cache="memory")
    assert int(store.rows(np.array([0]))[0, 0, 0, 0]) == 65535


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_tiles_of_a_large_picture_are_rows_of_their_own(cache: str) -> None:
    large = np.arange(70, dtype=np.uint8).reshape(1, 7, 10)
    samples = [Sample(Source("small", large[:, :4, :4])), Sample(Source("large", large))]
    preparation = Preparation((4, 4), 1, "tiles", 1.0, 0.25)
    frames = preparation.frames([(4, 4), (7, 10)])
    store, problems = store_pixels(samples, preparation, dtype=np.dtype(np.uint8), cache=cache, frames=frames)
    assert problems == []
    assert frames.pictures.tolist() == [0, *[1] * 6]
    assert len(store) == 7
    rows = store.rows(np.arange(7)).numpy()
    assert np.array_equal(rows[0], large[:, :4, :4])
    assert np.array_equal(rows[1], large[:, :4, :4])
    assert np.array_equal(rows[6], large[:, 3:, 6:])


def test_streaming_names_the_picture_it_cannot_read() -> None:
    store = StreamingStore([Sample(Source("gone.png", None))], Preparation((1, 1), 1), np.dtype(np.uint8))
    with pytest.raises(PictureError, match=r"gone\.png: it ends too early"):
        store.rows(np.array([0]))


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("STRIATE_CACHE", str(blocked))
    samples = [Sample(Source("x", np.zeros((1, 1, 1), dtype=np.uint8)))]
    with pytest.raises(StorageError, match=r"pixel cache cannot be written.*--set data\.cache=none"):
        store_pixels(samples, Preparation((1, 1), 1), dtype=np.dtype(np.uint8), cache="disk")
