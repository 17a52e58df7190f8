"""The choices of weights, with what they say, without a connection."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from striate.errors import RequestError, WorkError
from striate.networks import NetworkOptions, Normalisation, build_network, pretrained, resolve_network
from striate.networks.weight_files import read_state_dict
from striate.networks.weights import has_published_weights, is_offline, load_weights

LITE0 = "timm/tf_efficientnet_lite0"
SMALL = NetworkOptions(classes=5, size_hw=(64, 64))


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A torch hub cache without a file in it."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def same_convolution(x: Tensor, weight: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
    """A convolution as TensorFlow pads it: the odd pixel goes to the right and bottom."""
    pads = []
    for side, kernel in ((x.shape[3], weight.shape[3]), (x.shape[2], weight.shape[2])):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)


def lite0_by_hand(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """EfficientNet-Lite0 straight from the file's own keys (Tan and Le 2019; the Lite variant of Liu 2020)."""

    def norm(x: Tensor, key: str) -> Tensor:
        mean, var = state[f"{key}.running_mean"], state[f"{key}.running_var"]
        return F.batch_norm(x, mean, var, state[f"{key}.weight"], state[f"{key}.bias"], eps=0.001)

    x = F.relu6(norm(same_convolution(x, state["_conv_stem.weight"], 2), "_bn0"))
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
    for index, stride in enumerate(strides):
        block = f"_blocks.{index}"
        before = x
        if f"{block}._expand_conv.weight" in state:
            x = F.relu6(norm(F.conv2d(x, state[f"{block}._expand_conv.weight"]), f"{block}._bn0"))
        depthwise = state[f"{block}._depthwise_conv.weight"]
        x = F.relu6(norm(same_convolution(x, depthwise, stride, groups=x.shape[1]), f"{block}._bn1"))
        x = norm(F.conv2d(x, state[f"{block}._project_conv.weight"]), f"{block}._bn2")
        x = x + before if stride == 1 and x.shape == before.shape else x
    x = F.relu6(norm(F.conv2d(x, state["_conv_head.weight"]), "_bn1"))
    return F.linear(x.mean((2, 3)), state["_fc.weight"], state["_fc.bias"])


def test_embedded_weights_give_the_scores_of_their_own_network() -> None:
    options = NetworkOptions(classes=1000, size_hw=(96, 64))
    network = build_network(LITE0, options).eval()
    used = load_weights(network, resolve_network(LITE0), "embedded", options)
    assert used is not None
    assert used.normalisation == Normalisation((127 / 255,) * 3, (128 / 255,) * 3)
    assert (used.licence, used.top1, used.note) == ("Apache-2.0", 75.1, "trained on ImageNet-1k")
    path = pretrained.EmbeddedLite0(LITE0).find_local()
    assert path is not None
    torch.manual_seed(0)
    x = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        scores = network(x)
        assert torch.allclose(scores, lite0_by_hand(read_state_dict(path), x), atol=1e-4)
    assert scores.std() > 0.3


def test_automatic_choice_takes_the_embedded_weights_and_adapts_them() -> None:
    options = NetworkOptions(classes=5, channels=2, size_hw=(64, 64))
    used = load_weights(build_network(LITE0, options), resolve_network(LITE0), "auto", options)
    assert used is not None
    assert used.normalisation == Normalisation((127 / 255,) * 2, (128 / 255,) * 2)
    assert "first layer adapted from 3 to 2 channels; left fresh" in used.note
    assert used.as_dict()["normalisation"] == {"mean": (127 / 255,) * 2, "std": (128 / 255,) * 2}


def test_evenly_padding_network_says_that_it_is_not_the_exact_one() -> None:
    used = load_weights(
        build_network("timm/efficientnet_lite0", SMALL), resolve_network("timm/efficientnet_lite0"), "embedded", SMALL
    )
    assert used is not None
    assert f"{LITE0} is the exact one" in used.note


def test_none_is_none() -> None:
    assert load_weights(build_network("lenet5", SMALL), resolve_network("lenet5"), "none", SMALL) is None


def test_embedded_weights_for_another_network() -> None:
    with pytest.raises(RequestError, match=rf"no weights for resnet18 come with the installation. Use --net {LITE0}"):
        load_weights(build_network("resnet18", SMALL), resolve_network("resnet18"), "embedded", SMALL)


def test_networks_nobody_published_weights_for(empty_cache: Path) -> None:
    network, info = build_network("lenet5", SMALL), resolve_network("lenet5")
    with pytest.raises(RequestError, match="nobody published ImageNet weights for lenet5"):
        load_weights(network, info, "imagenet", SMALL)
    used = load_weights(network, info, "auto", SMALL)
    assert used is not None
    assert (used.name, used.normalisation) == ("none", None)
    assert used.note == "fresh weights: nobody published ImageNet weights for lenet5."


