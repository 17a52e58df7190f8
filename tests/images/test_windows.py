from __future__ import annotations

import numpy as np
import pytest

from striate.errors import RecipeError
from striate.images.windows import NAMED, Window, in_words, parse_window, range_text
from striate.structures import Levels

HU = np.array([[-1000, -150, 50], [250, 251, 3000]], np.int16)


def test_a_named_window_maps_its_ends_onto_0_and_1() -> None:
    window = parse_window("soft-tissue")
    assert window is not None
    shown = window.apply(HU, None)
    assert shown.dtype == np.float32
    assert shown.tolist() == [[0.0, 0.0, 0.5], [1.0, 1.0, 1.0]]
    assert all(low < high for low, high in NAMED.values())


def test_a_range_in_the_scans_own_values() -> None:
    window = parse_window(range_text(-1000, 3000))
    assert window is not None
    assert window.apply(HU, None)[0, 0] == 0.0
    assert window.apply(HU, None)[0, 1] == pytest.approx(850 / 4000)


def test_what_a_scan_says_of_itself() -> None:
    levels = Levels(low=0.0, high=200.0, mean=100.0, std=25.0, window=(50.0, 150.0))
    values = np.array([0.0, 100.0, 200.0, 1e6], np.float32)
    measured = {rule: parse_window(rule) for rule in ("file", "percentile", "z-score")}
    assert measured["file"].apply(values, levels).tolist() == [0.0, 0.5, 1.0, 1.0]  # type: ignore[union-attr]
    assert measured["percentile"].apply(values, levels).tolist() == [0.0, 0.5, 1.0, 1.0]  # type: ignore[union-attr]
    assert measured["z-score"].apply(values[:3], levels).tolist() == [-4.0, 0.0, 4.0]  # type: ignore[union-attr]


def test_large_values_keep_their_differences() -> None:
    # Float32 alone would see these three as one.
    values = np.array([2**30, 2**30 + 1, 2**30 + 2], np.int64)
    window = parse_window(f"{2**30}..{2**30 + 2}")
    assert window is not None
    assert window.apply(values, None).tolist() == [0.0, 0.5, 1.0]


def test_a_scan_of_one_value_shows_nothing() -> None:
    window = parse_window("percentile")
    assert window is not None
    assert not window.apply(np.full((1, 4, 4), 7, np.uint16), None).any()


@pytest.mark.parametrize("text", ["lungs", "5", "10..5", "nan..4", "..", "1..1", ""])
def test_what_is_no_window_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(RecipeError, match="is no window of values") as caught:
        parse_window(text)
    assert "soft-tissue" in caught.value.fix
    assert "LOW..HIGH" in caught.value.fix


def test_in_words() -> None:
    assert parse_window("none") is None
    assert in_words("lung") == "lung (-1350 to 150)"
    assert in_words("-5..5") == "-5 to 5"
    assert in_words(None) == "values as they are"


def test_channels_without_a_unit_in_common_have_windows_of_their_own() -> None:
    voxels = np.stack([np.linspace(0, 1, 400), np.linspace(1000, 3000, 400)]).reshape(1, 2, 20, 20)
    levels = Levels.of_channels(voxels, ("t1", "t2"))
    shown = Window("percentile").apply(voxels[0], levels)
    np.testing.assert_allclose(shown[0], shown[1], atol=1e-6)
    assert (shown.min(), shown.max()) == (0, 1)
    # Three slices one after the other, as neighbours are.
    twice = Window("z-score").apply(np.concatenate([voxels[0]] * 3), levels)
    np.testing.assert_allclose(twice.mean(axis=(1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(twice.std(axis=(1, 2)), 1, atol=1e-5)
    # A range in the scan's own values is the same for all.
    assert Window("", 0, 1).apply(voxels[0], levels)[1].min() == 1


def test_colours_and_channels_of_one_unit_share_a_window() -> None:
    voxels = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    assert Levels.of_channels(voxels, ("red", "green", "blue")).channels == ()
    assert Levels.of_channels(voxels, ("time 0", "time 1", "time 2"), "HU").channels == ()
    assert Levels.of_channels(voxels[:, :1], ("gray",)).channels == ()
