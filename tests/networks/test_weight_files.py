"""Reading weight files without running code, and matching them key by key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import timm.models
import torch
from safetensors.torch import save_file
from torch import Tensor

from striate.errors import CheckpointError, RequestError
from striate.networks import Network, NetworkOptions, build_network, resolve_network
from striate.networks.weight_files import adapt_kernels, read_state_dict
from striate.networks.weights import WeightsUsed, load_weights

OPTIONS = NetworkOptions(classes=4, size_hw=(16, 16))


def build(seed: int, options: NetworkOptions = OPTIONS, name: str = "resnet20") -> Network:
    torch.manual_seed(seed)
    return build_network(name, options).eval()


def load(network: Network, path: Path, options: NetworkOptions = OPTIONS, name: str = "resnet20") -> WeightsUsed:
    used = load_weights(network, resolve_network(name), str(path), options)
    assert used is not None
    return used


def equal(first: Network, second: Network) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("wrap", ["plain", "safetensors", "state_dict", "model", "module.", "compiled", "lightning"])
def test_loads_whatever_wraps_the_state_dict(wrap: str, tmp_path: Path) -> None:
    source, target = build(0), build(1)
    state: dict[str, Tensor] = source.state_dict()
    path = tmp_path / ("weights.safetensors" if wrap == "safetensors" else "weights.pth")
    if wrap == "safetensors":
        save_file(state, path)
    elif wrap == "module.":
        torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    elif wrap == "lightning":
        torch.save({"state_dict": {f"model.{key}": value for key, value in state.items()}}, path)
    elif wrap == "compiled":
        torch.save({f"module._orig_mod.{key}": value for key, value in state.items()}, path)
    else:
        torch.save(state if wrap == "plain" else {wrap: state, "epoch": 3}, path)
    used = load(target, path)
    assert equal(source, target)
    assert (used.name, used.source, used.note, used.normalisation) == (path.name, str(path), "", None)


def test_timms_own_file_fits_its_network(tmp_path: Path) -> None:
    source, target = build(0, OPTIONS, "timm/resnet18"), build(1, OPTIONS, "timm/resnet18")
    torch.save(source.get_submodule("model").state_dict(), tmp_path / "w.pth")
    load(target, tmp_path / "w.pth", OPTIONS, "timm/resnet18")
    assert equal(source, target)


def test_another_number_of_classes_leaves_the_last_layer_fresh(tmp_path: Path) -> None:
    source, target = build(0, NetworkOptions(classes=9, size_hw=(16, 16))), build(1)
    fresh = target.head.weight.clone()  # type: ignore[operator]
    torch.save(source.state_dict(), tmp_path / "w.pth")
    assert load(target, tmp_path / "w.pth").note == "left fresh, because the weights have none of that shape: linear"
    assert torch.equal(target.head.weight, fresh)  # type: ignore[arg-type]
    assert torch.equal(target.conv1.weight, source.conv1.weight)  # type: ignore[arg-type, union-attr]


def test_auxiliary_classifiers_stay_fresh_too(tmp_path: Path) -> None:
    source = build(0, NetworkOptions(classes=9, size_hw=(16, 16)), "googlenet")
    torch.save(source.state_dict(), tmp_path / "w.pth")
    used = load(build(1, OPTIONS, "googlenet"), tmp_path / "w.pth", OPTIONS, "googlenet")
    assert used.note.endswith(": aux1.fc2, aux2.fc2, fc")


def test_backbone_without_last_layer_is_enough(tmp_path: Path) -> None:
    source, target = build(0), build(1)
    state = {key: value for key, value in source.state_dict().items() if not key.startswith("linear.")}
    torch.save(state, tmp_path / "w.pth")
    assert "linear" in load(target, tmp_path / "w.pth").note


def test_gray_pictures_give_what_three_equal_channels_gave(tmp_path: Path) -> None:
    gray = NetworkOptions(classes=4, channels=1, size_hw=(16, 16))
    source, target = build(0), build(1, gray)
    torch.save(source.state_dict(), tmp_path / "w.pth")
    assert load(target, tmp_path / "w.pth", gray).note == "first layer adapted from 3 to 1 channels"
    x = torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        assert torch.allclose(target(x), source(x.expand(-1, 3, -1, -1)), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7])
def test_kernels_adapt_by_timms_rule(channels: int) -> None:
    weight = torch.randn(8, 3, 5, 5)
    assert torch.allclose(adapt_kernels(weight, channels), timm.models.adapt_input_conv(channels, weight), atol=1e-6)


def test_weights_of_another_network_are_refused_with_their_keys(tmp_path: Path) -> None:
    torch.save(build(0, OPTIONS, "lenet5").state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError) as caught:
        load(build(1), tmp_path / "w.pth")
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'w.pth'}: these weights are of another network: ")
    assert "keys missing (conv1.weight, bn1.weight, bn1.bias and " in text
    assert "keys unexpected (c1.weight, c1.bias, c3.weight and " in text
    assert text.endswith("Choose the network they were made for (--net), with the same stem and pooling.")


def test_another_stem_is_refused_with_the_shapes(tmp_path: Path) -> None:
    torch.save(build(0, OPTIONS, "resnet18").state_dict(), tmp_path / "w.pth")
    standard = NetworkOptions(classes=4, size_hw=(32, 32), stem="standard")
    target = build(1, standard, "resnet18")
    before = target.conv1.weight.clone()  # type: ignore[operator, union-attr]
    with pytest.raises(CheckpointError, match=r"1 keys misshaped \(conv1.weight \(64, 3, 3, 3\) instead of \(64, 3, 7"):
        load(target, tmp_path / "w.pth", standard, "resnet18")
    assert torch.equal(target.conv1.weight, before)  # type: ignore[arg-type, union-attr]


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": Malicious(tmp_path / "owned")}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="not a plain state dict; reading it would run code that it holds"):
        read_state_dict(tmp_path / "w.pth")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0, 7, 2000])
def test_cut_off_files_are_named(suffix: str, kept: int, tmp_path: Path) -> None:
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    if suffix == ".pth":
        torch.save(build(0).state_dict(), whole)
    else:
        save_file(build(0).state_dict(), whole)
    cut.write_bytes(whole.read_bytes()[:kept])
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(cut)
    assert str(cut) in str(caught.value)
    assert caught.value.fix


def test_a_file_without_weights(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"expected a state dict \(names and tensors\), found dict without"):
        read_state_dict(tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"there is no such file of weights. Check the path of --weights."):
        read_state_dict(tmp_path / "absent.pth")


def test_a_word_that_is_no_choice() -> None:
    with pytest.raises(RequestError, match="no weights named 'imagnet', and no file of that name"):
        load_weights(build(0), resolve_network("resnet20"), "imagnet", OPTIONS)
