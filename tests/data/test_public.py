import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torchvision.datasets

from striate.data import open_dataset, public
from striate.data.public import PUBLIC_SETS, PublicSet, get_public
from striate.errors import MissingPartError, RequestError, UnknownNameError, WorkError
from striate.images import write_picture
from striate.structures import Picture


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were a connection; the downloads themselves are replaced in each test."""
    monkeypatch.setenv("STRIATE_OFFLINE", "0")
    monkeypatch.setattr(public, "_check_reachable", lambda name, addresses: None)


def fake(monkeypatch: pytest.MonkeyPatch, name: str, fetch: Callable[[Path, Path], None]) -> None:
    entry = PublicSet(name, "made up", 1, lambda: ["http://127.0.0.1:9/x"], fetch)
    monkeypatch.setitem(PUBLIC_SETS._items, name, entry)


def test_the_sets_are_there() -> None:
    names = set(PUBLIC_SETS.names())
    assert {"mnist", "fashion-mnist", "cifar10", "cifar100", "oxford-pets", "flowers102", "pneumoniamnist"} <= names
    assert all(entry.images > 0 and entry.title for entry in PUBLIC_SETS)


def test_torchvision_sets_name_their_addresses() -> None:
    for name in ("mnist", "fashion-mnist", "cifar10", "cifar100", "oxford-pets", "flowers102"):
        addresses = PUBLIC_SETS.get(name).addresses()
        assert addresses
        assert all(address.startswith("http") for address in addresses)


def test_offline_it_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_OFFLINE", "1")
    with pytest.raises(WorkError) as caught:
        get_public("mnist", tmp_path / "out")
    assert "STRIATE_OFFLINE forbids connections" in str(caught.value)
    assert "striate data make digits" in str(caught.value)
    assert caught.value.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_a_server_that_cannot_be_reached_is_said_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_OFFLINE", "0")
    fake(monkeypatch, "far", lambda scratch, out: pytest.fail("must not be tried"))
    with pytest.raises(WorkError, match=r"far: the server of this set cannot be reached \(.*refused.*\)\. Connect to"):
        get_public("far", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_set_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no public data set named 'cifar-10'\. Nearest: cifar10"):
        get_public("cifar-10", tmp_path)


@pytest.mark.usefixtures("online")
def test_a_folder_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(RequestError, match="there is something here already"):
        get_public("mnist", tmp_path)
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("existed", [False, True])
def test_a_download_that_breaks_leaves_nothing_behind(
    existed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(scratch: Path, out: Path) -> None:
        (out / "half").write_text("half")
        (scratch / "archive").write_text("half")
        raise RuntimeError("File not found or corrupted.")

    fake(monkeypatch, "broken", fetch)
    if existed:
        (tmp_path / "out").mkdir()
    with pytest.raises(WorkError, match=r"broken: the download failed \(File not found or corrupted\)"):
        get_public("broken", tmp_path / "out")
    assert [path.name for path in tmp_path.rglob("*")] == (["out"] if existed else [])


@pytest.mark.usefixtures("online")
def test_idx_sets_keep_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def idx(values: np.ndarray) -> bytes:
        sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
        return gzip.compress(bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes())

    class FashionMNIST:
        classes = ("shirt", "shoe")
        mirrors = ()

        def __init__(self, root: Path, download: bool) -> None:
            assert download
            self.raw_folder = str(root / "raw")
            (root / "raw").mkdir()
            random = np.random.default_rng(0)
            for prefix, count in (("train", 8), ("t10k", 4)):
                pixels = random.integers(0, 256, (count, 28, 28))
                (root / "raw" / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx(pixels))
                (root / "raw" / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx(np.arange(count) % 2))
                (root / "raw" / f"{prefix}-images-idx3-ubyte").write_bytes(b"unpacked")

    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", FashionMNIST)
    data = open_dataset(get_public("fashion-mnist", tmp_path / "out"))
    assert (data.format, data.classes, data.given) == ("idx", ("shirt", "shoe"), ("train", "test"))
    assert len(data["test"]) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("online")
def test_cifar_becomes_class_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)

    class CIFAR10:
        url = ""

        def __init__(self, root: Path, train: bool, download: bool) -> None:
            self.classes = ["cat", "dog"]
            self.data, self.targets = (pixels[:6], [0, 1] * 3) if train else (pixels[6:], [0, 1])

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", CIFAR10)
    out = get_public("cifar10", tmp_path / "out")
    data = open_dataset(out)
    assert (data.classes, data.given, len(data["test"])) == (("cat", "dog"), ("train", "test"), 2)
    read = next(sample for sample in data["test"] if sample.name == "test/dog/00001.png").read()
    np.testing.assert_array_equal(read.pixels.transpose(1, 2, 0), pixels[7])


@pytest.mark.usefixtures("online")
def test_photographs_are_moved_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)

    class Flowers102:
        classes = ("pink/red rose", "daisy")
        _download_url_prefix = ""

        def __init__(self, root: Path, split: str, download: bool) -> None:
            folder = root / "jpg"
            folder.mkdir(exist_ok=True)
            self._labels = [0, 1, 0, 1]
            self._image_files = [folder / f"{split}_{number}.png" for number in range(4)]
            for path in self._image_files:
                pixels = random.integers(0, 256, (3, 20, 20), dtype=np.uint8)
                write_picture(Picture(pixels, ("red", "green", "blue")), path)

    monkeypatch.setattr(torchvision.datasets, "Flowers102", Flowers102)
    data = open_dataset(get_public("flowers102", tmp_path / "out"))
    assert data.classes == ("daisy", "pink or red rose")
    assert {name: len(samples) for name, samples in data.splits.items()} == {"train": 4, "validation": 4, "test": 4}


@pytest.mark.usefixtures("online")
def test_medmnist_sets_stay_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PneumoniaMNIST:
        def __init__(self, split: str, download: bool, root: str) -> None:
            (Path(root) / "pneumoniamnist.npz").write_bytes(b"arrays")

    info = {"pneumoniamnist": {"python_class": "PneumoniaMNIST", "url": "http://127.0.0.1:9/x"}}
    monkeypatch.setitem(sys.modules, "medmnist", SimpleNamespace(INFO=info, PneumoniaMNIST=PneumoniaMNIST))
    out = get_public("pneumoniamnist", tmp_path / "out")
    assert [path.name for path in out.iterdir()] == ["pneumoniamnist.npz"]


@pytest.mark.usefixtures("online")
def test_a_missing_downloader_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "medmnist", None)
    with pytest.raises(MissingPartError, match=r"pip install 'striate\[medmnist\]'"):
        get_public("bloodmnist", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