def test_offline_without_a_cached_file(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_OFFLINE", "1")
    monkeypatch.setattr(pretrained, "_reachable", lambda *_: pytest.fail("tried to connect"))
    network, info = build_network("resnet18", SMALL), resolve_network("resnet18")
    with pytest.raises(WorkError) as caught:
        load_weights(network, info, "imagenet", SMALL)
    assert "ResNet18_Weights.IMAGENET1K_V1 are not on this machine, and STRIATE_OFFLINE forbids" in str(caught.value)
    assert "resnet18-f37072fd.pth elsewhere and give the file" in str(caught.value)
    used = load_weights(network, info, "auto", SMALL)
    assert used is not None
    assert used.note.startswith("fresh weights: the weights ResNet18_Weights.IMAGENET1K_V1 are not on this machine")


def test_cached_official_weights_are_used_offline(empty_cache: Path) -> None:
    torch.manual_seed(0)
    official = build_network("resnet18", NetworkOptions(stem="standard"))
    torch.save(official.state_dict(), empty_cache / "resnet18-f37072fd.pth")
    info = resolve_network("resnet18")
    gray = NetworkOptions(classes=5, channels=1, size_hw=(64, 64))
    network = build_network("resnet18", gray)
    used = load_weights(network, info, "auto", gray, offline=True)
    assert used is not None
    assert (used.name, used.top1) == ("ResNet18_Weights.IMAGENET1K_V1", 69.758)
    assert used.normalisation is not None
    assert used.normalisation.mean == pytest.approx(((0.485 + 0.456 + 0.406) / 3,))
    assert (
        used.note
        == "first layer adapted from 3 to 1 channels; left fresh, because the weights have none of that shape: fc"
    )
    state = network.state_dict()
    assert torch.equal(state["layer4.1.conv2.weight"], official.state_dict()["layer4.1.conv2.weight"])
    assert torch.allclose(state["conv1.weight"], official.state_dict()["conv1.weight"].sum(1, keepdim=True))


def test_small_stem_stays_fresh_under_official_weights(empty_cache: Path) -> None:
    torch.save(
        build_network("resnet18", NetworkOptions(stem="standard")).state_dict(), empty_cache / "resnet18-f37072fd.pth"
    )
    tiny = NetworkOptions(classes=1000, size_hw=(32, 32))
    used = load_weights(build_network("resnet18", tiny), resolve_network("resnet18"), "imagenet", tiny)
    assert used is not None
    assert used.note == "left fresh, because the weights have none of that shape: conv1"


def test_googlenet_weights_expect_another_normalisation() -> None:
    weights = pretrained.find_pretrained(resolve_network("googlenet"))
    assert weights is not None
    assert (weights.mean, weights.std) == ((0.5,) * 3, (0.5,) * 3)
    torch.manual_seed(0)
    pixels = torch.rand(1, 3, 4, 4)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    theirs = (pixels - mean[:, None, None]) / std[:, None, None]
    theirs = theirs * (std[:, None, None] / 0.5) + (mean[:, None, None] - 0.5) / 0.5  # torchvision's transform_input
    assert torch.allclose((pixels - 0.5) / 0.5, theirs, atol=1e-6)


def test_best_published_weights_are_taken() -> None:
    weights = pretrained.find_pretrained(resolve_network("resnet50"))
    assert weights is not None
    assert (weights.name, weights.top1) == ("ResNet50_Weights.IMAGENET1K_V2", 80.858)


def test_a_server_that_cannot_be_reached(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "_reachable", lambda host, timeout_s: False)
    with pytest.raises(WorkError, match=r"download.pytorch.org could not be reached. Use --weights none, or"):
        load_weights(build_network("resnet18", SMALL), resolve_network("resnet18"), "imagenet", SMALL, offline=False)


def test_a_download_that_breaks_off(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise urllib.error.URLError("connection reset")

    monkeypatch.setattr(pretrained, "_reachable", lambda host, timeout_s: True)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    network, info = build_network("resnet18", SMALL), resolve_network("resnet18")
    with pytest.raises(
        WorkError, match=r"could not be downloaded from download.pytorch.org \(<urlopen error connection"
    ):
        load_weights(network, info, "imagenet", SMALL, offline=False)


def test_timm_weights_from_the_hubs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import save_file

    name = "timm/resnet18"
    torch.manual_seed(0)
    official = build_network(name, NetworkOptions(classes=1000))
    path = tmp_path / "model.safetensors"
    save_file(official.get_submodule("model").state_dict(), path)
    monkeypatch.setattr(pretrained.TimmWeights, "find_local", lambda self: path)
    gray = NetworkOptions(classes=5, channels=1, size_hw=(64, 64), dropout=0.1)
    network = build_network(name, gray)
    used = load_weights(network, resolve_network(name), "imagenet", gray)
    assert used is not None
    assert (used.name, used.licence) == ("resnet18.a1_in1k", "apache-2.0")
    assert (
        used.note
        == "first layer adapted from 3 to 1 channels; left fresh, because the weights have none of that shape: model.fc"
    )
    key = "model.layer4.1.conv2.weight"
    assert torch.equal(network.state_dict()[key], official.state_dict()[key])
    summed = official.state_dict()["model.conv1.weight"].sum(1, keepdim=True)
    assert torch.allclose(network.state_dict()["model.conv1.weight"], summed, atol=1e-6)


@pytest.mark.parametrize(
    ("value", "offline"), [("1", True), ("yes", True), ("0", False), ("false", False), ("", False)]
)
def test_offline_switch(value: str, offline: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_OFFLINE", value)
    assert is_offline() is offline


@pytest.mark.parametrize(
    ("name", "published"),
    [("resnet20", False), ("lenet5", False), ("resnet18", True), ("timm/tf_efficientnet_lite0", True)],
)
def test_which_networks_have_published_weights(name: str, published: bool) -> None:
    assert has_published_weights(resolve_network(name)) is published
