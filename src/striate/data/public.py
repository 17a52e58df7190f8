"""Public data sets, fetched by the downloaders of torchvision and medmnist, on request only."""

from __future__ import annotations

import importlib
import shutil
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from striate.errors import MissingPartError, WorkError, cause_of
from striate.formats.storing import folder_name_of, prepare_folder, stored
from striate.networks.weights import is_offline
from striate.registry import Registry

REACH_TIMEOUT_S = 5.0
"""Longest wait for the first answer of a server."""

STALL_TIMEOUT_S = 30.0
"""Longest silence during a download."""


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A public data set.

    Attributes:
        name: Name, as typed.
        title: What it holds, a phrase.
        images: Number of pictures.
        addresses: Where its downloader fetches it from, so that it can be seen quickly whether that can be reached.
        fetch: Downloads into a scratch folder (first) and writes the set into another one (second).
    """

    name: str
    title: str
    images: int
    addresses: Callable[[], list[str]]
    fetch: Callable[[Path, Path], None]


PUBLIC_SETS: Registry[PublicSet] = Registry("public data set")


def get_public(name: str, out: str | Path) -> Path:
    """Downloads a public data set into a new folder, ready for `striate train`, and returns the folder.

    Raises:
        UnknownNameError: No such set.
        RequestError: The folder is not empty.
        MissingPartError: The package that downloads it is not installed.
        WorkError: There is no connection, `STRIATE_OFFLINE` forbids one, or the download failed.
        StorageError: It cannot be written.
    """
    wanted, out = PUBLIC_SETS.get(name), Path(out)
    if is_offline():
        raise WorkError(
            "STRIATE_OFFLINE forbids connections, and this set has to be downloaded.",
            where=name,
            fix="Unset STRIATE_OFFLINE, or fetch the set on another machine and copy the folder. `striate data make "
            "digits` needs no connection.",
        )
    existed = out.exists()
    prepare_folder(out)
    try:
        _check_reachable(name, wanted.addresses())
        with tempfile.TemporaryDirectory(prefix=".download-", dir=out.parent) as scratch, _downloading(name):
            wanted.fetch(Path(scratch), out)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)  # half a set would be taken for a whole one
        if existed:
            out.mkdir(exist_ok=True)
        raise
    return out


def _check_reachable(name: str, addresses: list[str]) -> None:
    reason: object = ""
    for address in addresses:
        try:
            request = urllib.request.Request(address, method="HEAD")
            with urllib.request.urlopen(request, timeout=REACH_TIMEOUT_S):
                return
        except urllib.error.HTTPError:
            return  # somebody is there; whether the file is, the download will say
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
    raise WorkError(
        f"the server of this set cannot be reached ({reason}).",
        where=name,
        fix="Connect to the internet, or fetch the set on another machine and copy the folder. `striate data make "
        "digits` needs no connection.",
    )


@contextmanager
def _downloading(name: str) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_TIMEOUT_S)
    try:
        yield
    except (urllib.error.URLError, TimeoutError, ConnectionError, RuntimeError) as error:
        raise WorkError(
            f"the download failed ({cause_of(error)}).", where=name, fix="Try again later; nothing was left behind."
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def _torchvision(name: str) -> Any:
    return getattr(importlib.import_module("torchvision.datasets"), name)


def _fetch_idx(class_name: str) -> Callable[[Path, Path], None]:
    def fetch(scratch: Path, out: Path) -> None:
        data = _torchvision(class_name)(scratch, download=True)
        raw = Path(data.raw_folder)
        for file in sorted(raw.glob("*.gz")):
            stored(out, partial(shutil.move, file, out / file.name))
        if class_name != "MNIST":
            text = "\n".join(data.classes) + "\n"
            stored(out, lambda: (out / "classes.txt").write_text(text, encoding="utf-8"))

    return fetch


def _fetch_cifar(class_name: str) -> Callable[[Path, Path], None]:
    def fetch(scratch: Path, out: Path) -> None:
        from PIL import Image

        for split, train in (("train", True), ("test", False)):
            data = _torchvision(class_name)(scratch, train=train, download=True)
            for index, (pixels, label) in enumerate(zip(data.data, data.targets, strict=True)):
                folder = _class_folder(out / split, data.classes[label])
                stored(folder, partial(Image.fromarray(pixels).save, folder / f"{index:05d}.png"))

    return fetch


def _fetch_files(class_name: str, splits: dict[str, str], files: str) -> Callable[[Path, Path], None]:
    """Sets whose torchvision class keeps paths and labels; each picture is moved as it is."""

    def fetch(scratch: Path, out: Path) -> None:
        for split, theirs in splits.items():
            data = _torchvision(class_name)(scratch, split=theirs, download=True)
            for path, label in zip(getattr(data, files), data._labels, strict=True):
                folder = _class_folder(out / split, data.classes[label])
                stored(folder, partial(shutil.move, path, folder / Path(path).name))

    return fetch


def _class_folder(split: Path, class_name: str) -> Path:
    folder = split / folder_name_of(class_name.replace("/", " or "), "folders")
    stored(folder, lambda: folder.mkdir(parents=True, exist_ok=True))
    return folder


def _medmnist() -> Any:
    try:
        return importlib.import_module("medmnist")
    except ImportError as error:
        raise MissingPartError(
            "the package medmnist downloads this set, and it is not installed.",
            where="medmnist",
            fix="Type: pip install 'striate[medmnist]'",
        ) from error


def _medmnist_address(name: str) -> list[str]:
    return [_medmnist().INFO[name]["url"]]


def _fetch_medmnist(name: str) -> Callable[[Path, Path], None]:
    def fetch(scratch: Path, out: Path) -> None:
        package = _medmnist()
        getattr(package, package.INFO[name]["python_class"])(split="train", download=True, root=str(scratch))
        stored(out, lambda: shutil.move(scratch / f"{name}.npz", out / f"{name}.npz"))

    return fetch


def _register() -> None:
    def add(name: str, title: str, images: int, addresses: Callable[[], list[str]], fetch: Any) -> None:
        PUBLIC_SETS.add(name, PublicSet(name, title, images, addresses, fetch))

    def mirrors(class_name: str) -> Callable[[], list[str]]:
        return lambda: list(_torchvision(class_name).mirrors)

    def address(class_name: str) -> Callable[[], list[str]]:
        return lambda: [_torchvision(class_name).url]

    digits, clothes = "handwritten digits, 28 x 28 gray", "clothes of ten kinds, 28 x 28 gray"
    add("mnist", digits, 70_000, mirrors("MNIST"), _fetch_idx("MNIST"))
    add("fashion-mnist", clothes, 70_000, mirrors("FashionMNIST"), _fetch_idx("FashionMNIST"))
    add("cifar10", "ten kinds of things, 32 x 32 colour", 60_000, address("CIFAR10"), _fetch_cifar("CIFAR10"))
    add("cifar100", "a hundred kinds of things, 32 x 32 colour", 60_000, address("CIFAR100"), _fetch_cifar("CIFAR100"))
    add(
        "oxford-pets",
        "37 breeds of cats and dogs, photographs",
        7_349,
        lambda: [_torchvision("OxfordIIITPet")._RESOURCES[0][0]],
        _fetch_files("OxfordIIITPet", {"train": "trainval", "test": "test"}, "_images"),
    )
    add(
        "flowers102",
        "102 kinds of flowers, photographs",
        8_189,
        lambda: [_torchvision("Flowers102")._download_url_prefix],
        _fetch_files("Flowers102", {"train": "train", "validation": "val", "test": "test"}, "_image_files"),
    )
    for name, (title, images) in _MEDMNIST.items():
        add(name, f"{title}, 28 x 28", images, partial(_medmnist_address, name), _fetch_medmnist(name))


_MEDMNIST = {
    "pathmnist": ("tissue of the colon", 107_180),
    "chestmnist": ("chest X-rays with several of 14 findings", 112_120),
    "dermamnist": ("skin spots", 10_015),
    "octmnist": ("retina, optical coherence tomography", 109_309),
    "pneumoniamnist": ("chest X-rays of children, with and without pneumonia", 5_856),
    "retinamnist": ("retina photographs", 1_600),
    "breastmnist": ("breast ultrasound", 780),
    "bloodmnist": ("blood cells", 17_092),
    "tissuemnist": ("kidney cells", 236_386),
    "organamnist": ("abdominal organs, axial CT", 58_830),
    "organcmnist": ("abdominal organs, coronal CT", 23_583),
    "organsmnist": ("abdominal organs, sagittal CT", 25_211),
}
"""MedMNIST v2's flat sets and their numbers of pictures (Yang et al., Scientific Data 10, 2023, table 2)."""

_register()
