import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from striate.data.duplicates import duplicate_problems, find_duplicates, required_likeness
from striate.data.facts import PictureFacts
from striate.data.scan import scan_pictures
from striate.data.splits import class_indices, make_splits, merge_groups
from striate.structures import Sample

Make = Callable[..., np.ndarray]


def facts_of(pictures: list[np.ndarray], sample: Callable[..., Sample]) -> list[PictureFacts]:
    return scan_pictures([sample(f"{i:03d}", pixels) for i, pixels in enumerate(pictures)], workers=1)


def found(pictures: list[np.ndarray], sample: Callable[..., Sample]) -> list[tuple[str, tuple[int, ...]]]:
    return [(each.kind, each.indices) for each in find_duplicates(facts_of(pictures, sample))]


def as_image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def as_pixels(image: Image.Image) -> np.ndarray:
    values = np.asarray(image)
    return values[None].copy() if values.ndim == 2 else values.transpose(2, 0, 1).copy()


def jpeg(pixels: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    as_image(pixels).save(buffer, "JPEG", quality=40)
    return as_pixels(Image.open(buffer))


def scaled(pixels: np.ndarray, factor: float) -> np.ndarray:
    image = as_image(pixels)
    return as_pixels(image.resize((int(image.width * factor), int(image.height * factor))))


COPIES = {
    "JPEG": jpeg,
    "smaller": lambda pixels: scaled(pixels, 0.8),
    "larger": lambda pixels: scaled(pixels, 1.3),
    "brighter": lambda pixels: np.clip(pixels.astype(int) + 40, 0, 255).astype(np.uint8),
    "darker": lambda pixels: np.clip(pixels.astype(int) - 40, 0, 255).astype(np.uint8),
    "gamma": lambda pixels: np.rint(255 * (pixels / 255) ** 1.3).astype(np.uint8),
    "16 bit": lambda pixels: pixels.astype(np.uint16) * 257,
}


def test_different_pictures_are_no_duplicates(photo: Make, sample: Callable[..., Sample]) -> None:
    assert found([photo(seed) for seed in range(150)], sample) == []


def test_equal_pixels_are_exact_duplicates(photo: Make, sample: Callable[..., Sample]) -> None:
    pictures = [photo(1), photo(2), photo(1), photo(3), photo(2), photo(1)]
    assert found(pictures, sample) == [("exact", (0, 2, 5)), ("exact", (1, 4))]


@pytest.mark.parametrize("how", [name for name in COPIES if name != "16 bit"])
def test_a_copy_that_was_saved_anew_is_found(how: str, photo: Make, sample: Callable[..., Sample]) -> None:
    pictures = [photo(seed, 120, 160) for seed in range(12)]
    copies = [COPIES[how](pixels) for pixels in pictures[:6]]
    assert found(pictures + copies, sample) == [("near", (i, 12 + i)) for i in range(6)]


def test_a_chain_of_copies_is_one_set(photo: Make, sample: Callable[..., Sample]) -> None:
    original = photo(0, 120, 160)
    pictures = [original, photo(1, 120, 160), jpeg(original), scaled(original, 0.8), original]
    assert found(pictures, sample) == [("near", (0, 2, 3, 4))]


def test_one_shape_in_two_colours_is_two_pictures(sample: Callable[..., Sample]) -> None:
    y, x = np.mgrid[:48, :48]
    disc = (np.hypot(y - 24, x - 24) < 15) * np.uint8(200)
    empty = np.zeros_like(disc)
    assert found([np.stack([disc, empty, empty]), np.stack([empty, empty, disc])], sample) == []


def test_one_pattern_in_very_different_light_is_two_pictures(photo: Make, sample: Callable[..., Sample]) -> None:
    pixels = photo(0, channels=1)
    assert found([pixels, pixels // 4], sample) == []


def parts(photo: Make, count: int) -> list[np.ndarray]:
    """One kind of part before one camera: the same but for noise, a tiny shift of light, and a small spot."""
    random = np.random.default_rng(0)
    base = photo(0, 96, 96, 1).astype(float)
    pictures = []
    for _ in range(count):
        pixels = base * random.uniform(0.97, 1.03) + random.normal(0, 5, base.shape)
        y, x = random.integers(10, 80, 2)
        pixels[:, y : y + 5, x : x + 5] += 30
        pictures.append(np.clip(pixels, 0, 255).astype(np.uint8))
    return pictures


@pytest.mark.parametrize("count", [10, 20, 200])
def test_parts_of_one_kind_are_different_pictures(count: int, photo: Make, sample: Callable[..., Sample]) -> None:
    facts = facts_of(parts(photo, count), sample)
    vectors = np.stack([fact.thumbnail.ravel() for fact in facts]).astype(float)
    assert np.corrcoef(vectors).min() > 0.99, "they are as alike as copies of photographs are"
    assert find_duplicates(facts) == []


def test_a_copy_of_such_a_part_is_found(photo: Make, sample: Callable[..., Sample]) -> None:
    pictures = parts(photo, 100)
    brighter = np.clip(pictures[7].astype(int) + 10, 0, 255).astype(np.uint8)
    assert found([*pictures, brighter, pictures[9]], sample) == [("near", (7, 100)), ("exact", (9, 101))]


def test_blank_pictures_are_duplicates_only_where_they_are_equal(sample: Callable[..., Sample]) -> None:
    blank = [np.full((1, 20, 20), value, np.uint8) for value in (0, 7, 0)]
    assert found(blank, sample) == [("exact", (0, 2))]


def test_equal_numbers_of_another_type_or_shape_are_not_equal_pixels(sample: Callable[..., Sample]) -> None:
    pixels = np.zeros((1, 4, 6), np.uint8)
    assert found([pixels, pixels.astype(np.uint16), pixels.reshape(1, 6, 4)], sample) == []


def test_fewer_pixels_have_to_be_more_alike() -> None:
    assert required_likeness(1024) == required_likeness(10**6) == pytest.approx(0.99)
    assert required_likeness(512) == pytest.approx(0.995)
    assert required_likeness(64) == pytest.approx(1 - 0.01 / 16)


def test_pairs_are_the_same_as_by_comparing_all(photo: Make, sample: Callable[..., Sample]) -> None:
    random = np.random.default_rng(0)
    base = [photo(seed, 32, 32, 1) for seed in range(30)]
    noisy = [
        np.clip(base[i % 30] + random.normal(0, 3.0 + i / 20, (1, 32, 32)), 0, 255).astype(np.uint8) for i in range(90)
    ]
    facts = facts_of(base + noisy, sample)
    vectors = np.stack([fact.thumbnail.ravel() for fact in facts]).astype(np.float64)
    vectors -= vectors.mean(1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    own = vectors - vectors.mean(0) * len(vectors) / (len(vectors) + 2)
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    alike = (vectors @ vectors.T >= 0.99) & (own @ own.T >= 0.95)
    reach = np.linalg.matrix_power(alike.astype(float), 8) > 0  # chains of up to eight links
    expected = {tuple(np.flatnonzero(row).tolist()) for row in reach if row.sum() > 1}
    assert {each.indices for each in find_duplicates(facts)} == expected
    assert len(expected) > 10


def test_duplicates_never_straddle_splits_that_are_made(photo: Make, sample: Callable[..., Sample]) -> None:
    samples, origin = [], []
    for seed in range(40):
        pixels = photo(seed, 100, 120)
        for copy, make in enumerate([lambda p: p, *COPIES.values()][: 1 + seed % 4]):
            samples.append(sample(f"{seed:02d}-{copy}", make(pixels), seed % 2))
            origin.append(seed)
    sets = [each.indices for each in find_duplicates(scan_pictures(samples))]
    for split_seed in range(5):
        shares = {"train": 0.6, "validation": 0.2, "test": 0.2}
        made = make_splits(
            samples, [class_indices(one) for one in samples], merge_groups(samples, sets), shares, split_seed
        )
        homes = {seed: {name for name, split in made.items() for i in split if origin[i] == seed} for seed in range(40)}
        assert all(len(home) == 1 for home in homes.values())


def problems(
    entries: list[tuple[str, int]], given: list[str], photo: Make, sample: Callable[..., Sample]
) -> list[tuple[str, str]]:
    """Problems of pictures that are all equal, each with a split and a label."""
    samples = [sample(f"{i}.png", photo(0), label) for i, (_, label) in enumerate(entries)]
    sets = find_duplicates(scan_pictures(samples, workers=1))
    listed = duplicate_problems(samples, [split for split, _ in entries], given, sets)
    return [(problem.kind, problem.path) for problem in listed]


def test_duplicates_across_given_splits_are_leakage(photo: Make, sample: Callable[..., Sample]) -> None:
    given = ["train", "validation", "test"]
    entries = [("train", 0), ("test", 0), ("validation", 0), ("test", 0)]
    leaks = [("leakage", "2.png"), ("leakage", "1.png"), ("leakage", "3.png")]
    assert problems(entries, given, photo, sample) == leaks
    assert problems([("validation", 0), ("test", 0)], given, photo, sample) == [("leakage", "1.png")]


def test_duplicates_in_one_split_or_in_none_are_only_duplicates(photo: Make, sample: Callable[..., Sample]) -> None:
    assert problems([("train", 0), ("train", 0)], ["train", "test"], photo, sample) == [("duplicate", "1.png")]
    assert problems([("", 0), ("", 0)], [], photo, sample) == [("duplicate", "1.png")]


def test_duplicates_with_different_labels_conflict(photo: Make, sample: Callable[..., Sample]) -> None:
    assert problems([("", 0), ("", 0), ("", 1)], [], photo, sample) == [("conflicting-labels", "2.png")]
    both = [("leakage", "1.png"), ("conflicting-labels", "1.png")]
    assert problems([("train", 0), ("test", 1)], ["train", "test"], photo, sample) == both


def test_leakage_names_both_pictures(photo: Make, sample: Callable[..., Sample]) -> None:
    samples = [sample("a.png", photo(0)), sample("b.png", photo(0))]
    sets = find_duplicates(scan_pictures(samples, workers=1))
    (problem,) = duplicate_problems(samples, ["train", "test"], ["train", "test"], sets)
    assert problem.path == "b.png"
    assert problem.detail == "this test picture has the same pixels as a.png in train."
    assert "results on test too good" in problem.fix
