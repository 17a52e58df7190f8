import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data import facts as facts_module
from striate.data.facts import PictureFacts, area_average, measure_pictures
from striate.data.scan import PictureKeeper, scan_pictures
from striate.data.scan_cache import ScanCache, cache_folder
from striate.images import ArraySource, FileSource, write_picture
from striate.images.kinds import natural_channel_names
from striate.structures import Picture, Sample

RANDOM = np.random.default_rng(0)


def picture(pixels: np.ndarray) -> Picture:
    return Picture(pixels, natural_channel_names(len(pixels)))


def files(folder: Path, *names: str) -> list[Sample]:
    return [Sample(FileSource(folder / name, name)) for name in names]


def kinds(facts: object) -> list[str]:
    return [problem.kind for problem in facts.problems]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("shape", [(1, 5, 9), (3, 40, 33), (5, 32, 64)])
def test_statistics_are_those_of_numpy(dtype: str, shape: tuple[int, int, int]) -> None:
    pixels = (RANDOM.random(shape) * 200 + 30).astype(dtype)
    (facts,) = measure_pictures(["a"], [picture(pixels)])
    wide = pixels.astype(np.float64)
    np.testing.assert_allclose(facts.mean, wide.mean((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(facts.deviation, wide.std((1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(facts.low, wide.min((1, 2)))
    np.testing.assert_array_equal(facts.high, wide.max((1, 2)))
    assert facts.histogram.sum(1).tolist() == [shape[1] * shape[2]] * shape[0]
    assert (facts.channels, facts.size_hw, facts.dtype) == (shape[0], shape[1:], dtype)


def test_the_deviation_of_sixteen_bits_keeps_its_digits() -> None:
    pixels = np.where(np.arange(400).reshape(1, 20, 20) % 2, 60_001, 60_000).astype(np.uint16)
    (facts,) = measure_pictures(["a"], [picture(pixels)])
    assert facts.deviation[0] == pytest.approx(0.5, rel=1e-3)


def test_histogram_bins_of_eight_bits_are_eight_values_wide() -> None:
    pixels = np.array([[[0, 7, 8, 255]]], np.uint8)
    (facts,) = measure_pictures(["a"], [picture(pixels)])
    assert np.flatnonzero(facts.histogram[0]).tolist() == [0, 1, 31]
    assert facts.histogram[0, 0] == 2


def test_measured_together_is_measured_alone() -> None:
    pictures = [picture(RANDOM.integers(0, 256, (3, 20, 30), dtype=np.uint8)) for _ in range(5)]
    together = measure_pictures(list("abcde"), pictures)
    for name, one, own in zip("abcde", together, pictures, strict=True):
        (alone,) = measure_pictures([name], [own])
        assert (one.name, one.digest) == (alone.name, alone.digest)
        np.testing.assert_array_equal(one.thumbnail, alone.thumbnail)
        np.testing.assert_array_equal(one.histogram, alone.histogram)


def test_area_average_keeps_the_mean_and_divides_pixels() -> None:
    values = RANDOM.random((2, 45, 77)).astype(np.float32)
    np.testing.assert_allclose(area_average(values, 32).mean((1, 2)), values.mean((1, 2)), rtol=1e-5)
    # Three pixels onto two: the middle one belongs to both by half.
    two = area_average(np.array([[0.0, 6.0, 3.0]] * 3, np.float32), 2)
    np.testing.assert_allclose(two, [[2.0, 4.0], [2.0, 4.0]], rtol=1e-6)


def test_the_thumbnail_leaves_alpha_out_and_is_stretched() -> None:
    colour = np.zeros((3, 32, 32), np.uint8)
    colour[:, :16] = 60
    alpha = RANDOM.integers(0, 256, (1, 32, 32), dtype=np.uint8)
    (facts,) = measure_pictures(["a"], [picture(np.concatenate([colour, alpha]))])
    assert facts.thumbnail[:16].min() == 255
    assert facts.thumbnail[16:].max() == 0


def test_what_is_wrong_with_files_is_said(tmp_path: Path) -> None:
    good = RANDOM.integers(0, 256, (3, 30, 30), dtype=np.uint8)
    write_picture(picture(good), tmp_path / "good.png")
    data = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture at all")
    (tmp_path / "other.jpg").write_bytes(data)
    write_picture(picture(np.full((1, 9, 9), 7, np.uint8)), tmp_path / "blank.png")
    frames = [Image.fromarray(RANDOM.integers(0, 256, (9, 9), dtype=np.uint8)) for _ in range(3)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(good.transpose(1, 2, 0)[:, :20]).save(tmp_path / "turned.jpg", exif=exif)
    names = ["good", "cut", "empty", "text", "other", "blank", "film", "turned", "gone"]
    suffix = {"other": ".jpg", "turned": ".jpg", "film": ".gif"}
    facts = scan_pictures(files(tmp_path, *(name + suffix.get(name, ".png") for name in names)))
    assert {fact.name.split(".")[0]: kinds(fact) for fact in facts} == {
        "good": [],
        "cut": ["truncated"],
        "empty": ["empty"],
        "text": ["not-a-picture"],
        "other": ["misnamed"],
        "blank": ["blank"],
        "film": ["frames"],
        "turned": ["orientation"],
        "gone": ["missing"],
    }
    unreadable = [fact.name for fact in facts if not fact.readable]
    assert unreadable == ["cut.png", "empty.png", "text.png", "gone.png"]
    assert {problem.severity for fact in facts if not fact.readable for problem in fact.problems} == {"dropped"}
    assert facts[7].size_hw == (20, 30), "upright size"
    assert facts[4].problems[0].detail == "named .jpg, but the file is PNG."


def test_values_that_are_no_numbers_are_said_and_count_as_zero(sample: Callable[..., Sample]) -> None:
    pixels = np.ones((1, 2, 2), np.float32)
    pixels[0, 0] = np.nan, np.inf
    (facts,) = scan_pictures([sample("a", pixels)])
    assert kinds(facts) == ["not-finite"]
    assert facts.problems[0].detail == "50.00% of its values are not finite numbers."
    assert (facts.mean[0], facts.low[0], facts.high[0]) == (0.5, 0.0, 1.0)


def test_the_order_is_that_of_the_samples_whatever_their_shapes(sample: Callable[..., Sample]) -> None:
    shapes = [(1 + i % 3, 10 + i % 4, 12) for i in range(60)]
    samples = [sample(f"{i}", RANDOM.integers(0, 256, shape, dtype=np.uint8)) for i, shape in enumerate(shapes)]
    done: list[int] = []
    facts = scan_pictures(samples, workers=3, progress=done.append)
    assert [fact.name for fact in facts] == [f"{i}" for i in range(60)]
    assert [(fact.channels, *fact.size_hw) for fact in facts] == shapes
    assert sum(done) == 60


def test_no_pictures_are_no_facts() -> None:
    assert scan_pictures([]) == []


def test_an_interruption_is_passed_on(sample: Callable[..., Sample]) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    samples = [sample(f"{i}", np.zeros((1, 4, 4), np.uint8)) for i in range(50)]
    with pytest.raises(KeyboardInterrupt):
        scan_pictures(samples, progress=interrupt)


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sample]:
    # Files as small as these are not worth a place in the cache otherwise.
    monkeypatch.setattr("striate.data.scan.SMALL_FILE_BYTES", 0)
    for name, shape in (("a.png", (3, 20, 30)), ("b.png", (1, 5, 5))):
        write_picture(picture(RANDOM.integers(0, 256, shape, dtype=np.uint8)), tmp_path / name)
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes()[:99])
    return files(tmp_path, "a.png", "b.png", "c.png")


def test_the_cache_gives_back_what_was_measured(stored: list[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
    first = scan_pictures(stored)
    reads: list[str] = []
    monkeypatch.setattr("striate.data.scan.read_with_header", lambda path, **_: reads.append(path.name) or read_fails())
    with pytest.raises(LookupError):
        scan_pictures(stored)
    assert reads == ["c.png"], "what cannot be read is tried again, the rest is known"
    again = scan_pictures(stored[:2])
    for one, other in zip(first, again, strict=False):
        for field in ("name", "size_hw", "channel_names", "dtype", "digest", "problems"):
            assert getattr(one, field) == getattr(other, field)
        for field in ("thumbnail", "colours", "low", "high", "mean", "deviation", "histogram"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def read_fails() -> None:
    raise LookupError


def test_small_files_are_read_anew_and_take_no_place_in_the_cache(tmp_path: Path) -> None:
    write_picture(picture(RANDOM.integers(0, 256, (1, 8, 8), dtype=np.uint8)), tmp_path / "a.png")
    scan_pictures(files(tmp_path, "a.png"))
    with ScanCache() as cache:
        status = (tmp_path / "a.png").stat()
        assert cache.get([(str(tmp_path / "a.png"), status.st_mtime_ns, status.st_size)], ["a.png"]) == {}


def test_a_keeper_keeps_whole_pictures_while_there_is_room(tmp_path: Path) -> None:
    small, large = RANDOM.integers(0, 256, (1, 8, 8), np.uint8), RANDOM.integers(0, 256, (3, 600, 400), np.uint8)
    write_picture(picture(small), tmp_path / "small.png")
    write_picture(picture(small), tmp_path / "late.png")
    Image.fromarray(large.transpose(1, 2, 0)).save(tmp_path / "reduced.jpg")
    samples = files(tmp_path, "small.png", "reduced.jpg", "late.png")
    keeper = PictureKeeper(largest_bytes=100)
    scan_pictures(samples, keeper=keeper, workers=1)
    kept = [keeper.holding(sample) for sample in samples]
    (tmp_path / "small.png").unlink()
    np.testing.assert_array_equal(kept[0].read().pixels, small)
    assert [sample.source.kept is None for sample in kept] == [False, True, True]
    assert kept == samples


def test_a_changed_file_is_measured_again(stored: list[Sample]) -> None:
    before = scan_pictures(stored[:1])[0]
    write_picture(picture(RANDOM.integers(0, 256, (3, 20, 31), dtype=np.uint8)), stored[0].source.path)
    after = scan_pictures(stored[:1])[0]
    assert before.size_hw == (20, 30)
    assert after.size_hw == (20, 31)


@pytest.mark.parametrize("damage", ["text", "other table", "cut entry", "a folder", "no permission"])
def test_a_damaged_cache_never_stops_anything(damage: str, stored: list[Sample]) -> None:
    first = scan_pictures(stored)
    (path,) = cache_folder().glob("*.sqlite")
    if damage == "text":
        path.write_text("this is no database" * 100)
    elif damage == "a folder":
        path.unlink()
        path.mkdir()
    elif damage == "no permission":
        path.chmod(0o000)
    else:
        database = sqlite3.connect(path)
        if damage == "other table":
            database.executescript("DROP TABLE facts; CREATE TABLE facts (other TEXT)")
        else:
            database.execute("UPDATE facts SET facts = substr(facts, 1, 300)")
        database.commit()
        database.close()
    again = scan_pictures(stored)
    assert [fact.digest for fact in again] == [fact.digest for fact in first]


def test_the_cache_lies_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    with ScanCache(enabled=False):
        pass
    assert not (tmp_path / "here").exists()


def same(left: PictureFacts, right: PictureFacts) -> bool:
    """Whether all fields are equal, arrays value for value."""
    pairs = [(getattr(left, name), getattr(right, name)) for name in PictureFacts.__slots__]
    return all(type(a) is type(b) and np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "bool"])
@pytest.mark.parametrize("shape", [(7, 12, 9), (7, 12, 9, 3)])
def test_pictures_of_one_array_have_the_facts_that_each_has_alone(
    tmp_path: Path, dtype: str, shape: tuple[int, ...]
) -> None:
    values = RANDOM.integers(0, 250, shape)
    values = values > 120 if dtype == "bool" else values.astype(dtype)
    values[2] = 5
    if dtype == "float32":
        values[3].flat[0] = np.nan
    np.savez(tmp_path / "set.npz", images=values)
    samples = [Sample(ArraySource(tmp_path / "set.npz", "images", i, f"set.npz#{i}")) for i in (6, 0, 1, 2, 3, 4, 5)]
    found = scan_pictures(samples)
    for sample, fact in zip(samples, found, strict=True):
        (alone,) = measure_pictures([sample.name], [sample.read()])
        assert same(replace(fact, problems=()), replace(alone, problems=()))
    assert kinds(found[3]) == ["blank"]
    assert kinds(found[4]) == (["not-finite"] if dtype == "float32" else [])


def test_a_damaged_array_file_leaves_out_each_of_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_bytes(b"PK but no archive")
    found = scan_pictures([Sample(ArraySource(tmp_path / "set.npz", "images", i, f"set.npz#{i}")) for i in range(2)])
    assert [(fact.name, fact.readable, kinds(fact)) for fact in found] == [
        ("set.npz#0", False, ["truncated"]),
        ("set.npz#1", False, ["truncated"]),
    ]


def test_a_vast_picture_is_measured_on_a_grid_of_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, columns = np.mgrid[0:120, 0:160]
    pixels = ((rows + columns) // 2).astype(np.uint8)[None]
    (whole,) = measure_pictures(["a"], [picture(pixels)])
    monkeypatch.setattr(facts_module, "GRID_PIXELS", 120 * 160 // 9)
    (grid,) = measure_pictures(["a"], [picture(pixels)])
    assert (grid.digest, grid.size_hw, grid.low.tolist(), grid.high.tolist()) == (
        whole.digest,
        whole.size_hw,
        whole.low.tolist(),
        whole.high.tolist(),
    )
    assert grid.histogram.sum() == 40 * 54
    assert abs(grid.mean[0] - whole.mean[0]) < 3
    assert np.corrcoef(grid.thumbnail.ravel(), whole.thumbnail.ravel())[0, 1] > 0.999
